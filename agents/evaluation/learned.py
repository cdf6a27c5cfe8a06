"""The ground of L and F: the same recording, quoted on by the learned policy.

Positions keep within a budget, and the frame's spread follows volatility (`budget.py`). What quotes
is the plan, which calibrates itself as it goes (`market/planned.py`), or the closed form, whichever
was better on the first training window, its frame tuned there as S1's is. On two thirds of that
window a residual is learned; it is kept only if the last third, which it never saw, says that it is
surely better.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from agents.evaluation.arms import Carried
from agents.evaluation.budget import following, within
from agents.evaluation.ground import Ground, opened
from agents.evaluation.plan import Plan
from agents.evaluation.tuning import Tuned, preferred, sets_of, tuned
from agents.session import parameter_row
from agents.settings import Policy, Settings
from agents.training import HELD_OUT, spans_of, train, with_residual
from agents.training import Ground as Schooling
from market.policy import RESIDUALS
from market.types import F8
from protocol.messages import QuoteParameters

LEARNED = ("L", "F")
"""Arms on this ground."""


def planned(settings: Settings, plan: Plan, *, training: bool) -> Ground:
    """Return the ground on which the plan quotes; errors: `ground.opened`."""
    executor = settings.executor.model_copy(update={"policy": Policy.PLAN})
    return opened(settings.model_copy(update={"executor": executor}), plan, training=training)


def learned_ground(
    closed: Ground, planned: Ground, carried: Carried
) -> tuple[Ground, dict[str, Any]]:
    """Return the ground of L and F, and what its arms begin with: learned here, or carried on.

    Args:
        closed: on which the closed form quotes, that of B.
        planned: on which the plan quotes.
        carried: of the recordings before, and of this one's training.
    """
    known = {name: carried[name] for name in (*LEARNED, "policy", "residual") if name in carried}
    steered = within(following(planned, carried["reference"]), carried["budget"])
    grounds = {Policy.CLOSED_FORM: closed, Policy.PLAN: steered}
    if "residual" not in known:
        frame = tuned(steered, sets_of(steered), steered.begin, steered.train)
        other = Tuned(QuoteParameters.model_validate(carried["B"]), *carried["judged"])
        best = preferred([frame, other])
        policy = Policy.PLAN if best is frame else Policy.CLOSED_FORM
        held = best.held.model_dump()
        residual = residual_of(grounds[policy], best.held).tolist()
        known = {"L": held, "F": held, "policy": policy.value, "residual": residual}
    ground = grounds[Policy(known["policy"])]
    session = ground.session
    row = with_residual(session.setup.policy, np.array(known["residual"]))
    session = replace(session, setup=session.setup._replace(policy=row))
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
