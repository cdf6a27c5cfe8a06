from itertools import combinations

import numpy as np
import pytest

from agents.optimizer.overfitting import (
    backtest_overfitting,
    deflated_sharpe,
    sharpe_of_luck,
    superior,
)


def by_force(returns, blocks):
    """CSCV, split by split, from the rows themselves."""
    pieces = np.array_split(returns, blocks)
    logits = []
    for half in combinations(range(blocks), blocks // 2):
        inside = np.vstack([pieces[each] for each in half])
        outside = np.vstack([pieces[each] for each in range(blocks) if each not in half])
        best = int(np.argmax(inside.mean(0) / inside.std(0)))
        sharpes = outside.mean(0) / outside.std(0)
        rank = 1 + int((sharpes < sharpes[best]).sum())
        share = rank / (returns.shape[1] + 1)
        logits.append(np.log(share / (1 - share)))
    return np.array(logits)


@pytest.mark.parametrize("blocks", [2, 4, 8])
def test_cscv_agrees_with_brute_force(blocks):
    """Every split's logit, to rounding."""
    returns = np.random.default_rng(blocks).normal(0.05, 1.0, (80, 7))
    share, logits = backtest_overfitting(returns, blocks=blocks)
    slow = by_force(returns, blocks)
    np.testing.assert_allclose(logits, slow, atol=1e-12)
    assert share == (slow <= 0).mean()


def test_noise_is_overfitted_half_of_the_time_and_a_true_edge_is_not():
    """PBO on pure noise is 0.5 within 0.1, and near zero where one candidate is truly better."""
    rng = np.random.default_rng(1)
    noise = [backtest_overfitting(rng.normal(size=(128, 50)), blocks=8)[0] for _ in range(60)]
    assert abs(np.mean(noise) - 0.5) < 0.1
    returns = rng.normal(size=(512, 50))
    returns[:, 3] += 0.5
    assert backtest_overfitting(returns, blocks=8)[0] < 0.02


def test_luck_is_what_the_best_of_many_worthless_ones_shows():
    """Against the mean maximum of so many normal draws."""
    rng = np.random.default_rng(2)
    for trials in (10, 100, 1000):
        shown = rng.normal(0.0, 0.3, (2000, trials)).max(1).mean()
        assert sharpe_of_luck(trials, 0.3) == pytest.approx(shown, rel=0.05)
    assert sharpe_of_luck(1, 0.3) == 0.0


def test_a_sharpe_ratio_is_deflated_by_the_number_of_trials():
    """One look believes what a thousand looks do not."""
    returns = np.random.default_rng(3).normal(0.2, 1.0, 250)
    once, often = (deflated_sharpe(returns, trials=n, deviation=0.06) for n in (1, 1000))
    assert once > 0.95
    assert often < once
    chosen = np.random.default_rng(4).normal(size=(1000, 250))
    sharpes = chosen.mean(1) / chosen.std(1)
    lucky = chosen[sharpes.argmax()]
    assert deflated_sharpe(lucky, trials=1, deviation=0.0) > 0.99
    assert deflated_sharpe(lucky, trials=1000, deviation=float(sharpes.std())) < 0.9


def test_the_best_of_worthless_candidates_is_not_superior_and_a_better_one_is():
    """The p-value is at most 5 % in about 5 % of worthless sets, and small for an edge."""
    rng = np.random.default_rng(5)
    found = [superior(rng.normal(size=(100, 20)), rng, block=2, draws=300) for _ in range(120)]
    assert np.mean(np.array(found) <= 0.05) < 0.12
    gains = rng.normal(size=(200, 20))
    gains[:, 2] += 0.4
    assert superior(gains, rng, block=2, draws=300) < 0.01


def test_too_little_to_judge_is_refused():
    """A caller's mistake is one line."""
    with pytest.raises(ValueError, match="even number of blocks"):
        backtest_overfitting(np.zeros((40, 3)), blocks=3)
    with pytest.raises(ValueError, match="at least 3"):
        deflated_sharpe(np.zeros(2), trials=2, deviation=0.1)
    with pytest.raises(ValueError, match="8 periods"):
        superior(np.zeros((4, 2)), np.random.default_rng(1), block=1)
