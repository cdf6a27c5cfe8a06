"""Makes our record and the exchange agree: cancels ours, asks until nothing is in doubt."""

import asyncio
import time

import structlog

from exchange.binance.desk import OrderDesk
from exchange.binance.session import Session
from exchange.binance.words import Failure
from exchange.errors import VenueError
from exchange.reconcile import Found, Reconciled

CALM_S = 0.25
"""Between two rounds."""

log = structlog.get_logger()


async def settle(
    session: Session, desk: OrderDesk, offset_ns: int, seen_ns: int, *, seconds: float
) -> tuple[Reconciled, Found]:
    """Cancel all of ours and reconcile until every order has ended; return the first round.

    Orders of others are left alone. An order whose request may still arrive takes as long as its
    receive window.

    Raises:
        VenueError: a question was not answered, or something is in doubt after so many seconds.
    """
    first: tuple[Reconciled, Found] | None = None
    until_s = time.monotonic() + seconds
    while True:
        found = await session.found(desk, time.time_ns() + offset_ns)
        made = desk.reconcile(found, seen_ns)
        first = first or (made, found)
        left = [each.order_id for each in desk.orders.values() if not each.over]
        if not made.cancels and not left:
            return first
        if time.monotonic() > until_s:
            raise VenueError(
                f"after {seconds:.0f} s {len(made.cancels)} orders of ours are open and "
                f"{len(left)} in doubt"
            )
        await cancel_all(session, desk, made.cancels, seen_ns)
        await asyncio.sleep(CALM_S)


async def cancel_all(
    session: Session, desk: OrderDesk, names: tuple[str, ...], seen_ns: int
) -> bool:
    """Cancel orders by their names; return whether none of them can be open any more.

    What is in doubt afterwards is asked for by whoever calls.
    """
    outcomes = await asyncio.gather(*(session.cancel(name) for name in names))
    for name, outcome in zip(names, outcomes, strict=True):
        order_id = desk.names.order_id(name)
        if order_id in desk.orders and outcome.failure is None:
            desk.cancelled(order_id, outcome, seen_ns)
        if outcome.failure not in (None, Failure.NOTHING):
            log.warning("cancel_failed", name=name, detail=outcome.detail)
    return all(outcome.failure in (None, Failure.NOTHING) for outcome in outcomes)


async def cancel_ours(session: Session, desk: OrderDesk, seen_ns: int) -> bool:
    """Cancel whatever rests of ours, once; return whether nothing of ours is open any more."""
    names = tuple(desk.names.of(each.order_id) for each in desk.orders.values() if each.may_fill)
    try:
        await cancel_all(session, desk, names, seen_ns)
        rows = await session.open_orders(desk)
        strays = tuple(each.client_id for each in rows if each.order_id is not None)
        return await cancel_all(session, desk, strays, seen_ns)
    except VenueError as error:
        log.warning("cancels_not_answered", detail=str(error))
        return False
