"""Plan: the quotes that would be optimal if the estimate were the market."""

import numpy as np

from agents.executor.learning_calibration import Estimate
from market.plan import cartea_jaimungal_penalva
from market.stylised import QuoteTable
from market.stylised_plan import plan_backward, write_envelope
from market.types import F8


def plan_table(estimate: Estimate, *, steps: int, q_max: int) -> QuoteTable:
    """Return the optimal quotes of the estimate, f8[steps, 2 q_max + 1, regimes] a side."""
    sides = (estimate.bid, estimate.ask)
    points = len(estimate.bid.depths)
    corners, best, chance = (np.zeros((2, points)) for _ in range(3))
    counts = [
        write_envelope(side.depths, side.chances, corners[row], best[row], chance[row])
        for row, side in enumerate(sides)
    ]
    regimes = len(estimate.drift)
    shape = (steps, 2 * q_max + 1, regimes)
    table = QuoteTable(np.empty(shape), np.empty(shape))
    plan_backward(
        estimate.fee,
        estimate.phi,
        estimate.alpha,
        (counts[0], counts[1]),
        corners,
        best,
        chance,
        estimate.drift,
        estimate.transition,
        *table,
        np.zeros(shape[1:]),
        np.empty(shape[1:]),
    )
    return table


def start_table(
    estimate: Estimate, *, steps: int, q_max: int, low: float, high: float
) -> QuoteTable:
    """Return the closed form of Cartea, Jaimungal and Penalva, which knows no regimes."""
    bid, ask = cartea_jaimungal_penalva(
        q_max=q_max,
        steps=steps,
        dt=1.0,  # the estimate speaks of one step
        intensity=0.5 * (estimate.bid.intensity + estimate.ask.intensity),
        decay=estimate.decay,
        phi=estimate.phi,
        alpha=estimate.alpha,
        fee=estimate.fee,
    )

    def spread(depths: F8) -> F8:
        clipped = np.clip(np.nan_to_num(depths, nan=high, posinf=high, neginf=low), low, high)
        return np.repeat(clipped[:, :, None], len(estimate.drift), axis=2)

    return QuoteTable(spread(bid), spread(ask))
