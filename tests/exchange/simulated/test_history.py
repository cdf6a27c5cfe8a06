"""The recorded trades as history: aggregates of a span, bars without holes, the average price."""

import numpy as np
import pytest

from exchange.simulated.instrument import instrument_of
from exchange.simulated.trade_tape import MINUTE_NS, TradeTape
from tests.exchange.simulated.market import SECOND, START, recording

MINUTE = MINUTE_NS


@pytest.fixture(scope="module")
def tape():
    """Two trades a second for ten minutes, but none in minutes three and four."""
    made = recording(600)
    times = made.events[:, 4]
    first = START // MINUTE * MINUTE
    silent = (times >= first + 3 * MINUTE) & (times < first + 5 * MINUTE)
    events = np.ascontiguousarray(made.events[~silent])
    found = TradeTape(events, instrument_of(made.meta))
    found.count = int((events[:, 0] == 2).sum())
    return found


def test_aggregates_of_a_span_are_those_of_the_span(tape):
    """From a time on the first ones; with an end alone the last before it; ends belong to it."""
    begin, end = START + 60 * SECOND, START + 62 * SECOND
    rows = tape.aggregates_between(begin, end, 1_000)
    assert [row["T"] for row in rows] == [begin + n * SECOND // 2 for n in range(5)]
    assert tape.aggregates_between(begin, None, 3) == rows[:3]
    assert tape.aggregates_between(None, end, 2) == rows[-2:]
    assert tape.aggregates_between(end, begin, 5) == []
    assert tape.aggregates_between(0, 1, 5) == []


def test_a_minute_without_trades_has_a_flat_bar(tape):
    """No bar is left out: a client that counts them sees the same time."""
    now = START + 600 * SECOND
    bars = tape.bars("1m", (None, None, now), 1_000)
    opened = [int(bar["t"]) for bar in bars]
    assert np.diff(opened).tolist() == [MINUTE] * (len(bars) - 1)
    flat = [bar for bar in bars if bar["n"] == 0]
    assert len(flat) == 2
    before = bars[opened.index(flat[0]["t"]) - 1]
    assert all(bar[name] == before["c"] for bar in flat for name in "ohlc")
    assert {bar["v"] for bar in flat} == {"0.00000000"}
    assert sum(bar["n"] for bar in bars) == tape.count


def test_bars_are_chosen_by_when_they_open(tape):
    """From the first that opens at or after the start, to the last that opens by the end."""
    now = START + 600 * SECOND
    first = (START // MINUTE + 2) * MINUTE
    chosen = tape.bars("1m", (first - 1, first + 2 * MINUTE, now), 1_000)
    assert [int(bar["t"]) for bar in chosen] == [first + n * MINUTE for n in range(3)]
    assert tape.bars("1m", (first, None, now), 2) == chosen[:2]
    last = tape.bars("1m", (None, None, now), 2)
    assert int(last[-1]["t"]) == now // MINUTE * MINUTE
    assert tape.bars("1m", (now + MINUTE, None, now), 5) == []


def test_what_was_traded_since_is_summed(tape):
    """Lots, and ticks times lots: half sold through the bids, half bought through the asks."""
    lots, worth = tape.traded_since(START + 590 * SECOND)
    assert lots == 5 * 20
    assert worth == 50 * 9_986 + 50 * 10_014
