"""Reads the journals of a stack over the bus, page by page, into the store.

The owners of the journals are asked, never their files: a desk may stand on another host. What is
stored is asked for no more; when the store was down, or the desk, or an owner, the next round goes
on where the last page ended, so nothing is missing in the end. Nobody waits for the desk.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from desk.errors import StoreError
from desk.rows import DECISIONS
from desk.store import Store
from protocol.bus.participant import COORDINATOR, Participant, Received
from protocol.errors import BusError
from protocol.messages import CoordinatorHeartbeat, JournalPage, JournalRequest

EVERY_S: Final = 0.3
"""Between two rounds, once everything known is stored."""
ANSWER_MS: Final = 5_000
"""How long an owner may take for a page; a busy one is asked again in the next round."""
REST_MAX_S: Final = 10.0
"""Longest wait for a store that is out of reach."""
TABLES: Final = (
    "judged", "intents", "reports", "refusals", "cycles", "parameters", "heard",
)  # fmt: skip
"""Of an executor's journal, in the order in which they are read: the opening comes first."""

log = structlog.get_logger()


class CatchingUp:
    """Keeps the store up to date.

    Args:
        store: filled.
        participant: the desk on the bus, not yet entered.
        run: under what name rows are stored.
        on_rows: told (owner, table) after new rows are there.

    Attributes:
        failing: why the store takes nothing at present; empty while it does.
        rounds: how often everything was asked for.
    """

    def __init__(
        self,
        store: Store,
        participant: Participant,
        run: str,
        on_rows: Callable[[str, str], None] = lambda _owner, _table: None,
    ) -> None:
        self.failing = ""
        self.rounds = 0
        self._store = store
        self._participant = participant
        self._run = run
        self._on_rows = on_rows
        self._executors: tuple[str, ...] = ()
        self._cursors: dict[tuple[str, str], int] = {}
        participant.follow("heartbeat", COORDINATOR, self._see)

    async def keep_up(self) -> None:
        """Ask all owners, again and again, until cancelled."""
        rest_s = EVERY_S
        while True:
            try:
                await self.round()
                if self.failing:
                    log.info("store_back")
                self.failing, rest_s = "", EVERY_S
            except StoreError as error:
                if not self.failing:
                    log.warning("store_fails", reason=str(error))
                self.failing = str(error)
                self._cursors.clear()  # it may be another one when it is back
                rest_s = min(REST_MAX_S, 2.0 * rest_s)
            await asyncio.sleep(rest_s)

    async def round(self) -> None:
        """Ask every owner for what is new in each of its tables, at once, until nothing is.

        Raises:
            StoreError: the store is out of reach, or a journal tells what it should not.
        """
        sources = [(COORDINATOR, DECISIONS)]
        sources += [(owner, table) for owner in self._executors for table in TABLES]
        for key in sources:
            if key not in self._cursors:
                self._cursors[key] = await asyncio.to_thread(self._store.cursor, self._run, *key)
        while sources:
            pages = await asyncio.gather(*[self._ask(*key) for key in sources])
            told = [(key, page) for key, page in zip(sources, pages, strict=True) if page]
            for key, page in told:
                self._cursors[key] = await asyncio.to_thread(
                    self._store.take, self._run, *key, page.rows
                )
                self._on_rows(*key)
            sources = [key for key, _ in told]
        self.rounds += 1

    async def _ask(self, owner: str, source: str) -> JournalPage | None:
        """Return the page that follows; None when there is none, or its owner gives none now."""
        table = None if source == DECISIONS else source
        asked = JournalRequest(after=self._cursors[owner, source], table=table)
        try:
            word = (await self._participant.post(owner, asked, ttl_ms=ANSWER_MS)).word
        except BusError:
            return None
        return word if isinstance(word, JournalPage) and word.rows else None

    def _see(self, received: Received) -> None:
        """Learn who the executors are."""
        word = received.word
        if isinstance(word, CoordinatorHeartbeat):
            self._executors = tuple(each.executor for each in word.executors)
