"""Pushes what is new to whoever listens: worded once, handed to all, and late by a quarter second.

A listener that does not read loses the oldest messages, never anybody else's; each message is a
whole new state, so the next one makes good for what was lost.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import structlog

from desk.errors import StoreError
from desk.view import View
from desk.wording import Row

PACE_S: Final = 0.25
"""Between two pushes; what comes meanwhile goes out together."""
CALM_S: Final = 1.0
"""How often health is told though nothing is new: silence is news too."""
LISTENERS_MAX: Final = 64
QUEUE_MAX: Final = 64
FILLS_MAX: Final = 100

log = structlog.get_logger()


class Listener:
    """What waits for one listener; the oldest goes when it is too much."""

    def __init__(self) -> None:
        self._waiting: deque[Row] = deque(maxlen=QUEUE_MAX)
        self._there = asyncio.Event()

    def put(self, messages: list[Row]) -> None:
        """Hand over messages."""
        self._waiting.extend(messages)
        self._there.set()

    async def take(self) -> list[Row]:
        """Wait for messages and return all that are there."""
        await self._there.wait()
        self._there.clear()
        found = list(self._waiting)
        self._waiting.clear()
        return found


class Stream:
    """The listeners, and the task that words what they get.

    Args:
        view: asked, in a thread.
    """

    def __init__(self, view: View, executors: tuple[str, ...]) -> None:
        self._view = view
        self._executors = executors
        self._listeners: set[Listener] = set()
        self._rows: set[tuple[str, str]] = set()
        self._news: set[tuple[str, str]] = set()
        self._there = asyncio.Event()
        self._told: dict[str, int] = {}

    def rows(self, owner: str, table: str) -> None:
        """Hear that rows of a journal are stored."""
        self._rows.add((owner, table))
        self._there.set()

    def news(self, kind: str, src: str) -> None:
        """Hear that somebody said something."""
        self._news.add((kind, src))
        self._there.set()

    def join(self) -> Listener | None:
        """Return a new listener; None when there are too many."""
        if len(self._listeners) >= LISTENERS_MAX:
            return None
        listener = Listener()
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """Forget a listener."""
        self._listeners.discard(listener)

    async def pump(self) -> None:
        """Word what is new and hand it to all, for ever."""
        while True:
            try:
                async with asyncio.timeout(CALM_S):
                    await self._there.wait()
            except TimeoutError:
                log.debug("nothing_new")  # health alone is told
            self._there.clear()
            rows, news = self._rows, self._news
            self._rows, self._news = set(), set()
            if self._listeners:
                messages = await asyncio.to_thread(self._worded, rows, news)
                for each in list(self._listeners):
                    each.put(messages)
            await asyncio.sleep(PACE_S)

    def _worded(self, rows: set[tuple[str, str]], news: set[tuple[str, str]]) -> list[Row]:
        """Return the messages; in a thread."""
        told = [_message("health", self._view.health)]
        for name in self._executors:
            if ("status", name) in news:
                told.append(_message("status", partial(self._view.status, name)))
            if ("pnl_report", name) in news:
                told.append(_message("position", partial(self._view.position, name)))
            if rows & {(name, "reports"), (name, "cycles")}:
                told.append(_message("performance", partial(self._view.performance, name)))
            if (name, "reports") in rows:
                told.append(_message("fills", partial(self._fresh_fills, name)))
        if any(kind == "heartbeat" for kind, _ in news):
            told.append(_message("processes", self._view.processes))
        told += [{"event": "rows", "owner": owner, "table": table} for owner, table in sorted(rows)]
        return [each for each in told if each]

    def _fresh_fills(self, owner: str) -> Row:
        """Return the fills that were not pushed yet, the newest of them at most."""
        found = self._view.fills(owner, limit=FILLS_MAX)
        known = self._told.get(owner, 0)
        fresh = [each for each in found["fills"] if each["trade_id"] > known]
        if fresh:
            self._told[owner] = fresh[0]["trade_id"]
        return {**found, "fills": fresh}


def _message(event: str, ask: Callable[[], Any]) -> Row:
    """Return one message; nothing while the store cannot be asked."""
    try:
        return {"event": event, "data": ask()}
    except StoreError as error:
        log.debug("stream_waits", reason=str(error))
        return {}
