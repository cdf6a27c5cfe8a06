"""Questions of USD-M futures that are answered at once: symbol, account, position, settings."""

from collections.abc import Mapping
from typing import Any

from exchange.simulated import queries
from exchange.simulated.accounts import Account
from exchange.simulated.commands import Ns
from exchange.simulated.instrument import MAX_ORDERS, MULTIPLIER, Instrument, half_even, text
from exchange.simulated.instrument import filter_rows as spot_filters
from exchange.simulated.parameters import demanded, limit_of, read_cancel, symbol_of, whole
from exchange.simulated.queries import in_ns
from exchange.simulated.refusals import Refusal, missing, no_such_order
from exchange.simulated.service import Service
from exchange.simulated.usdm.margin import LEVERAGE_MAX
from exchange.simulated.usdm.margins import Standing, standing_of
from exchange.simulated.usdm.parameters import (
    DEFAULT_STP,
    ORDER_TYPES,
    STP_MODES,
    TIMES_IN_FORCE,
)
from exchange.simulated.usdm.wire import ZERO, entry_price, order_row
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


def exchange_info(service: Service, _: Account | None, __: Parameters) -> dict[str, Any]:
    """Return limits and the symbol, a perpetual contract."""
    instrument = service.house.instrument
    symbol = {
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
    return {
        "timezone": "UTC",
        "serverTime": Ns(service.wall_ns()),
        "futuresType": "U_MARGINED",
        "rateLimits": [rate.row() for rate in service.rates.rates],
        "exchangeFilters": [],
        "assets": [{"asset": instrument.quote, "marginAvailable": True, "autoAssetExchange": "0"}],
        "symbols": [symbol],
    }


def mark_price(service: Service) -> str:
    """Return the middle of the recorded quotes as text."""
    house = service.house
    return text(half_even(house.mark_half_ticks, house.instrument.tick, 2))


def premium_index(service: Service, _: Account | None, parameters: Parameters) -> Any:
    """Return mark price and the next funding, its rate as it stands, if the recording has one."""
    house = service.house
    coming = next((row for row in service.funding if row[0] > service.now_ns), None)
    row = {
        "symbol": house.instrument.symbol,
        "markPrice": mark_price(service),
        "indexPrice": mark_price(service),
        "estimatedSettlePrice": mark_price(service),
        "lastFundingRate": text(coming[1]) if coming else ZERO,
        "interestRate": ZERO,
        "nextFundingTime": Ns(coming[0]) if coming else 0,
        "time": Ns(service.now_ns),
    }
    return queries.one_or_all(service, parameters, row)


def funding_rate(service: Service, _: Account | None, parameters: Parameters) -> list[Any]:
    """Return the fundings that have passed."""
    limit = limit_of(parameters, 100, 1000)
    symbol = service.house.instrument.symbol
    rows = [
        {"symbol": symbol, "fundingRate": text(rate), "fundingTime": Ns(at), "markPrice": ZERO}
        for at, rate in service.funding
        if at <= service.now_ns
    ]
    return rows[-limit:]


def standing(service: Service, account: Account | None) -> tuple[Account, Standing]:
    """Return the account, and how it stands at the mark."""
    assert account is not None
    house = service.house
    return account, standing_of(account, house.instrument, house.mark_half_ticks)


def balance(service: Service, account: Account | None, _: Parameters) -> list[Any]:
    """Return the wallet of the margin asset."""
    account, now = standing(service, account)
    row = {
        "accountAlias": account.name,
        "asset": service.house.instrument.quote,
        "balance": text(now.wallet),
        "crossWalletBalance": text(now.wallet),
        "crossUnPnl": text(now.profit),
        "availableBalance": text(max(0, now.available)),
        "maxWithdrawAmount": text(max(0, min(now.available, now.wallet))),
        "marginAvailable": True,
        "updateTime": Ns(account.updated_ns),
    }
    return [row]


def position_row(service: Service, account: Account, now: Standing) -> dict[str, Any]:
    """Return the position in the symbol."""
    assert account.margin is not None
    instrument = service.house.instrument
    return {
        "symbol": instrument.symbol,
        "positionSide": "BOTH",
        "positionAmt": instrument.quantity(account.held_lots(instrument)),
        "entryPrice": entry_price(account, instrument),
        "breakEvenPrice": entry_price(account, instrument),
        "markPrice": mark_price(service),
        "unRealizedProfit": text(now.profit),
        "liquidationPrice": "0",
        "isolatedMargin": ZERO,
        "isolatedWallet": ZERO,
        "notional": text(now.worth),
        "marginAsset": instrument.quote,
        "marginType": "cross",
        "leverage": str(account.margin.leverage),
        "initialMargin": text(now.margin),
        "maintMargin": ZERO,
        "positionInitialMargin": text(now.position_margin),
        "openOrderInitialMargin": text(now.margin - now.position_margin),
        "bidNotional": text(now.buys),
        "askNotional": text(now.sells),
        "adl": 0,
        "updateTime": Ns(account.updated_ns),
    }


def position_risk(service: Service, account: Account | None, parameters: Parameters) -> list[Any]:
    """Return the position in the symbol, an empty one too."""
    if "symbol" in parameters:
        symbol_of(parameters, service.house.instrument)
    return [position_row(service, *standing(service, account))]


def account_status(service: Service, account: Account | None, _: Parameters) -> dict[str, Any]:
    """Return the account with its asset and its position; v2 and v3 in one."""
    account, now = standing(service, account)
    sums = {
        "WalletBalance": now.wallet,
        "MarginBalance": now.wallet + now.profit,
        "InitialMargin": now.margin,
        "MaintMargin": 0,
        "PositionInitialMargin": now.position_margin,
        "OpenOrderInitialMargin": now.margin - now.position_margin,
        "CrossWalletBalance": now.wallet,
        "CrossUnPnl": now.profit,
    }
    row = position_row(service, account, now)
    free = {
        "availableBalance": text(max(0, now.available)),
        "maxWithdrawAmount": text(max(0, min(now.available, now.wallet))),
    }
    asset: dict[str, Any] = {
        name[0].lower() + name[1:]: text(units) for name, units in sums.items()
    }
    asset |= {"asset": row["marginAsset"], "unrealizedProfit": text(now.profit), **free}
    asset |= {"marginAvailable": True, "updateTime": Ns(account.updated_ns)}
    position = row | {"unrealizedProfit": row["unRealizedProfit"], "isolated": False}
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": False,
        "canWithdraw": False,
        "feeBurn": account.fees.asset is not None,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
        "updateTime": Ns(account.updated_ns),
        **{f"total{name}": text(units) for name, units in sums.items()},
        "totalUnrealizedProfit": text(now.profit),
        **free,
        "assets": [asset],
        "positions": [position],
    }


