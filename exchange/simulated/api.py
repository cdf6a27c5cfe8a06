"""Every request that is served, under one name for REST and WebSocket API, and how it is answered:
limits, key, signature, time, parameters, faults, then the core or a query.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from exchange.simulated import queries
from exchange.simulated.accounts import Account
from exchange.simulated.commands import CancelReplace, Command, Place, timed
from exchange.simulated.faults import Fault
from exchange.simulated.parameters import (
    read_amend,
    read_cancel,
    read_cancel_all,
    read_cancel_replace,
    read_place,
    reading_all,
)
from exchange.simulated.rates import ORDERS, WEIGHT
from exchange.simulated.refusals import Refusal, unknown_outcome
from exchange.simulated.service import Service
from exchange.simulated.signing import account_by_key, demand_time, verify

Reader = Callable[[Mapping[str, str], Any, str], Any]
"""Returns a command, or a list of commands and refusals that are judged one by one."""


class Security(Enum):
    """What a request must bring."""

    NONE = "nothing"
    KEY = "a key"
    SIGNED = "a key, a signature and a timestamp"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One request that is served; an order request has a reader, any other a query."""

    name: str
    method: str
    path: str
    security: Security
    weight: int
    query: queries.Query | None = None
    reader: Reader | None = None


def public(name: str, path: str, weight: int, query: queries.Query) -> Endpoint:
    """Return an endpoint that anyone may ask."""
    return Endpoint(name, "GET", path, Security.NONE, weight, query)


def private(name: str, path: str, weight: int, query: queries.Query) -> Endpoint:
    """Return a question that must be signed."""
    return Endpoint(name, "GET", path, Security.SIGNED, weight, query)


def order(name: str, method: str, path: str, reader: Reader) -> Endpoint:
    """Return a request about orders; it weighs 1 when it fails."""
    return Endpoint(name, method, path, Security.SIGNED, 0, None, reader)


STREAM = "userDataStream"
ENDPOINTS = (
    public("ping", "ping", 1, queries.ping),
    public("time", "time", 1, queries.server_time),
    public("exchangeInfo", "exchangeInfo", 20, queries.exchange_info),
    public("depth", "depth", 5, queries.depth),
    public("trades.recent", "trades", 25, queries.trades),
    public("trades.historical", "historicalTrades", 25, queries.trades),
    public("trades.aggregate", "aggTrades", 4, queries.aggregate_trades),
    public("klines", "klines", 2, queries.klines),
    public("uiKlines", "uiKlines", 2, queries.klines),
    public("avgPrice", "avgPrice", 2, queries.average_price),
    public("ticker.book", "ticker/bookTicker", 2, queries.book_ticker),
    public("ticker.price", "ticker/price", 2, queries.price_ticker),
    public("ticker.24hr", "ticker/24hr", 2, queries.day_ticker),
    private("account.status", "account", 20, queries.account_status),
    private("account.commission", "account/commission", 20, queries.account_commission),
    private("account.rateLimits.orders", "rateLimit/order", 40, queries.order_rates),
    private("order.status", "order", 4, queries.order_status),
    private("openOrders.status", "openOrders", 6, queries.open_orders),
    private("allOrders", "allOrders", 20, queries.all_orders),
    private("myTrades", "myTrades", 20, queries.my_trades),
    order("order.place", "POST", "order", reading_all(read_place)),
    order("order.cancel", "DELETE", "order", reading_all(read_cancel)),
    order("order.cancelReplace", "POST", "order/cancelReplace", reading_all(read_cancel_replace)),
    order("order.amend.keepPriority", "PUT", "order/amend/keepPriority", reading_all(read_amend)),
    order("openOrders.cancelAll", "DELETE", "openOrders", reading_all(read_cancel_all)),
    Endpoint("order.test", "POST", "order/test", Security.SIGNED, 1, queries.price_of_test),
    Endpoint("listenKey.start", "POST", STREAM, Security.KEY, 2, queries.listen_key),
    Endpoint("listenKey.ping", "PUT", STREAM, Security.KEY, 2, queries.keep_listening),
    Endpoint("listenKey.stop", "DELETE", STREAM, Security.KEY, 2, queries.keep_listening),
)
BY_NAME = {endpoint.name: endpoint for endpoint in ENDPOINTS}


@dataclass(slots=True)
class Request:
    """One request as it came.

    Attributes:
        endpoint: what is asked.
        parameters: as text.
        address: from where.
        key: that it brings.
        sealed: returns (what was signed, signature).
        unit_ns: of the times in the answer.
        account: whose it is, when that is known already.
        sent: it is on its way to the core, which counts its answer.
    """

    endpoint: Endpoint
    parameters: Mapping[str, str]
    address: str
    key: str | None
    sealed: Callable[[], tuple[str, str]]
    unit_ns: int
    account: Account | None = None
    sent: bool = False


