"""Orders, trades and accounts in Binance's words. Times are `Ns`; figures are text."""

from typing import Any

from exchange.simulated.accounts import Account, Order, Trade
from exchange.simulated.commands import Ns
from exchange.simulated.instrument import Instrument, text
from exchange.simulated.refusals import Refusal
from market.layout import BUY

ZERO = text(0)
SIDES = {1: "BUY", -1: "SELL"}


def refused(refusal: Refusal) -> Refusal:
    """Return a refusal as spot words it: as it is."""
    return refusal


def order_core(order: Order, instrument: Instrument) -> dict[str, Any]:
    """Return the fields that every description of an order has."""
    row: dict[str, Any] = {
        "price": instrument.price(order.price_ticks),
        "origQty": instrument.quantity(order.lots),
        "executedQty": instrument.quantity(order.executed),
        "origQuoteOrderQty": text(order.quote_order_units),
        "cummulativeQuoteQty": text(order.spent),
        "status": str(order.status),
        "timeInForce": order.time_in_force,
        "type": order.kind,
        "side": SIDES[order.side],
    }
    if order.prevented:
        row["preventedQuantity"] = instrument.quantity(order.prevented)
    strategy_id, strategy_type = order.strategy
    if strategy_id is not None:
        row["strategyId"] = strategy_id
    if strategy_type is not None:
        row["strategyType"] = strategy_type
    return row


def order_ids(order: Order, instrument: Instrument) -> dict[str, Any]:
    """Return the fields that name an order."""
    return {
        "symbol": instrument.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
    }


def order_row(order: Order, instrument: Instrument) -> dict[str, Any]:
    """Return an order as it is told when one asks for it."""
    return {
        **order_ids(order, instrument),
        **order_core(order, instrument),
        "stopPrice": ZERO,
        "icebergQty": ZERO,
        "time": Ns(order.made_ns),
        "updateTime": Ns(order.updated_ns),
        "isWorking": True,
        "workingTime": Ns(order.made_ns),
        "selfTradePreventionMode": order.stp,
    }


def placed_row(
    order: Order, instrument: Instrument, trades: list[Trade], response: str
) -> dict[str, Any]:
    """Return the answer to a new order: ACK, RESULT or FULL."""
    row = {**order_ids(order, instrument), "transactTime": Ns(order.made_ns)}
    if response == "ACK":
        return row
    row |= order_core(order, instrument)
    row |= {"workingTime": Ns(order.made_ns), "selfTradePreventionMode": order.stp}
    if response == "FULL":
        row["fills"] = [
            {
                "price": instrument.price(trade.price_ticks),
                "qty": instrument.quantity(trade.lots),
                "commission": text(trade.commission),
                "commissionAsset": trade.commission_asset,
                "tradeId": trade.trade_id,
            }
            for trade in trades
        ]
    return row


def cancelled_row(order: Order, instrument: Instrument, new_client_id: str) -> dict[str, Any]:
    """Return the answer to a cancel."""
    return {
        "symbol": instrument.symbol,
        "origClientOrderId": order.client_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": new_client_id,
        "transactTime": Ns(order.updated_ns),
        **order_core(order, instrument),
        "selfTradePreventionMode": order.stp,
    }


def amended_row(
    order: Order, instrument: Instrument, previous_client_id: str, execution_id: int
) -> dict[str, Any]:
    """Return the answer to an amendment."""
    return {
        "transactTime": Ns(order.updated_ns),
        "executionId": execution_id,
        "amendedOrder": {
            "symbol": instrument.symbol,
            "orderId": order.order_id,
            "orderListId": -1,
            "origClientOrderId": previous_client_id,
            "clientOrderId": order.client_id,
            "price": instrument.price(order.price_ticks),
            "qty": instrument.quantity(order.lots),
            "executedQty": instrument.quantity(order.executed),
            "preventedQty": instrument.quantity(order.prevented),
            "quoteOrderQty": text(order.quote_order_units),
            "cumulativeQuoteQty": text(order.spent),
            "status": str(order.status),
            "timeInForce": order.time_in_force,
            "type": order.kind,
            "side": SIDES[order.side],
            "workingTime": Ns(order.made_ns),
            "selfTradePreventionMode": order.stp,
        },
    }


