"""The arms that are the whole system: coordinator, executor and optimizers, in each mode.

T asks one optimizer in this process. These run the stack itself on the recording, in lockstep, with
as many optimizers as the plan has seats: what they propose is merged, voted on or ranked as the
mode says, and what came into force, and when, is what the arm quotes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from agents.evaluation.arms import Arm, Carried, Schedule
from agents.evaluation.ground import Ground
from agents.session import parameter_row
from agents.settings import Clock, Parameters, Settings
from protocol.messages import Mode, QuoteParameters


@dataclass(frozen=True, slots=True)
class Came:
    """A set that came into force.

    Attributes:
        now_ns: venue time.
    """

    now_ns: int
    held: QuoteParameters


House = Callable[[Settings], Sequence[Came]]
"""Runs the stack on the recording of settings to its end; what came into force, in order."""


def through(name: str, mode: Mode, house: House) -> Arm:
    """Return the arm that quotes what a house of this mode puts into force.

    The house lives through the recording from its beginning. What it has in force when the test
    begins is what the arm begins with; of the recording before it has seen what S1 was tuned on.
    """

    def play(ground: Ground, carried: Carried) -> Schedule:
        held = QuoteParameters.model_validate(carried.get(name) or carried["S1"])
        starts, sets = [ground.first], [held]
        edges = ground.cycles(ground.first, ground.last)
        for came in house(housed(ground, mode, held)):
            later = edges[np.searchsorted(edges, ground.tape.step_at(came.now_ns)) :]
            if not later.size:
                continue
            if int(later[0]) > starts[-1]:
                starts.append(int(later[0]))
                sets.append(came.held)
            else:
                sets[-1] = came.held
        rows = np.array([parameter_row(each) for each in sets])
        return Schedule(np.array(starts), rows, sets[-1].model_dump())

    return play


def housed(ground: Ground, mode: Mode, held: QuoteParameters) -> Settings:
    """Return the settings of a house that begins with a set."""
    plain = ground.session.settings
    decides = {"mode": mode, "schedule": None, "accept_plain": None}
    run = {"optimizers": ground.plan.seats, "clock": Clock.LOCKSTEP, "foreign": None}
    return plain.model_copy(
        update={
            "parameters": Parameters(**held.model_dump()),
            "coordinator": plain.coordinator.model_copy(update=decides),
            "run": plain.run.model_copy(update=run),
            "desk": plain.desk.model_copy(update={"open": False}),
        }
    )
