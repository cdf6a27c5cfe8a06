"""What an executor's journal says of its run: the deterministic part of a result.

Feed time, orders, money and parameters; never wall times, epochs, versions or message ids (the
pairs in `Journaled.applied` are for matching with the coordinator's log, not for showing).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agents.executor import records
from agents.executor.recovery import RecoveryError, open_journal
from agents.executor.state import State, as_pair, thaw
from agents.figures import figures
from agents.session import Session
from market.layout import LEDGER_FILLS, LEDGER_TRIPS, TRIP_COLUMNS
from market.replay import Record
from market.replay_step import (
    EQUITY_COLUMNS,
    FILLED_COLUMNS,
    HEARD_COLUMNS,
    PLACED_COLUMNS,
    REPLAY_EXPOSURE,
    REPLAY_QUOTED,
    REPLAY_QUOTED_WORTH,
    REPLAY_STEPS,
    heard_rows,
    tally,
)
from market.tape import Tape
from market.types import F8, I8
from protocol.errors import JournalError
from protocol.journal import Journal
from protocol.messages import Pair, QuoteParameters, utc_text


@dataclass(frozen=True, slots=True)
class Journaled:
    """A run as its executor wrote it down.

    Attributes:
        record: the same arrays that `market.replay.replay_one` gives.
        final: the parameters in force at the end.
        history: every change of them, oldest first: time, what happened, the set.
        applied: venue time at which each decision came into force.
        last_ns: venue time of the last step that is on disk.
    """

    record: Record
    final: QuoteParameters
    history: list[dict[str, Any]]
    applied: Mapping[Pair, int]
    last_ns: int


@dataclass(frozen=True, slots=True)
class Seen:
    """How far a running executor has come, at its last decision; money in 1e-8 quote."""

    now_ns: int
    fills: int
    round_trips: int
    net_units: int
    position_lots: int


class Watch:
    """Looks at a running executor's journal now and then; it is opened once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._journal: Journal | None = None

    def look(self) -> Seen | None:
        """Return the newest decision, None before the first, or while nothing can be read.

        Raises:
            JournalError: the journal is damaged.
        """
        if self._journal is None:
            try:
                self._journal = open_journal(self._folder, readonly=True)
            except JournalError:
                return None  # not made yet; if it is damaged, the executor itself says so
        row = self._journal.last(records.CYCLES)
        first = self._journal.get(records.OPENING)
        if row is None or first is None:
            return None
        ledger = records.ledger_row(row.body)
        return Seen(
            now_ns=row.time_ns,
            fills=int(ledger[LEDGER_FILLS]),
            round_trips=int(ledger[LEDGER_TRIPS]),
            net_units=int(row.body["excess"]) - int(first),
            position_lots=int(row.body["position"]),
        )

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None


def journaled(folder: Path, session: Session) -> Journaled:
    """Read the journal in a run's folder.

    Raises:
        RecoveryError: the run ended before its first decision.
        JournalError: the journal is missing or damaged.
    """
    with open_journal(folder, readonly=True) as journal:
        frozen = journal.get(records.STATE)
        if frozen is None:
            raise RecoveryError(f"the executor decided nothing yet ({folder})")
        state = thaw(session, frozen)
        history, applied = _parameters(journal, state.now_ns)
        return Journaled(
            record=record_of(journal, state),
            final=state.incumbent,
            history=history,
            applied=applied,
            last_ns=state.now_ns,
        )


def record_of(journal: Journal, state: State) -> Record:
    """Return the record of everything up to the state's time."""
    until_ns = state.now_ns
    placed = [
        records.sent_rows(row.body)[:, :PLACED_COLUMNS]
        for row in journal.rows(records.INTENTS)
        if row.time_ns <= until_ns
    ]
    filled: list[I8] = []
    heard: list[I8] = []
    for row in journal.rows(records.REPORTS):
        if row.time_ns <= until_ns:
            reports, fills = records.report_rows(row.body)
            filled.append(fills)
            heard.append(heard_rows(reports))
    equity: list[I8] = []
    trips: list[I8] = []
    for row in journal.rows(records.CYCLES):
        if row.time_ns > until_ns:
            break
        trips.append(records.trip_rows(row.body))
        if row.kind == "cycle":
            equity.append(records.equity_row(row.time_ns, row.body)[np.newaxis])
    closed = _stack(trips, TRIP_COLUMNS)
    count = int(state.account.ledger[LEDGER_TRIPS])
    if len(closed) < min(count, len(state.account.trips)):
        raise RecoveryError(f"the journal holds {len(closed)} of {count} closed round trips")
    return Record(
        placed=_stack(placed, PLACED_COLUMNS),
        filled=_stack(filled, FILLED_COLUMNS),
        equity=_stack(equity, EQUITY_COLUMNS),
        counts=state.counts,
        account=state.account._replace(trips=closed),
        figures=finished(state),
        heard=_stack(heard, HEARD_COLUMNS),
    )


def finished(state: State) -> F8:
    """Return the figures of the span so far, as `replay_step.run_steps` closes them."""
    out = state.figures.copy()
    tally(state.account, state.counts, state.session.setup.scale, 1.0, out)
    steps = max(1.0, out[REPLAY_STEPS])
    for column in (REPLAY_EXPOSURE, REPLAY_QUOTED, REPLAY_QUOTED_WORTH):
        out[column] /= steps
    return out


def executor_part(
    lived: Journaled, session: Session, tape: Tape, *, complete: bool
) -> dict[str, Any]:
    """Return the executor's part of a result as plain JSON values."""
    return {
        "ended_at": utc_text(lived.last_ns),
        "complete": complete,
        "symbol": session.meta.symbol,
        "first": utc_text(session.first_ns),
        "parameters": {
            "initial": session.baseline.model_dump(),
            "final": lived.final.model_dump(),
            "history": lived.history,
        },
        "figures": figures(lived.record, session, tape, trials=1 + len(lived.applied)),
    }


def _parameters(journal: Journal, until_ns: int) -> tuple[list[dict[str, Any]], dict[Pair, int]]:
    history: list[dict[str, Any]] = []
    applied: dict[Pair, int] = {}
    for row in journal.rows(records.PARAMETERS):
        if row.time_ns > until_ns:
            break
        body = row.body
        line: dict[str, Any] = {"time": utc_text(row.time_ns), "what": row.kind}
        line["parameters"] = body["params"]
        if body["code"] is not None:
            line["why"] = body["code"]
        history.append(line)
        if row.kind == "applied":
            applied[as_pair(body["pair"])] = row.time_ns
    return history, applied


def _stack(parts: list[I8], columns: int) -> I8:
    if not parts:
        return np.zeros((0, columns), dtype=np.int64)
    return np.ascontiguousarray(np.concatenate(parts))
