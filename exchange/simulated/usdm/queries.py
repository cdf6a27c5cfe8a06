"""Questions of USD-M futures that are answered at once: symbol, account, position, settings."""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from exchange.simulated import queries
from exchange.simulated.accounts import Account
from exchange.simulated.commands import Ns
from exchange.simulated.instrument import MAX_ORDERS, MULTIPLIER, Instrument, text
from exchange.simulated.instrument import filter_rows as spot_filters
from exchange.simulated.market import Market
from exchange.simulated.parameters import demanded, limit_of, read_cancel, symbol_of, whole
from exchange.simulated.refusals import Refusal, missing, no_such_order
from exchange.simulated.service import Service
from exchange.simulated.usdm.account_queries import standing
from exchange.simulated.usdm.margin import LEVERAGE_MAX
from exchange.simulated.usdm.parameters import (
    DEFAULT_STP,
    ORDER_TYPES,
    STP_MODES,
    TIMES_IN_FORCE,
)
from exchange.simulated.usdm.wire import ZERO, order_row
from market.layout import NEVER, UNITS

Parameters = Mapping[str, str]
COUNTDOWN_MS_MAX = 86_400_000


def filter_rows(instrument: Instrument) -> list[dict[str, Any]]:
    """Return the filters as `exchangeInfo` lists them."""
    spot = {row["filterType"]: row for row in spot_filters(instrument)}
    return [
        spot["PRICE_FILTER"],
        spot["LOT_SIZE"],
        spot["LOT_SIZE"] | {"filterType": "MARKET_LOT_SIZE"},
        {"filterType": "MAX_NUM_ORDERS", "limit": MAX_ORDERS},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 0},
        {"filterType": "MIN_NOTIONAL", "notional": text(instrument.filters.min_notional)},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": text(MULTIPLIER * UNITS),
            "multiplierDown": text(UNITS // MULTIPLIER),
            "multiplierDecimal": "4",
        },
    ]


def symbol_row(instrument: Instrument) -> dict[str, Any]:
    """Return a symbol as `exchangeInfo` describes it: a perpetual contract."""
    return {
        "symbol": instrument.symbol,
        "pair": instrument.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": instrument.status,
        "maintMarginPercent": "0.0000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": instrument.base,
        "quoteAsset": instrument.quote,
        "marginAsset": instrument.quote,
        "pricePrecision": 8,
        "quantityPrecision": 8,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": ZERO,
        "liquidationFee": ZERO,
        "marketTakeBound": text(UNITS),
        "filters": filter_rows(instrument),
        "orderTypes": list(ORDER_TYPES),
        "timeInForce": list(TIMES_IN_FORCE),
        "permissionSets": [],
        "defaultSelfTradePreventionMode": DEFAULT_STP,
        "allowedSelfTradePreventionModes": list(STP_MODES),
    }


def exchange_info(service: Service, _: Account | None, __: Parameters) -> dict[str, Any]:
    """Return limits and the symbols."""
    quote = service.first.instrument.quote
    return {
        "timezone": "UTC",
        "serverTime": Ns(service.wall_ns()),
        "futuresType": "U_MARGINED",
        "rateLimits": [rate.row() for rate in service.rates.rates],
        "exchangeFilters": [],
        "assets": [{"asset": quote, "marginAvailable": True, "autoAssetExchange": "0"}],
        "symbols": [symbol_row(each.instrument) for each in service.markets.values()],
    }


def premium_index(service: Service, _: Account | None, parameters: Parameters) -> Any:
    """Return mark price and the next funding, its rate as it stands, if the recording has one."""
    return queries.tickers(service, parameters, lambda market: premium(market, service.now_ns))


def premium(market: Market, now_ns: int) -> dict[str, Any]:
    """Return mark price and the next funding of a symbol."""
    coming = next((row for row in market.funding if row[0] > now_ns), None)
    mark = market.mark_price()
    return {
        "symbol": market.instrument.symbol,
        "markPrice": mark,
        "indexPrice": mark,
        "estimatedSettlePrice": mark,
        "lastFundingRate": text(coming[1]) if coming else ZERO,
        "interestRate": ZERO,
        "nextFundingTime": Ns(coming[0]) if coming else 0,
        "time": Ns(now_ns),
    }


def funding_rate(service: Service, _: Account | None, parameters: Parameters) -> list[Any]:
    """Return the fundings that have passed."""
    limit = limit_of(parameters, 100, 1000)
    rows = [
        {
            "symbol": market.instrument.symbol,
            "fundingRate": text(rate),
            "fundingTime": Ns(at),
            "markPrice": ZERO,
        }
        for market in queries.asked_for(service, parameters)
        for at, rate in market.funding
        if at <= service.now_ns
    ]
    return sorted(rows, key=itemgetter("fundingTime"))[-limit:]


