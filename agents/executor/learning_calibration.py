"""Calibrate: explore on a grid of depths, count, and say what the market must be like.

Fill curves come from counts, the fee from a reward that holds nothing else, drift, noise and
penalties from what is left of the rewards when the fills are taken off, the regimes' chain from
the moves seen. Each round explores nearer to what the last one would quote.
"""

from dataclasses import dataclass

import numpy as np

from agents.executor.learning_curve import Curve, fit_sides
from agents.executor.learning_environment import Purse
from agents.executor.learning_round import Round, Sums, share_out
from market.stylised import QuoteTable
from market.stylised_counts import (
    CLEAR_COUNT,
    CLEAR_SQUARES,
    CLEAR_SUM,
    UNCLEAR_COUNT,
    UNCLEAR_SUM,
)
from market.types import F8, I8

LATTICE = 8192
NODES = 96
SHARING_ROUNDS = 200
FITS = 3  # the unclear steps are shared out anew by the curves just fitted
CHANCE_FIRST = 0.2
ANYWHERE = 0.1
LADEN = 0.25  # a penalty is told from noise by large positions, which a plan does not take
REACH = 0.5  # of 1 / decay, to either side of the plan's quote


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a market is believed to be; drift, noise and phi are those of one step.

    drift f8[regimes] of mid, transition f8[regimes, regimes], curves over the whole lattice.
    """

    fee: float
    noise: float
    drift: F8
    phi: float
    alpha: float
    transition: F8
    bid: Curve
    ask: Curve

    @property
    def decay(self) -> float:
        """Of the exponential nearest to both curves."""
        return 0.5 * (self.bid.decay + self.ask.decay)


class Calibration:
    """Rounds of exploring one market, and the estimate from all of them."""

    def __init__(self, purse: Purse) -> None:
        self.purse = purse
        self.lattice = np.linspace(purse.low, purse.high, LATTICE + 1)
        self._sums = Sums(purse)
        self._rounds: list[Round] = []
        self._fee = 0.0
        self._estimate: Estimate | None = None

    @property
    def estimate(self) -> Estimate:
        """The estimate from all rounds so far."""
        assert self._estimate is not None, "nothing was explored"
        return self._estimate

    def probe(self, calls: int) -> None:
        """Spend calls at most on learning the fee."""
        places = _everywhere()
        self._fee = Round(self.purse, places, self.lattice[places]).probe(calls)

    def explore(self, calls: int, table: QuoteTable | None = None) -> None:
        """Spend calls on quotes anywhere, or near a plan's when one is given, and fit anew."""
        if table is None or self._estimate is None:
            places = _everywhere()
            unknown = np.full(len(places), -1.0)
            now = Round(self.purse, places, self.lattice[places])
            noise, chances = np.inf, (unknown, unknown)
        else:
            places = self._near(table)
            nodes = self.lattice[places]
            gap = float(np.median(np.diff(nodes)))
            reach = round(min(len(nodes) / 3, REACH / (self._estimate.decay * gap)))
            now = Round(
                self.purse,
                places,
                nodes,
                table=table,
                reach=max(2, reach),
                anywhere=ANYWHERE,
                laden=LADEN,
            )
            noise = self._estimate.noise
            chances = (self._estimate.bid.chances[places], self._estimate.ask.chances[places])
        now.run(calls, self._sums, fee=self._fee, noise=noise, chances=chances)
        self._rounds.append(now)
        self._estimate = self._fit()

    def _near(self, table: QuoteTable) -> I8:
        """Return nodes as dense as the plan's quotes are visited, and a few everywhere."""
        visits = occupancy(table, self.estimate, self.lattice)
        density = np.zeros(LATTICE + 1)
        for quotes, open_side in zip(table, (slice(None, -1), slice(1, None)), strict=True):
            place = np.searchsorted(self.lattice, quotes[:, open_side].ravel())
            np.add.at(density, np.minimum(place, LATTICE), visits[:, open_side].ravel())
        spacing = (self.purse.high - self.purse.low) / LATTICE
        width = int(np.clip(1.5 / (self.estimate.decay * spacing), 1, LATTICE // 4))
        total = np.concatenate([np.zeros(width), np.cumsum(density), np.full(width, density.sum())])
        near = total[2 * width :] - total[: -2 * width]
        used = (near > 0.0).astype(np.float64)
        near = 0.6 * near / near.sum() + 0.3 * used / used.sum() + 0.1 / (LATTICE + 1)
        level = np.cumsum(near) / near.sum()
        places = np.searchsorted(level, np.linspace(0.0, 1.0, NODES))
        return np.unique(np.minimum(places, LATTICE)).astype(np.int64)

    def _fit(self) -> Estimate:
        bid, ask = self._fit_curves()
        drift, phi, alpha, noise = fit_moments(self._sums.moments)
        moves = self._sums.moves + np.eye(len(self._sums.moves)) * 1e-6
        transition = moves / moves.sum(axis=1, keepdims=True)
        return Estimate(self._fee, noise, drift, phi, alpha, transition, bid, ask)

    def _fit_curves(self) -> tuple[Curve, Curve]:
        first = [np.full(len(each.places), CHANCE_FIRST) for each in self._rounds]
        curves = self._fit_shared([(each, each) for each in first], SHARING_ROUNDS)
        for _ in range(FITS - 1):
            chances = [
                (curves[0].chances[each.places], curves[1].chances[each.places])
                for each in self._rounds
            ]
            curves = self._fit_shared(chances, 1)
        return curves

    def _fit_shared(self, chances: list[tuple[F8, F8]], rounds: int) -> tuple[Curve, Curve]:
        counts = np.zeros((2, 3, LATTICE + 1))
        for each, (bid, ask) in zip(self._rounds, chances, strict=True):
            shared = share_out(each.pairs, bid, ask, rounds)
            for side, alone in enumerate((each.bid_alone, each.ask_alone)):
                shared[side, :2] += alone.T
                shared[side, 2] += alone[:, 0] - alone[:, 1]
            counts[:, :, each.places] += shared
        used = np.flatnonzero(counts[:, 0].sum(axis=0))
        return fit_sides(self.lattice[used], counts[:, :, used], self.lattice)


def _everywhere() -> I8:
    return np.linspace(0, LATTICE, NODES).astype(np.int64)


def fit_moments(moments: F8) -> tuple[F8, float, float, float]:
    """Return (drift f8[regimes], phi, alpha, noise), each of one step.

    A cell (m, q') holds rewards without fills: q' drift_m - phi q'^2 + |q'| noise N(0, 1), in the
    last step alpha q'^2 less. Divided by q' the noise is the same in every cell: least squares
    weighted by counts. A drift within its own error is drawn to 0 (positive-part shrinkage).

    Args:
        moments: f8[2, MOMENTS, regimes, states]; within the episode, and in the last step.
    """
    _, _, regimes, states = moments.shape
    q = np.arange(states) - states // 2
    off = q != 0
    q = q[off].astype(np.float64)
    clear, sums, squares = (
        moments[:, each][..., off] for each in (CLEAR_COUNT, CLEAR_SUM, CLEAR_SQUARES)
    )
    spread = (squares - sums * sums / np.maximum(1.0, clear)) / (q * q)
    noise = np.sqrt(
        max(0.0, float(spread.sum())) / max(1.0, float(np.maximum(0.0, clear - 1.0).sum()))
    )
    count = clear + moments[:, UNCLEAR_COUNT][..., off]
    total = (sums + moments[:, UNCLEAR_SUM][..., off]) / q
    gram = np.zeros((regimes + 2, regimes + 2))
    right = np.zeros(regimes + 2)
    for last in range(2):
        for regime in range(regimes):
            row = np.zeros((regimes + 2, len(q)))
            row[regime], row[regimes] = 1.0, -q
            row[regimes + 1] = -q * last
            gram += (row * count[last, regime]) @ row.T
            right += row @ total[last, regime]
    free = np.diag(gram) > 0.0
    found = np.zeros(regimes + 2)
    for _ in range(3):  # penalties are not negative: drop what comes out so
        found[:] = 0.0
        found[free] = np.linalg.lstsq(gram[np.ix_(free, free)], right[free], rcond=1e-12)[0]
        negative = np.arange(regimes + 2) >= regimes
        negative &= found < 0.0
        if not negative.any():
            break
        free &= ~negative
    variance = noise * noise / np.maximum(1.0, np.diag(gram)[:regimes])
    drift = found[:regimes]
    drift = drift * np.maximum(0.0, 1.0 - variance / np.maximum(1e-300, drift * drift))
    return drift, float(found[regimes]), float(found[regimes + 1]), float(noise)


def occupancy(table: QuoteTable, estimate: Estimate, lattice: F8) -> F8:
    """Return how often each (step, state, regime) is visited under an estimate."""
    steps, states, regimes = table.bid.shape
    visits = np.zeros(table.bid.shape)
    now = np.zeros((states, regimes))
    now[states // 2, regimes // 2] = 1.0
    bids = np.interp(table.bid, lattice, estimate.bid.chances)
    asks = np.interp(table.ask, lattice, estimate.ask.chances)
    bids[:, -1], asks[:, 0] = 0.0, 0.0
    for t in range(steps):
        visits[t] = now
        up, down = bids[t] * (1.0 - asks[t]) * now, asks[t] * (1.0 - bids[t]) * now
        after = now - up - down
        after[1:] += up[:-1]
        after[:-1] += down[1:]
        now = after @ estimate.transition
    return visits
