"""Who listens to what: connections of streams and of the WebSocket API, and what is sent to them.

Each connection has a queue and one task that writes it, so that a slow reader holds up nobody; one
that falls too far behind is closed.
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSCloseCode, web

from exchange.simulated.commands import timed
from exchange.simulated.faults import Faults
from exchange.simulated.public import Event, PublicMarket
from exchange.simulated.trade_tape import INTERVALS_NS

BEHIND_MAX = 50_000
"""Messages that may wait for one reader."""
CLOSE_S = 1.0
CUT = 1006
MILLISECOND_NS = 10**6
PARTIAL = (5, 10, 20)
UPDATES = ("", "@100ms", "@1000ms")


def dump(told: Any) -> str:
    """Return JSON without spaces."""
    return json.dumps(told, separators=(",", ":"))


@dataclass(slots=True)
class Counts:
    """What was sent to one key, and what came with it, ever."""

    market: int = 0
    user: int = 0
    answers: int = 0
    requests: int = 0


@dataclass(eq=False, slots=True)
class Connection:
    """One WebSocket.

    Attributes:
        socket: of aiohttp.
        kind: `market` or `api`; a user stream by listen key is `market` too.
        combined: whether events are wrapped with their stream's name.
        unit_ns: of the times it is told.
        key: the account that it counts for; None: all.
        subscriptions: of the user stream, number -> (key of the account, key that asked for it).
        raw_user: the same two keys, of the account whose events it hears unwrapped.
    """

    socket: web.WebSocketResponse
    kind: str
    combined: bool = False
    unit_ns: int = MILLISECOND_NS
    key: str | None = None
    streams: set[str] = field(default_factory=set)
    subscriptions: dict[int, tuple[str, str]] = field(default_factory=dict)
    raw_user: tuple[str, str] | None = None
    logged_on: str | None = None
    waiting: deque[str] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False
    transport: asyncio.Transport | None = None

    def send(self, text: str) -> None:
        """Put a message into the queue."""
        if self.ended:
            return
        self.waiting.append(text)
        self.wake.set()
        if len(self.waiting) > BEHIND_MAX:
            self.ended = True

    async def write(self) -> None:
        """Write the queue until the connection ends."""
        try:
            while not self.ended:
                await self.wake.wait()
                self.wake.clear()
                while self.waiting and not self.ended:
                    await self.socket.send_str(self.waiting.popleft())
            await self.socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"too slow")
        except (ConnectionError, RuntimeError):
            self.ended = True

    async def close(self, code: int, reason: str) -> None:
        """Close it from this side; what it was to be told is told first.

        Code 1006 says nothing: the connection is cut.
        """
        if code == CUT and self.transport is not None:
            self.ended = True
            self.wake.set()
            self.transport.abort()
            return
        with contextlib.suppress(ConnectionError, RuntimeError, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                while self.waiting:
                    await self.socket.send_str(self.waiting.popleft())
        self.ended = True
        self.wake.set()
        await self.socket.close(code=code, message=reason.encode())


class Hub:
    """All connections.

    Args:
        faults: asked about every event of a user stream.
    """

    def __init__(self, faults: Faults) -> None:
        self.connections: set[Connection] = set()
        self.counts: dict[str, Counts] = {}
        self._faults = faults
        self._listeners: dict[str, list[Connection]] = {}
        self._held: dict[str, list[dict[str, Any]]] = {}

    def count(self, key: str) -> Counts:
        """Return the counts of a key."""
        return self.counts.setdefault(key, Counts())

    def subscribe(self, connection: Connection, names: list[str]) -> None:
        """Let a connection hear streams; names that nobody serves stay silent."""
        for name in names:
            if name not in connection.streams:
                connection.streams.add(name)
                self._listeners.setdefault(name, []).append(connection)

    def unsubscribe(self, connection: Connection, names: list[str]) -> None:
        """Let it hear them no longer."""
        for name in names:
            if name in connection.streams:
                connection.streams.discard(name)
                self._listeners[name].remove(connection)

    def drop(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        connection.ended = True
        connection.wake.set()
        self.unsubscribe(connection, list(connection.streams))
        self.connections.discard(connection)

    def publish(self, event: Event, public: PublicMarket) -> None:
        """Tell an event of a public market to all who listen to it."""
        if not self._listeners:
            return
        symbol = public.symbol.lower()
        if event.stream == "depth":
            for update in UPDATES:
                self._tell(f"{symbol}@depth{update}", event)
            self._partial(public)
        else:
            self._tell(f"{symbol}@{event.stream}", event)
        if event.stream == "trade":
            self._bars(event, public)

    def user(self, key: str, told: dict[str, Any]) -> None:
        """Tell an account an event of its user stream, as well or badly as the faults want it."""
        fault = self._faults.for_event(told, key)
        held = self._held.setdefault(key, [])
        if fault is None:
            self._tell_user(key, told)
        elif fault.kind == "user_duplicate":
            self._tell_user(key, told)
            self._tell_user(key, told)
        elif fault.kind == "user_reorder":
            held.append(told)
            return
        elif fault.kind == "user_delay":
            loop = asyncio.get_running_loop()
            loop.call_later(fault.seconds, self._tell_user, key, told)
        while held:
            self._tell_user(key, held.pop(0))

    def expire(self, wall_ms: int) -> int:
        """End all user streams with a word, and leave the connections open; return how many."""
        ended = 0
        for connection in self.connections:
            if connection.raw_user is not None:
                connection.raw_user = None
                connection.send(dump({"e": "listenKeyExpired", "E": wall_ms}))
                ended += 1
            for number in connection.subscriptions:
                event = {"e": "eventStreamTerminated", "E": wall_ms}
                connection.send(dump({"subscriptionId": number, "event": event}))
                ended += 1
            connection.subscriptions.clear()
        return ended

    async def disconnect(self, code: int, reason: str, choose: Callable[[Connection], bool]) -> int:
        """Close the connections that are chosen; return how many."""
        chosen = [each for each in self.connections if choose(each)]
        await asyncio.gather(*(each.close(code, reason) for each in chosen))
        return len(chosen)

    def _tell(self, name: str, event: Event) -> None:
        for connection in self._listeners.get(name, ()):
            kind = (name if connection.combined else "", connection.unit_ns)
            text = event.texts.get(kind)
            if text is None:
                text = dump(timed(event.told, connection.unit_ns))
                if connection.combined:
                    text = f'{{"stream":"{name}","data":{text}}}'
                event.texts[kind] = text
            connection.send(text)
            self._count_market(connection)

    def _partial(self, public: PublicMarket) -> None:
        for levels in PARTIAL:
            for update in UPDATES:
                name = f"{public.symbol.lower()}@depth{levels}{update}"
                if self._listeners.get(name):
                    self._tell(name, Event(name, public.depth(levels)))

    def _bars(self, event: Event, public: PublicMarket) -> None:
        for interval in INTERVALS_NS:
            name = f"{public.symbol.lower()}@kline_{interval}"
            if not self._listeners.get(name):
                continue
            bar = public.trades.bars(interval, (None, None, 0), 1)[-1]
            more = {"s": event.told["s"], "i": interval, "x": False, "B": "0"}
            told = {"e": "kline", "E": event.told["E"], "s": event.told["s"], "k": bar | more}
            self._tell(name, Event(name, told))

    def _count_market(self, connection: Connection) -> None:
        for key, counts in self.counts.items():
            if connection.key in {None, key}:
                counts.market += 1

    def _tell_user(self, key: str, told: dict[str, Any]) -> None:
        for connection in list(self.connections):
            if connection.raw_user is not None and connection.raw_user[0] == key:
                connection.send(dump(timed(told, connection.unit_ns)))
                self.count(connection.raw_user[1]).user += 1
            for number, (owner, asked) in connection.subscriptions.items():
                if owner == key:
                    event = timed(told, connection.unit_ns)
                    connection.send(dump({"subscriptionId": number, "event": event}))
                    self.count(asked).user += 1
