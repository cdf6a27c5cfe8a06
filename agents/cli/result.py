"""Builds `result.json`: a pure function of recording, seed and configuration.

The executor's journal says what was traded, the coordinator's log what was decided; the untuned
run beside it is replayed here. Nothing of the machine (wall times, process ids, epochs, versions,
message ids) may enter.
"""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from agents.coordinator.log import read_records
from agents.coordinator.records import Kind
from agents.coordinator.story import story
from agents.costs import costs_of
from agents.executor.result import Journaled, journaled
from agents.figures import figures
from agents.session import Session, open_session, parameter_row
from agents.settings import Settings
from agents.sizing import policy_of
from market.queueing import model_text
from market.replay import replay_one
from market.tape import Tape
from protocol.messages import utc_text

SCHEMA = 1


def result_of(settings: Settings, folder: Path, *, complete: bool) -> dict[str, Any]:
    """Return the result of a run whose processes have ended."""
    session = open_session(settings)
    lived = journaled(folder, session)
    tape = session.tapes().advance(lived.last_ns)
    if session.recording is not None:  # a session at a venue ends with what was lived through
        session = replace(session, last_ns=lived.last_ns, event_count=tape.event_count)
    return {
        "schema": SCHEMA,
        "seed": settings.seed,
        "mode": settings.coordinator.mode.value,
        "ended": "complete" if complete else "early",
        "ended_at": utc_text(lived.last_ns),
        "recording": recording_of(session),
        "configuration": configuration_of(settings),
        "parameters": {
            "initial": session.baseline.model_dump(),
            "final": lived.final.model_dump(),
            "history": lived.history,
        },
        "tuning": story(read_records(folder), lived.applied),
        "tuned": figures(lived.record, session, tape, trials=1 + len(lived.history)),
        "untuned": untuned(session, tape, lived),
    }


def machine_part(folder: Path) -> dict[str, Any]:
    """Return what the log holds of the machine: epochs, pairs, message ids, voided rounds."""
    found = Counter[str]()
    decisions = []
    for record in read_records(folder):
        found[record.kind.value] += 1
        if record.kind is Kind.DECISION:
            decisions.append(
                {"pair": list(record.body["pair"]), "basis": list(record.body["basis"])}
            )
    return {
        "epochs": found[Kind.EPOCH.value],
        "rounds": found[Kind.ROUND.value],
        "rounds_voided": found[Kind.VOID.value],
        "log_entries": sum(found.values()),
        "decisions": decisions,
    }


def untuned(session: Session, tape: Tape, lived: Journaled) -> dict[str, Any]:
    """Return the figures of the same span with the starting parameters and policy throughout."""
    record = replay_one(
        tape,
        parameter_row(session.baseline),
        session.setup._replace(policy=policy_of(session.settings)),  # not who was promoted since
        first_step=tape.step_at(session.first_ns),
        last_step=tape.step_at(lived.last_ns + 1),
    )
    return figures(record, session, tape, trials=1)


def recording_of(session: Session) -> dict[str, Any]:
    """Return what was traded on."""
    meta = session.meta
    return {
        "venue": meta.venue,
        "symbol": meta.symbol,
        "sha256": meta.sha256,
        "first": utc_text(session.first_ns),
        "last": utc_text(session.last_ns),
        "hours": round((session.last_ns - session.first_ns) / 3.6e12, 4),
        "events": session.event_count,
        **costs_of(meta, session.settings, session.setup.funding),
        "clock_offset_ns": meta.clock_offset_ns,
        "artificial": meta.venue == "synthetic",
        "fills": f"fill model {model_text(session.setup.model)}; own orders do not move the "
        "recorded market",
    }


def configuration_of(settings: Settings) -> dict[str, Any]:
    """Return the settings that shape the result, those of this machine left out."""
    document = settings.model_dump(mode="json", exclude={"data", "bus", "seed"})
    document["feed"].pop("path")
    for name in ("threads", "cluster"):
        document["optimizer"].pop(name)
    if settings.peers:
        document["portfolio"]["executors"] = [settings.account.executor, *settings.peers]
    else:
        document.pop("portfolio")  # nobody asks it
    for name in ("key_file", "secret_file", "folder"):
        document["venue"].pop(name)
    return document
