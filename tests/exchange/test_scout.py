"""The scout on markets of known answer: all three verdicts, and what each rests on."""

import functools
import itertools

import numpy as np
import pytest

from exchange.errors import AdviceError
from exchange.importers.synthetic import synthetic_recording
from exchange.scout import Answer, scout
from market.layout import BUY, KIND_DEPTH, KIND_TRADE, SELL

SECOND = 10**9
MINUTES = 40


@functools.cache
def day(setting, hours):
    """An artificial market."""
    return synthetic_recording(seed=1, hours=hours, setting=setting)


def judged(setting, hours, fee_bps):
    recording = day(setting, hours)
    return scout(recording.events, recording.meta, fee_bps=fee_bps, capital=100_000)


@pytest.mark.parametrize("fee_bps", [0.0, 5.0])
def test_a_market_with_a_planted_edge_is_makeable(fee_bps):
    """Makers there earn nearly all of their depth, at the end of the line too."""
    report = judged("planted_edge", 2.0, fee_bps)
    assert report.answer is Answer.MAKEABLE
    assert any(each.through.pays for each in report.depths)
    assert report.advice is not None
    assert report.advice.facts["smallest_capital"] > 0


def test_a_planted_edge_is_not_makeable_at_a_fee_beyond_every_depth():
    """What trades there lies within the fee; the bounds say so."""
    report = judged("planted_edge", 2.0, 60.0)
    assert report.answer is Answer.NOT_MAKEABLE
    assert all(each.touch.upper < 60 for each in report.depths if not each.idle)


def test_a_market_without_an_edge_is_never_called_makeable():
    """There the expected move after a fill is what the depth earned: nothing is left at any fee."""
    free = judged("zero_edge", 4.0, 0.0)
    assert free.answer is not Answer.MAKEABLE
    assert not any(each.through.pays for each in free.depths)
    assert judged("zero_edge", 4.0, 3.0).answer is Answer.NOT_MAKEABLE


def test_without_an_edge_nothing_is_called_makeable_whatever_the_luck():
    """Many short looks at a market that pays nobody: chance makes none of them a promise."""
    whole = day("zero_edge", 4.0)
    steps = np.linspace(0, len(whole.events), 25).astype(int)
    answers = []
    for first, last in itertools.pairwise(steps):
        events = np.concatenate((whole.events[:200], whole.events[max(200, first) : last]))
        answers.append(scout(events, whole.meta, fee_bps=0.0, capital=100_000).answer)
    assert answers.count(Answer.MAKEABLE) == 0


def test_ten_minutes_of_a_quiet_market_do_not_tell():
    """Too few fills for any bound; it says what to do."""
    report = judged("default", 0.17, 2.0)
    assert report.answer is Answer.CANNOT_TELL
    assert "watch longer" in report.reason
    assert all(not np.isfinite(each.through.lower) for each in report.depths)


def test_a_market_of_which_nothing_is_known_is_refused():
    """No two-sided book, no judgement."""
    recording = day("default", 0.17)
    with pytest.raises(AdviceError, match="watch longer"):
        scout(recording.events[:3], recording.meta, fee_bps=1.0, capital=1000)


def made_market(*, trade_ticks, drift_ticks):
    """A book of 1000 by 1010; each ten seconds one seller prints, then mid moves for good."""
    rows = []
    move = 0

    def row(kind, side, at_ns, price, lots):
        rows.append((kind, side, 3, at_ns, at_ns, price, lots))

    for number in range(MINUTES * 6):
        at_ns = SECOND * (1_000 + 10 * number)
        for side, price in ((BUY, 1000), (SELL, 1010)):
            if number:
                row(KIND_DEPTH, side, at_ns + 1, price + move, 0)
        move = drift_ticks if number % 2 else 0
        for side, price in ((BUY, 1000), (SELL, 1010)):
            row(KIND_DEPTH, side, at_ns + 2, price + move, 50)
        row(KIND_TRADE, SELL, at_ns + 5 * SECOND, trade_ticks + move, 3)
    return np.array(rows, dtype=np.int64)


def test_a_print_at_the_price_fills_the_head_of_the_line_alone():
    """By hand: a bid of 1000 with mid at 1005 earns 5 ticks of 1000, 50 bps, when mid stays."""
    meta = day("default", 0.17).meta
    at = scout(made_market(trade_ticks=1000, drift_ticks=0), meta, fee_bps=1.0, capital=1e9)
    touch = at.depths[0]
    assert touch.at_touch
    assert touch.touch.fills > 200
    assert touch.through.fills == 0
    assert touch.touch.markout == pytest.approx(50.0)
    assert at.answer is Answer.CANNOT_TELL
    assert "queue decides" in at.reason
    beyond = scout(made_market(trade_ticks=999, drift_ticks=0), meta, fee_bps=1.0, capital=1e9)
    assert beyond.depths[0].through.fills == beyond.depths[0].touch.fills > 200
    assert beyond.answer is Answer.MAKEABLE


def test_the_verdict_is_the_same_every_time():
    """The bootstrap has a seed."""
    one, two = (scout_of(seed) for seed in (1, 1))
    assert one == two


def scout_of(seed):
    recording = day("default", 1.0)
    return [
        (each.touch, each.through)
        for each in scout(
            recording.events, recording.meta, fee_bps=1.0, capital=1e5, seed=seed
        ).depths
        if np.isfinite(each.touch.markout) and np.isfinite(each.through.markout)
    ]