def commission_rate(service: Service, account: Account | None, parameters: Parameters) -> Any:
    """Return what the account pays in the symbol."""
    assert account is not None
    instrument = service.house.instrument
    symbol_of(parameters, instrument)
    return {
        "symbol": instrument.symbol,
        "makerCommissionRate": text(account.fees.maker),
        "takerCommissionRate": text(account.fees.taker),
        "rpiCommissionRate": ZERO,
    }


def leverage_brackets(service: Service, _: Account | None, __: Parameters) -> list[Any]:
    """Return one bracket without an end: maintenance margin is not simulated."""
    bracket = {
        "bracket": 1,
        "initialLeverage": LEVERAGE_MAX,
        "notionalCap": NEVER // UNITS,
        "notionalFloor": 0,
        "maintMarginRatio": 0.0,
        "cum": 0.0,
    }
    return [{"symbol": service.house.instrument.symbol, "brackets": [bracket]}]


def fee_burn(_: Service, account: Account | None, __: Parameters) -> dict[str, Any]:
    """Return whether fees are paid in another asset."""
    assert account is not None
    return {"feeBurn": account.fees.asset is not None}


def change_leverage(service: Service, account: Account | None, parameters: Parameters) -> Any:
    """Set the leverage of the symbol."""
    account, now = standing(service, account)
    instrument = service.house.instrument
    symbol_of(parameters, instrument)
    leverage = whole(parameters, "leverage")
    if leverage is None:
        raise missing("leverage")
    if not 1 <= leverage <= LEVERAGE_MAX:
        raise Refusal(-4028, f"Leverage {leverage} is not valid")
    assert account.margin is not None
    before, account.margin.leverage = account.margin.leverage, leverage
    now = standing_of(account, instrument, service.house.mark_half_ticks)
    if leverage < before and now.available < 0:
        account.margin.leverage = before
        raise Refusal(-2027, "Exceeded the maximum allowable position at current leverage.")
    service.house.note(account, {"leverage": leverage})
    most = text(NEVER // UNITS * UNITS)
    return {"symbol": instrument.symbol, "leverage": leverage, "maxNotionalValue": most}


def change_margin_type(service: Service, _: Account | None, parameters: Parameters) -> Any:
    """Refuse: margin is crossed, and stays so."""
    symbol_of(parameters, service.house.instrument)
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
    """Let all orders be cancelled after so many milliseconds of wall time; 0 takes it back."""
    assert account is not None
    symbol = symbol_of(parameters, service.house.instrument)
    countdown_ms = whole(parameters, "countdownTime")
    if countdown_ms is None or countdown_ms > COUNTDOWN_MS_MAX:
        raise missing("countdownTime")
    service.count_down(account, countdown_ms)
    return {"symbol": symbol, "countdownTime": str(countdown_ms)}


def listen_key(service: Service, account: Account | None, _: Parameters) -> dict[str, Any]:
    """Return the account's listen key."""
    return queries.listen_key(service, account, {})


def keep_listening(service: Service, account: Account | None, _: Parameters) -> dict[str, Any]:
    """Extend the account's listen key, or end it: it lives as long as the exchange."""
    return queries.listen_key(service, account, {})


def open_order(service: Service, account: Account | None, parameters: Parameters) -> Any:
    """Return one order that is open."""
    assert account is not None
    wanted = read_cancel(parameters, service.house.instrument, "")
    order = account.find(wanted.order_id, wanted.client_id)
    if order is None or not order.is_open:
        raise no_such_order()
    return order_row(order, service.house.instrument)


def income(service: Service, account: Account | None, parameters: Parameters) -> list[Any]:
    """Return what was paid and received: funding, commission, realised profit; oldest first."""
    assert account is not None
    assert account.margin is not None
    instrument = service.house.instrument
    rows = [
        ("FUNDING_FEE", each.time_ns, each.units, instrument.quote, f"9{each.number:09d}", "")
        for each in account.margin.funding
    ]
    for each in account.trades:
        number = f"{each.trade_id:010d}"
        asset = each.commission_asset
        rows.append(("COMMISSION", each.time_ns, -each.commission, asset, number, number))
        if each.realised:
            told = (each.time_ns, each.realised, instrument.quote, f"1{number}", number)
            rows.append(("REALIZED_PNL", *told))
    kind = parameters.get("incomeType")
    start, end = in_ns(whole(parameters, "startTime")), in_ns(whole(parameters, "endTime"))
    found = [
        {
            "symbol": instrument.symbol,
            "incomeType": name,
            "income": text(units),
            "asset": asset,
            "info": name,
            "time": Ns(at),
            "tranId": int(number),
            "tradeId": trade,
        }
        for name, at, units, asset, number, trade in sorted(rows, key=lambda row: row[1])
        if (kind is None or kind == name)
        and (start is None or at >= start)
        and (end is None or at <= end)
    ]
    limit = limit_of(parameters, 100, 1000)
    return found[-limit:] if start is None else found[:limit]


def book_ticker(service: Service, account: Account | None, parameters: Parameters) -> Any:
    """Return the best quotes with their time."""
    told = queries.book_ticker(service, account, parameters)
    for row in told if isinstance(told, list) else [told]:
        row["time"] = Ns(service.public.time_ns)
    return told


def price_ticker(service: Service, account: Account | None, parameters: Parameters) -> Any:
    """Return the last price with its time."""
    told = queries.price_ticker(service, account, parameters)
    for row in told if isinstance(told, list) else [told]:
        row["time"] = Ns(service.now_ns)
    return told
