"""What each request about orders does as it arrives: checks, matching, the answer.

Every function either answers or raises a `Refusal` before anything has moved.
"""

from typing import Any

from exchange.simulated.accounts import Account, Order, Status, Trade
from exchange.simulated.commands import Amend, Cancel, CancelAll, CancelReplace, Place
from exchange.simulated.house import House, far
from exchange.simulated.instrument import CANCEL_ONLY, MAX_AMENDS, MAX_ORDERS, TRADING
from exchange.simulated.matching import Plan, plan_taking
from exchange.simulated.refusals import (
    CONFLICT,
    Refusal,
    amend_refused,
    duplicate_order,
    filtered,
    insufficient_balance,
    market_closed,
    unknown_order,
    would_take,
)
from exchange.simulated.usdm.margins import demand_margin, demand_reduction
from exchange.simulated.wire import amended_row
from market.layout import BUY

CANCELLABLE = (TRADING, CANCEL_ONLY)
ENDLESS = 1 << 61  # lots
ALL_DONE = {"code": 200, "msg": "The operation of cancel all open order is done."}


def place_order(house: House, account: Account, wanted: Place) -> dict[str, Any]:
    """Let a new order arrive."""
    order = judge(house, account, wanted)
    plan = plan_of(house, account, order, wanted)
    demand_balance(house, account, order, plan)
    if wanted.test:
        return {}
    house.next_order_id += 1
    account.add(order)
    house.tell(account, order, "NEW")
    trades = house.take(account, order, plan)
    finish(house, account, order, plan)
    house.tell_position(account)
    house.trim(account)
    return house.words.placed_row(order, house.instrument, trades, wanted.response)


def judge(house: House, account: Account, wanted: Place) -> Order:
    """Return the order that is wanted, if the symbol, its filters and the client's ids allow it."""
    instrument = house.instrument
    if instrument.status != TRADING:
        raise market_closed()
    known = account.by_client.get(wanted.client_id)
    if known in account.open:
        raise duplicate_order()
    price = 0
    if wanted.kind != "MARKET":
        price = instrument.demand_price(wanted.price, house.last_ticks)
    lots = 0
    if not wanted.quote_quantity:
        kind = "MARKET_LOT_SIZE" if wanted.kind == "MARKET" else "LOT_SIZE"
        lots = instrument.demand_quantity(wanted.quantity, kind)
    if wanted.reduce_only:
        lots = demand_reduction(account, instrument, wanted.side, lots)
    elif price:
        instrument.demand_notional(instrument.notional(price, lots))
    elif wanted.quote_quantity:
        instrument.demand_notional(wanted.quote_quantity)
    elif house.last_ticks:
        instrument.demand_notional(instrument.notional(house.last_ticks, lots))
    if wanted.kind != "MARKET" and len(account.open) >= MAX_ORDERS:
        raise filtered("MAX_NUM_ORDERS")
    demand_position(house, account, wanted.side, lots)
    return Order(
        order_id=house.next_order_id,
        account=account.key,
        client_id=wanted.client_id,
        side=wanted.side,
        kind=wanted.kind,
        time_in_force=wanted.time_in_force,
        price_ticks=price,
        lots=lots,
        made_ns=house.now_ns,
        stp=wanted.stp,
        quote_order_units=wanted.quote_quantity,
        updated_ns=house.now_ns,
        strategy=wanted.strategy,
        reduce_only=wanted.reduce_only,
    )


def demand_position(house: House, account: Account, side: int, lots: int) -> None:
    """Raise Refusal for a buy that could bring the base above MAX_POSITION."""
    instrument = house.instrument
    most = instrument.filters.max_position
    if most is None or side != BUY:
        return
    open_lots = sum(order.remaining for order in account.open.values() if order.side == BUY)
    held = account.balances.get(instrument.base, 0)
    if held + (open_lots + lots) * instrument.lot > most:
        raise filtered("MAX_POSITION")


