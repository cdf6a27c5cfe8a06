"""The survey and its plan again, slowly: named figures, and every pair of depths tried."""

import math
from dataclasses import dataclass, field

import numpy as np

BINS, REGIMES, FINE = 16, 5, 4
EDGES = 0.05 * 1.48 ** np.arange(BINS - 1)
"""Where the second bin begins, and each that follows, in mean reaches."""


@dataclass
class Counter:
    """What one memory has seen: cycles, sides that were hit, how deep, squared moves."""

    cycles: float = 0.0
    hits: float = 0.0
    reach: float = 0.0
    squares: float = 0.0

    @property
    def mean(self):
        """Of the reaches."""
        return self.reach / self.hits if self.hits else 0.0

    def count(self, reaches, move, keep):
        """Forget a little, then take in one cycle."""
        found = [each for each in reaches if each >= 0]
        self.cycles = self.cycles * keep + 1
        self.hits = self.hits * keep + len(found)
        self.reach = self.reach * keep + sum(found)
        self.squares = self.squares * keep + move**2


@dataclass
class Survey:
    """All that is remembered of the cycles."""

    slow: Counter = field(default_factory=Counter)
    quick: Counter = field(default_factory=Counter)
    odds: float = 0.0
    seen: int = 0
    hits: np.ndarray = field(default_factory=lambda: np.zeros((2, BINS)))
    loss: np.ndarray = field(default_factory=lambda: np.zeros((2, BINS)))
    chain: np.ndarray = field(default_factory=lambda: np.zeros((REGIMES, REGIMES)))

    def sample(self, reaches, tick, move, surprise, keeps, regimes):
        """Count one cycle, as `market/survey.py` says."""
        self._weigh(reaches, move)
        self.seen += 1
        self.slow.count(reaches, move, keeps[0])
        self.quick.count(reaches, move, keeps[1])
        self.hits *= keeps[0]
        self.loss *= keeps[0]
        self.chain *= keeps[0]
        self.chain[regimes] += 1
        if not self.slow.mean:
            return
        for side, reach in enumerate(reaches):
            if reach < 0:
                continue
            against = (-surprise, surprise)[side] / self.slow.mean
            for behind, share in ((0, 0.25), (tick, 0.75)):
                place = np.searchsorted(EDGES, (reach - behind) / self.slow.mean, side="right")
                self.hits[side, place] += share
                self.loss[side, place] += share * against

    def _weigh(self, reaches, move):
        slow, quick = self.slow, self.quick
        if quick.hits < 1 or slow.squares <= 0 or slow.mean <= 0:
            return

        def word(variance, chance, mean):
            """Log likelihood of the cycle under one memory, without what both share."""
            total = -0.5 * math.log(variance) - 0.5 * move**2 / variance
            shape = (self.hits.sum(axis=0) + 4 / BINS) / (self.hits.sum() + 4)
            for reach in reaches:
                if reach < 0:
                    total += math.log(1 - chance)
                else:
                    place = np.searchsorted(EDGES, reach / mean, side="right")
                    total += math.log(chance * shape[place])
            return total

        variance = slow.squares / slow.cycles
        often = (slow.hits + 1) / (2 * slow.cycles + 2)
        now = word(
            (quick.squares + variance) / (quick.cycles + 1),
            (quick.hits + often) / (2 * quick.cycles + 1),
            (quick.reach + slow.mean) / (quick.hits + 1),
        )
        says = np.clip(now - word(variance, often, slow.mean), -3, 3)
        changed = self.odds * math.exp(says)
        believed = changed / (changed + 1 - self.odds)
        self.odds = 1 / 300 + (1 - 1 / 300) * believed
        if self.odds > 0.5:
            self.slow = Counter(quick.cycles, quick.hits, quick.reach, quick.squares)
            self.odds = 1 / 300

    def nodes(self, side):
        """Return depths, chances of a fill and losses of a fill: bins, then FINE - 1 between."""
        own, both = self.hits[side].sum(), self.hits.sum()
        often = self.slow.hits / (2 * self.slow.cycles)
        often = min(1, often * 2 * (own + 10) / (both + 20))
        hits = (self.hits[side] + 20 / both * self.hits.sum(axis=0))[::-1].cumsum()[::-1]
        loss = (self.loss[side] + 20 / both * self.loss.sum(axis=0))[::-1].cumsum()[::-1]
        edges = self.slow.mean * np.concatenate([[0], EDGES])
        chances, losses = often * hits / (own + 20), self.slow.mean * loss / (hits + 20)
        at = np.arange((BINS - 1) * FINE + 1) / FINE
        left = np.minimum(at.astype(int), BINS - 2)
        far = at - left
        with np.errstate(divide="ignore", invalid="ignore"):
            between = chances[left] ** (1 - far) * chances[left + 1] ** far
        straight = (1 - far) * chances[left]
        between = np.where(chances[left + 1] > 0, between, straight)
        whole = np.arange(BINS)
        return np.interp(at, whole, edges), between, np.interp(at, whole, losses)

    def moves(self):
        """Return the chain of imbalance, drawn to anywhere by four samples."""
        return (self.chain + 4 / REGIMES) / (self.chain.sum(axis=1, keepdims=True) + 4)


