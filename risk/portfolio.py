"""What one executor may carry beside the others on the same capital: a pure reckoning.

Three limits hold for the positions of all executors together, each with every open order of its
worse side filled. An exposure vector e (quote asset, signed) is allowed when

    pair       |e_i + s e_j| <= pair x (L_i + L_j)   for each pair with s rho_ij >= threshold
    portfolio  sqrt(e' R e)  <= portfolio x sum(L)    R: correlation
    value      2.326 sqrt(horizon) sqrt(e' S e) <= value x capital of all    S: shrunk covariance

with L the largest position that each may have alone. All three are convex, so an executor that goes
from where all stand only 1/n of the way to its own edge, n executors at once, stays inside: the
mean of allowed points is allowed. A silent executor stands at its L, both ways, and is still one of
the n, so that silence never loosens anything.

R is the sample's own: shrinking makes one market under two names, if its moves have fat tails, two
that hardly count together, and a limit must not be loosened by that (`test_portfolio.py`).
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from market.types import F8
from market.value import SCORE as VALUE_SCORE
from risk.var_covariance import shrunk_covariance

ROWS_MIN = 30
"""Fewer common returns tell no correlation: then all count as moving as one, either way."""
EXECUTORS_MAX = 8
"""Every corner of their exposures is looked at."""


@dataclass(frozen=True, slots=True)
class PortfolioLimits:
    """What all executors together may carry.

    Attributes:
        threshold: correlation from which a pair counts together, in (0, 1].
        pair: share of their own limits' sum that such a pair may reach, in (0, 1]; 1: off.
        portfolio: share of the sum of all limits, correlations counted, in (0, 1]; 1: off.
        value: loss at 99 % over the horizon, fraction of all capital, in [0, 1]; 0: off.
        value_s: that horizon, seconds, > 0.
        age_ns: a report older than this counts as limits fully used, > 0.
    """

    threshold: float = 0.7
    pair: float = 0.75
    portfolio: float = 0.75
    value: float = 0.05
    value_s: float = 3_600.0
    age_ns: int = 10 * 10**9

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        for name in ("threshold", "pair", "portfolio"):
            found = getattr(self, name)
            if not 0.0 < found <= 1.0:
                raise ValueError(f"{name} must be in (0, 1], found {found}")
        if not 0.0 <= self.value <= 1.0:
            raise ValueError(f"value must be in [0, 1], found {self.value}")
        if not (self.value_s > 0.0 and self.age_ns > 0):
            raise ValueError(f"value_s and age_ns must be > 0, found {self.value_s}, {self.age_ns}")


@dataclass(frozen=True, slots=True)
class Exposure:
    """Where one executor may stand with every open order of a side filled; quote asset, >= 0.

    Attributes:
        long: worth of its position with every buy filled; 0 when that is short.
        short: the same of its sells.
        limit: worth of the largest position that it may have alone.
        capital: what it was given.
    """

    long: float
    short: float
    limit: float
    capital: float

    def __post_init__(self) -> None:
        """Refuse what is no figure: a NaN would let everything pass."""
        for name in ("long", "short", "limit", "capital"):
            found = getattr(self, name)
            if not 0.0 <= found < math.inf:
                raise ValueError(f"{name} must be finite and >= 0, found {found}")

    def used_up(self) -> "Exposure":
        """Return it with its limits fully used, both ways, or what it holds if that is more."""
        worst = max(self.limit, self.long, self.short)
        return Exposure(worst, worst, self.limit, self.capital)


@dataclass(frozen=True, slots=True)
class Moves:
    """How the symbols move together; own symbol first, then the others in the order given.

    Attributes:
        correlation: f8[n, n] of the sample, positive semidefinite.
        covariance: f8[n, n] of one second's returns, shrunk; None while unknown.
    """

    correlation: F8
    covariance: F8 | None


@dataclass(frozen=True, slots=True)
class Room:
    """What one executor may carry; quote asset, >= 0.

    Attributes:
        long: its largest long position.
        short: its largest short position.
        binding: which limit decides the smaller of them: pair, portfolio, value or none.
    """

    long: float
    short: float
    binding: str

    @property
    def either(self) -> float:
        """The largest position whichever way: what the gate's kernel takes."""
        return min(self.long, self.short)


def moves_of(prices: F8, every_s: float) -> Moves:
    """Return how symbols moved together.

    Args:
        prices: f8[n, symbols], > 0, oldest first, on one grid.
        every_s: seconds between two rows, > 0.

    Raises:
        ValueError: prices that are none.
    """
    count = prices.shape[1]
    if prices.size and not (np.isfinite(prices).all() and (prices > 0.0).all()):
        raise ValueError("prices must be finite and > 0")
    if len(prices) <= ROWS_MIN:
        return Moves(np.ones((count, count)), None)
    returns = np.diff(np.log(prices), axis=0)
    sizes = np.sqrt((returns * returns).mean(axis=0))
    unit = returns / np.where(sizes > 0.0, sizes, 1.0)
    correlation = unit.T @ unit / len(unit)  # of one that never moved: 0, with itself too
    return Moves(correlation, shrunk_covariance(returns).matrix / every_s)


