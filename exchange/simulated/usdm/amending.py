"""An order of USD-M futures is given another price or size (PUT `order`); it loses its place.

Source: USD-M documentation, "Modify Order": LIMIT orders only, price and quantity both told; what
the filters refuse leaves the order as it was; a quantity that is filled already, or a GTX order
that would take at its new price, ends the order.
"""

from dataclasses import replace
from typing import Any

from exchange.simulated.accounts import Account, Order, Status
from exchange.simulated.commands import Modify, Place
from exchange.simulated.house import House
from exchange.simulated.instrument import TRADING
from exchange.simulated.matching import Plan
from exchange.simulated.orders import demand_balance, demand_position, finish, plan_of
from exchange.simulated.parameters import (
    Parameters,
    Symbols,
    chosen,
    demanded,
    positive,
    symbol_of,
    which,
)
from exchange.simulated.refusals import Refusal, market_closed, no_such_order
from market.layout import BUY

MODIFIED_MAX = 10_000


def read_modify(parameters: Parameters, symbols: Symbols, _: str) -> Modify:
    """Return a change of an order.

    Raises:
        Refusal: a parameter is missing or malformed.
    """
    symbol = symbol_of(parameters, symbols)
    order_id, name = which(parameters, id_name="orderId", client_name="origClientOrderId")
    demanded(parameters, "side")
    side = chosen(parameters, "side", ("BUY", "SELL"), "")
    return Modify(
        order_id=order_id,
        client_id=name,
        side=BUY if side == "BUY" else -BUY,
        price=positive(parameters, "price", "price"),
        quantity=positive(parameters, "quantity", "quantity"),
        symbol=symbol,
    )


def modify_order(house: House, account: Account, wanted: Modify) -> dict[str, Any]:
    """Let a change of an order arrive."""
    instrument = house.instrument
    if instrument.status != TRADING:
        raise market_closed()
    order = account.find(wanted.order_id, wanted.client_id)
    if order is None or order.order_id not in account.open or order.side != wanted.side:
        raise no_such_order()
    price = instrument.demand_price(wanted.price, house.last_ticks)
    lots = instrument.demand_quantity(wanted.quantity)
    if not order.reduce_only:
        instrument.demand_notional(instrument.notional(price, lots))
    if (price, lots) == (order.price_ticks, order.lots):
        raise Refusal(-5027, "No need to modify the order.")
    if order.amends >= MODIFIED_MAX:
        raise Refusal(-5026, "Exceed maximum modify order limit.")
    if lots > order.lots:
        demand_position(house, account, order.side, lots - order.lots)
    plan = plan_of_change(house, account, order, price, lots)
    house.sides[account.key].withdraw(order.order_id, order.remaining)
    order.price_ticks, order.lots = price, max(lots, order.executed + order.prevented)
    order.amends += 1
    order.updated_ns = account.updated_ns = house.now_ns
    if plan is None:
        del account.open[order.order_id]
        order.status = Status.CANCELED
        house.tell(account, order, "CANCELED")
        return house.words.placed_row(order, instrument, [], "RESULT")
    house.tell(account, order, "AMENDMENT")
    trades = house.take(account, order, plan)
    finish(house, account, order, plan)
    house.tell_position(account)
    house.trim(account)
    return house.words.placed_row(order, instrument, trades, "RESULT")


def plan_of_change(
    house: House, account: Account, order: Order, price: int, lots: int
) -> Plan | None:
    """Return what a changed order takes as it arrives; None when the change ends it.

    Raises:
        Refusal: the account cannot pay for it.
    """
    left = lots - order.executed - order.prevented
    if left <= 0 or (order.post_only and house.would_take(account, order.side, price)):
        return None
    then = replace(order, price_ticks=price, lots=left, executed=0, prevented=0)
    del account.open[order.order_id]  # it ties up nothing while its successor is judged
    try:
        told = Place(order.client_id, order.side, "LIMIT", "GTC", price, 0, 0, order.stp, "RESULT")
        plan = plan_of(house, account, then, told)
        demand_balance(house, account, then, plan)
    finally:
        account.open[order.order_id] = order
    return plan
