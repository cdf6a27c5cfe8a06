"""Orders, trades and positions in the words of USD-M futures. Times are `Ns`; figures are text."""

from typing import Any

from exchange.simulated.accounts import Account, Order, Trade
from exchange.simulated.commands import Ns
from exchange.simulated.instrument import Instrument, half_even, text
from exchange.simulated.refusals import Refusal
from exchange.simulated.wire import SIDES
from market.layout import BUY, UNITS

ZERO = text(0)
POST_ONLY = (
    "Due to the order could not be executed as maker, the Post Only order will be rejected. The "
    "order will not be recorded in the order history."
)
CLOSED = "Symbol is on delivering or delivered or settling or closed or pre-trading."
NOTIONAL = "Order's notional must be no smaller than MIN_NOTIONAL (unless you choose reduce only)."
PERCENT = "The counterparty's best price does not meet the PERCENT_PRICE filter limit."
REFUSALS = {
    "Filter failure: PRICE_FILTER": (-4014, "Price not increased by tick size."),
    "Filter failure: LOT_SIZE": (-4023, "Quantity not increased by step size."),
    "Filter failure: MARKET_LOT_SIZE": (-4023, "Quantity not increased by step size."),
    "Filter failure: PERCENT_PRICE_BY_SIDE": (-4131, PERCENT),
    "Filter failure: NOTIONAL": (-4164, NOTIONAL),
    "Filter failure: MAX_NUM_ORDERS": (-2025, "Reach max open order limit."),
    "Duplicate order sent.": (-4116, "ClientOrderId is duplicated."),
    "Market is closed.": (-4108, CLOSED),
    "Order would immediately match and take.": (-5022, POST_ONLY),
}
"""By the text that spot has for the same. Source: USD-M documentation, "Error Codes"."""


def refused(refusal: Refusal) -> Refusal:
    """Return a refusal with the code and text of USD-M."""
    if refusal.message not in REFUSALS:
        return refusal
    return Refusal(*REFUSALS[refusal.message], refusal.status)


def average(order: Order, instrument: Instrument) -> str:
    """Return the average price at which an order was filled."""
    if not order.executed:
        return ZERO
    return text(half_even(order.spent, UNITS, order.executed * instrument.lot))


def order_row(order: Order, instrument: Instrument) -> dict[str, Any]:
    """Return an order as it is told when one asks for it."""
    return {
        "symbol": instrument.symbol,
        "orderId": order.order_id,
        "clientOrderId": order.client_id,
        "price": instrument.price(order.price_ticks),
        "avgPrice": average(order, instrument),
        "origQty": instrument.quantity(order.lots),
        "executedQty": instrument.quantity(order.executed),
        "cumQuote": text(order.spent),
        "status": str(order.status),
        "timeInForce": order.time_in_force,
        "type": order.kind,
        "origType": order.kind,
        "side": SIDES[order.side],
        "positionSide": "BOTH",
        "reduceOnly": order.reduce_only,
        "closePosition": False,
        "stopPrice": ZERO,
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "priceMatch": "NONE",
        "selfTradePreventionMode": order.stp,
        "goodTillDate": 0,
        "time": Ns(order.made_ns),
        "updateTime": Ns(order.updated_ns),
    }


def placed_row(
    order: Order, instrument: Instrument, _: list[Trade], response: str
) -> dict[str, Any]:
    """Return the answer to a new order: as it arrived (ACK), or as it stands now (RESULT)."""
    row = order_row(order, instrument)
    del row["time"]
    row["cumQty"] = row["executedQty"]
    if response == "ACK":
        row |= {"status": "NEW", "avgPrice": ZERO}
        row |= {"executedQty": instrument.quantity(0), "cumQty": instrument.quantity(0)}
        row["cumQuote"] = ZERO
    return row


def cancelled_row(order: Order, instrument: Instrument, _: str) -> dict[str, Any]:
    """Return the answer to a cancel; the order keeps its own name in it."""
    return placed_row(order, instrument, [], "RESULT")


def trade_row(trade: Trade, instrument: Instrument) -> dict[str, Any]:
    """Return one of `userTrades`."""
    return {
        "symbol": instrument.symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "side": SIDES[trade.side],
        "price": instrument.price(trade.price_ticks),
        "qty": instrument.quantity(trade.lots),
        "realizedPnl": text(trade.realised),
        "quoteQty": text(trade.quote_units),
        "commission": text(trade.commission),
        "commissionAsset": trade.commission_asset,
        "time": Ns(trade.time_ns),
        "positionSide": "BOTH",
        "buyer": trade.side == BUY,
        "maker": trade.is_maker,
    }


