"""The WebSockets: streams of the public market, and the WebSocket API with its user stream."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from exchange.simulated.api import BY_NAME, Answer, Endpoint, Request, Security, identify, perform
from exchange.simulated.hub import CLOSE_S, Connection, dump
from exchange.simulated.refusals import Refusal, missing
from exchange.simulated.service import Service
from exchange.simulated.signing import plain, socket_payload

PING_S = 20.0
PONG_S = 60.0
INBOUND_MAX = 5
"""Messages a second that a stream connection may send."""
STREAMS_MAX = 1024
UNITS_NS = {"MILLISECOND": 10**6, "MICROSECOND": 10**3}
SESSION = Endpoint("session", "", "", Security.SIGNED, 2)


def unit_of(text: str) -> int:
    """Return the unit of times that a client asks for, ns; milliseconds unless it does."""
    return UNITS_NS.get(text.upper(), UNITS_NS["MILLISECOND"])


async def serve(
    service: Service,
    request: web.Request,
    connection: Connection,
    take: Callable[[str], Awaitable[None]],
) -> web.WebSocketResponse:
    """Keep a connection: write its queue, ping it, hand on what it says."""
    socket = connection.socket
    await socket.prepare(request)
    connection.transport = request.transport
    service.hub.connections.add(connection)
    tasks = [asyncio.create_task(connection.write())]
    heard = [time.monotonic()]
    tasks.append(asyncio.create_task(_ping(connection, heard, lambda: service.wall_ns() // 10**6)))
    try:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await take(message.data)
            elif message.type is WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type is WSMsgType.PONG:
                heard[0] = time.monotonic()
            if connection.ended:
                break
    finally:
        service.hub.drop(connection)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return socket


async def _ping(connection: Connection, heard: list[float], wall_ms: Callable[[], int]) -> None:
    """Ping a client; end the connection of one that does not answer."""
    while True:
        began_s = time.monotonic()
        await asyncio.sleep(PING_S)
        now_s = time.monotonic()
        if now_s - began_s > 2 * PING_S:  # it was us who stood still: its pong may lie unread
            heard[0] = now_s
        if now_s - heard[0] > PONG_S:
            await connection.close(WSCloseCode.POLICY_VIOLATION, "no pong")
            return
        await connection.socket.ping(str(wall_ms()).encode())


def new_socket() -> web.WebSocketResponse:
    """Return a socket that leaves pings to us."""
    return web.WebSocketResponse(
        timeout=CLOSE_S, autoping=False, compress=False, max_msg_size=1 << 20
    )


async def stream(service: Service, request: web.Request) -> web.WebSocketResponse:
    """Serve `/ws`, `/ws/<stream>`, `/stream?streams=` and the same under `/stream/ws`.

    Those of USD-M futures stand behind `/public`, `/market` and `/private` as well.
    """
    combined = request.path.endswith("/stream")
    connection = Connection(
        new_socket(),
        "market",
        combined=combined,
        unit_ns=unit_of(request.query.get("timeUnit", "")),
        key=request.query.get("key"),
    )
    names = [name for name in request.query.get("streams", "").split("/") if name]
    names += [name for name in request.match_info.get("name", "").split("/") if name]
    owners = service.listen_keys or {}
    for name in (*names, request.query.get("listenKey", "")):
        if name in owners:
            connection.raw_user = owners[name]
    service.hub.subscribe(connection, [name for name in names if "@" in name])
    recent: list[float] = []

    async def take(text: str) -> None:
        now = time.monotonic()
        recent[:] = [each for each in recent if now - each < 1.0] + [now]
        if len(recent) > INBOUND_MAX:
            await connection.close(WSCloseCode.POLICY_VIOLATION, "Too many requests")
            return
        connection.send(dump(control(service, connection, text)))

    try:
        return await serve(service, request, connection, take)
    finally:
        service.hub.drop(connection)


def control(service: Service, connection: Connection, text: str) -> dict[str, Any]:
    """Carry out SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS or a property; return the answer."""
    number = None
    try:
        asked = json.loads(text)
        number = asked.get("id")
        method, names = asked["method"], list_of(asked.get("params", []))
        if method == "SUBSCRIBE" and len(connection.streams) + len(names) <= STREAMS_MAX:
            service.hub.subscribe(connection, [name for name in names if isinstance(name, str)])
        elif method == "UNSUBSCRIBE":
            service.hub.unsubscribe(connection, [name for name in names if isinstance(name, str)])
        elif method == "LIST_SUBSCRIPTIONS":
            return {"result": sorted(connection.streams), "id": number}
        elif method == "SET_PROPERTY" and names[0] == "combined":
            connection.combined = bool(names[1])
        else:
            return {"error": {"code": 2, "msg": "Invalid request"}, "id": number}
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return {"error": {"code": 3, "msg": "Invalid JSON or request"}, "id": number}
    return {"result": None, "id": number}


def list_of(value: Any) -> list[Any]:
    """Return a list of a request.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, list):
        raise TypeError("params")
    return value


