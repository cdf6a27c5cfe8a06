"""The tuner alone: walks over the boundaries of a recording, searches, reports, publishes nothing.

Every better set is taken as if it had been approved. What it then did on the next window, beside
the set that it replaced, is looked at only afterwards: that is the walk-forward column.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.optimizer.mind import Answer, Mind
from agents.session import Session, open_session, parameter_row
from agents.settings import Settings
from market.layout import STEP_NOW_NS
from market.replay import replay
from market.replay_step import REPLAY_FILLS, REPLAY_NET
from market.tape import Tape
from protocol.messages import ParameterUpdate, QuoteParameters, utc_text

SECOND_NS = 1_000_000_000
Progress = Callable[[int, int], None]
Asked = Callable[[], bool]


def never() -> bool:
    """Return that nobody asked for an end."""
    return False


@dataclass(frozen=True, slots=True)
class Ahead:
    """What two sets did in the window after the decision, quote asset."""

    net: float
    net_incumbent: float
    fills: int
    hours: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "net_profit": self.net,
            "net_profit_incumbent": self.net_incumbent,
            "fills": self.fills,
            "hours": self.hours,
            "won": self.net > self.net_incumbent,
        }


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
    on_step: Progress | None = None,
    ending: Asked = never,
) -> dict[str, Any]:
    """Search at every boundary of the session; return the report as plain values."""
    mind = Mind(session, name or session.settings.optimizer.name)
    held = session.baseline
    answers: list[tuple[int, Answer, QuoteParameters]] = []
    boundaries = session.boundaries()
    for index, now_ns in enumerate(boundaries, start=1):
        if ending():
            break
        answer = mind.answer(index, now_ns, held)
        answers.append((now_ns, answer, held))
        if isinstance(answer.word, ParameterUpdate):
            held = answer.word.data.optimized_params
        if on_step is not None:
            on_step(index, len(boundaries))
    tape = mind.tape(session.last_ns)
    rows = [_row(session, tape, index, *each) for index, each in enumerate(answers, start=1)]
    ended = "complete" if len(rows) == len(boundaries) else "early"
    return {"ended": ended, **_summary(session, mind, rows, held)}


def _summary(
    session: Session, mind: Mind, rows: list[dict[str, Any]], held: QuoteParameters
) -> dict[str, Any]:
    proposed = [row for row in rows if row["proposed"]]
    judged = [row["ahead"] for row in proposed if row["ahead"] is not None]
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
        "initial": session.baseline.model_dump(),
        "final": held.model_dump(),
        "rows": rows,
    }


def _row(
    session: Session,
    tape: Tape,
    index: int,
    now_ns: int,
    answer: Answer,
    incumbent: QuoteParameters,
) -> dict[str, Any]:
    found, word = answer.judgement, answer.word
    proposed = isinstance(word, ParameterUpdate)
    ahead = None
    metrics = None
    if isinstance(word, ParameterUpdate):
        ahead = _ahead(session, tape, now_ns, word.data.optimized_params, incumbent)
        metrics = word.data.performance_metrics.model_dump()
    return {
        "boundary": index,
        "at": utc_text(now_ns),
        "window": [utc_text(found.window[0]), utc_text(found.window[1])],
        "proposed": proposed,
        "reason": found.reason,
        "confidence_score": found.confidence,
        "candidates": found.evaluated,
        "net_profit": found.net,
        "net_profit_incumbent": found.net_incumbent,
        "params": found.chosen.model_dump() if proposed and found.chosen else None,
        "performance_metrics": metrics,
        "ahead": None if ahead is None else ahead.as_dict(),
    }


def _ahead(
    session: Session,
    tape: Tape,
    now_ns: int,
    chosen: QuoteParameters,
    incumbent: QuoteParameters,
) -> Ahead | None:
    """Return what both sets did over the horizon once the chosen one could have been in force."""
    options = session.settings.optimizer
    begin = now_ns + options.tuning_latency_ns
    first = tape.step_at(begin)
    last = tape.step_at(begin + round(options.horizon_hours * 3600.0) * SECOND_NS)
    if last - first < 2:
        return None
    sets = np.array([parameter_row(chosen), parameter_row(incumbent)])
    figures = replay(tape, sets, session.setup, first_step=first, last_step=last)
    span_ns = int(tape.steps[last - 1, STEP_NOW_NS] - tape.steps[first, STEP_NOW_NS])
    return Ahead(
        net=float(figures[0, 0, REPLAY_NET]),
        net_incumbent=float(figures[1, 0, REPLAY_NET]),
        fills=int(figures[0, 0, REPLAY_FILLS]),
        hours=span_ns / 3600.0 / SECOND_NS,
    )
