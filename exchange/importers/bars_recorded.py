"""Makes bars of mids from a recording."""

import numpy as np

from exchange.errors import FeedError
from exchange.importers.bars import Bars, BarsMeta
from exchange.recording import Recording
from market.features import observer_settings
from market.layout import NO_ASK, NO_BID, STEP_ASK, STEP_BID, STEP_NOW_NS
from market.tape import build_tape
from market.types import I8

SECOND_NS = 10**9
CYCLE_NS = 30 * SECOND_NS


def bars_of_recording(recording: Recording, *, period_ns: int = CYCLE_NS) -> Bars:
    """Return bars of mids, seen once a second.

    Raises:
        FeedError: the book never had two sides.
    """
    settings = observer_settings(
        interval_s=1.0, cycle_s=30.0, maker_fee=0.0, risk_aversion=0.1, warmup_s=0.0
    )
    tape = build_tape(recording.events, interval_ns=SECOND_NS, cycle_ns=CYCLE_NS, settings=settings)
    meta = recording.meta
    return bars_of_steps(
        tape.steps,
        venue=meta.venue,
        symbol=meta.symbol,
        tick=float(meta.tick),
        period_ns=period_ns,
    )


def bars_of_steps(steps: I8, *, venue: str, symbol: str, tick: float, period_ns: int) -> Bars:
    """Return bars of mids from the steps of a tape; steps without a two-sided book are left out.

    Args:
        steps: i8[n, STEP_COLUMNS] of `market.tape.build_tape`, at most a period apart.
        venue, symbol: what is traded.
        tick: price step, quote asset.
        period_ns: of a bar.

    Raises:
        FeedError: there is no two-sided book at any step.
    """
    bids, asks = steps[:, STEP_BID], steps[:, STEP_ASK]
    sound = (bids != NO_BID) & (asks != NO_ASK) & (bids < asks)
    rows = steps[sound]
    if len(rows) == 0:
        raise FeedError(f"{symbol}: no two-sided book, so no bars")
    mids = (rows[:, STEP_BID] + rows[:, STEP_ASK]) * (0.5 * tick)
    begins = (rows[:, STEP_NOW_NS] - 1) // period_ns * period_ns
    firsts = np.flatnonzero(np.append(True, begins[1:] != begins[:-1]))
    lasts = np.append(firsts[1:], len(rows)) - 1
    figures = np.column_stack(
        [
            mids[firsts],
            np.maximum.reduceat(mids, firsts),
            np.minimum.reduceat(mids, firsts),
            mids[lasts],
            np.zeros(len(firsts)),
        ]
    )
    meta = BarsMeta(venue=venue, symbol=symbol, period_ns=period_ns, source="recording")
    return Bars(meta, begins[firsts], figures)