async def websocket_api(service: Service, request: web.Request) -> web.WebSocketResponse:
    """Serve `/ws-api/v3`."""
    connection = Connection(new_socket(), "api", unit_ns=unit_of(request.query.get("timeUnit", "")))
    tasks: set[asyncio.Task[None]] = set()

    async def take(text: str) -> None:
        task = asyncio.create_task(_api_request(service, request, connection, text))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    try:
        return await serve(service, request, connection, take)
    finally:
        for task in tasks:
            task.cancel()


async def _api_request(
    service: Service, request: web.Request, connection: Connection, text: str
) -> None:
    """Answer one request of the WebSocket API."""
    number: Any = None
    key: str | None = None
    address = request.remote or ""
    try:
        asked = dict(json.loads(text, parse_float=str))
        number = asked.get("id")
        method, parameters = str(asked["method"]), dict(asked.get("params") or {})
    except (ValueError, TypeError, KeyError, RecursionError):
        refusal = Refusal(-1135, "Invalid JSON Request")
        connection.send(dump({"id": number, "status": 400, "error": refusal.body()}))
        return
    key = parameters.get("apiKey") or connection.logged_on
    answer = await _api_answer(service, connection, method, parameters, address)
    if answer.drop:
        await connection.close(WSCloseCode.GOING_AWAY, "dropped")
        return
    body: dict[str, Any] = {"id": number, "status": answer.status}
    body["result" if answer.status == 200 else "error"] = answer.told
    if "Retry-After" in answer.headers:
        now_ms = service.wall_ns() // 10**6
        until_ms = now_ms + 1_000 * int(answer.headers["Retry-After"])
        body["error"] = body["error"] | {"data": {"serverTime": now_ms, "retryAfter": until_ms}}
    if parameters.get("returnRateLimits", True):
        body["rateLimits"] = service.rates.rows(address, key, service.wall_s())
    connection.send(dump(body))


async def _api_answer(
    service: Service,
    connection: Connection,
    method: str,
    parameters: dict[str, Any],
    address: str,
) -> Answer:
    """Return the answer to a method."""
    texts = {name: plain(value) for name, value in parameters.items() if value is not None}
    account = None
    if connection.logged_on is not None and "signature" not in parameters:
        account = service.accounts[connection.logged_on]
    key = texts.get("apiKey") or connection.logged_on
    asked = Request(
        endpoint=BY_NAME.get(method, SESSION),
        parameters=texts,
        address=address,
        key=key,
        sealed=lambda: socket_payload(parameters),
        unit_ns=connection.unit_ns,
        account=account,
    )
    if method in BY_NAME and not method.startswith("listenKey"):
        return await perform(service, asked)
    try:
        return Answer(200, session(service, connection, method, asked))
    except Refusal as refusal:
        return Answer(refusal.status, refusal.body())


def session(
    service: Service, connection: Connection, method: str, asked: Request
) -> dict[str, Any]:
    """Carry out what concerns the connection: log on and off, the user stream.

    Raises:
        Refusal: unknown, or not signed as it must be.
    """
    if method == "session.status":
        return session_row(service, connection)
    if method == "session.logout":
        connection.logged_on = None
        return session_row(service, connection)
    if method == "session.logon":
        account = identify(service, asked)
        assert account is not None
        if account.public_key is None:
            raise Refusal(-4056, "HMAC_SHA256 API key is not supported.")
        connection.logged_on = account.key
        return session_row(service, connection)
    if method in {"userDataStream.subscribe", "userDataStream.subscribe.signature"}:
        if method.endswith("subscribe") and connection.logged_on is None:
            raise Refusal(-2014, "API-key format invalid.", 401)
        account = identify(service, asked)
        assert account is not None
        number = max(connection.subscriptions, default=-1) + 1
        connection.subscriptions[number] = account.key, asked.key or account.key
        return {"subscriptionId": number}
    if method == "userDataStream.unsubscribe":
        number_text = asked.parameters.get("subscriptionId")
        if number_text is None:
            connection.subscriptions.clear()
        elif not number_text.isdigit() or int(number_text) not in connection.subscriptions:
            raise missing("subscriptionId")
        else:
            del connection.subscriptions[int(number_text)]
        return {}
    raise Refusal(-1020, f"Method '{method}' is not supported.", 404)


def session_row(service: Service, connection: Connection) -> dict[str, Any]:
    """Return the state of a connection."""
    return {
        "apiKey": connection.logged_on,
        "authorizedSince": service.wall_ns() // 10**6 if connection.logged_on else None,
        "connectedSince": service.wall_ns() // 10**6,
        "returnRateLimits": True,
        "serverTime": service.wall_ns() // 10**6,
        "userDataStream": bool(connection.subscriptions),
    }