def execution_report(
    order: Order,
    instrument: Instrument,
    *,
    execution: str,
    execution_id: int,  # noqa: ARG001 - of the dialect; these events have no number
    now_ns: int,
    trade: Trade | None = None,
    client_id: str | None = None,  # noqa: ARG001 - a cancel has no name of its own here
    previous_client_id: str = "",  # noqa: ARG001
) -> dict[str, Any]:
    """Return `ORDER_TRADE_UPDATE`; see `Dialect`."""
    row = {
        "s": instrument.symbol,
        "c": order.client_id,
        "S": SIDES[order.side],
        "o": order.kind,
        "f": order.time_in_force,
        "q": instrument.quantity(order.lots),
        "p": instrument.price(order.price_ticks),
        "ap": average(order, instrument),
        "sp": ZERO,
        "x": "EXPIRED" if execution == "TRADE_PREVENTION" else execution,
        "X": str(order.status),
        "i": order.order_id,
        "l": ZERO if trade is None else instrument.quantity(trade.lots),
        "z": instrument.quantity(order.executed),
        "L": ZERO if trade is None else instrument.price(trade.price_ticks),
        "n": "0" if trade is None else text(trade.commission),
        "N": None if trade is None else trade.commission_asset,
        "T": Ns(now_ns),
        "t": 0 if trade is None else trade.trade_id,
        "b": ZERO,
        "a": ZERO,
        "m": trade is not None and trade.is_maker,
        "R": order.reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": order.kind,
        "ps": "BOTH",
        "cp": False,
        "rp": ZERO if trade is None else text(trade.realised),
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": order.stp,
        "pm": "NONE",
        "gtd": 0,
    }
    return {"e": "ORDER_TRADE_UPDATE", "E": Ns(now_ns), "T": Ns(now_ns), "o": row}


def entry_price(account: Account, instrument: Instrument) -> str:
    """Return the average price of the open position."""
    lots = account.held_lots(instrument)
    if account.margin is None or not lots:
        return ZERO
    return text(half_even(account.margin.entry, UNITS, lots * instrument.lot))


def wallet_of(account: Account, instrument: Instrument) -> int:
    """Return the wallet balance, quote units; one for the positions in all symbols."""
    margins = [account.margin, *(each.account.margin for each in account.elsewhere)]
    entries = sum(margin.entry for margin in margins if margin is not None)
    return account.balances.get(instrument.quote, 0) + entries


def account_position(
    account: Account, instrument: Instrument, now_ns: int
) -> dict[str, Any] | None:
    """Return `ACCOUNT_UPDATE` after fills; None when neither wallet nor position has moved."""
    return account_update(account, instrument, now_ns, "ORDER")


def account_update(
    account: Account, instrument: Instrument, now_ns: int, reason: str
) -> dict[str, Any] | None:
    """Return `ACCOUNT_UPDATE`, if there is news; `reason` is ORDER or FUNDING_FEE."""
    assert account.margin is not None
    lots, wallet = account.held_lots(instrument), wallet_of(account, instrument)
    now = (wallet, lots, account.margin.entry)
    told, account.margin.told = account.margin.told, now
    if told == now:
        return None
    for each in account.elsewhere:
        margin = each.account.margin
        if margin is not None and margin.told is not None:
            margin.told = (wallet, *margin.told[1:])
    moved = wallet - told[0] if told is not None and reason == "FUNDING_FEE" else 0
    position = {
        "s": instrument.symbol,
        "pa": instrument.quantity(lots),
        "ep": entry_price(account, instrument),
        "bep": entry_price(account, instrument),
        "cr": text(sum(trade.realised for trade in account.trades)),
        "up": ZERO,
        "mt": "cross",
        "iw": ZERO,
        "ps": "BOTH",
    }
    asset = {"a": instrument.quote, "wb": text(wallet), "cw": text(wallet), "bc": text(moved)}
    positions = [] if reason == "FUNDING_FEE" else [position]
    body = {"m": reason, "B": [asset], "P": positions}
    return {"e": "ACCOUNT_UPDATE", "E": Ns(now_ns), "T": Ns(now_ns), "a": body}
