"""Questions that are answered at once: the market, the account, its orders and trades."""

from collections.abc import Callable, Mapping
from typing import Any

from exchange.simulated.accounts import Account
from exchange.simulated.commands import Ns
from exchange.simulated.instrument import symbol_row, text
from exchange.simulated.orders import open_rows
from exchange.simulated.parameters import (
    demanded,
    limit_of,
    read_place,
    symbol_of,
    which,
    whole,
)
from exchange.simulated.refusals import Refusal, no_such_order, not_valid, unknown_symbol
from exchange.simulated.service import Service
from exchange.simulated.trade_tape import INTERVALS_NS
from exchange.simulated.wire import balance_rows
from market.layout import NEVER, UNITS

Parameters = Mapping[str, str]
Query = Callable[[Service, Account | None, Parameters], Any]
MILLISECOND_NS = 10**6


def ping(*_: object) -> dict[str, Any]:
    """Answer."""
    return {}


def server_time(service: Service, *_: object) -> dict[str, Any]:
    """Return wall time."""
    return {"serverTime": Ns(service.wall_ns())}


def exchange_info(service: Service, _: Account | None, parameters: Parameters) -> dict[str, Any]:
    """Return limits and the symbol."""
    instrument = service.house.instrument
    asked = parameters.get("symbol") or parameters.get("symbols") or instrument.symbol
    if instrument.symbol not in asked.strip('[] "').replace('"', "").split(","):
        raise unknown_symbol()
    return {
        "timezone": "UTC",
        "serverTime": Ns(service.wall_ns()),
        "rateLimits": [rate.row() for rate in service.rates.rates],
        "exchangeFilters": [],
        "symbols": [symbol_row(instrument)],
    }


def depth(service: Service, _: Account | None, parameters: Parameters) -> dict[str, Any]:
    """Return the public book."""
    symbol_of(parameters, service.house.instrument)
    return service.public.depth(limit_of(parameters, 100, 5000))


def trades(service: Service, _: Account | None, parameters: Parameters) -> list[Any]:
    """Return recorded trades."""
    symbol_of(parameters, service.house.instrument)
    limit = limit_of(parameters, 500, 1000)
    return service.public.trades.rows(whole(parameters, "fromId"), limit)


def aggregate_trades(service: Service, _: Account | None, parameters: Parameters) -> list[Any]:
    """Return recorded trades, each as an aggregate: from an id, in a span of time, or the last."""
    symbol_of(parameters, service.house.instrument)
    limit = limit_of(parameters, 500, 1000)
    first_id = whole(parameters, "fromId")
    start, end = whole(parameters, "startTime"), whole(parameters, "endTime")
    if first_id is not None and (start is not None or end is not None):
        raise Refusal(-1128, "Combination of optional parameters invalid.")
    if start is None and end is None:
        return service.public.trades.aggregates(first_id, limit)
    return service.public.trades.aggregates_between(in_ns(start), in_ns(end), limit)


def klines(service: Service, _: Account | None, parameters: Parameters) -> list[Any]:
    """Return bars of recorded trades."""
    symbol_of(parameters, service.house.instrument)
    interval = demanded(parameters, "interval")
    if interval not in INTERVALS_NS:
        raise Refusal(-1120, "Invalid interval.")
    start, end = whole(parameters, "startTime"), whole(parameters, "endTime")
    span = (in_ns(start), in_ns(end), service.now_ns)
    bars = service.public.trades.bars(interval, span, limit_of(parameters, 500, 1000))
    names = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q")
    return [[bar[name] for name in names] + ["0"] for bar in bars]


def in_ns(milliseconds: int | None) -> int | None:
    """Return milliseconds in nanoseconds."""
    return None if milliseconds is None else min(milliseconds * MILLISECOND_NS, NEVER)


def one_or_all(service: Service, parameters: Parameters, row: dict[str, Any]) -> Any:
    """Return a ticker's row, or a list with it when no symbol is named."""
    if "symbol" not in parameters:
        return [row]
    symbol_of(parameters, service.house.instrument)
    return row


def book_ticker(service: Service, _: Account | None, parameters: Parameters) -> Any:
    """Return the best quotes."""
    return one_or_all(service, parameters, service.public.ticker())


def price_ticker(service: Service, _: Account | None, parameters: Parameters) -> Any:
    """Return the last price."""
    instrument = service.house.instrument
    price = instrument.price(service.public.trades.last_ticks)
    return one_or_all(service, parameters, {"symbol": instrument.symbol, "price": price})


def day_ticker(service: Service, _: Account | None, parameters: Parameters) -> Any:
    """Return what the last 24 hours were like."""
    day = service.public.trades.day(service.now_ns)
    bought = float(day["volume"])
    average = float(day["quoteVolume"]) / bought if bought else 0.0
    first, last = float(day["openPrice"]), float(day["lastPrice"])
    row = {
        **service.public.ticker(),
        **day,
        "priceChange": f"{last - first:.8f}",
        "priceChangePercent": f"{(last / first - 1) * 100 if first else 0.0:.3f}",
        "weightedAvgPrice": f"{average:.8f}",
        "prevClosePrice": day["openPrice"],
        "lastQty": text(0),
    }
    return one_or_all(service, parameters, row)


def average_price(service: Service, _: Account | None, parameters: Parameters) -> dict[str, Any]:
    """Return the average price of five minutes."""
    symbol_of(parameters, service.house.instrument)
    start = service.now_ns - 300 * 10**9
    instrument, tape = service.house.instrument, service.public.trades
    lots, worth = tape.traded_since(start)
    price = instrument.price(tape.last_ticks)
    if lots:
        price = f"{worth / lots * instrument.tick / UNITS:.8f}"
    return {"mins": 5, "price": price, "closeTime": Ns(service.now_ns)}


