"""Every start is a recovery: load the last cycle's state, rebuild the venue, live on from there.

    frozen state at T  ->  venue rebuilt from the intents up to T  ->  words heard since T, each at
    its venue time     ->  steps T+1 .. horizon lived again         ->  go on

Up to the horizon (the newest time in the journal) everything has happened before: the steps decide
it again, and their rows, keyed by time, must be the same bytes. A difference stops the start.
"""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.executor import records
from agents.executor.judged import opened_entry
from agents.executor.state import State, new_state, thaw
from agents.executor.step import fold
from agents.session import Session
from exchange.port import Venue
from exchange.recorded import INTENT_COLUMNS, Intents, RecordedVenue
from market.breach import APPROVED
from market.replay_step import (
    PLACED_CODE,
    PLACED_KIND,
    PLACED_LEVEL,
    PLACED_LOTS,
    PLACED_ORDER_ID,
    PLACED_PRICE_TICKS,
    PLACED_SIDE,
)
from protocol.chain_file import FOLDER, chained
from protocol.errors import JournalError
from protocol.journal import Journal, Row

JOURNAL_NAME = "executor.db"
SENT = [
    PLACED_KIND,
    PLACED_ORDER_ID,
    PLACED_SIDE,
    PLACED_PRICE_TICKS,
    PLACED_LOTS,
    PLACED_LEVEL,
    records.SENT_TAKER,
]
"""The columns of a journaled row in the order of `exchange.recorded.INTENT_*`."""
HEARD_SEQ = "heard_seq"
"""The last row of `heard` that the frozen state contains."""


class RecoveryError(JournalError):
    """The journal in this folder cannot be lived on from."""

    exit_code = 4


@dataclass(slots=True)
class Recovered:
    """Where to go on from.

    Attributes:
        later: words heard after the frozen state, oldest first, to be folded at their time.
        heard_seq: last row of `heard` that the state contains.
        horizon_ns: newest time in the journal; up to it nothing is new.
    """

    state: State
    venue: Venue
    later: deque[Row]
    heard_seq: int
    horizon_ns: int


def open_journal(folder: Path, *, readonly: bool = False) -> Journal:
    """Open the executor's journal in a run's folder; one that is written is chained (`audit`)."""
    assert len(SENT) == INTENT_COLUMNS, "a column of the intents is missing"
    journal = Journal.open(
        folder / JOURNAL_NAME,
        schema_version=records.SCHEMA_VERSION,
        tables=records.TABLES,
        readonly=readonly,
    )
    return journal if readonly else chained(journal, folder / FOLDER, records.TABLES)


def identity_of(session: Session) -> dict[str, str]:
    """Return what a journal belongs to: what shapes the run, the machine left out."""
    settings = session.settings.model_dump(mode="json", exclude={"data", "bus", "desk"})
    settings["feed"].pop("path")
    venue = settings.pop("venue")
    recording = session.meta.sha256
    if not session.settings.venue.recorded:
        recording = f"{venue['url']} {session.meta.symbol} from {session.first_ns}"
        settings.pop("parameters")  # the baseline tells them
    for name in ("threads", "cluster"):
        settings["optimizer"].pop(name)
    settings["executor"].pop("end_wait_s")
    if not session.settings.peers:
        settings.pop("portfolio")  # nobody asks it
    if session.settings.executor.candidate is None:
        settings.pop("promotion")
    text = json.dumps([settings, session.baseline.model_dump()], sort_keys=True)
    return {
        "recording": recording,
        "configuration": hashlib.sha256(text.encode()).hexdigest(),
    }


def new_venue(session: Session) -> RecordedVenue:
    """Return the recorded venue at its beginning."""
    return RecordedVenue(
        session.tape_builder(),
        session.setup,
        first_ns=session.first_ns,
        last_ns=session.last_ns,
    )


def recover(journal: Journal, session: Session, *, lockstep: bool) -> Recovered:
    """Return state and venue as the journal left them, at the last cycle.

    Raises:
        RecoveryError: the journal belongs to another recording, configuration or seed.
        JournalError: it is damaged.
    """
    must_belong(journal, session)
    frozen = journal.get(records.STATE)
    venue = new_venue(session)
    if frozen is None:
        state = new_state(session, lockstep=lockstep)
    else:
        state = thaw(session, frozen, lockstep=lockstep)
        venue.rebuild(intents(journal, state.now_ns), state.now_ns)
    heard_seq = int(journal.get(HEARD_SEQ, 0))
    happened = (records.INTENTS, records.REPORTS, records.JUDGED, records.HEARD)
    last = [journal.last(table) for table in happened]
    horizon_ns = max([state.now_ns, *(row.time_ns for row in last if row is not None)])
    found = Recovered(
        state, venue, deque(journal.rows(records.HEARD, heard_seq)), heard_seq, horizon_ns
    )
    fold_due(found)
    return found


def fold_due(found: Recovered) -> None:
    """Let the words that were heard by the state's time change it."""
    while found.later and found.later[0].time_ns <= found.state.now_ns:
        row = found.later.popleft()
        fold(found.state, row.kind, row.body)
        found.heard_seq = row.seq


def fold_all(journal: Journal, state: State, heard_seq: int) -> int:
    """Let all words after a row change the state, at the time of the last one; return its row."""
    for row in journal.rows(records.HEARD, heard_seq):
        state.now_ns = max(state.now_ns, row.time_ns)
        fold(state, row.kind, row.body)
        heard_seq = row.seq
    return heard_seq


def intents(journal: Journal, until_ns: int) -> Iterator[Intents]:
    """Yield what was sent at every step up to a time, oldest first."""
    for row in journal.rows(records.INTENTS):
        if row.time_ns > until_ns:
            return
        rows = records.sent_rows(row.body)
        yield Intents(row.time_ns, rows[rows[:, PLACED_CODE] == APPROVED][:, SENT])


def guarded(append: Callable[[], Any]) -> Any:
    """Run an append of the time before the horizon; another content is a broken promise.

    Raises:
        RecoveryError: a step decided otherwise than the journal says it did.
    """
    try:
        return append()
    except JournalError as error:
        raise RecoveryError(
            f"the run decided otherwise than its journal says: {error}; the program or the "
            "machine changed since; start a new run"
        ) from error


def must_belong(journal: Journal, session: Session) -> None:
    """Note what a new journal belongs to; refuse one that belongs to something else.

    Raises:
        RecoveryError: what it belongs to.
    """
    mine = identity_of(session)
    found = journal.get(records.IDENTITY)
    if found is None:
        # A session opens at its target, so the excess is the opening quote balance.
        opening = int(session.setup.opening[0])
        held = {records.IDENTITY: mine, records.OPENING: opening}
        journal.append((opened_entry(session),), state=held)
        return
    for name, value in mine.items():
        if found.get(name) != value:
            raise RecoveryError(
                f"the journal belongs to another {name} ({found.get(name, 'none')[:12]}), found "
                f"{value[:12]}; use a new run folder, or the {name} it was begun with"
            )
