"""Reads the parameters of a request into a command, with Binance's refusals. Judges no market."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from exchange.simulated.commands import Amend, Cancel, CancelAll, CancelReplace, Place
from exchange.simulated.instrument import (
    DEFAULT_STP,
    ORDER_TYPES,
    STP_MODES,
    parse_units,
)
from exchange.simulated.refusals import (
    Refusal,
    illegal,
    missing,
    not_needed,
    not_valid,
    too_precise,
    unknown_symbol,
)
from market.layout import BUY, SELL

DECIMAL = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
NUMBER = r"^[0-9]{1,20}$"
CLIENT_ID = r"^[a-zA-Z0-9-_]{1,36}$"
SYMBOL = r"^[A-Z0-9-_.]{1,20}$"
TIMES_IN_FORCE = ("GTC", "IOC", "FOK")
RESPONSES = ("ACK", "RESULT", "FULL")
OTHER_TYPES = ("STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")
Parameters = Mapping[str, str]
Symbols = Collection[str]
"""Those that are served."""
OTHERS = frozenset(
    [
        *("timestamp", "signature", "recvWindow", "apiKey", "returnRateLimits"),
        *("pegPriceType", "pegOffsetValue", "pegOffsetType", "orderRateLimitExceededMode"),
    ]
)
"""Parameters of any order request that are read elsewhere, or known and without effect here."""


T = TypeVar("T")


class Noted(dict[str, str]):
    """Parameters that note which of them were read."""

    def __init__(self, parameters: Parameters) -> None:
        super().__init__(parameters)
        self.read: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        """Return one, and note it."""
        self.read.add(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> str:
        """Return one, and note it."""
        self.read.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        """Look whether one is there, and note it."""
        self.read.add(str(name))
        return super().__contains__(name)


def reading_all(
    reader: Callable[[Parameters, Symbols, str], T],
) -> Callable[[Parameters, Symbols, str], T]:
    """Return a reader that refuses a request of which it did not read all: a name is misspelt."""

    def read(parameters: Parameters, symbols: Symbols, made_id: str) -> T:
        noted = Noted(parameters)
        found = reader(noted, symbols, made_id)
        unread = len(parameters.keys() - noted.read - OTHERS)
        if unread:
            raise Refusal(
                -1104,
                f"Not all sent parameters were read; read '{len(parameters) - unread}' "
                f"parameter(s) but was sent '{len(parameters)}'.",
            )
        return found

    return read


def read_query(query: str, body: str) -> dict[str, str]:
    """Return the parameters of query string and body; the query string comes first.

    Raises:
        Refusal: a name comes twice in one of them.
    """
    found: dict[str, str] = {}
    for part in (body, query):
        pairs = parse_qsl(part, keep_blank_values=True)
        names = [name for name, _ in pairs]
        if len(names) != len(set(names)):
            raise Refusal(-1101, "Duplicate values for a parameter detected.")
        found |= pairs
    return found


def demanded(parameters: Parameters, name: str) -> str:
    """Return a parameter that must be there."""
    value = parameters.get(name, "")
    if not value:
        raise missing(name)
    return value


def symbol_of(parameters: Parameters, symbols: Symbols) -> str:
    """Return the symbol; it is one of those that are served."""
    symbol = demanded(parameters, "symbol")
    if re.fullmatch(SYMBOL, symbol) is None:
        raise illegal("symbol", SYMBOL)
    if symbol not in symbols:
        raise unknown_symbol()
    return symbol


def amount(parameters: Parameters, name: str) -> int:
    """Return a decimal parameter in units of 1e-8; 0 when it is not there."""
    value = parameters.get(name, "")
    if not value:
        if name in parameters:
            raise missing(name)
        return 0
    if re.fullmatch(DECIMAL, value) is None:
        raise illegal(name, DECIMAL)
    units = parse_units(value)
    if units is None:
        raise too_precise(name)
    return units


def positive(parameters: Parameters, name: str, words: str) -> int:
    """Return a decimal parameter that must be there and above zero, in units."""
    demanded(parameters, name)
    units = amount(parameters, name)
    if units <= 0:
        raise Refusal(-1013, f"Invalid {words}.")
    return units


def whole(parameters: Parameters, name: str) -> int | None:
    """Return a whole-number parameter; None when it is not there."""
    value = parameters.get(name)
    if value is None:
        return None
    if re.fullmatch(NUMBER, value) is None:
        raise illegal(name, NUMBER)
    return int(value)


def client_id(parameters: Parameters, name: str) -> str | None:
    """Return a client's id; None when it is not there."""
    value = parameters.get(name)
    if value is None or value == "":
        return None
    if re.fullmatch(CLIENT_ID, value) is None:
        raise illegal(name, CLIENT_ID)
    return value


def limit_of(parameters: Parameters, default: int, most: int) -> int:
    """Return how many rows are asked for."""
    limit = whole(parameters, "limit")
    if limit is None:
        return default
    if limit == 0:
        raise not_valid("limit")
    return min(limit, most)


def chosen(parameters: Parameters, name: str, allowed: tuple[str, ...], default: str) -> str:
    """Return one of several words; the default when it is not there."""
    value = parameters.get(name, default)
    if value not in allowed:
        raise not_valid(name)
    return value


