"""Virtual time: one queue of events, the nodes that they belong to, and coroutines without a loop.

Everything that happens in a simulation is an event of this queue, and its order depends on the
seed alone. The shells ask asyncio for tasks, futures and threads; here they get virtual ones.
"""

import asyncio
import hashlib
import heapq
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from protocol.errors import JournalError

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
"""Wall time at the beginning, ns."""
THOUGHT_NS = 20_000_000
"""How long a thread takes, virtual ns."""


class KilledError(BaseException):
    """The process is gone at this very place; nobody may catch it."""


class ViolationError(Exception):
    """An invariant does not hold."""


def demand(holds: bool, number: int, line: str) -> None:
    """Raise unless an invariant holds; numbers are those of `docs/simulation.md`."""
    if not holds:
        raise ViolationError(f"invariant {number}: {line}")


class Node:
    """One process: it may be killed, frozen, started again, and have a wrong clock."""

    def __init__(self, engine: "Engine", name: str) -> None:
        self.engine, self.name = engine, name
        self.life, self.alive = 0, False
        self.frozen_until_ns, self.offset_ns = 0, 0
        self.jumps_ns: list[int] = []
        self.crashes = 0
        self.tasks: list[Task] = []

    def clock(self) -> int:
        """Return this node's wall time, ns."""
        return START + self.engine.now_ns + self.offset_ns

    def set_clock(self, offset_ns: int) -> None:
        """Let this node's wall clock be wrong by so much from now on."""
        if offset_ns != self.offset_ns:
            self.offset_ns = offset_ns
            self.jumps_ns.append(self.engine.now_ns)

    def begin(self) -> None:
        """Start the process; a subclass says how."""

    def start(self) -> None:
        """Start, unless it lives."""
        if not self.alive:
            self.life, self.alive = self.life + 1, True
            self.engine.at(0, self, self.begin)

    def die(self, why: str, *, down_ns: int | None = SECOND) -> None:
        """End at once; start again after a while, never if that is None."""
        if not self.alive:
            return
        self.alive = False
        self.crashes += 1
        self.end_tasks()
        self.engine.note(f"{self.name} died: {why}")
        if down_ns is not None:
            self.engine.at(down_ns, None, self.start)

    def end_tasks(self) -> None:
        """Let go of what this life was about to do."""
        tasks, self.tasks = self.tasks, []
        for task in tasks:
            task.end()

    def every(self, period_ns: int, action: Callable[[], None], wait_ns: int = 0) -> None:
        """Do something again and again while this life lasts."""

        def again() -> None:
            self.engine.at(period_ns, self, again)
            action()

        self.engine.at(wait_ns, self, again)


