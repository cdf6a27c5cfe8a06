"""The tuner alone: walks over the boundaries of a recording, searches, reports, publishes nothing.

Every better set is taken as if it had been approved. What a candidate then did on the horizon after
its boundary, beside the set in force, is looked at only afterwards: that is the walk-forward
column. Candidates that were not sure enough to be proposed are looked at as well: the reliability
of the confidence is that of all of them, once the warm-up is over.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from agents.optimizer.cluster import evaluator_of
from agents.optimizer.mind import Answer, Mind
from agents.optimizer.outcome import Outcome, outcome
from agents.session import Session, open_session
from agents.settings import Settings
from market.reliability import reliability
from market.tape import Tape
from protocol.messages import ParameterUpdate, QuoteParameters, utc_text

SECOND_NS = 1_000_000_000
Progress = Callable[[int, int], None]
Asked = Callable[[], bool]


def never() -> bool:
    """Return that nobody asked for an end."""
    return False


def report(
    settings: Settings,
    *,
    name: str | None = None,
    on_step: Progress | None = None,
    ending: Asked = never,
) -> dict[str, Any]:
    """Open the recording of `settings` and return the report of a walk over it.

    Args:
        on_step: told how many boundaries are done, and of how many.
        ending: asked before every boundary; once true the walk ends there.

    Raises:
        RecordingError, AdviceError: see `open_session`.
    """
    return walk(open_session(settings), name=name, on_step=on_step, ending=ending)


def walk(
    session: Session,
    *,
    name: str | None = None,
    first: int = 1,
    on_step: Progress | None = None,
    ending: Asked = never,
) -> dict[str, Any]:
    """Search at every boundary of the session; return the report as plain values.

    Args:
        first: number of the first boundary looked at.
    """
    given = session.settings.optimizer
    evaluator = evaluator_of(given.cluster, threads=given.threads)
    mind = Mind(session, name or given.name, evaluator=evaluator)
    held = session.baseline
    answers: list[tuple[int, Answer]] = []
    boundaries = session.boundaries()[first - 1 :]
    for index, now_ns in enumerate(boundaries, start=first):
        if ending():
            break
        answer = mind.answer(index, now_ns, held)
        mind.remember(answer)
        answers.append((now_ns, answer))
        if isinstance(answer.word, ParameterUpdate):
            held = answer.word.data.optimized_params
        if on_step is not None:
            on_step(len(answers), len(boundaries))
    evaluator.close()
    tape = mind.tape(session.last_ns)
    rows = [_row(session, tape, index, *each) for index, each in enumerate(answers, start=first)]
    ended = "complete" if len(rows) == len(boundaries) else "early"
    return {"ended": ended, **_summary(session, mind, rows, held)}


def _summary(
    session: Session, mind: Mind, rows: list[dict[str, Any]], held: QuoteParameters
) -> dict[str, Any]:
    proposed = [row for row in rows if row["proposed"]]
    judged = [row["ahead"] for row in proposed if row["ahead"] is not None]
    scored = [row for row in rows if row["ahead"] is not None and not row["warm_up"]]
    found = reliability(
        np.array([row["confidence_score"] for row in scored]),
        np.array([float(row["ahead"]["won"]) for row in scored]),
    )
    options = session.settings.optimizer
    return {
        "symbol": session.meta.symbol,
        "venue": session.meta.venue,
        "name": mind.name,
        "first": utc_text(session.first_ns),
        "last": utc_text(session.last_ns),
        "maker_fee_bps": session.meta.maker_fee_bps,
        "window_hours": options.window_hours,
        "horizon_hours": options.horizon_hours,
        "budget": options.budget,
        "boundaries": len(rows),
        "proposed": len(proposed),
        "won_ahead": sum(each["won"] for each in judged),
        "judged_ahead": len(judged),
        "reliability": found.as_dict(),
        "initial": session.baseline.model_dump(),
        "final": held.model_dump(),
        "rows": rows,
    }


def _row(session: Session, tape: Tape, index: int, now_ns: int, answer: Answer) -> dict[str, Any]:
    found, word = answer.judgement, answer.word
    proposed = isinstance(word, ParameterUpdate)
    metrics = None
    if isinstance(word, ParameterUpdate):
        metrics = word.data.performance_metrics.model_dump()
    assert answer.window is not None, "a mind that searches says what is to be kept"
    ahead = outcome(session, tape, answer.window, partial=True)
    return {
        "boundary": index,
        "at": utc_text(now_ns),
        "window": [utc_text(found.window[0]), utc_text(found.window[1])],
        "window_hours": (found.window[1] - found.window[0]) / 3600.0 / SECOND_NS,
        "horizon_hours": found.horizon_s / 3600.0,
        "warm_up": not found.whole,
        "proposed": proposed,
        "reason": found.reason,
        "confidence_score": found.confidence,
        "evidence": None if found.evidence is None else asdict(found.evidence),
        "chance": found.chance,
        "guards": None if found.guards is None else asdict(found.guards),
        "candidates": found.evaluated,
        "search": found.ending.value,
        "replay_saved": found.saved,
        "change_alarm": found.alarm,
        "net_profit": found.net,
        "net_profit_incumbent": found.net_incumbent,
        "params": found.chosen.model_dump() if proposed and found.chosen else None,
        "performance_metrics": metrics,
        "ahead": None if ahead is None else _ahead(ahead),
    }


def _ahead(found: Outcome) -> dict[str, Any]:
    return {
        "utility_gain": found.gain,
        "net_profit": found.net,
        "net_profit_incumbent": found.net_incumbent,
        "fills": found.fills,
        "hours": found.hours,
        "won": found.won,
    }
