"""How far stated probabilities came true: Brier score, skill, calibration error, counts."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from market.types import F8

BINS = 8
DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Reliability:
    """Scores of n stated probabilities with known outcomes; None where n is 0 or nothing varies.

    Attributes:
        base: share that came true.
        brier: mean squared error.
        skill: 1 - brier / (base x (1 - base)), against always stating the base rate.
        error: expected calibration error, over the bins below.
        bins: equally many a bin: (mean stated, share true, count).
    """

    count: int
    base: float | None
    brier: float | None
    skill: float | None
    error: float | None
    bins: tuple[tuple[float, float, int], ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "decisions": self.count,
            "base_rate": self.base,
            "brier": self.brier,
            "skill": self.skill,
            "calibration_error": self.error,
            "diagram": [
                {"stated": stated, "came_true": true, "count": count}
                for stated, true, count in self.bins
            ],
        }


def reliability(stated: F8, won: F8) -> Reliability:
    """Score f8[n] probabilities against f8[n] outcomes, 1 or 0."""
    count = len(stated)
    if count == 0:
        return Reliability(0, None, None, None, None, ())
    base, brier = float(won.mean()), float(((stated - won) ** 2).mean())
    order = np.argsort(stated, kind="stable")
    bins = tuple(
        (float(stated[rows].mean()), float(won[rows].mean()), len(rows))
        for rows in np.array_split(order, BINS)
        if len(rows)
    )
    error = sum(size * abs(true - said) for said, true, size in bins) / count
    spread = base * (1.0 - base)
    return Reliability(count, base, brier, 1.0 - brier / spread if spread else None, error, bins)


def skill_interval(
    stated: F8, won: F8, market: F8, rng: np.random.Generator, *, share: float = 0.95
) -> tuple[float, float]:
    """Return the interval of the Brier skill by a bootstrap over whole markets.

    Args:
        stated, won: see `reliability`.
        market: f8[n], number of the market of each decision: decisions of one are not independent.
        rng: of the bootstrap.
        share: of the interval.
    """
    rows = [np.flatnonzero(market == each) for each in np.unique(market)]
    found = []
    for _ in range(DRAWS):
        drawn = np.concatenate([rows[each] for each in rng.integers(len(rows), size=len(rows))])
        skill = reliability(stated[drawn], won[drawn]).skill
        if skill is not None:
            found.append(skill)
    edge = (1.0 - share) / 2.0
    low, high = np.quantile(found, [edge, 1.0 - edge])
    return float(low), float(high)
