"""The emergency stop: what an executor does about one, as a table; and how a position is closed.

A stop is a set of ids, each with whether it asks for a flat position; it holds until every id is
lifted, over restarts (`agents/executor/state.py` keeps both). Here is what follows from it.

    ARMED --stop--> CANCELLING --nothing of ours open--> STOPPED
                        |                                   ^
                        '--if asked--> FLATTENING --flat----'      any --all lifted--> ARMED

A position is closed by taker orders that never exceed it, one after the other: each is known to be
over before the next is made. A slice is what the market has traded of late in SLICE_S, so that a
large position does not sweep a thin book.
"""

import math
from enum import StrEnum

SLICE_S = 30.0
"""Seconds of recent flow that one slice may take."""


class Phase(StrEnum):
    """Where an executor stands between quoting and standing still."""

    ARMED = "armed"  # no stop is in force
    CANCELLING = "cancelling"  # orders of ours may still be open
    FLATTENING = "flattening"  # none is, but those that close the position
    STOPPED = "stopped"  # nothing of ours is open; flat, if that was asked for


class Fact(StrEnum):
    """What a step finds."""

    LIFTED = "lifted"  # no stop is in force
    HOLDING = "holding"  # an order that closes the position was just made, or could not be yet
    OPEN = "open"  # an order of ours is open, or was just cancelled
    CLEAR = "clear"  # nothing is left to do


TABLE: dict[tuple[Phase, Fact], Phase] = {
    (Phase.ARMED, Fact.LIFTED): Phase.ARMED,
    (Phase.ARMED, Fact.OPEN): Phase.CANCELLING,
    (Phase.ARMED, Fact.HOLDING): Phase.FLATTENING,
    (Phase.ARMED, Fact.CLEAR): Phase.STOPPED,
    (Phase.CANCELLING, Fact.LIFTED): Phase.ARMED,
    (Phase.CANCELLING, Fact.OPEN): Phase.CANCELLING,
    (Phase.CANCELLING, Fact.HOLDING): Phase.FLATTENING,
    (Phase.CANCELLING, Fact.CLEAR): Phase.STOPPED,
    (Phase.FLATTENING, Fact.LIFTED): Phase.ARMED,
    (Phase.FLATTENING, Fact.OPEN): Phase.FLATTENING,
    (Phase.FLATTENING, Fact.HOLDING): Phase.FLATTENING,
    (Phase.FLATTENING, Fact.CLEAR): Phase.STOPPED,
    (Phase.STOPPED, Fact.LIFTED): Phase.ARMED,
    (Phase.STOPPED, Fact.OPEN): Phase.CANCELLING,
    (Phase.STOPPED, Fact.HOLDING): Phase.FLATTENING,
    (Phase.STOPPED, Fact.CLEAR): Phase.STOPPED,
}
"""Every pair of phase and fact."""


def fact_of(*, stopped: bool, open_orders: int, closing: bool) -> Fact:
    """Return what a step found.

    Args:
        stopped: whether a stop is in force.
        open_orders: orders of ours that may still fill, cancels on their way included.
        closing: whether this step closes a position, or would if the market had a price.
    """
    if not stopped:
        return Fact.LIFTED
    if closing:
        return Fact.HOLDING
    return Fact.OPEN if open_orders else Fact.CLEAR


def slice_lots(lots: int, flow: float, smallest: int) -> int:
    """Return how many lots of a position one order closes, at most all of them.

    What would be left must be a legal order again, or nothing.

    Args:
        lots: that are to be closed, >= 0.
        flow: lots that the market trades a second; not above 0 or not finite: not known.
        smallest: fewest lots that make a legal order.
    """
    if not 0.0 < flow < math.inf:
        return lots
    part = max(smallest, math.floor(flow * SLICE_S))
    return lots if lots - part < smallest else part
