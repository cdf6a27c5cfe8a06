"""The two streams of a session: the market, and our own orders. The first error ends both.

Without a key there is only the market.

python-binance reconnects market streams by itself and leaves a gap, and lets a user stream die in
silence. So an error message, an exception, a word of farewell, or silence means: lost. Whoever
owns the session builds all anew.
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from exchange.binance.client import (
    MAX_QUEUE,
    TIME_UNIT,
    AsyncClient,
    BinanceSocketManager,
    Environment,
    hearing,
    shut,
)
from protocol.tasks import end_all

FAREWELLS = frozenset({"error", "serverShutdown", "eventStreamTerminated", "listenKeyExpired"})
MARKET, TRADES, USER = "market", "trades", "user"


class Streams:
    """Both streams of one symbol.

    Args:
        client: of the session.
        place: where the streams are.
        symbol: as Binance writes it.
        private: whether our own orders are heard of as well, which needs a key.
        counted_for: key whose messages a lockstep counts; empty: nobody counts.

    Attributes:
        market: (message, our wall time of it) in the order in which they came.
        user: events of ours.
        market_count: messages of the market that ever came.
        user_count: events of ours that ever came.
        lost: why the session is over; empty while it is not.
        wake: set whenever something has come.
    """

    def __init__(
        self,
        client: AsyncClient,
        place: Environment,
        symbol: str,
        *,
        private: bool = True,
        counted_for: str = "",
    ) -> None:
        self.market: deque[tuple[Mapping[str, Any], int]] = deque()
        self.user: deque[Mapping[str, Any]] = deque()
        self.market_count = 0
        self.user_count = 0
        self.lost = ""
        self.wake = asyncio.Event()
        self._client = client
        self._place = place
        self._sockets: dict[str, Any] = {}
        if private:
            client.ws_api._ws_kwargs = {"create_connection": hearing(lambda: self._hear("user"))}  # noqa: SLF001  # it has no argument for it
            manager = self._manager(USER)
            user = manager.futures_user_socket if place.futures else manager.user_socket
            self._sockets[USER] = user()
        name = symbol.lower()
        depth, trades = f"{name}@depth@100ms", f"{name}@trade"
        if not place.futures:
            trades += f"&timeUnit={TIME_UNIT}"
        if counted_for:
            trades += f"&key={quote(counted_for)}"
        if not place.futures:
            streams = [depth, trades]
            self._sockets[MARKET] = self._manager(MARKET).multiplex_socket(streams)
        elif place.split:
            self._sockets[MARKET] = self._of_futures(MARKET, [depth], "public")
            self._sockets[TRADES] = self._of_futures(TRADES, [trades], "market")
        else:
            self._sockets[MARKET] = self._of_futures(MARKET, [depth, trades], "public")
        self._heard_s = dict.fromkeys(self._sockets, time.monotonic())
        # A connection that is lost stays lost: its own attempts would take seconds and leave one
        # behind that nobody reads.
        for each in (client.ws_api, *self._sockets.values()):
            each.MAX_RECONNECTS = 0
        self._tasks: list[asyncio.Task[None]] = []

    def _manager(self, kind: str) -> Any:
        """Return a maker of sockets that notes when one of a kind was heard."""
        manager = BinanceSocketManager(self._client, max_queue_size=MAX_QUEUE)
        manager.STREAM_URL = manager.FSTREAM_URL = f"{self._place.streams}/"
        manager.ws_kwargs = {"create_connection": hearing(lambda: self._hear(kind))}
        return manager

    def _of_futures(self, kind: str, streams: list[str], door: str) -> Any:
        return self._manager(kind).futures_multiplex_socket(streams, category=door)

    async def open(self) -> None:
        """Connect both; events gather from now on.

        Raises:
            Exception: whatever python-binance or the network raises.
        """
        for kind, socket in self._sockets.items():
            await socket.connect()
            self._hear(kind)
            self._tasks.append(asyncio.create_task(self._pump(kind, socket)))

    async def close(self) -> None:
        """Close both; what gathered stays."""
        await end_all(self._tasks)
        self._tasks.clear()
        open_ones = [each for kind, each in self._sockets.items() if kind != USER]
        if USER in self._sockets:
            user = self._sockets[USER]
            if user._timer is not None:  # noqa: SLF001  # of its listen key; it would go on
                user._timer.cancel()  # noqa: SLF001
            open_ones.append(user if self._place.futures else self._client.ws_api)
        await asyncio.gather(*(shut(each) for each in open_ones))

    def lose(self, reason: str) -> None:
        """End the session, for the first reason given."""
        self.lost = self.lost or reason
        self.wake.set()

    def check_silence(self, seconds: float) -> None:
        """End the session when a stream has said nothing, not even a ping, for so long."""
        for kind, heard_s in self._heard_s.items():
            if time.monotonic() - heard_s > seconds:
                self.lose(f"the {kind} stream was silent for {seconds:.0f} s")

    def _hear(self, kind: str) -> None:
        self._heard_s[kind] = time.monotonic()

    async def _pump(self, kind: str, socket: Any) -> None:
        try:
            while not self.lost:
                self._put(kind, await socket.recv())
        except Exception as error:  # noqa: BLE001  # any of them ends the stream
            self.lose(f"the {kind} stream ended: {error!r}")

    def _put(self, kind: str, message: Any) -> None:
        event = message if kind == USER else message.get("data", message)
        if event.get("e") in FAREWELLS:
            told = event.get("m") or event.get("type") or ""
            self.lose(f"the {kind} stream said {event['e']}: {told}")
            return
        if kind != USER:
            self.market.append((event, time.time_ns()))
            self.market_count += 1
        else:
            self.user.append(event)
            self.user_count += 1
        self.wake.set()