@dataclass(slots=True)
class Answer:
    """What a request gets.

    Attributes:
        status: of HTTP.
        told: the body, its times in the unit asked for.
        drop: nothing is sent: the connection ends.
    """

    status: int
    told: Any
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False


async def perform(service: Service, request: Request) -> Answer:
    """Answer one request; what the faults want comes first and last."""
    name = request.endpoint.name
    fault = service.faults.for_request(name, request.key)
    is_order = request.endpoint.reader is not None and request.key in service.accounts
    if is_order:
        assert request.key is not None
        service.hub.count(request.key).requests += 1
        service.arrived.set()
    answer = await _before(service, request, fault)
    if answer is None:
        answer = await _answer(service, request)
    answer = await _after(fault, answer)
    if is_order and request.key is not None and not request.sent:
        service.hub.count(request.key).answers += 1
    now_s = service.wall_s()
    answer.headers |= service.rates.headers(request.address, request.key, now_s)
    return answer


async def _before(service: Service, request: Request, fault: Fault | None) -> Answer | None:
    """Return what a fault answers before the request is looked at; None: it goes on."""
    if fault is None:
        return None
    if fault.kind == "delay_before":
        await asyncio.sleep(fault.seconds)
    elif fault.kind == "error_before":
        return Answer(fault.status, unknown_outcome(fault.status).body())
    elif fault.kind == "drop_before":
        return Answer(0, None, drop=True)
    elif fault.kind in {"too_many", "banned"}:
        ban = fault.kind == "banned"
        service.rates.punish(request.address, service.wall_s(), fault.seconds, ban=ban)
    return None


async def _after(fault: Fault | None, answer: Answer) -> Answer:
    """Return what becomes of an answer under a fault."""
    if fault is None:
        return answer
    if fault.kind == "delay_after":
        await asyncio.sleep(fault.seconds)
    elif fault.kind == "error_after":
        return Answer(fault.status, unknown_outcome(fault.status).body())
    elif fault.kind == "drop_after":
        return Answer(0, None, drop=True)
    return answer


async def _answer(service: Service, request: Request) -> Answer:
    """Answer a request as an exchange does that works."""
    try:
        service.rates.demand(request.address, request.endpoint.weight, service.wall_s())
        account = identify(service, request)
        told = await _carry_out(service, request, account)
    except Refusal as refusal:
        if request.endpoint.reader is not None:
            service.rates.add(request.address, WEIGHT, 1, service.wall_s())
        return Answer(refusal.status, timed(refusal.body(), request.unit_ns), refusal.headers)
    return Answer(200, timed(told, request.unit_ns))


async def _carry_out(service: Service, request: Request, account: Account | None) -> Any:
    endpoint = request.endpoint
    if endpoint.query is not None:
        if service.clock is not None:
            service.live_until(service.feed_now())
        parameters = request.parameters
        if endpoint.security is Security.KEY and request.key is not None:
            parameters = {**parameters, "apiKey": request.key}
        return endpoint.query(service, account, parameters)
    assert endpoint.reader is not None
    assert account is not None
    assert request.key is not None
    command = endpoint.reader(request.parameters, service.markets, service.made_id())
    commands = command if isinstance(command, list) else [command]
    orders = sum(isinstance(each, Place | CancelReplace) for each in commands)
    if orders:
        now_s = service.wall_s()
        service.rates.demand_orders(account.key, orders, now_s)
        service.rates.add(account.key, ORDERS, orders, now_s)
    request.sent = True
    if not isinstance(command, list):
        return await service.order(account, command, request.key)
    told = (_one_of_many(service, account, each, request.key) for each in commands)
    return await asyncio.gather(*told)


async def _one_of_many(
    service: Service, account: Account, command: Command | Refusal, key: str
) -> Any:
    """Return the answer to one command of a batch; a refusal concerns it alone."""
    if isinstance(command, Refusal):
        return command.body()
    try:
        return await service.order(account, command, key)
    except Refusal as refusal:
        return refusal.body()


def identify(service: Service, request: Request) -> Account | None:
    """Return whose request it is; None for a public one.

    Raises:
        Refusal: key, signature or time are not right.
    """
    security = request.endpoint.security
    if security is Security.NONE:
        return None
    if request.account is not None:
        account = request.account
    else:
        account = account_by_key(service.accounts, request.key)
        if security is Security.SIGNED:
            verify(account, *request.sealed(), request.key)
    if security is Security.SIGNED and service.clock is not None:
        timestamp = request.parameters.get("timestamp")
        window = request.parameters.get("recvWindow")
        demand_time(timestamp, window, service.wall_ns() / 1e6)
    return account
