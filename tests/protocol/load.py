"""A load that survives kills: what a party said and heard is in a file before it goes on.

Sender: `posted NUMBER ADDRESSEE` before a message is first said, `answered NUMBER` after its final
answer; a restart says again, under the same ids, what has no answer yet. Receiver: `handled LIFE
ID` before it answers, so an answer without such a line would be a lie.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from protocol import messages as m
from protocol.bus.frames import derive_id
from protocol.bus.participant import Participant
from protocol.errors import BusError

ROWS_EVERY_S = 0.05


class Memory:
    """The file of one party; lines of earlier lives are read at the start.

    Attributes:
        posted: addressee by number.
        answered: numbers.
        handled: (life, id) in order.
    """

    def __init__(self, path: Path) -> None:
        self.posted: dict[int, str] = {}
        self.answered: set[int] = set()
        self.handled: list[tuple[str, str]] = []
        if path.exists():
            for line in path.read_text(encoding="ascii").splitlines():
                self._read(*line.split())
        self._life = str(os.getpid())
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _read(self, kind: str, first: str, second: str = "") -> None:
        if kind == "posted":
            self.posted[int(first)] = second
        elif kind == "answered":
            self.answered.add(int(first))
        else:
            self.handled.append((first, second))

    def post(self, number: int, dst: str) -> None:
        """Note what is about to be said."""
        self.posted[number] = dst
        self._note("posted", number, dst)

    def answer(self, number: int) -> None:
        """Note a final answer."""
        self.answered.add(number)
        self._note("answered", number)

    def handle(self, message_id: str) -> None:
        """Note what is about to be answered."""
        self._note("handled", self._life, message_id)

    def _note(self, *parts: object) -> None:
        os.write(self._file, (" ".join(map(str, parts)) + "\n").encode("ascii"))


def load_id(sender: str, number: int) -> str:
    """Return the id of a message, the same in every life of its sender."""
    return derive_id(0, sender, number)


async def load(
    me: Participant,
    memory: Memory,
    tell: Callable[..., None],
    *,
    to: Sequence[str],
    count: int,
    a_second: float,
) -> None:
    """Say so many messages at a steady pace, then tell when all of them are answered."""
    loop = asyncio.get_running_loop()

    async def one(number: int) -> None:
        word = m.NoUpdate(window=(0, number), digest="0" * 64, reason="load")
        while number not in memory.answered:
            try:
                await me.post(memory.posted[number], word, message_id=load_id(me.name, number))
            except BusError as error:
                tell(unanswered=number, why=str(error))
                return
            memory.answer(number)

    async with asyncio.TaskGroup() as group:
        for number in sorted(memory.posted.keys() - memory.answered):
            group.create_task(one(number))
        first = len(memory.posted)
        began_s = loop.time()
        for number in range(first, count):
            await asyncio.sleep(max(0.0, began_s + (number - first) / a_second - loop.time()))
            memory.post(number, to[number % len(to)])
            group.create_task(one(number))
    tell(loaded=len(memory.answered))


async def stream(
    me: Participant, tell: Callable[..., None], *, a_second: int, until: asyncio.Event
) -> None:
    """Tell rows of telemetry at a steady pace until the event; then tell how many they were."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    told = 0
    while not until.is_set():
        due = int((loop.time() - began_s) * a_second)
        for number in range(told, due):
            me.tell(m.Status.model_validate({"n": number, "pad": "x" * 60}))
        told = max(told, due)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ROWS_EVERY_S):
                await until.wait()
    tell(streamed=told, s=loop.time() - began_s)


def audit(folder: Path) -> dict[str, int]:
    """Return what the files of all parties say together; 0 is right wherever it is a fault."""
    memories = {path.stem: Memory(path) for path in sorted(folder.glob("*.memory"))}
    handled = [each for memory in memories.values() for each in memory.handled]
    known = {message_id for _, message_id in handled}
    found = {"posted": 0, "unanswered": 0, "unhandled": 0}
    for name, memory in memories.items():
        found["posted"] += len(memory.posted)
        found["unanswered"] += len(memory.posted.keys() - memory.answered)
        found["unhandled"] += sum(load_id(name, each) not in known for each in memory.answered)
    return {**found, "handled_twice": len(handled) - len(set(handled))}
