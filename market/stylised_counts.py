"""Kernels with which a learner quotes on a grid and counts what came of it.

What is seen is (position, regime, reward); mid is not. A change of position tells a fill on one
side. No change means no fill or one on both sides, which only the reward can tell apart:

    reward = fills x (depth - fee) + q' (move of mid) - phi q'^2

At q' = 0 the reward holds no noise and says it exactly; elsewhere it says it when the sum of both
edges stands far out of the noise |q'| sigma. The rest is counted as *unclear*, and the fit of the
curves shares it out by its likelihood.
"""

import numpy as np

from market.jit import inlined_kernel, kernel
from market.stylised_step import GOLDEN, mixed
from market.types import F8, I8, U8

# --- outcomes of a step with both sides open: the last axis of `pairs` ----------------------
BID_FILLED = 0
ASK_FILLED = 1
NEITHER = 2
BOTH = 3
UNCLEAR = 4
OUTCOMES = 5

# --- sums by (regime, q'): the first axis of `moments` --------------------------------------
CLEAR_COUNT = 0  # steps whose fills are known
CLEAR_SUM = 1  # of the reward without its fills
CLEAR_SQUARES = 2
UNCLEAR_COUNT = 3
UNCLEAR_SUM = 4  # the fills taken off by their expectation
MOMENTS = 5

CLEAR_DEVIATIONS = 12.0  # edges this many deviations apart are told apart: one error in 10^9
ROUNDING = 1e-9  # of a depth
HALF = np.uint64(32)
LOW_WORD = np.uint64(0xFFFFFFFF)
FRACTION = np.uint64(0xFFFF)
SIXTEEN = np.uint64(16)


@kernel
def choose_nodes(
    bid_centre: I8,
    ask_centre: I8,
    reach: int,
    anywhere: float,
    laden: int,
    call: int,
    keys: U8,
    q: I8,
    regime: I8,
    nodes: F8,
    bid_node: I8,
    ask_node: I8,
    bid: F8,
    ask: F8,
) -> None:
    """Quote near the plan's nodes: up to `reach` nodes beside, or anywhere at all.

    Those that take on a position quote the best depth on one side and the worst on the other.

    Args:
        bid_centre, ask_centre: i8[states, regimes]; the plan's nodes at this step.
        reach: nodes to either side.
        anywhere: share of quotes drawn from all nodes, in [0, 1].
        laden: how many copies, the first ones, take on a position, every other one a short.
        call: how many times this was called, so that chance is new each time.
        keys: u8[copies].
        q, regime: i8[copies].
        nodes: f8[nodes]; depths.
        bid_node, ask_node, bid, ask: [copies]; written.
    """
    count = nodes.shape[0]
    q_max = bid_centre.shape[0] // 2
    limit = int(anywhere * 65536.0)
    for copy in range(q.shape[0]):
        word = mixed(keys[copy] + np.uint64(call) * GOLDEN)
        state = q[copy] + q_max
        for side in range(2):
            part = (word >> HALF) if side == 0 else (word & LOW_WORD)
            if copy < laden:
                node = 0 if side == copy % 2 else count - 1
            elif int(part & FRACTION) < limit:
                node = (int(part >> SIXTEEN) * count) >> 16
            else:
                node = (int(part >> SIXTEEN) * (2 * reach + 1)) >> 16
                centre = bid_centre if side == 0 else ask_centre
                node += centre[state, regime[copy]] - reach
                node = min(count - 1, max(0, node))
            if side == 0:
                bid_node[copy] = node
                bid[copy] = nodes[node]
            else:
                ask_node[copy] = node
                ask[copy] = nodes[node]


@inlined_kernel
def outcome_of(change: int, rest: float, both: float, unsure: float) -> int:
    """Return what happened with both sides open.

    Args:
        change: of the position.
        rest: the reward.
        both: edges of a fill on each side.
        unsure: how far apart two rewards must be to be told apart.
    """
    if change > 0:
        return BID_FILLED
    if change < 0:
        return ASK_FILLED
    if not abs(both) > unsure:
        return UNCLEAR
    return BOTH if abs(rest - both) < abs(rest) else NEITHER


@kernel
def count_step(
    q: I8,
    regime: I8,
    q_after: I8,
    regime_after: I8,
    reward: F8,
    bid_node: I8,
    ask_node: I8,
    nodes: F8,
    fee: float,
    noise: float,
    bid_chance: F8,
    ask_chance: F8,
    pairs: I8,
    bid_alone: I8,
    ask_alone: I8,
    moments: F8,
    moves: I8,
) -> None:
    """Add one step of every copy to the counts.

    Args:
        q, regime, q_after, regime_after: i8[copies]; before and after the step.
        reward: f8[copies].
        bid_node, ask_node: i8[copies]; what was quoted, of the depths `nodes` f8[nodes].
        fee: as learned so far.
        noise: deviation of mid in one step; infinite while unknown.
        bid_chance, ask_chance: f8[nodes]; fill chances so far, negative while unknown.
        pairs: i8[nodes, nodes, OUTCOMES].
        bid_alone, ask_alone: i8[nodes, 2]; (trials, fills) where the other side may not quote.
        moments: f8[MOMENTS, regimes, states].
        moves: i8[regimes, regimes]; of the regime.
    """
    q_max = moments.shape[2] // 2
    known = bid_chance[0] >= 0.0
    for copy in range(q.shape[0]):
        before, after = q[copy], q_after[copy]
        now, state, i, j = regime[copy], after + q_max, bid_node[copy], ask_node[copy]
        moves[now, regime_after[copy]] += 1
        bid_edge, ask_edge, rest = nodes[i] - fee, nodes[j] - fee, reward[copy]
        both = bid_edge + ask_edge
        unsure = CLEAR_DEVIATIONS * noise * abs(after) + ROUNDING * abs(nodes[i])
        if before == q_max:
            ask_alone[j, 0] += 1
            ask_alone[j, 1] += before - after
            rest -= (before - after) * ask_edge
        elif before == -q_max:
            bid_alone[i, 0] += 1
            bid_alone[i, 1] += after - before
            rest -= (after - before) * bid_edge
        else:
            outcome = outcome_of(after - before, rest, both, unsure)
            pairs[i, j, outcome] += 1
            if outcome == BID_FILLED:
                rest -= bid_edge
            elif outcome == ASK_FILLED:
                rest -= ask_edge
            elif outcome == BOTH:
                rest -= both
            elif outcome == UNCLEAR:
                if known:
                    twice = bid_chance[i] * ask_chance[j]
                    none = (1.0 - bid_chance[i]) * (1.0 - ask_chance[j])
                    rest -= both * twice / max(1e-300, twice + none)
                    moments[UNCLEAR_COUNT, now, state] += 1.0
                    moments[UNCLEAR_SUM, now, state] += rest
                continue
        moments[CLEAR_COUNT, now, state] += 1.0
        moments[CLEAR_SUM, now, state] += rest
        moments[CLEAR_SQUARES, now, state] += rest * rest


@kernel
def quote_copies(bid_table: F8, ask_table: F8, q: I8, regime: I8, bid: F8, ask: F8) -> None:
    """Write the quotes of one step by a table f8[states, regimes] a side."""
    q_max = bid_table.shape[0] // 2
    for copy in range(q.shape[0]):
        state = q[copy] + q_max
        bid[copy] = bid_table[state, regime[copy]]
        ask[copy] = ask_table[state, regime[copy]]