def plan(survey, *, mid, imbalance, aversion, fee, slope, horizon=60, orders=2):
    """Return (bid, ask, slope) in ticks: every pair of depths tried in every state."""
    sides = [survey.nodes(side) for side in range(2)]
    reach = 0.0
    for depths, chances, _ in sides:
        rates = -np.log(1 - np.minimum(0.98, chances))
        reach += 0.5 * mid * np.trapezoid(rates, depths) / rates[0]
    earned = [mid * (depths - losses) - fee * mid for depths, _, losses in sides]
    phi = 0.5 * aversion / reach * survey.slow.squares / survey.slow.cycles * mid**2
    drift = slope * ((2 * np.arange(REGIMES) + 1) / REGIMES - 1)
    p, r = sides[0][1][:, None], sides[1][1][None, :]
    q = np.arange(-orders, orders + 1)
    value = np.zeros((len(q), REGIMES))
    for left in range(horizon):
        penalty = phi * (2 if left == 0 else 1) * q**2
        worth = q[:, None] * drift - penalty[:, None] + value @ survey.moves().T
        bid, ask = (np.zeros((len(q), REGIMES)) for _ in range(2))
        value = np.zeros_like(worth)
        for state, regime in np.ndindex(worth.shape):
            here = worth[state, regime]
            up = worth[state + 1, regime] - here if state + 1 < len(q) else 0.0
            down = worth[state - 1, regime] - here if state > 0 else 0.0
            buy = p * (earned[0][:, None] + up) * (state + 1 < len(q))
            sell = r * (earned[1][None, :] + down) * (state > 0)
            cross = -p * r * (up + down) * (0 < state < len(q) - 1)
            gain = buy + sell + cross
            i, j = np.unravel_index(gain.argmax(), gain.shape)
            value[state, regime] = here + gain[i, j]
            bid[state, regime], ask[state, regime] = sides[0][0][i] * mid, sides[1][0][j] * mid
    middles = (2 * np.arange(REGIMES) + 1) / REGIMES - 1
    bids = np.array([np.interp(imbalance, middles, row) for row in bid[:-1]])
    asks = np.array([np.interp(imbalance, middles, row) for row in ask[:0:-1]])
    return _line(q[:-1], bids, asks, orders)


def _line(q, bids, asks, orders):
    """Weighted least squares of two lines with one slope; a falling one is level."""
    root = np.sqrt(1 / (1 + q**2))
    one, none = np.ones(len(q)), np.zeros(len(q))
    columns = np.stack([[one, none, q], [none, one, q]]).transpose(0, 2, 1).reshape(-1, 3)
    weights = np.tile(root, 2)
    right = np.concatenate([bids, asks]) * weights
    found = np.linalg.lstsq(columns * weights[:, None], right, rcond=None)[0]
    if found[2] < 0:
        level = [np.average(each, weights=root**2) for each in (bids, asks)]
        return np.array([*level, 0.0])
    return found * [1, 1, orders]