def account_status(service: Service, account: Account | None, _: Parameters) -> dict[str, Any]:
    """Return balances and fees."""
    assert account is not None
    rates = commission_rates(account)
    return {
        "makerCommission": account.fees.maker // 10_000,
        "takerCommission": account.fees.taker // 10_000,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": rates,
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": Ns(account.updated_ns),
        "accountType": "SPOT",
        "balances": balance_rows(account, service.house.instrument),
        "permissions": ["SPOT"],
        "uid": account.number,
    }


def commission_rates(account: Account) -> dict[str, str]:
    """Return what an account pays, as shares of the notional."""
    maker, taker = text(account.fees.maker), text(account.fees.taker)
    return {"maker": maker, "taker": taker, "buyer": text(0), "seller": text(0)}


def account_commission(
    service: Service, account: Account | None, parameters: Parameters
) -> dict[str, Any]:
    """Return what an account pays on the symbol."""
    assert account is not None
    instrument = service.house.instrument
    symbol_of(parameters, instrument)
    nothing = {"maker": text(0), "taker": text(0), "buyer": text(0), "seller": text(0)}
    other = account.fees.asset
    return {
        "symbol": instrument.symbol,
        "standardCommission": commission_rates(account),
        "specialCommission": nothing,
        "taxCommission": nothing,
        "discount": {
            "enabledForAccount": other is not None,
            "enabledForSymbol": other is not None,
            "discountAsset": other or "BNB",
            "discount": text(account.fees.discount if other else UNITS // 4),
        },
    }


def order_status(service: Service, account: Account | None, parameters: Parameters) -> Any:
    """Return one order."""
    assert account is not None
    symbol_of(parameters, service.house.instrument)
    order_id, name = which(parameters, id_name="orderId", client_name="origClientOrderId")
    order = account.find(order_id, name)
    if order is None:
        raise no_such_order()
    return service.house.words.order_row(order, service.house.instrument)


def open_orders(service: Service, account: Account | None, parameters: Parameters) -> list[Any]:
    """Return the open orders."""
    assert account is not None
    if "symbol" in parameters:
        symbol_of(parameters, service.house.instrument)
    return open_rows(service.house, account)


def all_orders(service: Service, account: Account | None, parameters: Parameters) -> list[Any]:
    """Return orders whatever became of them: from an id, from a time, or the last."""
    assert account is not None
    symbol_of(parameters, service.house.instrument)
    first = whole(parameters, "orderId")
    start, end = in_ns(whole(parameters, "startTime")), in_ns(whole(parameters, "endTime"))
    limit = limit_of(parameters, 500, 1000)
    found = [
        order
        for order in account.orders.values()
        if (first is None or order.order_id >= first)
        and (start is None or order.made_ns >= start)
        and (end is None or order.made_ns <= end)
    ]
    chosen = found[-limit:] if first is None and start is None else found[:limit]
    return [service.house.words.order_row(order, service.house.instrument) for order in chosen]


def my_trades(service: Service, account: Account | None, parameters: Parameters) -> list[Any]:
    """Return the account's trades: of an order, from an id, from a time, or the last."""
    assert account is not None
    symbol_of(parameters, service.house.instrument)
    first, order_id = whole(parameters, "fromId"), whole(parameters, "orderId")
    start, end = in_ns(whole(parameters, "startTime")), in_ns(whole(parameters, "endTime"))
    limit = limit_of(parameters, 500, 1000)
    found = [
        trade
        for trade in account.trades
        if (first is None or trade.trade_id >= first)
        and (order_id is None or trade.order_id == order_id)
        and (start is None or trade.time_ns >= start)
        and (end is None or trade.time_ns <= end)
    ]
    chosen = found[-limit:] if first is None and start is None else found[:limit]
    return [service.house.words.trade_row(trade, service.house.instrument) for trade in chosen]


def order_rates(service: Service, account: Account | None, _: Parameters) -> list[Any]:
    """Return how many unfilled orders are counted."""
    assert account is not None
    return service.rates.order_rows(account.key, service.wall_s())


def listen_key(service: Service, account: Account | None, _: Parameters) -> dict[str, Any]:
    """Return a listen key, where these old endpoints are switched on."""
    assert account is not None
    if service.listen_keys is None:
        raise Refusal(-1, "This endpoint was removed; use userDataStream.subscribe.", 410)
    key = f"{account.number:08d}{account.key}".ljust(64, "0")[:64]
    service.listen_keys[key] = account.key
    return {"listenKey": key}


def keep_listening(service: Service, _: Account | None, parameters: Parameters) -> dict[str, Any]:
    """Extend a listen key, or end it: it lives as long as the exchange."""
    if service.listen_keys is None:
        raise Refusal(-1, "This endpoint was removed; use userDataStream.subscribe.", 410)
    if demanded(parameters, "listenKey") not in service.listen_keys:
        raise Refusal(-1125, "This listenKey does not exist.")
    return {}


def price_of_test(service: Service, account: Account | None, parameters: Parameters) -> Any:
    """Read a test order; what is wrong with it is told, and nothing is sent."""
    read_place(parameters, service.house.instrument, service.made_id())
    if parameters.get("computeCommissionRates") == "true":
        return account_commission(service, account, parameters)
    if parameters.get("computeCommissionRates", "false") != "false":
        raise not_valid("computeCommissionRates")
    return {}
