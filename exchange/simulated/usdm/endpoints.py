"""The requests of USD-M futures, below `/fapi`. Names are those of spot where they mean the same,
so that one fault strikes on either exchange.
"""

from exchange.simulated import queries as common
from exchange.simulated.api import Endpoint, Security, order, private, public
from exchange.simulated.parameters import read_cancel
from exchange.simulated.usdm import account_queries, queries
from exchange.simulated.usdm.amending import read_modify
from exchange.simulated.usdm.parameters import (
    read_batch,
    read_cancel_all,
    read_cancel_batch,
    read_place,
)

SIGNED, KEY = Security.SIGNED, Security.KEY

ENDPOINTS = (
    public("ping", "ping", 1, common.ping),
    public("time", "time", 1, common.server_time),
    public("exchangeInfo", "exchangeInfo", 1, queries.exchange_info),
    public("depth", "depth", 5, common.depth),
    public("trades.recent", "trades", 5, common.trades),
    public("trades.historical", "historicalTrades", 20, common.trades),
    public("trades.aggregate", "aggTrades", 20, common.aggregate_trades),
    public("klines", "klines", 2, common.klines),
    public("ticker.book", "ticker/bookTicker", 2, queries.book_ticker),
    public("ticker.price", "ticker/price", 1, queries.price_ticker),
    public("ticker.24hr", "ticker/24hr", 1, common.day_ticker),
    public("premiumIndex", "premiumIndex", 1, queries.premium_index),
    public("fundingRate", "fundingRate", 1, queries.funding_rate),
    private("account.status", "account", 5, account_queries.account_status),
    private("account.balance", "balance", 5, account_queries.balance),
    private("account.position", "positionRisk", 5, account_queries.position_risk),
    private("account.commission", "commissionRate", 20, queries.commission_rate),
    private("leverageBracket", "leverageBracket", 1, queries.leverage_brackets),
    private("account.rateLimits.orders", "rateLimit/order", 1, common.order_rates),
    private("order.status", "order", 1, common.order_status),
    private("openOrder.status", "openOrder", 1, queries.open_order),
    private("openOrders.status", "openOrders", 1, common.open_orders),
    private("allOrders", "allOrders", 5, common.all_orders),
    private("myTrades", "userTrades", 5, common.my_trades),
    private("feeBurn", "feeBurn", 30, queries.fee_burn),
    private("income", "income", 30, account_queries.income),
    private("positionMode.status", "positionSide/dual", 30, queries.position_mode),
    Endpoint(
        "positionMode.change", "POST", "positionSide/dual", SIGNED, 1, queries.change_position_mode
    ),
    Endpoint("leverage", "POST", "leverage", SIGNED, 1, queries.change_leverage),
    Endpoint("marginType", "POST", "marginType", SIGNED, 1, queries.change_margin_type),
    Endpoint("countdownCancelAll", "POST", "countdownCancelAll", SIGNED, 10, queries.countdown),
    order("order.place", "POST", "order", read_place),
    order("order.cancel", "DELETE", "order", read_cancel),
    order("order.modify", "PUT", "order", read_modify),
    order("order.placeBatch", "POST", "batchOrders", read_batch),
    order("order.cancelBatch", "DELETE", "batchOrders", read_cancel_batch),
    order("openOrders.cancelAll", "DELETE", "allOpenOrders", read_cancel_all),
    Endpoint("listenKey.start", "POST", "listenKey", KEY, 1, common.listen_key),
    Endpoint("listenKey.ping", "PUT", "listenKey", KEY, 1, queries.keep_listening),
    Endpoint("listenKey.stop", "DELETE", "listenKey", KEY, 1, queries.keep_listening),
)