def plan_of(house: House, account: Account, order: Order, wanted: Place) -> Plan:
    """Return what the order takes as it arrives; a post-only one that would take is refused."""
    limit = order.price_ticks or far(order.side)
    if order.post_only:
        if house.would_take(account, order.side, limit):
            raise would_take()
        return Plan(left=order.lots)
    budget = wanted.quote_quantity or None
    plan = plan_taking(
        house.way_of(account, order.side, limit),
        house.instrument,
        account=account.key,
        lots=ENDLESS if budget else order.lots,
        budget=budget,
        stp=order.stp,
    )
    if budget:
        order.lots, plan.left = plan.lots, 0
    if order.time_in_force == "FOK" and plan.left:
        return Plan(left=order.lots)
    return plan


def demand_balance(house: House, account: Account, order: Order, plan: Plan) -> None:
    """Raise Refusal when the account cannot pay for an order."""
    instrument = house.instrument
    if account.margin is not None:
        demand_margin(account, instrument, order, plan, house.mark_half_ticks)
        return
    if order.side != BUY:
        wanted, asset = order.lots * instrument.lot, instrument.base
    elif order.kind == "MARKET":
        wanted = plan.spent + account.fee_bound(plan.spent, instrument, taker=True)
        asset = instrument.quote
    else:
        takes = plan.lots > 0
        wanted = account.cost(order.price_ticks, order.lots, instrument, taker=takes)
        asset = instrument.quote
    if account.free(asset, instrument) < wanted:
        raise insufficient_balance()


def finish(house: House, account: Account, order: Order, plan: Plan) -> None:
    """Let what is left of an order rest, or expire."""
    if order.status is Status.FILLED:
        return
    rests = order.post_only or (order.kind == "LIMIT" and order.time_in_force == "GTC")
    if plan.expires or (order.prevented and not order.remaining):
        end_unrested(house, account, order, Status.EXPIRED_IN_MATCH)
        house.tell(account, order, "TRADE_PREVENTION")
    elif not rests:
        end_unrested(house, account, order, Status.EXPIRED)
        house.tell(account, order, "EXPIRED")
    elif not house.sides[account.key].rest(
        order.order_id, order.side, order.price_ticks, order.remaining, house.now_ns
    ):
        raise AssertionError(f"order {order.order_id} found no row among {MAX_ORDERS}")


def end_unrested(house: House, account: Account, order: Order, status: Status) -> None:
    """End an order that has not come to rest."""
    account.open.pop(order.order_id, None)
    order.status = status
    order.updated_ns = account.updated_ns = house.now_ns


def wanted_order(account: Account, order_id: int | None, client_id: str | None) -> Order:
    """Return the open order that a cancel or an amendment means."""
    order = account.find(order_id, client_id)
    if order is None or order.order_id not in account.open:
        raise unknown_order()
    return order


def cancel_order(house: House, account: Account, wanted: Cancel) -> dict[str, Any]:
    """Let a cancel arrive."""
    if house.instrument.status not in CANCELLABLE:
        raise market_closed()
    order = wanted_order(account, wanted.order_id, wanted.client_id)
    if (wanted.only == "ONLY_NEW" and order.status is not Status.NEW) or (
        wanted.only == "ONLY_PARTIALLY_FILLED" and order.status is not Status.PARTIALLY_FILLED
    ):
        raise Refusal(-2011, "Order was not canceled due to cancel restrictions.")
    row = end_by_cancel(house, account, order, wanted.new_client_id)
    house.tell_position(account)
    return row


def end_by_cancel(
    house: House, account: Account, order: Order, new_client_id: str
) -> dict[str, Any]:
    """End an open order and tell of it."""
    house.end(account, order, Status.CANCELED)
    house.tell(
        account, order, "CANCELED", client_id=new_client_id, previous_client_id=order.client_id
    )
    return house.words.cancelled_row(order, house.instrument, new_client_id)