def commission_rate(service: Service, account: Account | None, parameters: Parameters) -> Any:
    """Return what the account pays in a symbol."""
    account = queries.known_to(queries.market_of(service, parameters), account)
    return {
        "symbol": account.symbol,
        "makerCommissionRate": text(account.fees.maker),
        "takerCommissionRate": text(account.fees.taker),
        "rpiCommissionRate": ZERO,
    }


def leverage_brackets(service: Service, _: Account | None, parameters: Parameters) -> list[Any]:
    """Return one bracket without an end: maintenance margin is not simulated."""
    bracket = {
        "bracket": 1,
        "initialLeverage": LEVERAGE_MAX,
        "notionalCap": NEVER // UNITS,
        "notionalFloor": 0,
        "maintMarginRatio": 0.0,
        "cum": 0.0,
    }
    return [
        {"symbol": market.instrument.symbol, "brackets": [bracket]}
        for market in queries.asked_for(service, parameters)
    ]


def fee_burn(_: Service, account: Account | None, __: Parameters) -> dict[str, Any]:
    """Return whether fees are paid in another asset."""
    assert account is not None
    return {"feeBurn": account.fees.asset is not None}


def change_leverage(service: Service, account: Account | None, parameters: Parameters) -> Any:
    """Set the leverage of a symbol."""
    market = queries.market_of(service, parameters)
    account = queries.known_to(market, account)
    leverage = whole(parameters, "leverage")
    if leverage is None:
        raise missing("leverage")
    if not 1 <= leverage <= LEVERAGE_MAX:
        raise Refusal(-4028, f"Leverage {leverage} is not valid")
    assert account.margin is not None
    before, account.margin.leverage = account.margin.leverage, leverage
    _, now = standing(market, account)
    if leverage < before and now.available < 0:
        account.margin.leverage = before
        raise Refusal(-2027, "Exceeded the maximum allowable position at current leverage.")
    market.house.note(account, {"leverage": leverage})
    most = text(NEVER // UNITS * UNITS)
    return {"symbol": account.symbol, "leverage": leverage, "maxNotionalValue": most}


def change_margin_type(service: Service, _: Account | None, parameters: Parameters) -> Any:
    """Refuse: margin is crossed, and stays so."""
    symbol_of(parameters, service.markets)
    if demanded(parameters, "marginType") == "CROSSED":
        raise Refusal(-4046, "No need to change margin type.")
    raise Refusal(-4168, "Unable to adjust to isolated-margin mode: it is not simulated.")


def position_mode(*_: object) -> dict[str, Any]:
    """Return that positions have one side."""
    return {"dualSidePosition": False}


def change_position_mode(_: Service, __: Account | None, parameters: Parameters) -> Any:
    """Refuse: one-way mode stays."""
    if demanded(parameters, "dualSidePosition").lower() == "false":
        raise Refusal(-4059, "No need to change position side.")
    raise Refusal(-4068, "Position side cannot be changed: hedge mode is not simulated.")


def countdown(service: Service, account: Account | None, parameters: Parameters) -> Any:
    """Let all orders in a symbol be cancelled after so many milliseconds of wall time; 0 takes
    it back.
    """
    account = queries.known_to(queries.market_of(service, parameters), account)
    countdown_ms = whole(parameters, "countdownTime")
    if countdown_ms is None or countdown_ms > COUNTDOWN_MS_MAX:
        raise missing("countdownTime")
    service.count_down(account, countdown_ms)
    return {"symbol": account.symbol, "countdownTime": str(countdown_ms)}


def keep_listening(service: Service, account: Account | None, parameters: Parameters) -> Any:
    """Extend the account's listen key, or end it: it lives as long as the exchange."""
    return queries.listen_key(service, account, parameters)


def open_order(service: Service, account: Account | None, parameters: Parameters) -> Any:
    """Return one order that is open."""
    market = queries.market_of(service, parameters)
    wanted = read_cancel(parameters, service.markets, "")
    order = queries.known_to(market, account).find(wanted.order_id, wanted.client_id)
    if order is None or not order.is_open:
        raise no_such_order()
    return order_row(order, market.instrument)


def book_ticker(service: Service, _: Account | None, parameters: Parameters) -> Any:
    """Return the best quotes with their time."""
    return queries.tickers(
        service,
        parameters,
        lambda market: market.public.ticker() | {"time": Ns(market.public.time_ns)},
    )


def price_ticker(service: Service, _: Account | None, parameters: Parameters) -> Any:
    """Return the last price with its time."""
    return queries.tickers(
        service,
        parameters,
        lambda market: queries.last_price(market) | {"time": Ns(service.now_ns)},
    )
