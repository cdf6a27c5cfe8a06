"""Questions that are answered at once: the market, the account, its orders and trades."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from exchange.simulated.accounts import Account
from exchange.simulated.commands import Ns
from exchange.simulated.instrument import symbol_row, text
from exchange.simulated.market import Market
from exchange.simulated.orders import open_rows
from exchange.simulated.parameters import (
    demanded,
    limit_of,
    read_place,
    symbol_of,
    which,
    whole,
)
from exchange.simulated.refusals import Refusal, illegal, missing, no_such_order, not_valid
from exchange.simulated.service import Service
from exchange.simulated.trade_tape import INTERVALS_NS
from exchange.simulated.wire import balance_rows
from market.layout import NEVER, UNITS

Parameters = Mapping[str, str]
Query = Callable[[Service, Account | None, Parameters], Any]
MILLISECOND_NS = 10**6
SYMBOLS = r'^\[("[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}){0,1}\]$'
"""What Binance's answer with -1100 says is legal."""


def ping(*_: object) -> dict[str, Any]:
    """Answer."""
    return {}


def server_time(service: Service, *_: object) -> dict[str, Any]:
    """Return wall time."""
    return {"serverTime": Ns(service.wall_ns())}


def exchange_info(service: Service, _: Account | None, parameters: Parameters) -> dict[str, Any]:
    """Return limits and the symbols: one, those of a list, or all."""
    return {
        "timezone": "UTC",
        "serverTime": Ns(service.wall_ns()),
        "rateLimits": [rate.row() for rate in service.rates.rates],
        "exchangeFilters": [],
        "symbols": [symbol_row(each.instrument) for each in asked_for(service, parameters)],
    }


def market_of(service: Service, parameters: Parameters) -> Market:
    """Return the market of the symbol that must be named."""
    return service.markets[symbol_of(parameters, service.markets)]


def asked_for(service: Service, parameters: Parameters) -> list[Market]:
    """Return the markets that are asked for: `symbol`, the list `symbols`, or all.

    Raises:
        Refusal: both are told, the list is none, or a symbol is not served.
    """
    if "symbol" in parameters and "symbols" in parameters:
        raise Refusal(-1128, "Combination of optional parameters invalid.")
    if "symbol" in parameters:
        return [market_of(service, parameters)]
    told = parameters.get("symbols")
    if told is None:
        return list(service.markets.values())
    if not told:
        raise Refusal(-1105, "Parameter 'symbols' was empty.")
    if re.fullmatch(SYMBOLS, told) is None:
        raise illegal("symbols", SYMBOLS)
    names = json.loads(told)
    if not names:
        raise missing("symbols")
    if len(set(names)) != len(names):
        raise Refusal(-1101, "Duplicate values for a parameter detected.")
    return [market_of(service, {"symbol": name}) for name in names]


def known_to(market: Market, account: Account | None) -> Account:
    """Return the account that asks, in a market."""
    assert account is not None
    return market.account(account)


def depth(service: Service, _: Account | None, parameters: Parameters) -> dict[str, Any]:
    """Return the public book."""
    market = market_of(service, parameters)
    return market.public.depth(limit_of(parameters, 100, 5000))


def trades(service: Service, _: Account | None, parameters: Parameters) -> list[Any]:
    """Return recorded trades."""
    market = market_of(service, parameters)
    limit = limit_of(parameters, 500, 1000)
    return market.public.trades.rows(whole(parameters, "fromId"), limit)


def aggregate_trades(service: Service, _: Account | None, parameters: Parameters) -> list[Any]:
    """Return recorded trades, each as an aggregate: from an id, in a span of time, or the last."""
    tape = market_of(service, parameters).public.trades
    limit = limit_of(parameters, 500, 1000)
    first_id = whole(parameters, "fromId")
    start, end = whole(parameters, "startTime"), whole(parameters, "endTime")
    if first_id is not None and (start is not None or end is not None):
        raise Refusal(-1128, "Combination of optional parameters invalid.")
    if start is None and end is None:
        return tape.aggregates(first_id, limit)
    return tape.aggregates_between(in_ns(start), in_ns(end), limit)


def klines(service: Service, _: Account | None, parameters: Parameters) -> list[Any]:
    """Return bars of recorded trades."""
    tape = market_of(service, parameters).public.trades
    interval = demanded(parameters, "interval")
    if interval not in INTERVALS_NS:
        raise Refusal(-1120, "Invalid interval.")
    start, end = whole(parameters, "startTime"), whole(parameters, "endTime")
    span = (in_ns(start), in_ns(end), service.now_ns)
    bars = tape.bars(interval, span, limit_of(parameters, 500, 1000))
    names = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q")
    return [[bar[name] for name in names] + ["0"] for bar in bars]


def in_ns(milliseconds: int | None) -> int | None:
    """Return milliseconds in nanoseconds."""
    return None if milliseconds is None else min(milliseconds * MILLISECOND_NS, NEVER)


def tickers(
    service: Service, parameters: Parameters, row: Callable[[Market], dict[str, Any]]
) -> Any:
    """Return a ticker's row of the symbol that is named; of several, or of all, a list."""
    rows = [row(market) for market in asked_for(service, parameters)]
    return rows[0] if "symbol" in parameters else rows


def book_ticker(service: Service, _: Account | None, parameters: Parameters) -> Any:
    """Return the best quotes."""
    return tickers(service, parameters, lambda market: market.public.ticker())


def price_ticker(service: Service, _: Account | None, parameters: Parameters) -> Any:
    """Return the last price."""
    return tickers(service, parameters, last_price)


