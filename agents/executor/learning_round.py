"""One round of exploring: where it quotes, and the counts of what came of it."""

import numpy as np
import numpy.typing as npt

from agents.executor.learning_environment import Purse
from market.stylised import QuoteTable
from market.stylised_counts import (
    ASK_FILLED,
    BID_FILLED,
    BOTH,
    MOMENTS,
    NEITHER,
    OUTCOMES,
    UNCLEAR,
    choose_nodes,
    count_step,
)
from market.stylised_step import start_copies
from market.types import F8, I8

PROBE_CALLS_MIN = 8


class Sums:
    """Sums over all rounds that do not depend on where a round quoted.

    moments f8[2, MOMENTS, regimes, states]: within an episode, and in its last step; moves
    i8[regimes, regimes].
    """

    def __init__(self, purse: Purse) -> None:
        states, regimes = 2 * purse.q_max + 1, purse.regimes
        self.moments = np.zeros((2, MOMENTS, regimes, states))
        self.moves = np.zeros((regimes, regimes), dtype=np.int64)


class Round:
    """Quotes on a set of depths, near a plan's or anywhere.

    Args:
        purse: the market.
        places: i8[nodes]; which places of the lattice may be quoted, rising.
        nodes: f8[nodes]; their depths.
        table: the plan to stay near; none: anywhere.
        reach: nodes to either side of the plan's.
        anywhere: share of quotes drawn from all nodes all the same.
        laden: share of copies that take on all they may in the first half of an episode.
    """

    def __init__(
        self,
        purse: Purse,
        places: I8,
        nodes: F8,
        *,
        table: QuoteTable | None = None,
        reach: int = 0,
        anywhere: float = 1.0,
        laden: float = 0.0,
    ) -> None:
        count = len(nodes)
        self.places, self._nodes, self._purse = places, nodes, purse
        self._reach, self._anywhere, self._laden = reach, anywhere, round(laden * purse.copies)
        self.pairs = np.zeros((count, count, OUTCOMES), dtype=np.int64)
        self.bid_alone = np.zeros((count, 2), dtype=np.int64)
        self.ask_alone = np.zeros((count, 2), dtype=np.int64)
        nothing = np.zeros((1, 2 * purse.q_max + 1, purse.regimes))
        bid, ask = (nothing, nothing) if table is None else table
        middles = 0.5 * (nodes[1:] + nodes[:-1])
        self._bid_centre = np.searchsorted(middles, bid).astype(np.int64)
        self._ask_centre = np.searchsorted(middles, ask).astype(np.int64)
        self._bid_node, self._ask_node = (np.zeros(purse.copies, dtype=np.int64) for _ in range(2))
        self._bid, self._ask = np.zeros(purse.copies), np.zeros(purse.copies)
        self._keys = np.zeros(purse.copies, dtype=np.uint64)
        start_copies(purse.fresh_seed(), self._keys)

    def run(
        self, calls: int, sums: Sums, *, fee: float, noise: float, chances: tuple[F8, F8]
    ) -> None:
        """Spend calls and count.

        Args:
            calls: of `step`.
            sums: added to.
            fee: as learned so far.
            noise: deviation of mid in one step; infinite while unknown.
            chances: of fills of bid and ask by node; negative while unknown.
        """
        purse, t = self._purse, self._purse.steps
        for call in range(calls):
            if t == purse.steps:
                (q, regime), t = purse.reset(purse.fresh_seed()), 0
            self._choose(call, t, q, regime)
            after, regime_after, reward = purse.step(self._bid, self._ask)
            count_step(
                q,
                regime,
                after,
                regime_after,
                reward,
                self._bid_node,
                self._ask_node,
                self._nodes,
                fee,
                noise,
                chances[0],
                chances[1],
                self.pairs,
                self.bid_alone,
                self.ask_alone,
                sums.moments[int(t == purse.steps - 1)],
                sums.moves,
            )
            q, regime, t = after, regime_after, t + 1

    def probe(self, calls: int) -> float:
        """Return the fee: a fill that ends at q = 0 earns depth - fee and nothing else.

        Ends as soon as some were seen. If none is, the fee comes from fills that end elsewhere,
        where the marks of a long and of a short position cancel on average.
        """
        purse, t = self._purse, self._purse.steps
        flat = np.zeros(2)
        sided = np.zeros((2, 2))
        for call in range(calls):
            if call >= PROBE_CALLS_MIN and flat[0] > 0:
                break
            if t == purse.steps:
                (q, regime), t = purse.reset(purse.fresh_seed()), 0
            self._choose(call, t, q, regime)
            after, regime, reward = purse.step(self._bid, self._ask)
            t += 1
            cost = np.where(after > q, self._bid, self._ask) - reward
            ended = (after == 0) & (q != 0)
            flat += ended.sum(), cost[ended].sum()
            for side, filled in enumerate((after > q, after < q)):
                sided[side] += filled.sum(), cost[filled].sum()
            q = after
        if flat[0] > 0:
            return float(flat[1] / flat[0])
        return float(np.mean(sided[:, 1] / np.maximum(1.0, sided[:, 0])))

    def _choose(self, call: int, t: int, q: I8, regime: I8) -> None:
        row = t % len(self._bid_centre)
        choose_nodes(
            self._bid_centre[row],
            self._ask_centre[row],
            self._reach,
            self._anywhere,
            self._laden if 2 * t < self._purse.steps else 0,
            call,
            self._keys,
            q,
            regime,
            self._nodes,
            self._bid_node,
            self._ask_node,
            self._bid,
            self._ask,
        )


def share_out(pairs: npt.NDArray[np.int64], bid: F8, ask: F8, rounds: int) -> F8:
    """Share unclear steps out between no fill and two fills, by expectation maximisation.

    Args:
        pairs: i8[nodes, nodes, OUTCOMES].
        bid, ask: f8[nodes]; chances to begin with.
        rounds: 1 shares by the chances given; more let the counts correct them.

    Returns:
        f8[2, 3, nodes]; (bid, ask) x (trials, fills, misses that are certain).
    """
    counts = np.zeros((2, 3, len(bid)))
    total = pairs.sum(axis=2).astype(np.float64)
    counts[0, 0], counts[1, 0] = total.sum(axis=1), total.sum(axis=0)
    unclear = pairs[:, :, UNCLEAR].astype(np.float64)
    bid_sure = (pairs[:, :, BID_FILLED] + pairs[:, :, BOTH]).sum(axis=1)
    ask_sure = (pairs[:, :, ASK_FILLED] + pairs[:, :, BOTH]).sum(axis=0)
    counts[0, 2] = (pairs[:, :, ASK_FILLED] + pairs[:, :, NEITHER]).sum(axis=1)
    counts[1, 2] = (pairs[:, :, BID_FILLED] + pairs[:, :, NEITHER]).sum(axis=0)
    for _ in range(rounds):
        both = np.outer(bid, ask)
        both *= unclear / np.maximum(1e-300, both + np.outer(1.0 - bid, 1.0 - ask))
        counts[0, 1] = bid_sure + both.sum(axis=1)
        counts[1, 1] = ask_sure + both.sum(axis=0)
        bid = counts[0, 1] / np.maximum(1.0, counts[0, 0])
        ask = counts[1, 1] / np.maximum(1.0, counts[1, 0])
    return counts
