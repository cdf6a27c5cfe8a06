"""Holds two ways of trading the same market against each other: differences with their intervals.

Both are paired in time: a row is one period in which both traded (or did not). The stationary
bootstrap of Politis and Romano 1994 draws the same periods for both, so that what the market did
to both cancels; the mean block length is that of Politis and White 2004 for the difference of
their profits (`verdict.block_length`). Every draw is measured as the record itself is: total,
Sharpe ratio, system quality number, deepest fall. An interval reaches to the percentile or to
`value -+ z x bootstrap error`, whichever is further.

Equal volatility: the two are scaled to the volatility of the second, so that trading less is no
merit. A record that never moves has neither profit nor fall at any volatility.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from statistics import NormalDist

import numpy as np

from market.jit import kernel
from market.layout import (
    TRIP_CLOSE_NS,
    TRIP_OPEN_TICKS,
    TRIP_PROFIT,
    TRIP_SIGNED_LOTS,
    UNITS,
)
from market.metrics import TRIPS_MIN
from market.types import F8, I8
from market.verdict import block_length, next_block

# --- one period of one record: f8[n, PERIOD_COLUMNS] ------------------------------------------
PERIOD_NET = 0  # net profit against not quoting, quote asset
PERIOD_TRIPS = 1  # round trips closed
PERIOD_MULTIPLE = 2  # sum of their R multiples
PERIOD_SQUARE = 3  # sum of the squares of these
PERIOD_COLUMNS = 4

# --- a record, or one draw of it, summed up: f8[SUM_COLUMNS] ----------------------------------
SUM_NET = 0
SUM_SQUARE = 1  # of the periods' profits
SUM_FALL = 2  # deepest fall of the running total below its highest so far, 0 at the start
SUM_TRIPS = 3
SUM_MULTIPLE = 4
SUM_MULTIPLE_SQUARE = 5
SUM_COLUMNS = 6

PERIODS_MIN = 30
DRAWS = 10_000
LEVEL = 0.05  # two-sided
POWER = 0.8
UNDEFINED_MAX = 0.01
"""Share of draws that may leave a figure undefined; with more of them it has no interval."""
SQN_TRIPS = 100.0


class Finding(Enum):
    """What a difference says of the first of two."""

    BETTER = "better"
    WORSE = "worse"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of two records, and by how much they differ.

    Attributes:
        ours, theirs: None where not defined.
        lower, upper: bounds of `value`, ours less theirs, at `level` two-sided; None: no interval.
        periods: rows behind it.
        count, their_count: round trips behind a quality number, else periods.
        days_needed: days of such trading after which the present difference would be told from
            nothing in 80 % of cases; None where time does not help, or nothing differs.
    """

    name: str
    ours: float | None
    theirs: float | None
    value: float | None
    lower: float | None
    upper: float | None
    level: float
    periods: int
    count: int
    their_count: int
    block_periods: float
    draws: int
    days_needed: float | None
    finding: Finding

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON values."""
        told = {name: getattr(self, name) for name in self.__slots__}
        return told | {"finding": self.finding.value}


def periods_of(
    times_ns: I8,
    excess_units: I8,
    trips: I8,
    *,
    edges_ns: I8,
    tick_lot_units: int,
    risk_fraction: float,
) -> F8:
    """Return f8[n, PERIOD_COLUMNS] of a record cut at n + 1 edges.

    A round trip counts in the period in which it closed: after its first edge, to its last. Its R
    multiple is its profit over risk_fraction x its cost, as in `metrics.trip_figures`.

    Args:
        times_ns: i8[m], rising, the first at or before the first edge.
        excess_units: i8[m], equity less the worth of the target then; the last at or before an
            edge counts.
        trips: i8[k, TRIP_COLUMNS].
        edges_ns: i8[n + 1], rising.
        tick_lot_units: quote units of one tick on one lot.
        risk_fraction: the stop distance as a fraction of cost, > 0.
    """
    rows = np.zeros((len(edges_ns) - 1, PERIOD_COLUMNS))
    standing = excess_units[np.searchsorted(times_ns, edges_ns, side="right") - 1]
    rows[:, PERIOD_NET] = np.diff(standing) / UNITS
    place = np.searchsorted(edges_ns, trips[:, TRIP_CLOSE_NS], side="left") - 1
    inside = (place >= 0) & (place < len(rows))
    kept, place = trips[inside], place[inside]
    cost = np.abs(kept[:, TRIP_SIGNED_LOTS]) * kept[:, TRIP_OPEN_TICKS] * float(tick_lot_units)
    multiples = kept[:, TRIP_PROFIT] / (risk_fraction * cost)
    np.add.at(rows[:, PERIOD_TRIPS], place, 1.0)
    np.add.at(rows[:, PERIOD_MULTIPLE], place, multiples)
    np.add.at(rows[:, PERIOD_SQUARE], place, multiples**2)
    return rows


@kernel
def resample(records: F8, length: float, seed: np.uint64, sums: F8, rows: I8) -> None:
    """Sum up stationary bootstrap samples of records, the same periods of all.

    Args:
        records: f8[k, n, PERIOD_COLUMNS].
        length: mean block length, >= 1.
        seed: u8.
        sums: f8[k, draws, SUM_COLUMNS], written.
        rows: i8[n], scratch.
    """
    count = records.shape[1]
    state = seed
    for draw in range(sums.shape[1]):
        done = 0
        while done < count:
            state, start, size = next_block(state, count, count - done, length)
            for step in range(size):
                place = start + step
                rows[done + step] = place if place < count else place - count
            done += size
        for index in range(records.shape[0]):
            sum_up(records[index], rows, sums[index, draw])


@kernel
def sum_up(record: F8, rows: I8, sums: F8) -> None:
    """Sum up the given rows of a record in their order.

    Args:
        record: f8[n, PERIOD_COLUMNS].
        rows: i8[m], row numbers.
        sums: f8[SUM_COLUMNS], written.
    """
    sums[:] = 0.0
    peak = 0.0
    for place in range(rows.shape[0]):
        row = record[rows[place]]
        net = row[PERIOD_NET]
        sums[SUM_NET] += net
        sums[SUM_SQUARE] += net * net
        peak = max(peak, sums[SUM_NET])
        sums[SUM_FALL] = max(sums[SUM_FALL], peak - sums[SUM_NET])
        sums[SUM_TRIPS] += row[PERIOD_TRIPS]
        sums[SUM_MULTIPLE] += row[PERIOD_MULTIPLE]
        sums[SUM_MULTIPLE_SQUARE] += row[PERIOD_SQUARE]


def summed(record: F8) -> F8:
    """Return f8[SUM_COLUMNS] of a whole record."""
    sums = np.zeros(SUM_COLUMNS)
    sum_up(np.ascontiguousarray(record, dtype=np.float64), np.arange(len(record)), sums)
    return sums


def deviation(sums: F8, periods: int) -> F8:
    """Return f8[...] standard deviations of a period's profit of f8[..., SUM_COLUMNS]."""
    mean = sums[..., SUM_NET] / periods
    variance = sums[..., SUM_SQUARE] - periods * mean * mean
    # What is left of rounding where every period is alike is no deviation.
    sound = variance > 1e-12 * sums[..., SUM_SQUARE]
    spread: F8 = np.sqrt(np.where(sound, variance, 0.0) / max(1, periods - 1))
    return spread


