"""What an arriving order meets: the recorded book and the orders of other accounts, best first.

A plan is made before anything moves, so that balances can be judged on it. The recorded book is
not used up: our orders do not move the recorded market. At one price the recorded lots that stand
before a resting order come before it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from exchange.simulated.accounts import Order
from exchange.simulated.instrument import Instrument
from market.layout import ASK_ROW, BID_ROW, BUY, NO_ASK, NO_BID, TOUCH_ASK, TOUCH_BASE, TOUCH_BID
from market.types import I8

CHUNK = 4096  # levels looked at together


class Meeting(Enum):
    """What is met."""

    MARKET = "lots of the recorded book"
    ORDER = "an order of an account"
    SELF = "an order of the same account, which must not trade"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of what an order meets."""

    meeting: Meeting
    price_ticks: int
    lots: int
    maker: Order | None = None


@dataclass(slots=True)
class Plan:
    """What an order does as it arrives.

    Attributes:
        parts: in order.
        lots: taken by trading.
        spent: quote units.
        expires: self-trade prevention ends the order here.
        prevented: lots that prevention takes off it.
        left: lots still wanted.
    """

    parts: list[Part] = field(default_factory=list)
    lots: int = 0
    spent: int = 0
    expires: bool = False
    prevented: int = 0
    left: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """A resting order, and how many recorded lots stand before it."""

    order: Order
    ahead: int


def recorded_levels(
    levels: I8, touch: I8, side: int, limit_ticks: int
) -> Iterator[tuple[int, int]]:
    """Yield (price, lots) of the levels that an order of `side` meets, best first."""
    row = ASK_ROW if side == BUY else BID_ROW
    best = int(touch[TOUCH_ASK if side == BUY else TOUCH_BID])
    if best in {NO_ASK, NO_BID}:
        return
    base, width = int(touch[TOUCH_BASE]), levels.shape[1]
    column, last = best - base, limit_ticks - base
    while 0 <= column < width and side * (last - column) >= 0:
        if side == BUY:
            end = min(column + CHUNK, last + 1, width)
            found = column + np.flatnonzero(levels[row, column:end])
            column = end
        else:
            end = max(column - CHUNK, last - 1, -1)
            found = end + 1 + np.flatnonzero(levels[row, end + 1 : column + 1])[::-1]
            column = end
        for each in found.tolist():
            yield each + base, int(levels[row, each])


def meetings(
    market: Iterable[tuple[int, int]], standing: list[Standing], side: int
) -> Iterator[Part]:
    """Yield what lies in an order's way: levels and resting orders merged, best price first.

    Args:
        market: (price, lots), best first.
        standing: resting orders of the other side, best price and earliest first.
        side: of the order.
    """
    waiting = iter(standing)
    ours = next(waiting, None)
    for price, lots in market:
        while ours is not None and side * (ours.order.price_ticks - price) < 0:
            yield Part(Meeting.ORDER, ours.order.price_ticks, ours.order.remaining, ours.order)
            ours = next(waiting, None)
        passed = 0
        while ours is not None and ours.order.price_ticks == price:
            before = min(lots, ours.ahead) - passed
            if before > 0:
                yield Part(Meeting.MARKET, price, before)
                passed += before
            yield Part(Meeting.ORDER, price, ours.order.remaining, ours.order)
            ours = next(waiting, None)
        if lots > passed:
            yield Part(Meeting.MARKET, price, lots - passed)
    while ours is not None:
        yield Part(Meeting.ORDER, ours.order.price_ticks, ours.order.remaining, ours.order)
        ours = next(waiting, None)


def plan_taking(
    parts: Iterable[Part],
    instrument: Instrument,
    *,
    account: str,
    lots: int,
    budget: int | None = None,
    stp: str = "NONE",
) -> Plan:
    """Return what an order takes of what lies in its way.

    Args:
        parts: what it meets up to its limit.
        instrument: its symbol.
        account: whose it is.
        lots: wanted; with a budget, as many as it pays for.
        budget: quote units; None: no bound.
        stp: what happens when it meets an order of its own account.
    """
    plan = Plan(left=lots)
    for part in parts:
        wanted = min(part.lots, plan.left)
        if budget is not None:
            price = instrument.notional(part.price_ticks, 1)
            wanted = min(wanted, (budget - plan.spent) // price)
        if wanted <= 0:
            break
        if part.maker is not None and part.maker.account == account and stp != "NONE":
            prevent(plan, part, wanted, stp)
            if plan.expires:
                break
            continue
        plan.parts.append(Part(part.meeting, part.price_ticks, wanted, part.maker))
        plan.lots += wanted
        plan.spent += instrument.notional(part.price_ticks, wanted)
        plan.left -= wanted
    return plan


def prevent(plan: Plan, part: Part, lots: int, stp: str) -> None:
    """Put into a plan what self-trade prevention does where it meets an order of its own."""
    maker_ends = stp in {"EXPIRE_MAKER", "EXPIRE_BOTH"}
    if maker_ends:
        plan.parts.append(Part(Meeting.SELF, part.price_ticks, part.lots, part.maker))
    elif stp == "DECREMENT":
        plan.parts.append(Part(Meeting.SELF, part.price_ticks, lots, part.maker))
        plan.prevented += lots
        plan.left -= lots
    plan.expires = stp in {"EXPIRE_TAKER", "EXPIRE_BOTH"} or (stp == "DECREMENT" and plan.left == 0)
