"""Hands pages of the executor's journal to the desk, beside the loop that trades.

A page takes some milliseconds to read and word; a thread with a connection of its own does it, one
page at a time, so that a desk that catches up holds up no decision. Whoever asks meanwhile waits.
"""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import structlog

from agents.executor.pages import journal_page
from agents.executor.records import TABLES
from agents.executor.recovery import open_journal
from protocol.bus.participant import Participant, Received
from protocol.errors import JournalError, NackCode, printable
from protocol.journal import Journal
from protocol.messages import JournalPage, JournalRequest, Nack, Word

LINGER_S: Final = 10.0
"""How long an executor at its end waits for a desk to have read everything."""
ROUNDS: Final = 2
"""Of reading to the end: what the coordinator then wrote was read between the two."""

log = structlog.get_logger()


class JournalDesk:
    """Answers `journal_request`.

    Args:
        folder: where the journal lies.
        participant: the executor on the bus.
    """

    def __init__(self, folder: Path, participant: Participant) -> None:
        self._folder = folder
        self._participant = participant
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._journal: Journal | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ends: Counter[str] = Counter()
        self._asked = asyncio.Event()
        participant.on("journal_request", self._hear)

    async def close(self) -> None:
        """Answer nothing more, and close the file."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.wrap_future(self._thread.submit(self._forget))
        self._thread.shutdown()

    async def linger(self) -> None:
        """Wait until a desk has read every table to its end, a while at most."""
        self._ends.clear()
        try:
            async with asyncio.timeout(LINGER_S):
                while any(self._ends[table] < ROUNDS for table in TABLES):
                    await self._asked.wait()
                    self._asked.clear()
        except TimeoutError:
            log.info("desk_behind", tables=sorted(set(TABLES) - set(self._ends)))

    def _hear(self, received: Received) -> Word | None:
        word = received.word
        assert isinstance(word, JournalRequest), "a handler of another type"
        if word.table is None or word.table not in TABLES:
            line = f"table must be one of {', '.join(TABLES)}, found {word.table or 'none'}"
            return Nack(code=NackCode.SCHEMA, detail=printable(line))
        task = asyncio.create_task(self._answer(received, word.table, word.after))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return None

    async def _answer(self, received: Received, table: str, after: int) -> None:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._thread, self._read, table, after)
        self._participant.answer(received, found)
        if isinstance(found, JournalPage) and not found.rows:
            self._ends[table] += 1
            self._asked.set()

    def _read(self, table: str, after: int) -> Word:
        """Return a page; in the thread."""
        try:
            if self._journal is None:
                self._journal = open_journal(self._folder, readonly=True)
            return JournalPage(rows=journal_page(self._journal, table, after))
        except JournalError as error:
            self._forget()
            return Nack(code=NackCode.BUSY, detail=printable(str(error)))

    def _forget(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None
