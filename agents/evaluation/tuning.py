"""Plain tuning, as a trader does it by hand: many sets on the same past, the steadiest is taken.

The best is not the one that earned most, but the one with the highest mean over deviation of its
slices: that is what the scoreboard judges by, so that nobody is tuned for one thing and judged by
another. A share of the usual deviation is added below, or whoever hardly trades would win.
"""

from collections.abc import Sequence

import numpy as np

from agents.backtest.candidates import bounds_of, draw
from agents.evaluation.ground import Ground
from agents.session import parameter_row
from market.replay import replay
from market.replay_step import REPLAY_NET
from market.schedule import nets_scaled, volatility
from market.types import F8
from protocol.messages import QuoteParameters

FLOOR = 0.25
"""Of the median deviation of all sets, added to each one's own."""


def sets_of(ground: Ground, count: int | None = None) -> tuple[QuoteParameters, ...]:
    """Return the sets that a plain tuning tries: the suggested one and what is around it.

    Args:
        ground: whose suggested set and bounds count.
        count: how many; None: as the plan says.
    """
    session, plan = ground.session, ground.plan
    bounds = bounds_of(session, ground.tape)
    return draw(count or plan.sets, (), session.baseline, bounds, plan.seeds.sets).sets


def steadiest(nets: F8) -> int:
    """Return the row of f8[n, slices] with the best mean over deviation; the first of equals."""
    deviation = nets.std(1, ddof=1)
    floor = FLOOR * float(np.median(deviation))
    divisor = np.maximum(deviation + floor, 1e-12)
    return int(np.argmax(nets.mean(1) / divisor))


def tuned(
    ground: Ground, sets: Sequence[QuoteParameters], first: int, last: int
) -> QuoteParameters:
    """Return the steadiest of the sets over steps [first, last)."""
    figures = replay(
        ground.tape,
        np.array([parameter_row(each) for each in sets]),
        ground.session.setup,
        first_step=first,
        last_step=last,
        slices=ground.plan.slices,
        threads=ground.session.settings.optimizer.threads,
    )
    return sets[steadiest(figures[:, :, REPLAY_NET])]


def reference_of(ground: Ground, first: int, last: int) -> float:
    """Return the median volatility at the cycles of [first, last), fraction per sqrt(second)."""
    return max(1e-12, float(np.median(volatility(ground.tape, ground.cycles(first, last)))))


def tuned_scaled(
    ground: Ground, sets: Sequence[QuoteParameters], first: int, last: int, *, reference: float
) -> QuoteParameters:
    """Return the steadiest of the sets whose spreads follow volatility, over [first, last)."""
    nets = nets_scaled(
        ground.tape,
        np.array([parameter_row(each) for each in sets]),
        ground.session.setup,
        starts=ground.cycles(first, last),
        last_step=last,
        slices=ground.plan.slices,
        reference=reference,
    )
    return sets[steadiest(nets)]
