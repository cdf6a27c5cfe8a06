"""What USD-M futures tell an account of itself: wallet, positions, income."""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from exchange.simulated import queries
from exchange.simulated.accounts import Account
from exchange.simulated.commands import Ns
from exchange.simulated.instrument import text
from exchange.simulated.market import Market
from exchange.simulated.parameters import limit_of, whole
from exchange.simulated.queries import in_ns
from exchange.simulated.service import Service
from exchange.simulated.usdm.margins import Standing, standing_of
from exchange.simulated.usdm.wire import ZERO, entry_price

Parameters = Mapping[str, str]


def standing(market: Market, account: Account | None) -> tuple[Account, Standing]:
    """Return the account in a market, and how it stands at the mark."""
    known = queries.known_to(market, account)
    return known, standing_of(known, market.instrument, market.house.mark_half_ticks)


def open_profit(service: Service, account: Account | None) -> int:
    """Return what all open positions have earned at their marks, quote units."""
    stands = (standing(market, account)[1] for market in service.markets.values())
    return sum(each.profit for each in stands)


def balance(service: Service, account: Account | None, _: Parameters) -> list[Any]:
    """Return the wallet of the margin asset."""
    account, now = standing(service.first, account)
    row = {
        "accountAlias": account.name,
        "asset": service.first.instrument.quote,
        "balance": text(now.wallet),
        "crossWalletBalance": text(now.wallet),
        "crossUnPnl": text(open_profit(service, account)),
        "availableBalance": text(max(0, now.available)),
        "maxWithdrawAmount": text(max(0, min(now.available, now.wallet))),
        "marginAvailable": True,
        "updateTime": Ns(queries.updated_ns(account)),
    }
    return [row]


def position_row(market: Market, account: Account | None) -> dict[str, Any]:
    """Return the position in a symbol."""
    account, now = standing(market, account)
    assert account.margin is not None
    instrument = market.instrument
    return {
        "symbol": instrument.symbol,
        "positionSide": "BOTH",
        "positionAmt": instrument.quantity(account.held_lots(instrument)),
        "entryPrice": entry_price(account, instrument),
        "breakEvenPrice": entry_price(account, instrument),
        "markPrice": market.mark_price(),
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
    """Return the position in a symbol, or in all; empty ones too."""
    return [position_row(each, account) for each in queries.asked_for(service, parameters)]


def account_status(service: Service, account: Account | None, _: Parameters) -> dict[str, Any]:
    """Return the account with its asset and its positions; v2 and v3 in one."""
    markets = list(service.markets.values())
    stands = [standing(market, account)[1] for market in markets]
    account, now = standing(service.first, account)
    profit = sum(each.profit for each in stands)
    margin = sum(each.margin for each in stands)
    position_margin = sum(each.position_margin for each in stands)
    sums = {
        "WalletBalance": now.wallet,
        "MarginBalance": now.wallet + profit,
        "InitialMargin": margin,
        "MaintMargin": 0,
        "PositionInitialMargin": position_margin,
        "OpenOrderInitialMargin": margin - position_margin,
        "CrossWalletBalance": now.wallet,
        "CrossUnPnl": profit,
    }
    rows = [position_row(market, account) for market in markets]
    changed = Ns(queries.updated_ns(account))
    free = {
        "availableBalance": text(max(0, now.available)),
        "maxWithdrawAmount": text(max(0, min(now.available, now.wallet))),
    }
    asset: dict[str, Any] = {
        name[0].lower() + name[1:]: text(units) for name, units in sums.items()
    }
    asset |= {"asset": rows[0]["marginAsset"], "unrealizedProfit": text(profit), **free}
    asset |= {"marginAvailable": True, "updateTime": changed}
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": False,
        "canWithdraw": False,
        "feeBurn": account.fees.asset is not None,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
        "updateTime": changed,
        **{f"total{name}": text(units) for name, units in sums.items()},
        "totalUnrealizedProfit": text(profit),
        **free,
        "assets": [asset],
        "positions": [
            row | {"unrealizedProfit": row["unRealizedProfit"], "isolated": False} for row in rows
        ],
    }


def income(service: Service, account: Account | None, parameters: Parameters) -> list[Any]:
    """Return what was paid and received: funding, commission, realised profit; oldest first."""
    rows = [
        row for market in queries.asked_for(service, parameters) for row in earned(market, account)
    ]
    kind = parameters.get("incomeType")
    start, end = in_ns(whole(parameters, "startTime")), in_ns(whole(parameters, "endTime"))
    found = [
        row
        for row in sorted(rows, key=itemgetter("time"))
        if (kind is None or kind == row["incomeType"])
        and (start is None or row["time"] >= start)
        and (end is None or row["time"] <= end)
    ]
    limit = limit_of(parameters, 100, 1000)
    return found[-limit:] if start is None else found[:limit]


def earned(market: Market, account: Account | None) -> list[dict[str, Any]]:
    """Return what was paid and received in a symbol: funding first, then trade by trade."""
    known = queries.known_to(market, account)
    assert known.margin is not None
    quote = market.instrument.quote
    rows = [
        ("FUNDING_FEE", each.time_ns, each.units, quote, f"9{each.number:09d}", "")
        for each in known.margin.funding
    ]
    for each in known.trades:
        number = f"{each.trade_id:010d}"
        asset = each.commission_asset
        rows.append(("COMMISSION", each.time_ns, -each.commission, asset, number, number))
        if each.realised:
            rows.append(("REALIZED_PNL", each.time_ns, each.realised, quote, f"1{number}", number))
    return [
        {
            "symbol": known.symbol,
            "incomeType": name,
            "income": text(units),
            "asset": asset,
            "info": name,
            "time": Ns(at),
            "tranId": int(number),
            "tradeId": trade,
        }
        for name, at, units, asset, number, trade in rows
    ]
