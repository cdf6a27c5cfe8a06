"""Requests about orders that are on their way, counted, and their answers, until they are taken."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from exchange.binance.desk import Outcome
from protocol.exposition import Histogram
from protocol.tasks import end_all

CANCEL = 0
PLACE = 1
ACK_BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Requests:
    """All requests of a venue.

    Args:
        woken: called when an answer has come.
        broken: called with the reason when a task failed otherwise than by an answer.

    Attributes:
        sent: requests about orders that were ever sent.
        answers: answers to them that ever came.
        acks: wall seconds from an order sent to its answer.
    """

    def __init__(self, woken: Callable[[], None], broken: Callable[[str], None]) -> None:
        self.sent = 0
        self.answers = 0
        self.acks = Histogram(ACK_BOUNDS_S)
        self._woken = woken
        self._broken = broken
        self._answered: list[tuple[int, int, Outcome]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, kind: int, order_id: int, call: Coroutine[Any, Any, Outcome]) -> None:
        """Send a request about an order on its way; it is CANCEL or PLACE."""
        self.sent += 1
        self.spawn(self._await(kind, order_id, call))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something run beside the steps."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def take(self) -> list[tuple[int, int, Outcome]]:
        """Return the answers since the last call: cancels first, then by id."""
        answered, self._answered = self._answered, []
        return sorted(answered, key=lambda each: each[:2])

    async def give_up(self) -> None:
        """Wait for no answer any more; those that came can still be taken."""
        await end_all(list(self._tasks))

    async def _await(self, kind: int, order_id: int, call: Coroutine[Any, Any, Outcome]) -> None:
        began_s = time.monotonic()
        outcome = await call
        self.answers += 1
        if kind == PLACE:
            self.acks.observe(time.monotonic() - began_s)
        self._answered.append((kind, order_id, outcome))
        self._woken()

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._broken(f"a request broke: {task.exception()!r}")
