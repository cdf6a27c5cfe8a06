"""Tasks that live as long as their owner, and end it loudly when one of them dies."""

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any

AGAIN_S = 0.1
"""Time after which a task that did not end is cancelled again."""


async def end_all(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks, and wait until all have ended; what they raised is not looked at.

    A cancel may be lost: `asyncio.wait_for` of Python 3.11 swallows one that arrives in the
    moment in which its future is done, and libraries await by it. So cancel again.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)


class Tasks:
    """The tasks of one hub or participant.

    Attributes:
        failure: what the first task that died raised; the owner's block raises it at its end.
    """

    def __init__(self) -> None:
        self.failure: BaseException | None = None
        self._owner: asyncio.Task[Any] | None = None
        self._running: set[asyncio.Task[None]] = set()

    def own(self) -> None:
        """Make the calling task the owner."""
        self._owner = asyncio.current_task()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin a task."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)

    async def end(self) -> None:
        """Cancel what runs, and wait until it has ended."""
        self._owner = None
        while self._running:
            await end_all(list(self._running))

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """Cancel the owner when a task died: a deaf process must not seem alive."""
        self._running.discard(task)
        if task.cancelled() or task.exception() is None:
            return
        if self.failure is None:
            self.failure = task.exception()
        if self._owner is not None:
            self._owner.cancel()
