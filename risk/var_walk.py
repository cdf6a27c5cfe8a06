"""Forecasts each row of a past from the rows before it, and picks the decay on a stretch of them.

`tail` itself is called at every row, so what is judged is what is used.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from market.types import F8
from risk.var import Method, Model, tail
from risk.var_coverage import Coverage, coverage

DECAYS = (0.90, 0.94, 0.97, 0.985)
"""EWMA decays that `calibrate` tries."""
AGE_DECAYS = (0.98, 0.99, 0.995, 0.998)
"""Age decays that it tries for `historical`."""


@dataclass(frozen=True, slots=True)
class Walk:
    """Forecasts and what came of them, row by row, money.

    Attributes:
        losses: f8[n].
        bounds: f8[n], values at risk.
        shortfalls: f8[n].
        level: of the forecasts.
    """

    losses: F8
    bounds: F8
    shortfalls: F8
    level: float

    def coverage(self, *, scale: float = 1.0) -> Coverage:
        """Judge the forecasts, each multiplied by `scale`."""
        return coverage(self.losses > scale * self.bounds, self.level)

    def shortfall_ratio(self) -> float | None:
        """Return mean loss over mean shortfall where the bound was exceeded; 1 is right."""
        beyond = self.losses > self.bounds
        expected = float(self.shortfalls[beyond].sum())
        return float(self.losses[beyond].sum()) / expected if expected > 0.0 else None

    def tick_loss(self) -> float:
        """Return the mean of (level - [loss < bound]) (loss - bound): least for the true quantile.

        Koenker and Bassett 1978, Econometrica 46, 33-50.
        """
        gap = self.losses - self.bounds
        return float(np.mean((self.level - (gap < 0.0)) * gap))

    def part(self, first: int, last: int) -> "Walk":
        """Return the rows [first, last)."""
        rows = slice(first, last)
        return Walk(self.losses[rows], self.bounds[rows], self.shortfalls[rows], self.level)


def walk(returns: F8, exposures: F8, *, level: float, model: Model, first: int, last: int) -> Walk:
    """Forecast the rows [first, last) of f8[n, symbols], each from the rows before it."""
    tails = [tail(returns[:row], exposures, level=level, model=model) for row in range(first, last)]
    return Walk(
        losses=-(returns[first:last] @ exposures),
        bounds=np.array([each.value_at_risk for each in tails]),
        shortfalls=np.array([each.shortfall for each in tails]),
        level=level,
    )


def candidates(model: Model) -> Sequence[Model]:
    """Return the models that `calibrate` compares: one decay each."""
    if model.method is Method.HISTORICAL:
        return [replace(model, age_decay=decay) for decay in AGE_DECAYS]
    return [replace(model, decay=decay) for decay in DECAYS]


def calibrate(
    returns: F8, exposures: F8, *, level: float, model: Model, first: int, last: int
) -> Model:
    """Return the model whose decay has the least tick loss over the rows [first, last)."""

    def loss(each: Model) -> float:
        """Return its tick loss."""
        return walk(returns, exposures, level=level, model=each, first=first, last=last).tick_loss()

    return min(candidates(model), key=loss)