class Engine:
    """The queue.

    Attributes:
        now_ns: since the beginning; it never jumps.
        after: called after each event.
        trace: what happened, if `keep`.
    """

    def __init__(self, *, keep: bool = False) -> None:
        self.now_ns = 0
        self.node: Node | None = None
        self.events = 0
        self.after: Callable[[], None] = lambda: None
        self.trace: list[str] = []
        self._keep = keep
        self._digest = hashlib.blake2b(digest_size=16)
        self._heap: list[tuple[int, int, Node | None, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, wait_ns: int, node: Node | None, action: Callable[[], None]) -> None:
        """Let something happen in `wait_ns`, if the node still lives the same life then."""
        self._count += 1
        life = 0 if node is None else node.life
        heapq.heappush(self._heap, (self.now_ns + wait_ns, self._count, node, life, action))

    def note(self, line: str) -> None:
        """Put a line into the trace and its digest."""
        line = f"{self.now_ns / SECOND:10.6f} {line}"
        self._digest.update(line.encode())
        if self._keep:
            self.trace.append(line)

    def digest(self) -> str:
        """Return the digest of all that was noted."""
        return self._digest.hexdigest()

    def run(self, until_ns: int) -> None:
        """Let everything happen up to a time."""
        with _loop(Loop(self)):
            while self._heap and self._heap[0][0] <= until_ns:
                time_ns, count, node, life, action = heapq.heappop(self._heap)
                if node is not None:
                    if not node.alive or node.life != life:
                        continue
                    if node.frozen_until_ns > time_ns:
                        heapq.heappush(
                            self._heap, (node.frozen_until_ns, count, node, life, action)
                        )
                        continue
                self.now_ns, self.node = time_ns, node
                self.events += 1
                self._do(node, action)
                self.after()
        self.now_ns = until_ns

    def _do(self, node: Node | None, action: Callable[[], None]) -> None:
        try:
            action()
        except KilledError as error:
            assert node is not None, "killed without a process"
            node.die(str(error))
        except JournalError as error:
            if node is None or "no room" not in str(error):
                raise
            node.die("its disk was full")


class Future:
    """What asyncio's is, for callbacks and `await`."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._node = engine, engine.node
        self._state, self._value = "pending", None
        self._callbacks: list[Callable[[Any], None]] = []

    def done(self) -> bool:
        """Return whether it is settled."""
        return self._state != "pending"

    def cancelled(self) -> bool:
        """Return whether it was given up."""
        return self._state == "cancelled"

    def exception(self) -> BaseException | None:
        """Return what it failed of."""
        return self._value if self._state == "error" else None

    def result(self) -> Any:
        """Return what it came to."""
        if self._state == "cancelled":
            raise asyncio.CancelledError
        if self._state == "error":
            raise self._value
        return self._value

    def set_result(self, value: Any) -> None:
        """Settle it."""
        self._settle("done", value)

    def set_exception(self, error: BaseException) -> None:
        """Let it fail."""
        self._settle("error", error)

    def cancel(self) -> bool:
        """Give it up."""
        self._settle("cancelled", None)
        return True

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Call something once it is settled."""
        self._callbacks.append(callback)
        if self.done():
            self._settle(self._state, self._value)

    def _settle(self, state: str, value: Any) -> None:
        if self.done() and not self._callbacks:
            return
        if not self.done():
            self._state, self._value = state, value
        waiting, self._callbacks = self._callbacks, []
        for callback in waiting:
            self._engine.at(0, self._node, lambda each=callback: each(self))

    def __await__(self) -> Iterator[Any]:
        if not self.done():
            yield self
        return self.result()


class Task(Future):
    """A coroutine that goes on whenever what it waits for is there."""

    def __init__(self, engine: Engine, work: Coroutine[Any, Any, Any]) -> None:
        super().__init__(engine)
        self._work: Coroutine[Any, Any, Any] | None = work
        if self._node is not None:
            self._node.tasks = [each for each in self._node.tasks if not each.done()] + [self]
        engine.at(0, self._node, self._go_on)

    def end(self) -> None:
        """Close the coroutine, unless it is what is running just now."""
        work, self._work = self._work, None
        with suppress(ValueError), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # one that never began is no mistake
            if work is not None:
                work.close()
            del work  # here too: what it was given may be a coroutine that never began

    def _go_on(self, _: Any = None) -> None:
        if self.done() or self._work is None:
            return
        try:
            waits = self._work.send(None)
        except StopIteration as stop:
            self.set_result(stop.value)
        else:
            if waits is None:
                self._engine.at(0, self._node, self._go_on)
            else:
                waits.add_done_callback(self._go_on)


class Loop:
    """As much of an event loop as the shells ask for."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def time(self) -> float:
        """Return virtual seconds."""
        return self._engine.now_ns / SECOND

    def create_future(self) -> Future:
        """Return a new one."""
        return Future(self._engine)

    def create_task(self, work: Coroutine[Any, Any, Any], **_: Any) -> Task:
        """Begin a coroutine."""
        return Task(self._engine, work)

    def run_in_executor(self, _pool: object, work: Callable[[], Any]) -> Future:
        """Do the work of a thread, a little later."""
        future = Future(self._engine)
        self._engine.at(THOUGHT_NS, self._engine.node, lambda: future.set_result(work()))
        return future

    def call_later(self, wait_s: float, action: Callable[..., None], *arguments: Any, **_: Any):
        """Do something later."""
        self._engine.at(round(wait_s * SECOND), self._engine.node, lambda: action(*arguments))
        return self

    def cancel(self) -> None:
        """Cancel a timer: what it does then is nothing, its future being done."""

    def get_debug(self) -> bool:
        """Return that nobody debugs."""
        return False


@contextmanager
def _loop(loop: Loop) -> Iterator[None]:
    asyncio._set_running_loop(loop)
    try:
        yield
    finally:
        asyncio._set_running_loop(None)


def drive(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that waits for nothing, to its end."""
    try:
        work.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits for something")
