"""The ground of L and F: the same recording, quoted on by the learned policy.

The plan calibrates itself as it goes (`market/planned.py`). Its frame is tuned on the first
training window as S1's is; on two thirds of that window a residual is learned, and it is kept only
if the last third, which it never saw, says that it is surely better.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from agents.evaluation.arms import Carried
from agents.evaluation.ground import Ground, opened
from agents.evaluation.plan import Plan
from agents.evaluation.tuning import sets_of, tuned
from agents.session import parameter_row
from agents.settings import Policy, Settings
from agents.training import HELD_OUT, spans_of, train, with_residual
from agents.training import Ground as Schooling
from market.policy import RESIDUALS
from market.types import F8
from protocol.messages import QuoteParameters

LEARNED = ("L", "F")
"""Arms on this ground."""


def learned_ground(
    settings: Settings, plan: Plan, carried: Carried, *, training: bool
) -> tuple[Ground, dict[str, Any]]:
    """Return the ground, and what its arms begin with: learned here, or carried on.

    Args:
        settings: complete; their policy does not count.
        plan: the rules.
        carried: of the recordings before.
        training: whether the recording begins with the training window.
    """
    executor = settings.executor.model_copy(update={"policy": Policy.PLAN})
    planned = settings.model_copy(update={"executor": executor})
    ground = opened(planned, plan, training=training)
    known = {name: carried[name] for name in (*LEARNED, "residual") if name in carried}
    if "residual" not in known:
        frame = tuned(ground, sets_of(ground), ground.begin, ground.train)
        held = frame.model_dump()
        known = {"L": held, "F": held, "residual": residual_of(ground, frame).tolist()}
    session = ground.session
    policy = with_residual(session.setup.policy, np.array(known["residual"]))
    session = replace(session, setup=session.setup._replace(policy=policy))
    return replace(ground, session=session), known


def residual_of(ground: Ground, frame: QuoteParameters) -> F8:
    """Return f8[RESIDUALS] learned on the training window; zeros if not surely better."""
    tape, setup, row = ground.tape, ground.session.setup, parameter_row(frame)
    middle = ground.train - round(HELD_OUT * (ground.train - ground.begin))
    found = train(
        [Schooling("training", tape, setup, row, spans_of(tape, ground.begin, middle))],
        Schooling("held out", tape, setup, row, spans_of(tape, middle, ground.train)),
        budget_steps=ground.plan.residual_steps,
        seed=ground.plan.seeds.residual,
    )
    return found.coefficients if found.better else np.zeros(RESIDUALS)
