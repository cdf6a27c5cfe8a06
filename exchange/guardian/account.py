"""The orders of an account as a guardian reaches them: four requests over the standard library.

It shares no code with what the executor trades by: a fault there must not stop the guardian, and
its process stays small. Requests are stamped by the monotonic clock and the server's time, so that
a wall clock that jumps does no harm. Everything waits, at most a few seconds: call it in threads.
"""

import hashlib
import hmac
import http.client
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

from exchange.errors import VenueError

TIMEOUT_S = 2.0
"""Longest wait for one step of one request."""
AT_ONCE = 6
"""Cancels that are under way at once."""
MEASURE_S = 300.0
"""How old a difference to the server's clock may be."""
ANSWER_MAX = 8 * 1024 * 1024
WRONG_TIME = -1021


class UnreachedError(VenueError):
    """The exchange gave no answer that helps; `wait_s` is how long it wants to be left alone."""

    def __init__(self, reason: str, *, code: int = 0, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.code = code
        self.wait_s = wait_s


class Account(Protocol):
    """What a guardian needs of a venue."""

    def sweep(self, *, cancel: bool, still: Callable[[], bool] = lambda: True) -> int:
        """Return how many orders of ours are open; cancel each when told so.

        Args:
            cancel: whether to.
            still: asked once the answer is there, whether it is still so. An order that was placed
                after a stop was lifted can only stand in an answer that came after that.

        Raises:
            UnreachedError: no answer to the question. A cancel that fails shows in the next one.
        """
        ...

    def arm(self, countdown_ms: int) -> None:
        """Let the exchange cancel all by itself after so long; 0 takes that back.

        Raises:
            UnreachedError: no answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where the account is, and which orders are ours.

    Attributes:
        rest: address up to and including `/api` or `/fapi`.
        symbol: as the exchange writes it.
        prefix: what the names of our orders begin with.
        futures: USD-M.
        window_ms: how long a request may be on its way.
    """

    rest: str
    symbol: str
    prefix: str
    futures: bool = False
    window_ms: int = 5_000


class BinanceAccount:
    """Our orders in one symbol at Binance, spot or USD-M.

    Args:
        place: where.
        key, secret: HMAC; the right to trade, nothing more.
        monotonic_ns: clock.
    """

    def __init__(
        self, place: Place, key: str, secret: str, monotonic_ns: Callable[[], int]
    ) -> None:
        parts = urlsplit(place.rest)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise VenueError(f"an exchange has an http(s) address, found {place.rest!r}")
        self._place = place
        self._secure = parts.scheme == "https"
        self._host = parts.netloc
        self._root = f"{parts.path.rstrip('/')}/{'v1' if place.futures else 'v3'}"
        self._key = key
        self._secret = secret.encode()
        self._monotonic_ns = monotonic_ns
        self._offset_ms: int | None = None
        self._measured_ns = 0
        self._local = threading.local()
        self._connections: set[http.client.HTTPConnection] = set()
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="cancel")

    def sweep(self, *, cancel: bool, still: Callable[[], bool] = lambda: True) -> int:
        """Return how many orders of ours are open; see `Account`."""
        told = self._signed("GET", "openOrders", {"symbol": self._place.symbol})
        ours = [
            int(each["orderId"])
            for each in told
            if str(each["clientOrderId"]).startswith(self._place.prefix)
        ]
        if cancel and ours and still():
            list(self._pool.map(self._cancel, ours))
        return len(ours)

    def arm(self, countdown_ms: int) -> None:
        """Set the switch of USD-M futures; it takes all orders of the symbol, also others'."""
        self._signed(
            "POST",
            "countdownCancelAll",
            {"symbol": self._place.symbol, "countdownTime": countdown_ms},
        )

    def close(self) -> None:
        """Wait for the cancels that are under way, and let the connections go."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for connection in list(self._connections):
            connection.close()

    def _cancel(self, order_id: int) -> None:
        try:
            self._signed("DELETE", "order", {"symbol": self._place.symbol, "orderId": order_id})
        except UnreachedError:
            return  # the next question shows whether it is still there

    def _signed(self, method: str, name: str, told: dict[str, Any]) -> Any:
        try:
            return self._once(method, name, told)
        except UnreachedError as error:
            if error.code != WRONG_TIME:
                raise
        self._offset_ms = None
        return self._once(method, name, told)

    def _once(self, method: str, name: str, told: dict[str, Any]) -> Any:
        stamp = self._now_ms()
        query = urlencode({**told, "recvWindow": self._place.window_ms, "timestamp": stamp})
        sign = hmac.new(self._secret, query.encode(), hashlib.sha256).hexdigest()
        return self._request(method, f"{name}?{query}&signature={sign}")

    def _now_ms(self) -> int:
        """Return the server's time as far as we know it, ms."""
        now_ns = self._monotonic_ns()
        old = now_ns - self._measured_ns > MEASURE_S * 1e9
        if self._offset_ms is None or old:
            told = self._request("GET", "time")
            after_ns = self._monotonic_ns()
            self._offset_ms = int(told["serverTime"]) - (now_ns + after_ns) // 2_000_000
            self._measured_ns = now_ns = after_ns
        return now_ns // 1_000_000 + self._offset_ms

    def _request(self, method: str, path: str) -> Any:
        """Send one request; a connection that was kept may have been closed: then once more."""
        kept = getattr(self._local, "connection", None)
        try:
            if kept is not None:
                try:
                    return self._exchange(kept, method, path)
                except (ConnectionError, http.client.HTTPException):
                    self._drop()
            return self._exchange(self._connect(), method, path)
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise UnreachedError(f"{type(error).__name__}: {error}") from None

    def _exchange(self, connection: http.client.HTTPConnection, method: str, path: str) -> Any:
        connection.request(method, f"{self._root}/{path}", headers={"X-MBX-APIKEY": self._key})
        answer = connection.getresponse()
        body = answer.read(ANSWER_MAX)
        if answer.will_close:
            self._drop()
        told = _parsed(body)
        if answer.status == http.client.OK and told is not None:
            return told
        code = int(told.get("code", 0)) if isinstance(told, dict) else 0
        said = told.get("msg", "") if isinstance(told, dict) else body[:80].decode("latin-1")
        wait = answer.headers.get("Retry-After", "0")
        raise UnreachedError(
            f"HTTP {answer.status} {code} {said}",
            code=code,
            wait_s=float(wait) if wait.isdigit() else 0.0,
        )

    def _connect(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        made = self._local.connection = kind(self._host, timeout=TIMEOUT_S)
        self._connections.add(made)
        return made

    def _drop(self) -> None:
        connection = getattr(self._local, "connection", None)
        self._local.connection = None
        if connection is not None:
            self._connections.discard(connection)
            connection.close()


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