def room(own: Exposure, others: Sequence[Exposure], moves: Moves, limits: PortfolioLimits) -> Room:
    """Return what may be carried beside the others; those that are silent come `used_up`.

    Alone there is no limit of a portfolio: the answer is infinite.

    Raises:
        ValueError: more than EXECUTORS_MAX, or shapes that do not fit.
    """
    count = 1 + len(others)
    if count > EXECUTORS_MAX:
        raise ValueError(f"at most {EXECUTORS_MAX} executors share a capital, found {count}")
    if moves.correlation.shape != (count, count):
        raise ValueError(f"{count} executors need {count} symbols: {moves.correlation.shape}")
    if not others:
        return Room(math.inf, math.inf, "none")
    edges = {
        "pair": _pair_edges(own, others, moves, limits),
        "portfolio": _portfolio_edges(own, others, moves, limits),
        "value": _value_edges(own, others, moves, limits),
    }
    long = _share(own.long, min(each[0] for each in edges.values()), count)
    short = _share(own.short, min(each[1] for each in edges.values()), count)
    side = 0 if long <= short else 1
    binding = min(edges, key=lambda name: edges[name][side])
    return Room(long, short, binding if math.isfinite(edges[binding][side]) else "none")


def _share(used: float, edge: float, count: int) -> float:
    """Return how far may be gone towards an edge; one that was passed is where to go back to."""
    return edge if edge <= used else used + (edge - used) / count


def _pair_edges(
    own: Exposure, others: Sequence[Exposure], moves: Moves, limits: PortfolioLimits
) -> tuple[float, float]:
    """Return the (long, short) positions at which some pair's limit is reached."""
    long = short = math.inf
    if limits.pair >= 1.0:
        return long, short
    known = moves.covariance is not None
    for place, other in enumerate(others, start=1):
        bound = limits.pair * (own.limit + other.limit)
        rho = float(moves.correlation[0, place])
        if rho >= limits.threshold:
            long, short = min(long, bound - other.long), min(short, bound - other.short)
        if -rho >= limits.threshold or not known:
            long, short = min(long, bound - other.short), min(short, bound - other.long)
    return max(0.0, long), max(0.0, short)


def _portfolio_edges(
    own: Exposure, others: Sequence[Exposure], moves: Moves, limits: PortfolioLimits
) -> tuple[float, float]:
    if limits.portfolio >= 1.0:
        return math.inf, math.inf
    bound = limits.portfolio * (own.limit + sum(each.limit for each in others))
    return _edges(moves.correlation, others, bound)


def _value_edges(
    own: Exposure, others: Sequence[Exposure], moves: Moves, limits: PortfolioLimits
) -> tuple[float, float]:
    if limits.value <= 0.0 or moves.covariance is None:
        return math.inf, math.inf
    bound = limits.value * (own.capital + sum(each.capital for each in others))
    return _edges(moves.covariance, others, bound / (VALUE_SCORE * math.sqrt(limits.value_s)))


def _edges(matrix: F8, others: Sequence[Exposure], bound: float) -> tuple[float, float]:
    """Return the largest x >= 0 with sqrt(e' M e) <= bound for e = (x, v) and for e = (-x, v).

    Whatever the others' v: M is positive semidefinite, so the worst v is a corner of what they may
    reach. The x that are allowed are an interval; there may be none, then the answer is 0.
    """
    ways = [(-each.short, each.long) for each in others]
    found = [_interval(matrix, np.array(corner), bound) for corner in itertools.product(*ways)]
    low, high = max(each[0] for each in found), min(each[1] for each in found)
    if not low <= high:
        return 0.0, 0.0
    return max(0.0, high), max(0.0, -low)


def _interval(matrix: F8, corner: F8, bound: float) -> tuple[float, float]:
    """Return which x are allowed at one corner: a x^2 + 2 b x + c <= 0; empty: (inf, -inf)."""
    a, b = float(matrix[0, 0]), float(matrix[0, 1:] @ corner)
    c = float(corner @ matrix[1:, 1:] @ corner) - bound * bound
    if not a > 0.0:  # a price that never moved risks nothing, nor does it hedge
        return (-math.inf, math.inf) if c <= 0.0 else (math.inf, -math.inf)
    root = b * b - a * c
    if not root >= 0.0:
        return math.inf, -math.inf
    return (-b - math.sqrt(root)) / a, (-b + math.sqrt(root)) / a


def joint_value(exposures: F8, moves: Moves, horizon_s: float) -> tuple[float, float]:
    """Return value at risk and expected shortfall at 99 %, quote asset, of signed exposures f8[n].

    Normal, of the shrunk covariance: shortfall = sigma x phi(z) / 1 %.

    Raises:
        ValueError: the covariance is not known yet.
    """
    if moves.covariance is None:
        raise ValueError(f"more than {ROWS_MIN} common prices are needed for a covariance")
    variance = max(0.0, float(exposures @ moves.covariance @ exposures)) * horizon_s
    sigma = math.sqrt(variance)
    density = math.exp(-0.5 * VALUE_SCORE * VALUE_SCORE) / math.sqrt(2.0 * math.pi)
    return VALUE_SCORE * sigma, sigma * density / 0.01