def execution_report(
    order: Order,
    instrument: Instrument,
    *,
    execution: str,
    execution_id: int,
    now_ns: int,
    trade: Trade | None = None,
    client_id: str | None = None,
    previous_client_id: str = "",
) -> dict[str, Any]:
    """Return one event of an order's life.

    Args:
        order: as it stands after it.
        instrument: its symbol.
        execution: NEW, TRADE, CANCELED, REPLACED, EXPIRED or TRADE_PREVENTION.
        execution_id: rising.
        now_ns: when it happened.
        trade: of a TRADE.
        client_id: of the cancel, else the order's.
        previous_client_id: of the order that was cancelled or amended.
    """
    on_book = order.is_open
    row = {
        "e": "executionReport",
        "E": Ns(now_ns),
        "s": instrument.symbol,
        "c": order.client_id if client_id is None else client_id,
        "S": SIDES[order.side],
        "o": order.kind,
        "f": order.time_in_force,
        "q": instrument.quantity(order.lots),
        "p": instrument.price(order.price_ticks),
        "P": ZERO,
        "F": ZERO,
        "g": -1,
        "C": previous_client_id,
        "x": execution,
        "X": str(order.status),
        "r": "NONE",
        "i": order.order_id,
        "l": ZERO if trade is None else instrument.quantity(trade.lots),
        "z": instrument.quantity(order.executed),
        "L": ZERO if trade is None else instrument.price(trade.price_ticks),
        "n": "0" if trade is None else text(trade.commission),
        "N": None if trade is None else trade.commission_asset,
        "T": Ns(now_ns),
        "t": -1 if trade is None else trade.trade_id,
        "I": execution_id,
        "w": on_book,
        "m": trade is not None and trade.is_maker,
        "M": False,
        "O": Ns(order.made_ns),
        "Z": text(order.spent),
        "Y": ZERO if trade is None else text(trade.quote_units),
        "Q": text(order.quote_order_units),
        "V": order.stp,
    }
    if order.kind != "MARKET":
        row["W"] = Ns(order.made_ns)
    if execution == "EXPIRED":
        row["eR"] = 0
    return row


def balance_rows(account: Account, instrument: Instrument) -> list[dict[str, Any]]:
    """Return every balance as `account` lists it."""
    rows = []
    for asset in account.assets():
        locked = account.locked(asset, instrument)
        free = account.balances[asset] - locked
        rows.append({"asset": asset, "free": text(free), "locked": text(locked)})
    return rows


def account_position(account: Account, instrument: Instrument, now_ns: int) -> dict[str, Any]:
    """Return the event that tells the balances an order may have moved."""
    assets = [instrument.base, instrument.quote]
    if account.fees.asset is not None and account.fees.asset not in assets:
        assets.append(account.fees.asset)
    rows = []
    for asset in assets:
        locked = account.locked(asset, instrument)
        free = account.balances.get(asset, 0) - locked
        rows.append({"a": asset, "f": text(free), "l": text(locked)})
    return {
        "e": "outboundAccountPosition",
        "E": Ns(now_ns),
        "u": Ns(account.updated_ns or now_ns),
        "B": rows,
    }


def trade_row(trade: Trade, instrument: Instrument) -> dict[str, Any]:
    """Return one of `myTrades`."""
    return {
        "symbol": instrument.symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "orderListId": -1,
        "price": instrument.price(trade.price_ticks),
        "qty": instrument.quantity(trade.lots),
        "quoteQty": text(trade.quote_units),
        "commission": text(trade.commission),
        "commissionAsset": trade.commission_asset,
        "time": Ns(trade.time_ns),
        "isBuyer": trade.side == BUY,
        "isMaker": trade.is_maker,
        "isBestMatch": True,
    }
