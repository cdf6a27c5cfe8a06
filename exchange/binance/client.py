"""python-binance as it is, with the addresses, the clock and the limits that it leaves to us.

Its `create()` is not used: it takes the clock once, and takes microseconds for milliseconds when
asked for them. Its class attributes say where it connects. Every answer's headers reach `Rates`.
"""

import asyncio
import json
import logging
import time
import warnings
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import WebSocketException
from websockets.frames import Frame, Opcode

from exchange.binance.clock import Offset
from exchange.binance.desk import Outcome
from exchange.binance.rates import Rates
from exchange.binance.words import Failure, failure_of, to_ns
from exchange.errors import VenueError

with warnings.catch_warnings():  # it imports a name that websockets has renamed
    warnings.simplefilter("ignore", DeprecationWarning)
    from binance import AsyncClient, BinanceSocketManager
    from binance.exceptions import (
        BinanceAPIException,
        BinanceRequestException,
        BinanceWebsocketUnableToConnect,
    )
    from binance.ws.constants import WSListenerState

__all__ = [
    "AsyncClient",
    "BinanceAPIException",
    "BinanceSocketManager",
    "Environment",
    "environment_of",
]

logging.getLogger("binance").setLevel(logging.CRITICAL)  # what it says of losses, we say ourselves

TIME_UNIT = "MICROSECOND"
OFFSET_PROBES = 5
MAX_QUEUE = 100_000
"""Messages that may wait in python-binance's own queue: it gives up for good when it is full."""


class SilentError(Exception):
    """A request that was not sent: the exchange has asked for silence."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Where an exchange is: REST, streams and WebSocket API, without a slash at the end.

    Attributes:
        futures: USD-M futures; spot unless said so.
        split: whether depth and trades come over connections of their own, as at Binance's own
            futures streams; a simulated exchange tells both over one, in order.
    """

    name: str
    rest: str
    streams: str
    ws_api: str = ""
    futures: bool = False
    split: bool = False


NAMED = {
    "live": Environment(
        "live",
        "https://api.binance.com/api",
        "wss://stream.binance.com:9443",
        "wss://ws-api.binance.com:443/ws-api/v3",
    ),
    "testnet": Environment(
        "testnet",
        "https://testnet.binance.vision/api",
        "wss://stream.testnet.binance.vision",
        "wss://ws-api.testnet.binance.vision/ws-api/v3",
    ),
    "demo": Environment(
        "demo",
        "https://demo-api.binance.com/api",
        "wss://demo-stream.binance.com",
        "wss://demo-ws-api.binance.com/ws-api/v3",
    ),
}
USDM = {
    "live": Environment(
        "live",
        "https://fapi.binance.com/fapi",
        "wss://fstream.binance.com",
        futures=True,
        split=True,
    ),
    "testnet": Environment(
        "testnet",
        "https://testnet.binancefuture.com/fapi",
        "wss://fstream.binancefuture.com",
        futures=True,
        split=True,
    ),
    "demo": Environment(
        "demo",
        "https://demo-fapi.binance.com/fapi",
        "wss://fstream.binancefuture.com",
        futures=True,
        split=True,
    ),
}


def environment_of(text: str, *, futures: bool = False) -> Environment:
    """Return an environment by name, or one whose three parts are behind one address.

    Raises:
        VenueError: it is neither.
    """
    if text in NAMED:
        return (USDM if futures else NAMED)[text]
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise VenueError(
            f"an environment is {', '.join(NAMED)} or an http(s) address, found {text!r}"
        )
    place = parts.netloc + parts.path.rstrip("/")
    socket = "ws" if parts.scheme == "http" else "wss"
    if futures:
        rest = f"{parts.scheme}://{place}/fapi"
        return Environment("url", rest, f"{socket}://{place}", futures=True)
    return Environment(
        "url",
        f"{parts.scheme}://{place}/api",
        f"{socket}://{place}",
        f"{socket}://{place}/ws-api/v3",
    )


def standard_fees(place: Environment) -> tuple[Fraction, Fraction]:
    """Return what a maker and a taker pay without discounts, parts of the notional.

    Source: Binance's fee schedules of spot and of USD-M futures, level VIP 0.
    """
    if place.futures:
        return Fraction(2, 10_000), Fraction(5, 10_000)
    return Fraction(1, 1_000), Fraction(1, 1_000)