def figures_of(sums: F8, periods: int, *, unit: float, year_periods: float) -> dict[str, F8]:
    """Return every figure of records summed up, f8[...] each; NaN where not defined.

    Args:
        sums: f8[..., SUM_COLUMNS].
        periods: rows that were summed up.
        unit: the volatility of a period that all are scaled to, quote asset.
        year_periods: periods of a year.
    """
    spread = deviation(sums, periods)
    moving = spread > 0.0
    safe = np.where(moving, spread, 1.0)
    ratio = np.where(moving, sums[..., SUM_NET] / periods / safe, 0.0)
    fall = sums[..., SUM_FALL]
    trips = sums[..., SUM_TRIPS]
    some = np.maximum(trips, 2.0)
    mean = sums[..., SUM_MULTIPLE] / some
    squares = sums[..., SUM_MULTIPLE_SQUARE] - some * mean * mean
    known = (trips >= TRIPS_MIN) & (squares > 1e-12 * sums[..., SUM_MULTIPLE_SQUARE])
    quality = np.where(known, mean / np.sqrt(np.where(known, squares / (some - 1.0), 1.0)), np.nan)
    return {
        "net": sums[..., SUM_NET],
        "net_equal_volatility": unit * periods * ratio,
        "sharpe": np.where(moving, ratio * math.sqrt(year_periods), np.nan),
        "sqn": np.sqrt(some) * quality,
        "sqn100": np.sqrt(np.minimum(some, SQN_TRIPS)) * quality,
        "drawdown": fall,
        "drawdown_equal_volatility": np.where(moving, fall * unit / safe, 0.0),
    }


FIGURES = ("net", "net_equal_volatility", "sharpe", "sqn", "sqn100", "drawdown",
           "drawdown_equal_volatility")  # fmt: skip
LESS_IS_BETTER = frozenset(("drawdown", "drawdown_equal_volatility"))
OF_TRIPS = frozenset(("sqn", "sqn100"))


