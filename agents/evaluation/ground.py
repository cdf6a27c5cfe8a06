"""One recording made ready for all arms: the same tape, steps, costs and first parameters."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.evaluation.plan import Plan
from agents.session import Session, open_session
from agents.settings import Settings
from exchange.errors import RecordingError
from market.layout import STEP_NOW_NS, VIEW_READY
from market.tape import Tape
from market.types import I8

SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Ground:
    """Where arms are compared.

    Attributes:
        tape: the whole recording; whoever decides at a step may look at what is before it alone.
        begin: the step at which training begins, a cycle's edge on which may be quoted.
        train: one past the last step of the training window; `begin` where there is none.
        first: the step at which the test begins, a cycle's edge.
        last: one past its last step.
        climates: what the market's construction was, from which time on, for the oracle; empty
            for a real recording.
    """

    session: Session
    tape: Tape
    plan: Plan
    begin: int
    train: int
    first: int
    last: int
    climates: tuple[tuple[int, str], ...] = ()

    def cycles(self, first: int, last: int, every: int = 1) -> I8:
        """Return the steps of every n-th cycle's edge in [first, last), the first one first."""
        times = self.tape.steps[first:last, STEP_NOW_NS]
        edges: I8 = first + np.flatnonzero(times % self.session.settings.executor.cycle_ns == 0)
        return edges[::every]

    def time(self, step: int) -> int:
        """Return the venue time of a step."""
        return int(self.tape.steps[step, STEP_NOW_NS])


def opened(settings: Settings, plan: Plan, *, training: bool) -> Ground:
    """Open the recording of `settings`.

    Args:
        settings: complete, the fees among them.
        plan: the rules.
        training: whether the recording begins with the training window.

    Raises:
        RecordingError: it cannot be read, or is too short for training, purge and a test.
    """
    session = open_session(settings)
    tape = session.tapes().advance(session.last_ns)
    start = tape.step_at(session.first_ns)
    ready = np.flatnonzero(tape.views[start:, VIEW_READY] > 0.5)
    last = tape.step_at(session.last_ns + 1)
    if ready.size == 0:
        raise RecordingError("the market was never ready to be quoted on; use more hours")
    cycle_ns, interval_ns = settings.executor.cycle_ns, tape.interval_ns
    begin = _edge(tape, start + int(ready[0]), cycle_ns)
    train = first = begin
    if training:
        train = begin + round(plan.train_hours * 3600 * SECOND_NS / interval_ns)
        first = _edge(tape, train + round(plan.purge_s * SECOND_NS / interval_ns), cycle_ns)
    needed = round(2 * plan.period_s * SECOND_NS / interval_ns)
    if last - first < needed:
        hours = (first - begin + needed) * interval_ns / SECOND_NS / 3600
        raise RecordingError(
            f"{settings.feed.path}: training, purge and two periods need {hours:.1f} h after the "
            f"warm-up, found {(last - begin) * interval_ns / SECOND_NS / 3600:.1f} h"
        )
    return Ground(session, tape, plan, begin, train, first, last, climates_of(session))


def _edge(tape: Tape, step: int, cycle_ns: int) -> int:
    """Return the first cycle's edge at or after a step."""
    if step >= len(tape.steps):
        return step
    now_ns = int(tape.steps[step, STEP_NOW_NS])
    return step + (-now_ns % cycle_ns) // tape.interval_ns


def climates_of(session: Session) -> tuple[tuple[int, str], ...]:
    """Return (time, climate) of an artificial recording, in order; empty where nothing is known."""
    truth: Any = session.meta.notes.get("truth")
    told = truth.get("climates") if isinstance(truth, dict) else None
    return tuple((int(at), str(name)) for at, name in told or ())
