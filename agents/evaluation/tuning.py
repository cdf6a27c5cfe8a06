"""Plain tuning, as a trader does it by hand: many sets on the same past, the steadiest are taken.

The best is not the one that earned most, but the one with the highest mean over deviation of its
slices; of those that are nearly as steady, which no such window can tell apart, the one with the
best system quality number. That is what the scoreboard judges by, so that nobody is tuned for one
thing and judged by another. A share of the usual deviation is added below, or whoever hardly trades
would win.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.backtest.candidates import bounds_of, draw
from agents.evaluation.ground import Ground
from agents.session import parameter_row
from market.comparison import figures_of, periods_of, summed
from market.layout import LEDGER_TRIPS, SCALE_TICK_LOT
from market.replay import replay
from market.replay_step import EQUITY_EXCESS, EQUITY_NOW_NS, REPLAY_NET
from market.schedule import replay_schedule, volatility
from market.types import F8
from protocol.messages import QuoteParameters

FLOOR = 0.25
"""Of the median deviation of all sets, added to each one's own."""
NEAR = 0.9
"""Of the best steadiness, from which on another is as steady as can be told in a few hours."""
FINALISTS = 24
"""The steadiest, of which round trips are looked at."""


def sets_of(ground: Ground, count: int | None = None) -> tuple[QuoteParameters, ...]:
    """Return the sets that a plain tuning tries: the suggested one and what is around it.

    Args:
        ground: whose suggested set and bounds count.
        count: how many; None: as the plan says.
    """
    session, plan = ground.session, ground.plan
    bounds = bounds_of(session, ground.tape)
    return draw(count or plan.sets, (), session.baseline, bounds, plan.seeds.sets).sets


def ratios(nets: F8) -> F8:
    """Return f8[n], mean over deviation of f8[n, slices], the deviation raised by the floor."""
    deviation = nets.std(1, ddof=1)
    floor = FLOOR * float(np.median(deviation))
    found: F8 = nets.mean(1) / np.maximum(deviation + floor, 1e-12)
    return found


def steadiest(nets: F8) -> int:
    """Return the row of f8[n, slices] with the best mean over deviation; the first of equals."""
    return int(np.argmax(ratios(nets)))


@dataclass(frozen=True, slots=True)
class Tuned:
    """A set, its mean over deviation (`ratios`), and its SQN100; -inf with too few round trips."""

    held: QuoteParameters
    steadiness: float
    quality: float


def tuned(ground: Ground, sets: Sequence[QuoteParameters], first: int, last: int) -> Tuned:
    """Return the best of the sets over steps [first, last)."""
    steady = ratios(nets_of(ground, sets, first, last))
    order = np.argsort(-steady, kind="stable")[:FINALISTS]
    near = [int(row) for row in order if steady[row] >= NEAR * steady[order[0]]] or [int(order[0])]
    return preferred(
        [
            Tuned(sets[row], float(steady[row]), quality(ground, sets[row], first, last))
            for row in near
        ]
    )


def preferred(found: Sequence[Tuned]) -> Tuned:
    """Return the one with the best SQN100 of those that are nearly as steady as the steadiest."""
    most = max(each.steadiness for each in found)
    near = [each for each in found if each.steadiness >= min(most, NEAR * most)]
    return max(near, key=lambda each: (each.quality, each.steadiness))


def quality(ground: Ground, held: QuoteParameters, first: int, last: int) -> float:
    """Return the SQN100 of the round trips of a set over steps [first, last)."""
    setup = ground.session.setup
    row = parameter_row(held)[None]
    record = replay_schedule(ground.tape, np.array([first]), row, setup, last_step=last)
    trips = record.account.trips
    rows = periods_of(
        record.equity[:, EQUITY_NOW_NS],
        record.equity[:, EQUITY_EXCESS],
        trips[: min(int(record.account.ledger[LEDGER_TRIPS]), len(trips))],
        edges_ns=np.array([ground.time(first), ground.time(last - 1)]),
        tick_lot_units=int(setup.scale[SCALE_TICK_LOT]),
        risk_fraction=ground.plan.risk_fraction,
    )
    found = float(figures_of(summed(rows), 1, unit=1.0, year_periods=1.0)["sqn100"])
    return found if math.isfinite(found) else -math.inf


def nets_of(ground: Ground, sets: Sequence[QuoteParameters], first: int, last: int) -> F8:
    """Return f8[n, slices], net profits of the sets over steps [first, last)."""
    figures = replay(
        ground.tape,
        np.array([parameter_row(each) for each in sets]),
        ground.session.setup,
        first_step=first,
        last_step=last,
        slices=ground.plan.slices,
        threads=ground.session.settings.optimizer.threads,
    )
    nets: F8 = figures[:, :, REPLAY_NET]
    return nets


def reference_of(ground: Ground, first: int, last: int) -> float:
    """Return the median volatility at the cycles of [first, last), fraction per sqrt(second)."""
    return max(1e-12, float(np.median(volatility(ground.tape, ground.cycles(first, last)))))
