"""Reads requests about orders into commands, as USD-M futures have them. One-way mode only."""

import json
from dataclasses import replace
from typing import Any
from urllib.parse import unquote_plus

from exchange.simulated.commands import Cancel, CancelAll, Place
from exchange.simulated.parameters import (
    Parameters,
    Symbols,
    chosen,
    client_id,
    demanded,
    positive,
    read_cancel,
    symbol_of,
)
from exchange.simulated.refusals import Refusal, missing, not_needed
from market.layout import BUY, SELL

TIMES_IN_FORCE = ("GTC", "IOC", "FOK", "GTX")
ORDER_TYPES = ("LIMIT", "MARKET")
OTHER_TYPES = ("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")
STP_MODES = ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH")
DEFAULT_STP = "EXPIRE_MAKER"
BATCH_MAX = 5
CANCELS_MAX = 10


def read_place(parameters: Parameters, symbols: Symbols, made_id: str) -> Place:
    """Return a new order; `GTX` makes it post-only.

    Raises:
        Refusal: a parameter is missing, malformed or does not belong to the type.
    """
    symbol = symbol_of(parameters, symbols)
    side = demanded(parameters, "side")
    if side not in {"BUY", "SELL"}:
        raise Refusal(-1117, "Invalid side.")
    kind = demanded(parameters, "type")
    if kind in OTHER_TYPES:
        raise Refusal(-4120, "Order type not supported for this endpoint.")
    if kind not in ORDER_TYPES:
        raise Refusal(-1116, "Invalid orderType.")
    if parameters.get("positionSide", "BOTH") != "BOTH":
        raise Refusal(-4061, "Order's position side does not match user's setting.")
    time_in_force, price = "GTC", 0
    if kind == "LIMIT":
        time_in_force = demanded(parameters, "timeInForce")
        if time_in_force not in TIMES_IN_FORCE:
            raise Refusal(-1115, "Invalid timeInForce.")
        price = positive(parameters, "price", "price")
    else:
        for name in ("timeInForce", "price"):
            if parameters.get(name):
                raise not_needed(name)
    for name in ("stopPrice", "closePosition", "priceMatch", "goodTillDate"):
        if parameters.get(name, "").upper() not in {"", "0", "FALSE", "NONE"}:
            raise not_needed(name)
    return Place(
        client_id=client_id(parameters, "newClientOrderId") or made_id,
        side=BUY if side == "BUY" else SELL,
        kind=kind,
        time_in_force=time_in_force,
        price=price,
        quantity=positive(parameters, "quantity", "quantity"),
        quote_quantity=0,
        stp=chosen(parameters, "selfTradePreventionMode", STP_MODES, DEFAULT_STP),
        response=chosen(parameters, "newOrderRespType", ("ACK", "RESULT"), "ACK"),
        reduce_only=parameters.get("reduceOnly", "false").lower() == "true",
        symbol=symbol,
    )


def read_cancel_all(parameters: Parameters, symbols: Symbols, made_id: str) -> CancelAll:
    """Return the cancel of all orders in a symbol; it is no error when there are none."""
    return CancelAll(made_id, brief=True, symbol=symbol_of(parameters, symbols))


def read_batch(parameters: Parameters, symbols: Symbols, made_id: str) -> list[Place | Refusal]:
    """Return up to five new orders, each judged alone.

    Raises:
        Refusal: there is no such list.
    """
    found: list[Place | Refusal] = []
    for number, each in enumerate(listed(parameters, "batchOrders", BATCH_MAX)):
        if not isinstance(each, dict):
            raise missing("batchOrders")
        texts = {name: word(value) for name, value in each.items() if value is not None}
        try:
            found.append(read_place(texts, symbols, f"{made_id}-{number}"))
        except Refusal as refusal:
            found.append(refusal)
    return found


def read_cancel_batch(parameters: Parameters, symbols: Symbols, made_id: str) -> list[Cancel]:
    """Return up to ten cancels, by the exchange's numbers or by client ids.

    python-binance writes the names of the lists in lower case.

    Raises:
        Refusal: there is no such list.
    """
    names = {name.lower(): name for name in parameters}
    by_number = "orderidlist" in names
    name = names.get("orderidlist" if by_number else "origclientorderidlist", "orderIdList")
    single = "orderId" if by_number else "origClientOrderId"
    symbol = demanded(parameters, "symbol")
    cancels = [
        read_cancel({"symbol": symbol, single: word(each)}, symbols, made_id)
        for each in listed(parameters, name, CANCELS_MAX)
    ]
    return [replace(each, new_client_id=f"{made_id}-{n}") for n, each in enumerate(cancels)]


def listed(parameters: Parameters, name: str, most: int) -> list[Any]:
    """Return a parameter that is a JSON list; python-binance encodes it once more than others."""
    value = demanded(parameters, name)
    for text in (value, unquote_plus(value)):
        try:
            found = json.loads(text, parse_float=str)
        except ValueError:
            continue
        if isinstance(found, list) and 0 < len(found) <= most:
            return found
    raise Refusal(-1130, f"Data sent for parameter '{name}' is not valid.")


def word(value: Any) -> str:
    """Return a JSON value as a parameter's text."""
    return str(value).lower() if isinstance(value, bool) else str(value)
