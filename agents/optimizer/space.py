"""Codes a search space as the unit cube, so that a searcher knows nothing of what it searches.

A dimension is linear, logarithmic, integer or categorical (a number of unordered kinds: its values
are 0 .. kinds - 1). `decode` and `encode` are each other's inverse up
to the rounding of integers; every point of the cube decodes into the bounds.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np

from market.types import F8


class Scale(StrEnum):
    """How a dimension's values lie in [0, 1]."""

    LINEAR = "linear"
    LOG = "log"
    INTEGER = "integer"
    CATEGORICAL = "categorical"


WHOLE = (Scale.INTEGER, Scale.CATEGORICAL)


@dataclass(frozen=True, slots=True)
class Dimension:
    """One dimension with its bounds, both reachable; a logarithmic one needs low > 0."""

    name: str
    low: float
    high: float
    scale: Scale = Scale.LINEAR

    def __post_init__(self) -> None:
        if not -np.inf < self.low <= self.high < np.inf:
            raise ValueError(f"{self.name}: need finite low <= high, found {self.low}, {self.high}")
        if self.scale is Scale.LOG and not self.low > 0:
            raise ValueError(
                f"{self.name}: a logarithmic dimension needs low > 0, found {self.low}"
            )
        if self.scale in WHOLE and not (self.low % 1 == 0 and self.high % 1 == 0):
            raise ValueError(f"{self.name}: need whole bounds, found {self.low}, {self.high}")


@dataclass(frozen=True, slots=True)
class Space:
    """Dimensions in order."""

    dimensions: tuple[Dimension, ...]

    @classmethod
    def unit(cls, count: int) -> Self:
        """Return the plain cube of `count` dimensions."""
        return cls(tuple(Dimension(f"x{index}", 0.0, 1.0) for index in range(count)))

    def __len__(self) -> int:
        return len(self.dimensions)

    def decode(self, points: F8) -> F8:
        """Return f8[n, d] values of f8[n, d] points of the unit cube; outside it is clipped."""
        unit = np.clip(np.asarray(points, dtype=np.float64), 0.0, 1.0)
        values = np.empty_like(unit)
        for column, each in enumerate(self.dimensions):
            u = unit[:, column]
            if each.scale is Scale.LOG:
                span = np.log(each.high) - np.log(each.low)
                values[:, column] = np.clip(each.low * np.exp(u * span), each.low, each.high)
            elif each.scale in WHOLE:
                # Equal shares of the interval, so that each integer is as likely as any other.
                count = each.high - each.low + 1.0
                values[:, column] = np.minimum(each.low + np.floor(u * count), each.high)
            else:
                values[:, column] = each.low + u * (each.high - each.low)
        return values

    def snap(self, points: F8) -> F8:
        """Return f8[n, d] points moved to the middle of the integer or kind that they mean."""
        unit = np.array(points, dtype=np.float64)
        for column, each in enumerate(self.dimensions):
            if each.scale in WHOLE:
                count = each.high - each.low + 1.0
                unit[:, column] = (
                    np.minimum(np.floor(unit[:, column] * count), count - 1) + 0.5
                ) / count
        return unit

    def features(self, points: F8) -> F8:
        """Return f8[n, e] of snapped points: every kind of a category has a column of its own."""
        if all(each.scale is not Scale.CATEGORICAL for each in self.dimensions):
            return points
        columns = []
        for column, each in enumerate(self.dimensions):
            unit = points[:, column : column + 1]
            if each.scale is Scale.CATEGORICAL:
                kinds = round(each.high - each.low + 1.0)
                unit = (np.floor(unit * kinds) == np.arange(kinds)).astype(np.float64)
            columns.append(unit)
        return np.hstack(columns)

    def encode(self, values: F8) -> F8:
        """Return f8[n, d] points of the unit cube that decode to `values`, clipped to bounds."""
        given = np.asarray(values, dtype=np.float64)
        points = np.empty_like(given)
        for column, each in enumerate(self.dimensions):
            x = np.clip(given[:, column], each.low, each.high)
            if each.scale in WHOLE:
                points[:, column] = (np.rint(x) - each.low + 0.5) / (each.high - each.low + 1.0)
            elif each.high == each.low:
                points[:, column] = 0.5
            elif each.scale is Scale.LOG:
                points[:, column] = np.log(x / each.low) / np.log(each.high / each.low)
            else:
                points[:, column] = (x - each.low) / (each.high - each.low)
        return np.clip(points, 0.0, 1.0)
