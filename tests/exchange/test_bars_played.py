"""Price bars played as a market: the same bars again, a sound book, the same bytes."""

import numpy as np
import pytest

from exchange.audit import check
from exchange.errors import FeedError
from exchange.importers.bars import Bars, BarsMeta
from exchange.importers.bars_played import bars_of_prints, cut_bars, differing, played_recording
from exchange.recording import Recording
from market.features import observer_settings
from market.layout import (
    EVENT_KIND,
    EVENT_LOTS,
    KIND_TRADE,
    NO_ASK,
    NO_BID,
    STEP_ASK,
    STEP_BID,
    STEP_NOW_NS,
)
from market.tape import build_tape

MINUTE_NS = 60 * 10**9
START_NS = 1_516_060_800 * 10**9
WILD = 40


@pytest.fixture(scope="module")
def bars() -> Bars:
    """Two hours of minutes around 0.09, a fall by a tenth in one of them, a hole of five."""
    rng = np.random.default_rng(7)
    closes = 0.09 * np.exp(np.cumsum(rng.normal(0.0, 1e-3, 120)))
    closes[WILD:] *= 0.9
    opens = np.append(closes[0], closes[:-1])
    reach = np.abs(rng.normal(0.0, 5e-5, (2, 120)))
    figures = np.column_stack(
        [
            opens,
            np.maximum(opens, closes) + reach[0],
            np.minimum(opens, closes) - reach[1],
            closes,
            rng.lognormal(3.0, 1.0, 120),
        ]
    )
    figures[60] = [figures[60, 0]] * 4 + [1e-9]  # nobody traded but for a crumb
    times = START_NS + MINUTE_NS * (np.arange(120) + 5 * (np.arange(120) > 80))
    meta = BarsMeta(venue="test", symbol="ETH-BTC", period_ns=MINUTE_NS, source="made")
    return Bars(meta, times.astype(np.int64), figures)


@pytest.fixture(scope="module")
def played(bars: Bars) -> Recording:
    """The recording of all of them."""
    return played_recording(bars, seed=3)


def test_the_bars_of_the_trades_are_the_source_to_tick_and_lot(bars: Bars, played: Recording):
    """Open, high, low, close and volume of every bar, and no bar where there was none."""
    assert differing(bars, played) == 0
    told = bars_of_prints(played, MINUTE_NS)
    assert np.array_equal(told.times_ns, bars.times_ns)
    tick = float(played.meta.tick)
    assert np.allclose(told.figures[:, :4], bars.figures[:, :4], rtol=0.0, atol=0.51 * tick)


def test_a_trade_more_or_a_price_beyond_is_told(bars: Bars, played: Recording):
    """The comparison can fail: a doubled trade, and a bar that is gone."""
    row = int(np.flatnonzero(played.events[:, EVENT_KIND] == KIND_TRADE)[50])
    events = played.events.copy()
    events[row, EVENT_LOTS] += 1
    assert differing(bars, Recording(played.meta, events)) == 1
    fewer = Bars(bars.meta, bars.times_ns[:-1], bars.figures[:-1])
    assert differing(fewer, played) == 1


def test_the_book_is_never_crossed_and_trades_meet_it_at_the_touch(played: Recording):
    """The audit of recordings finds nothing, and each trade at what stood."""
    found = check(played)
    assert found.errors == ()
    assert found.crossed_books == 0
    assert found.facts["trades_at_touch"] == found.trades > 1_000


def test_both_sides_stand_at_every_second_and_spread_follows_volatility(played: Recording):
    """A full book all the time, wider in the minute of the fall than before it."""
    settings = observer_settings(
        interval_s=1.0, cycle_s=30.0, maker_fee=0.0, risk_aversion=0.1, warmup_s=0.0
    )
    steps = build_tape(
        played.events, interval_ns=10**9, cycle_ns=30 * 10**9, settings=settings
    ).steps
    steps = steps[steps[:, STEP_NOW_NS] > START_NS + 5 * 10**9]
    assert (steps[:, STEP_BID] != NO_BID).all()
    assert (steps[:, STEP_ASK] != NO_ASK).all()
    spread = steps[:, STEP_ASK] - steps[:, STEP_BID]
    assert (spread > 0).all()
    minute = (steps[:, STEP_NOW_NS] - START_NS) // MINUTE_NS
    assert np.median(spread[minute == WILD]) > 2 * np.median(spread[minute == WILD - 1])


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(bars: Bars, played: Recording):
    """Chance is an argument."""
    again = played_recording(bars, seed=3)
    assert again.events.tobytes() == played.events.tobytes()
    assert again.meta == played.meta
    other = played_recording(bars, seed=4)
    assert other.events.tobytes() != played.events.tobytes()
    assert differing(bars, other) == 0


def test_hours_and_start_cut_the_bars(bars: Bars):
    """Half an hour from the tenth minute on."""
    start_ns = START_NS + 10 * MINUTE_NS
    half = played_recording(bars, seed=3, start_ns=start_ns, hours=0.5)
    kept = cut_bars(bars, start_ns, 0.5)
    assert len(kept.times_ns) == 30
    assert differing(kept, half) == 0


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ({"seed": -1}, "--seed"),
        ({"hours": 0.0}, "--hours"),
        ({"hours": 800.0}, "--hours"),
        ({"start_ns": START_NS * 2}, "no bar"),
    ],
)
def test_what_cannot_be_played_is_one_line(bars: Bars, told: dict[str, float], line: str):
    """Found, and what is allowed."""
    with pytest.raises(FeedError, match=line):
        played_recording(bars, **{"seed": 1, **told})
