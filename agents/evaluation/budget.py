"""What a position may lose, and the volatility that a spread is meant at: both from the training.

Risk is made even over time: where prices move twice as much, half the position carries as much
risk, and a maker's profit grows no faster than its risk (Moreira and Muir 2017, "Volatility-Managed
Portfolios", Journal of Finance 72, 1611-1644, for holdings). Both are settings of the executor and
of risk, `executor.volatility_reference` and `risk.value_at_risk_limit`.
"""

from dataclasses import replace

import numpy as np

from agents.evaluation.ground import Ground
from market.breach import LIMIT_CAPITAL, LIMIT_VALUE
from market.layout import SCALE_LOT, SCALE_TICK_LOT, UNITS, VIEW_LOSS
from market.policy import POLICY_VOLATILITY


def budget_of(ground: Ground) -> float:
    """Return the value at risk of a share of the suggested position, fraction of the capital.

    At the median of the training's cycles; never above the limit that is configured.
    """
    session = ground.session
    scale, limits = session.setup.scale, session.setup.limits
    losses = ground.tape.views[ground.cycles(ground.begin, ground.train), VIEW_LOSS]
    seen = losses[losses > 0.0]
    if not seen.size:
        return float(limits[LIMIT_VALUE])
    lots = ground.plan.budget_share * session.baseline.max_position * UNITS / int(scale[SCALE_LOT])
    loss = lots * float(np.median(seen)) * int(scale[SCALE_TICK_LOT])
    return min(float(limits[LIMIT_VALUE]), loss / float(limits[LIMIT_CAPITAL]))


def following(ground: Ground, reference: float) -> Ground:
    """Return the ground whose spreads follow volatility, meant at `reference` (0: they do not)."""
    setup = ground.session.setup
    policy = setup.policy.copy()
    policy[POLICY_VOLATILITY] = reference
    return replace(ground, session=replace(ground.session, setup=setup._replace(policy=policy)))


def within(ground: Ground, budget: float) -> Ground:
    """Return the ground whose positions keep within a value at risk, fraction of the capital."""
    setup = ground.session.setup
    limits = setup.limits.copy()
    limits[LIMIT_VALUE] = budget
    return replace(ground, session=replace(ground.session, setup=setup._replace(limits=limits)))
