"""Returns of several symbols over one horizon, on one grid of times, from their bars."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from market.types import F8, I8


@dataclass(frozen=True, slots=True)
class Closes:
    """Last prices of one symbol.

    Attributes:
        known_ns: i8[n], when each was known, strictly rising.
        prices: f8[n], > 0.
    """

    known_ns: I8
    prices: F8


@dataclass(frozen=True, slots=True)
class Returns:
    """Simple returns over whole horizons that do not overlap.

    Attributes:
        ends_ns: i8[n], end of each.
        figures: f8[n, symbols], fractions.
        still: f8[symbols], share of horizons in which no price was told; their return is 0.
    """

    ends_ns: I8
    figures: F8
    still: F8


def returns_of(closes: Sequence[Closes], horizon_ns: int) -> Returns:
    """Return the returns at multiples of the horizon that all symbols cover.

    A price stands until the next one: a return knows nothing from after its end.

    Raises:
        ValueError: no symbol, a horizon below 1, or spans that do not overlap for two horizons.
    """
    if not closes or horizon_ns < 1:
        raise ValueError(f"give at least one symbol and a horizon, found {len(closes)} symbols")
    first_ns = max(int(each.known_ns[0]) for each in closes)
    last_ns = min(int(each.known_ns[-1]) for each in closes)
    grid = np.arange(-(-first_ns // horizon_ns) * horizon_ns, last_ns + 1, horizon_ns)
    if len(grid) < 3:
        raise ValueError(
            f"at least two whole horizons are needed that all symbols cover, found {len(grid)} ends"
        )
    columns, still = [], []
    for each in closes:
        rows = np.searchsorted(each.known_ns, grid, side="right") - 1
        prices = each.prices[rows]
        columns.append(prices[1:] / prices[:-1] - 1.0)
        still.append(float(np.mean(rows[1:] == rows[:-1])))
    return Returns(grid[1:], np.column_stack(columns), np.array(still))


def rows_for(span_ns: int, period_ns: int, horizon_ns: int, wanted: int) -> tuple[int, int]:
    """Return how to cut a horizon: length of a row in ns, and rows in a horizon.

    The longest row that divides the horizon, is a multiple of the bars' period and gives as many
    rows as wanted; the bars' own period when none does.

    Raises:
        ValueError: the horizon is no multiple of the period.
    """
    if horizon_ns < period_ns or horizon_ns % period_ns:
        raise ValueError(
            f"the horizon must be a multiple of {period_ns / 1e9:g} s, found {horizon_ns / 1e9:g} s"
        )
    whole = horizon_ns // period_ns
    for steps in range(1, whole + 1):
        if whole % steps == 0 and span_ns * steps >= wanted * horizon_ns:
            return horizon_ns // steps, steps
    return period_ns, whole