def last_price(market: Market) -> dict[str, Any]:
    """Return the last price of a symbol."""
    price = market.instrument.price(market.public.trades.last_ticks)
    return {"symbol": market.instrument.symbol, "price": price}


def day_ticker(service: Service, _: Account | None, parameters: Parameters) -> Any:
    """Return what the last 24 hours were like."""
    return tickers(service, parameters, lambda market: last_day(market, service.now_ns))


def last_day(market: Market, now_ns: int) -> dict[str, Any]:
    """Return what the last 24 hours of a symbol were like."""
    day = market.public.trades.day(now_ns)
    bought = float(day["volume"])
    average = float(day["quoteVolume"]) / bought if bought else 0.0
    first, last = float(day["openPrice"]), float(day["lastPrice"])
    return {
        **market.public.ticker(),
        **day,
        "priceChange": f"{last - first:.8f}",
        "priceChangePercent": f"{(last / first - 1) * 100 if first else 0.0:.3f}",
        "weightedAvgPrice": f"{average:.8f}",
        "prevClosePrice": day["openPrice"],
        "lastQty": text(0),
    }


def average_price(service: Service, _: Account | None, parameters: Parameters) -> dict[str, Any]:
    """Return the average price of five minutes."""
    market = market_of(service, parameters)
    start = service.now_ns - 300 * 10**9
    instrument, tape = market.instrument, market.public.trades
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
        "updateTime": Ns(updated_ns(account)),
        "accountType": "SPOT",
        "balances": balance_rows(account, service.first.instrument),
        "permissions": ["SPOT"],
        "uid": account.number,
    }


def updated_ns(account: Account) -> int:
    """Return when an account last changed, in whatever symbol."""
    others = (each.account.updated_ns for each in account.elsewhere)
    return max(account.updated_ns, *others, 0)


def commission_rates(account: Account) -> dict[str, str]:
    """Return what an account pays, as shares of the notional."""
    maker, taker = text(account.fees.maker), text(account.fees.taker)
    return {"maker": maker, "taker": taker, "buyer": text(0), "seller": text(0)}


def account_commission(
    service: Service, account: Account | None, parameters: Parameters
) -> dict[str, Any]:
    """Return what an account pays on a symbol."""
    market = market_of(service, parameters)
    account = known_to(market, account)
    nothing = {"maker": text(0), "taker": text(0), "buyer": text(0), "seller": text(0)}
    other = account.fees.asset
    return {
        "symbol": account.symbol,
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
    market = market_of(service, parameters)
    order_id, name = which(parameters, id_name="orderId", client_name="origClientOrderId")
    order = known_to(market, account).find(order_id, name)
    if order is None:
        raise no_such_order()
    return service.words.order_row(order, market.instrument)


def open_orders(service: Service, account: Account | None, parameters: Parameters) -> list[Any]:
    """Return the open orders in a symbol, or in all."""
    if "symbol" in parameters:
        markets = [market_of(service, parameters)]
    else:
        markets = list(service.markets.values())
    return [row for market in markets for row in open_rows(market.house, known_to(market, account))]


def all_orders(service: Service, account: Account | None, parameters: Parameters) -> list[Any]:
    """Return orders whatever became of them: from an id, from a time, or the last."""
    market = market_of(service, parameters)
    first = whole(parameters, "orderId")
    start, end = in_ns(whole(parameters, "startTime")), in_ns(whole(parameters, "endTime"))
    limit = limit_of(parameters, 500, 1000)
    found = [
        order
        for order in known_to(market, account).orders.values()
        if (first is None or order.order_id >= first)
        and (start is None or order.made_ns >= start)
        and (end is None or order.made_ns <= end)
    ]
    chosen = found[-limit:] if first is None and start is None else found[:limit]
    return [service.words.order_row(order, market.instrument) for order in chosen]


def my_trades(service: Service, account: Account | None, parameters: Parameters) -> list[Any]:
    """Return the account's trades: of an order, from an id, from a time, or the last."""
    market = market_of(service, parameters)
    first, order_id = whole(parameters, "fromId"), whole(parameters, "orderId")
    start, end = in_ns(whole(parameters, "startTime")), in_ns(whole(parameters, "endTime"))
    limit = limit_of(parameters, 500, 1000)
    found = [
        trade
        for trade in known_to(market, account).trades
        if (first is None or trade.trade_id >= first)
        and (order_id is None or trade.order_id == order_id)
        and (start is None or trade.time_ns >= start)
        and (end is None or trade.time_ns <= end)
    ]
    chosen = found[-limit:] if first is None and start is None else found[:limit]
    return [service.words.trade_row(trade, market.instrument) for trade in chosen]


def order_rates(service: Service, account: Account | None, _: Parameters) -> list[Any]:
    """Return how many unfilled orders are counted."""
    assert account is not None
    return service.rates.order_rows(account.key, service.wall_s())


def listen_key(service: Service, account: Account | None, parameters: Parameters) -> dict[str, Any]:
    """Return a listen key, where these old endpoints are switched on."""
    assert account is not None
    if service.listen_keys is None:
        raise Refusal(-1, "This endpoint was removed; use userDataStream.subscribe.", 410)
    asked = parameters.get("apiKey", account.key)
    key = f"{account.number:08d}{asked}".ljust(64, "0")[:64]
    service.listen_keys[key] = account.key, asked
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
    read_place(parameters, service.markets, service.made_id())
    if parameters.get("computeCommissionRates") == "true":
        return account_commission(service, account, parameters)
    if parameters.get("computeCommissionRates", "false") != "false":
        raise not_valid("computeCommissionRates")
    return {}