def compare(
    ours: F8,
    theirs: F8,
    *,
    period_s: float,
    seed: int,
    draws: int = DRAWS,
    level: float = LEVEL,
) -> Mapping[str, Difference]:
    """Return the differences of two records by figure.

    Args:
        ours, theirs: f8[n, PERIOD_COLUMNS], the same periods.
        period_s: seconds of one.
        seed: of the draws; the same seed gives the same bounds.
        draws: of the bootstrap.
        level: two-sided error of each interval, in (0, 0.5).
    """
    if ours.shape != theirs.shape or ours.ndim != 2 or ours.shape[1] != PERIOD_COLUMNS:
        raise ValueError(
            f"need two records of the same [n, {PERIOD_COLUMNS}], found {ours.shape}, "
            f"{theirs.shape}"
        )
    if not (0.0 < level < 0.5 and draws >= 100 and period_s > 0.0):
        raise ValueError(
            "need 0 < level < 0.5, 100 draws and a period above 0, found "
            f"{level}, {draws}, {period_s}"
        )
    records = np.ascontiguousarray(np.stack([ours, theirs]), dtype=np.float64)
    if not np.isfinite(records).all():
        raise ValueError("records must be finite")
    periods = records.shape[1]
    once = np.stack([summed(each) for each in records])
    length = 1.0
    drawn = np.zeros((2, draws, SUM_COLUMNS))
    if periods >= PERIODS_MIN:
        length = block_length(records[0, :, PERIOD_NET] - records[1, :, PERIOD_NET])
        rows = np.empty(periods, dtype=np.int64)
        resample(records, length, np.uint64(seed % (1 << 64)), drawn, rows)
    unit = float(deviation(once[1], periods)) or float(deviation(once[0], periods))
    scale = {"unit": unit, "year_periods": 365.0 * 86_400.0 / period_s}
    found, many = (figures_of(sums, periods, **scale) for sums in (once, drawn))
    return {
        name: _difference(
            name,
            found[name],
            many[name][0] - many[name][1] if periods >= PERIODS_MIN else np.zeros(0),
            level=level,
            periods=periods,
            trips=once[:, SUM_TRIPS],
            block=length,
            days=periods * period_s / 86_400.0,
        )
        for name in FIGURES
    }


def _difference(
    name: str,
    pair: F8,
    many: F8,
    *,
    level: float,
    periods: int,
    trips: F8,
    block: float,
    days: float,
) -> Difference:
    """Return one difference; `many` are its draws, none where there are too few periods."""
    ours, theirs = (None if math.isnan(each) else float(each) for each in pair)
    value = None if ours is None or theirs is None else ours - theirs
    lower = upper = needed = None
    finding = Finding.CANNOT_TELL
    sound = many[np.isfinite(many)]
    if value is not None and len(many) and len(sound) >= (1.0 - UNDEFINED_MAX) * len(many):
        error = float(sound.std())
        reach = NormalDist().inv_cdf(1.0 - level / 2.0) * error
        below, above = np.quantile(sound, [level / 2.0, 1.0 - level / 2.0])
        lower, upper = min(float(below), value - reach), max(float(above), value + reach)
        sign = -1.0 if name in LESS_IS_BETTER else 1.0
        if lower > 0.0 or upper < 0.0:
            finding = Finding.BETTER if sign * value > 0.0 else Finding.WORSE
        if name not in LESS_IS_BETTER:
            needed = days_needed(value, error, days, level=level)
    counts = trips if name in OF_TRIPS else np.full(2, periods)
    return Difference(
        name=name,
        ours=ours,
        theirs=theirs,
        value=value,
        lower=lower,
        upper=upper,
        level=level,
        periods=periods,
        count=int(counts[0]),
        their_count=int(counts[1]),
        block_periods=block,
        draws=len(many),
        days_needed=needed,
        finding=finding,
    )


def days_needed(
    difference: float, error: float, days: float, *, level: float = LEVEL, power: float = POWER
) -> float | None:
    """Return after how many days such a difference is told from nothing with chance `power`.

    A standard error falls with the root of time, so days ((z_(1 - level / 2) + z_power) x error /
    difference)^2; None when there is no difference, and when it has no error.

    Args:
        difference: as found in `days`.
        error: its standard error, in the same unit.
        days: behind both, > 0.
        level: two-sided error of the test.
        power: in (0, 1).
    """
    if difference == 0.0 or not error > 0.0:
        return None
    normal = NormalDist()
    z = normal.inv_cdf(1.0 - level / 2.0) + normal.inv_cdf(power)
    return days * (z * error / abs(difference)) ** 2