def cancel_all(
    house: House, account: Account, wanted: CancelAll
) -> list[dict[str, Any]] | dict[str, Any]:
    """Let the cancel of all orders arrive."""
    if house.instrument.status not in CANCELLABLE:
        raise market_closed()
    if not account.open and not wanted.brief:
        raise unknown_order()
    rows = [
        end_by_cancel(house, account, order, f"{wanted.new_client_id}-{order.order_id}")
        for order in list(account.open.values())
    ]
    house.tell_position(account)
    return ALL_DONE if wanted.brief else rows


def cancel_replace(house: House, account: Account, wanted: CancelReplace) -> dict[str, Any]:
    """Let a cancel and a new order arrive together."""
    cancelled: dict[str, Any] | Refusal
    try:
        cancelled = cancel_order(house, account, wanted.cancel)
    except Refusal as refusal:
        cancelled = refusal
    placed: dict[str, Any] | Refusal | None = None
    if not (isinstance(cancelled, Refusal) and wanted.stop):
        try:
            placed = place_order(house, account, wanted.place)
        except Refusal as refusal:
            placed = refusal
    body = {
        "cancelResult": word(cancelled),
        "newOrderResult": word(placed),
        "cancelResponse": told(cancelled),
        "newOrderResponse": told(placed),
    }
    failures = [isinstance(cancelled, Refusal), not isinstance(placed, dict)]
    if all(failures):
        raise Refusal(-2022, "Order cancel-replace failed.", data=body)
    if any(failures):
        raise Refusal(-2021, "Order cancel-replace partially failed.", CONFLICT, data=body)
    return body


def word(result: dict[str, Any] | Refusal | None) -> str:
    """Return how one half of a cancel-replace ended."""
    if result is None:
        return "NOT_ATTEMPTED"
    return "FAILURE" if isinstance(result, Refusal) else "SUCCESS"


def told(result: dict[str, Any] | Refusal | None) -> dict[str, Any] | None:
    """Return what one half of a cancel-replace answers."""
    return result.body() if isinstance(result, Refusal) else result


def amend_order(house: House, account: Account, wanted: Amend) -> dict[str, Any]:
    """Let an amendment arrive: the order becomes smaller and keeps its place."""
    instrument = house.instrument
    if instrument.status != TRADING:
        raise market_closed()
    order = account.find(wanted.order_id, wanted.client_id)
    if order is None or order.order_id not in account.open:
        raise no_open(order)
    lots = instrument.demand_quantity(wanted.quantity)
    instrument.demand_notional(instrument.notional(order.price_ticks, lots))
    if lots > order.lots:
        raise amend_refused("Order amend (quantity increase) is not supported.")
    if lots == order.lots:
        raise amend_refused("The requested action would change no state; rejecting.")
    if lots <= order.executed + order.prevented:
        raise amend_refused("Order amend (quantity below executed) is not supported.")
    if order.amends >= MAX_AMENDS:
        raise filtered("MAX_NUM_ORDER_AMENDS")
    house.sides[account.key].withdraw(order.order_id, order.lots - lots)
    previous = order.client_id
    order.lots = lots
    order.amends += 1
    order.updated_ns = account.updated_ns = house.now_ns
    if wanted.new_client_id is not None:
        order.client_id = wanted.new_client_id
        account.by_client[order.client_id] = order.order_id
    number = house.tell(account, order, "REPLACED", previous_client_id=previous)
    house.tell_position(account)
    return amended_row(order, instrument, previous, number)


def no_open(order: Order | None) -> Refusal:
    """Return the refusal of an amendment of what is not open."""
    return Refusal(-2013, "Order does not exist.") if order is None else unknown_order()


def trades_of(account: Account, order: Order) -> list[Trade]:
    """Return the trades of one order."""
    return [trade for trade in account.trades if trade.order_id == order.order_id]


def open_rows(house: House, account: Account) -> list[dict[str, Any]]:
    """Return the open orders as they are told."""
    return [house.words.order_row(order, house.instrument) for order in account.open.values()]
