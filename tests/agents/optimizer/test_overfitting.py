from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from agents.optimizer.overfitting import (
    backtest_overfitting,
    combined,
    guards_of,
    luck,
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
    with pytest.raises(ValueError, match="8 periods"):
        superior(np.zeros((4, 2)), np.random.default_rng(1), block=1)


def test_guards_say_nothing_where_there_is_too_little():
    """Few slices, one candidate: None, not a figure."""
    rng = np.random.default_rng(8)
    all_of_them = np.arange(30)
    few = guards_of(rng.normal(size=(1, 2)), np.zeros((1, 2)), np.zeros(1, int), row=0, rng=rng)
    assert (few.luck, few.deflated_sharpe, few.overfitting, few.superior) == (1.0, None, None, None)
    net = rng.normal(size=(30, 12))
    found = guards_of(net, net - net[0], all_of_them, row=3, rng=rng)
    assert all(0 <= each <= 1 for each in (found.deflated_sharpe, found.overfitting))
    sure = guards_of(net, np.full((30, 12), 1.0) + net / 10, all_of_them, row=3, rng=rng)
    assert sure.superior < 0.05 < found.superior
    assert sure.luck < 0.05


def test_luck_is_exact_where_nobody_is_better_whatever_the_tails():
    """The p-value of alike, wild candidates is uniform."""
    rng = np.random.default_rng(9)
    found = []
    for _ in range(300):
        common = rng.standard_t(2, 24)
        gains = 0.7 * common + rng.standard_t(2, (40, 24))
        found.append(luck(gains, rng, draws=200))
    for level in (0.05, 0.2, 0.5):
        assert np.mean(np.array(found) <= level) == pytest.approx(level, abs=0.05)


def test_a_candidate_that_is_better_is_no_luck():
    """One of forty gains two standard deviations in every slice."""
    rng = np.random.default_rng(12)
    gains = rng.normal(size=(40, 24))
    gains[7] += 2.0
    assert luck(gains, rng) < 0.01
    assert luck(np.zeros((3, 24)), rng) == 1.0


def test_two_p_values_make_one():
    """Stouffer's sum against its formula; of chance alone the result is uniform."""
    expected = stats.norm.sf((stats.norm.isf(0.03) + stats.norm.isf(0.2)) / np.sqrt(2))
    assert combined(0.03, 0.2) == pytest.approx(expected)
    assert combined(0.5, 0.5) == pytest.approx(0.5)
    assert 0 <= combined(0.0, 1.0) <= 1


def test_a_choice_among_the_tested_pays_for_the_choosing():
    """The p-value of one of eight alike is uniform at most, however it was chosen."""
    rng = np.random.default_rng(10)
    chosen, first = [], []
    for _ in range(300):
        gains = rng.standard_t(3, (8, 16))
        best = int((gains.mean(1) / gains.std(1)).argmax())
        chosen.append(luck(gains, rng, row=best, draws=200))
        first.append(luck(gains, rng, row=0, draws=200))
    for level in (0.05, 0.2, 0.5):
        assert np.mean(np.array(chosen) <= level) == pytest.approx(level, abs=0.05)
        assert np.mean(np.array(first) <= level) <= level
    nothing = np.vstack([np.zeros(16), rng.normal(size=(3, 16))])
    assert luck(nothing, rng, row=0) == 1.0
    assert luck(nothing, rng, row=2) <= 1.0