def new_client(place: Environment, key: str, secret: str, rates: Rates) -> AsyncClient:
    """Return a client of an environment; nothing is sent yet. Needs a running event loop.

    After a 429 or 418 it sends nothing, whoever asks, until that is allowed again.
    """

    class PlacedClient(AsyncClient):  # type: ignore[misc]  # the library has no types
        API_URL = place.rest
        FUTURES_URL = place.rest
        WS_API_URL = place.ws_api

        async def _request(self, *told: Any, **more: Any) -> Any:
            demand_leave(rates)
            return await super()._request(*told, **more)

        async def _ws_api_request(self, *told: Any, **more: Any) -> Any:
            demand_leave(rates)
            return await super()._ws_api_request(*told, **more)

    client = PlacedClient(
        key,
        secret,
        time_unit=TIME_UNIT,
        session_params={"trace_configs": [_tracing(rates)]},
    )
    # The header and the WebSocket API's address carry it by now; left in place it would break the
    # address of a combined stream (`stream?streams=a/b?timeUnit=...`).
    client.TIME_UNIT = None

    def loaded(text: str) -> Any:
        told = json.loads(text)
        rates.heard(told, time.monotonic())
        return told

    client.ws_api.json_loads = loaded  # the one place where its answers are seen whole
    return client


def demand_leave(rates: Rates) -> None:
    """Raise SilentError when the exchange has asked for silence."""
    wait_s = rates.silent_s(time.monotonic())
    if wait_s > 0:
        raise SilentError(f"too many requests: {wait_s:.1f} s left to be silent")


def _tracing(rates: Rates) -> aiohttp.TraceConfig:
    tracing = aiohttp.TraceConfig()

    async def ended(_session: Any, _context: Any, answer: aiohttp.TraceRequestEndParams) -> None:
        rates.answered(answer.response.status, answer.response.headers, time.monotonic())

    tracing.on_request_end.append(ended)
    return tracing


async def outcome_of(call: Awaitable[Any]) -> Outcome:
    """Await a request; whatever goes wrong is a value. A cancellation passes."""
    try:
        return Outcome(told=await call)
    except BinanceAPIException as error:
        return refusal_of(error)
    except SilentError as error:
        return Outcome(failure=Failure.LIMITED, detail=str(error))
    except aiohttp.ClientConnectorError as error:
        return Outcome(failure=Failure.UNSENT, detail=str(error))
    except (
        BinanceRequestException,
        BinanceWebsocketUnableToConnect,
        WebSocketException,
        aiohttp.ClientError,
        OSError,
        TimeoutError,
    ) as error:
        return Outcome(failure=Failure.DOUBT, detail=repr(error))


def refusal_of(error: BinanceAPIException) -> Outcome:
    """Return what an answer that is no success means, over REST or a socket."""
    status = int(error.status_code or 0)
    message = str(error.message)
    return Outcome(
        failure=failure_of(status, int(error.code or 0), message),
        detail=f"HTTP {status}, {error.code}: {message}",
    )


async def demand(call: Awaitable[Any], what: str) -> Any:
    """Await a question that must be answered.

    Raises:
        VenueError: it was not.
    """
    outcome = await outcome_of(call)
    if outcome.failure is not None:
        raise VenueError(f"{what} was not answered: {outcome.detail}")
    return outcome.told


async def measure_offset(
    client: AsyncClient, ask: Callable[[], Awaitable[Any]], offset: Offset, *, probes: int
) -> None:
    """Ask for the server's time some times, and let the client sign with what was found.

    Raises:
        VenueError: no answer.
    """
    for _ in range(probes):
        asked_ns = time.time_ns()
        told = await demand(ask(), "the server's time")
        offset.measured(asked_ns, to_ns(int(told["serverTime"])), time.time_ns())
        client.timestamp_offset = offset.ns // 1_000_000


def hearing(heard: Callable[[], None]) -> type[ClientConnection]:
    """Return a connection that calls back for every frame which the server sent of itself.

    A pong does not count: it answers our own ping, and any proxy may do that.
    """

    class Hearing(ClientConnection):
        def process_event(self, event: Any) -> None:
            if isinstance(event, Frame) and event.opcode is not Opcode.PONG:
                heard()
            super().process_event(event)

    return Hearing


async def shut(socket: Any, *, seconds: float = 2.0) -> None:
    """Close one of python-binance's sockets: the connection first, or it waits ten seconds.

    Its reader is told before that it is the end, or it begins to connect again.
    """
    try:
        async with asyncio.timeout(seconds):
            inner = getattr(socket, "ws", None)
            if inner is not None:
                socket.ws_state = WSListenerState.EXITING
                await inner.close()
            await socket.close()
    except (Exception, TimeoutError):  # noqa: BLE001, S110  # it is given up either way
        pass
