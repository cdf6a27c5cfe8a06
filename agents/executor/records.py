"""The executor's journal: its tables, and the rows that a step becomes.

    intents     what was sent or refused at a step, before it was sent; key: the step's time
    reports     what the venue reported, and the fills as they were booked; the same key
    refusals    what the gate refused: limit, figure, bound
    judged      the figures that orders were judged by, and every change of the risk state
    cycles      equity, ledger, closed round trips and what was seen at every decision
    parameters  sets that came into force, were refused at the last moment, or lapsed
    heard       words that changed something: decisions, closed boundaries, votes, stops, pauses

Keys make an append idempotent: a step that is lived through again after a crash must write the
same bytes, and `protocol.journal` refuses other ones.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from agents.executor.state import State
from market.layout import LEDGER_EQUITY, LEDGER_MARK, LEDGER_TRIPS, REPORT_COLUMNS, TRIP_COLUMNS
from market.ledger import position_lots
from market.replay_step import EQUITY_COLUMNS, FILLED_COLUMNS, PLACED_COLUMNS
from market.strategy import excess_units
from market.types import F8, I8
from protocol.errors import JournalError
from protocol.journal import Entry
from protocol.messages import utc_text
from protocol.orders import Refused

SCHEMA_VERSION = 6
INTENTS = "intents"
REPORTS = "reports"
REFUSALS = "refusals"
JUDGED = "judged"
CYCLES = "cycles"
PARAMETERS = "parameters"
HEARD = "heard"
TABLES = (INTENTS, REPORTS, REFUSALS, JUDGED, CYCLES, PARAMETERS, HEARD)
BACK_NS = 60 * 10**9
"""By which the time of a replayed feed may seem to go back when a process joins it again."""
STATE = "state"
"""Name of the newest frozen state in the journal's state table."""
OPENING = "opening"
"""Name of equity less the worth of the target at the start, quote units."""
IDENTITY = "identity"
"""Name of what the journal belongs to: recording, settings, seed."""

# One row of `intents`: the columns of `replay_step.PLACED_*`, and whether it was a taker order.
SENT_TAKER = PLACED_COLUMNS
SENT_COLUMNS = PLACED_COLUMNS + 1


def sent_entry(now_ns: int, rows: Sequence[Sequence[int]]) -> Entry:
    """Return the entry of what a step sent and what the gate refused."""
    body = np.array(rows, dtype=np.int64).tobytes()
    return Entry(INTENTS, now_ns, "step", body, key=str(now_ns))


def refusal_entry(now_ns: int, refused: Sequence[tuple[Refused, Sequence[int]]]) -> Entry:
    """Return the entry of what the gate refused at a step, each with limit, figure and bound."""
    body = [[each.limit, each.figure, each.bound, list(row)] for each, row in refused]
    return Entry(REFUSALS, now_ns, "refused", body, key=str(now_ns))


def report_entry(now_ns: int, reports: I8, filled: I8) -> Entry:
    """Return the entry of what the venue reported by a step."""
    body = {"reports": reports.tobytes(), "filled": filled.tobytes()}
    return Entry(REPORTS, now_ns, "step", body, key=str(now_ns))


def cycle_entry(state: State) -> Entry:
    """Return the entry of a decision: equity row, ledger, round trips closed since the last."""
    account, scale = state.account, state.session.setup.scale
    ledger = account.ledger
    last = min(int(ledger[LEDGER_TRIPS]), account.trips.shape[0])
    body = {
        "excess": int(excess_units(ledger, scale)),
        "position": int(position_lots(ledger, scale)),
        "ledger": ledger.tobytes(),
        "trips": account.trips[state.kept_trips : last].tobytes(),
        "observation": account.observation.tobytes(),
    }
    return Entry(CYCLES, state.now_ns, "cycle", body, key=str(state.now_ns))


def trips_entry(state: State) -> Entry:
    """Return the entry of round trips that closed between two decisions; it is no decision."""
    return replace(cycle_entry(state), kind="trips", key=f"trips {state.now_ns}")


def heard_entry(now_ns: int, kind: str, body: dict[str, Any], key: str | None) -> Entry:
    """Return the entry of a word that changed something."""
    return Entry(HEARD, now_ns, kind, body, key=None if key is None else f"{kind} {key}")


def sent_rows(body: bytes) -> I8:
    """Return i8[n, SENT_COLUMNS] of an `intents` row."""
    return np.frombuffer(body, dtype=np.int64).reshape(-1, SENT_COLUMNS)


def report_rows(body: dict[str, bytes]) -> tuple[I8, I8]:
    """Return (i8[n, REPORT_COLUMNS], i8[m, FILLED_COLUMNS]) of a `reports` row."""
    reports = np.frombuffer(body["reports"], dtype=np.int64).reshape(-1, REPORT_COLUMNS)
    return reports, np.frombuffer(body["filled"], dtype=np.int64).reshape(-1, FILLED_COLUMNS)


def trip_rows(body: dict[str, Any]) -> I8:
    """Return i8[n, TRIP_COLUMNS] of a `cycles` row."""
    return np.frombuffer(body["trips"], dtype=np.int64).reshape(-1, TRIP_COLUMNS)


def ledger_row(body: dict[str, Any]) -> I8:
    """Return i8[LEDGER_COLUMNS] of a `cycles` row."""
    return np.frombuffer(body["ledger"], dtype=np.int64)


def observation_row(body: dict[str, Any]) -> F8:
    """Return f8[OBSERVATION_COLUMNS] of a `cycles` row: what the policy saw."""
    return np.frombuffer(body["observation"], dtype=np.float64)


def equity_row(now_ns: int, body: dict[str, Any]) -> I8:
    """Return i8[EQUITY_COLUMNS] of a `cycles` row."""
    ledger = ledger_row(body)
    row = np.zeros(EQUITY_COLUMNS, dtype=np.int64)
    row[:] = (now_ns, ledger[LEDGER_EQUITY], body["excess"], body["position"], ledger[LEDGER_MARK])
    return row


def demand_forward(times_ns: Sequence[int], folder: Path) -> None:
    """Refuse a session whose venue time went back: its orders are of two markets.

    A replayed feed whose clock was told anew may be off by less than `BACK_NS`.

    Args:
        times_ns: in the order in which they were journaled.
        folder: of the run.

    Raises:
        JournalError: where it went back, and what to do.
    """
    newest_ns = 0
    for now_ns in times_ns:
        if now_ns < newest_ns - BACK_NS:
            raise JournalError(
                f"{folder}: venue time goes back from {utc_text(newest_ns)[:19]} to "
                f"{utc_text(now_ns)[:19]}, so its exchange began its feed anew; what was sent "
                "before and after cannot be compared: begin a new run with a new feed"
            )
        newest_ns = max(newest_ns, now_ns)