def order_type(parameters: Parameters) -> str:
    """Return the type of a new order; stops are known and not served."""
    kind = demanded(parameters, "type")
    if kind in OTHER_TYPES:
        raise Refusal(-2010, f"{kind} orders are not supported for this symbol.")
    if kind not in ORDER_TYPES:
        raise Refusal(-1116, "Invalid orderType.")
    return kind


def read_place(parameters: Parameters, symbols: Symbols, made_id: str) -> Place:
    """Return a new order.

    Args:
        parameters: as they came.
        symbols: that are served.
        made_id: client id of an order that brings none.

    Raises:
        Refusal: a parameter is missing, malformed or does not belong to the type.
    """
    symbol = symbol_of(parameters, symbols)
    side = demanded(parameters, "side")
    if side not in {"BUY", "SELL"}:
        raise Refusal(-1117, "Invalid side.")
    kind = order_type(parameters)
    time_in_force = "GTC"
    price = quote_quantity = 0
    if kind == "LIMIT":
        time_in_force = demanded(parameters, "timeInForce")
        if time_in_force not in TIMES_IN_FORCE:
            raise Refusal(-1115, "Invalid timeInForce.")
    elif "timeInForce" in parameters:
        raise not_needed("timeInForce")
    if kind == "MARKET":
        if "price" in parameters:
            raise not_needed("price")
        quote_quantity = amount(parameters, "quoteOrderQty")
        if quote_quantity and "quantity" in parameters:
            raise Refusal(-1128, "Combination of optional parameters invalid.")
    else:
        price = positive(parameters, "price", "price")
        if "quoteOrderQty" in parameters:
            raise not_needed("quoteOrderQty")
    quantity = 0 if quote_quantity else positive(parameters, "quantity", "quantity")
    for name in ("stopPrice", "trailingDelta", "icebergQty"):
        if amount(parameters, name):
            raise not_needed(name)
    full = "ACK" if kind == "LIMIT_MAKER" and "newOrderRespType" not in parameters else "FULL"
    return Place(
        client_id=client_id(parameters, "newClientOrderId") or made_id,
        side=BUY if side == "BUY" else SELL,
        kind=kind,
        time_in_force=time_in_force,
        price=price,
        quantity=quantity,
        quote_quantity=quote_quantity,
        stp=chosen(parameters, "selfTradePreventionMode", STP_MODES, DEFAULT_STP),
        response=chosen(parameters, "newOrderRespType", RESPONSES, full),
        strategy=(whole(parameters, "strategyId"), whole(parameters, "strategyType")),
        symbol=symbol,
    )


def which(
    parameters: Parameters, *, id_name: str, client_name: str
) -> tuple[int | None, str | None]:
    """Return the ids that name an order; at least one is there."""
    order_id, name = whole(parameters, id_name), client_id(parameters, client_name)
    if order_id is None and name is None:
        raise Refusal(
            -1102,
            f"Param '{client_name}' or '{id_name}' must be sent, but both were empty/null!",
        )
    return order_id, name


def read_cancel(parameters: Parameters, symbols: Symbols, made_id: str) -> Cancel:
    """Return the cancel of one order; arguments and errors as those of `read_place`."""
    symbol = symbol_of(parameters, symbols)
    order_id, name = which(parameters, id_name="orderId", client_name="origClientOrderId")
    return Cancel(
        order_id=order_id,
        client_id=name,
        new_client_id=client_id(parameters, "newClientOrderId") or made_id,
        only=restriction(parameters),
        symbol=symbol,
    )


def restriction(parameters: Parameters) -> str | None:
    """Return in which state alone an order may be cancelled."""
    if "cancelRestrictions" not in parameters:
        return None
    return chosen(parameters, "cancelRestrictions", ("ONLY_NEW", "ONLY_PARTIALLY_FILLED"), "")


def read_cancel_all(parameters: Parameters, symbols: Symbols, made_id: str) -> CancelAll:
    """Return the cancel of all orders in a symbol."""
    return CancelAll(made_id, symbol=symbol_of(parameters, symbols))


def read_cancel_replace(parameters: Parameters, symbols: Symbols, made_id: str) -> CancelReplace:
    """Return a cancel and a new order."""
    place = read_place(parameters, symbols, f"{made_id}-new")
    mode = demanded(parameters, "cancelReplaceMode")
    if mode not in {"STOP_ON_FAILURE", "ALLOW_FAILURE"}:
        raise not_valid("cancelReplaceMode")
    order_id, name = which(
        parameters, id_name="cancelOrderId", client_name="cancelOrigClientOrderId"
    )
    cancel = Cancel(
        order_id=order_id,
        client_id=name,
        new_client_id=client_id(parameters, "cancelNewClientOrderId") or made_id,
        only=restriction(parameters),
        symbol=place.symbol,
    )
    return CancelReplace(cancel, place, stop=mode == "STOP_ON_FAILURE")


def read_amend(parameters: Parameters, symbols: Symbols, _: str) -> Amend:
    """Return an amendment."""
    symbol = symbol_of(parameters, symbols)
    order_id, name = which(parameters, id_name="orderId", client_name="origClientOrderId")
    return Amend(
        order_id=order_id,
        client_id=name,
        new_client_id=client_id(parameters, "newClientOrderId"),
        quantity=positive(parameters, "newQty", "quantity"),
        symbol=symbol,
    )
