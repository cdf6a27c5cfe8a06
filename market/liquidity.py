"""What it costs to close a position at once: the book as it stands, then the square-root law.

Each lot is counted by how far from mid it trades. What the book does not hold trades beyond its
last level by sigma x sqrt(lots / flow): the square-root law (Almgren et al. 2005, Risk 18(7);
sigma_day sqrt(Q / V_day) is the same figure). Distances are in half ticks, so that a mid between
two ticks is whole.
"""

import math

from market.jit import kernel
from market.layout import (
    BID_ROW,
    NO_ASK,
    NO_BID,
    TOUCH_ASK,
    TOUCH_BASE,
    TOUCH_BID,
    TOUCH_BIDS,
)
from market.types import F8, I8

# --- how far one side of the book goes: f8[DEPTH_COLUMNS] ------------------------------------
DEPTH_LOTS = 0  # taken
DEPTH_COST = 1  # their summed distance from mid, half ticks x lots
DEPTH_REACH = 2  # distance of the last level looked at, half ticks
DEPTH_OPEN = 3  # 1: the book ended before lots or cost did
DEPTH_COLUMNS = 4
BISECTIONS = 62
COST_FREE = math.inf
"""A share that no cost exceeds."""


@kernel
def walk_side(levels: I8, touch: I8, row: int, most_lots: float, share: float, out: F8) -> None:
    """Take lots from the touch outward while their cost is within a share of their worth.

    The cost of a lot rises with every level, so the first that does not fit ends the walk.
    Complexity: columns between touch and the last level.

    Args:
        levels: i8[2, width].
        touch: i8[TOUCH_COLUMNS].
        row: BID_ROW closes a long position, ASK_ROW a short one.
        most_lots: lots after which it ends, >= 0.
        share: of the worth at mid; COST_FREE: of no account.
        out: f8[DEPTH_COLUMNS], written; zeros without a sound two-sided book.
    """
    out[:] = 0.0
    bid, ask = touch[TOUCH_BID], touch[TOUCH_ASK]
    if bid == NO_BID or ask == NO_ASK or bid >= ask:
        return
    half = bid + ask
    allowed = share * half
    column = touch[row] - touch[TOUCH_BASE]
    outward = -1 if row == BID_ROW else 1
    left = touch[TOUCH_BIDS + row]
    lots, cost, reach = 0.0, 0.0, 0.0
    while left > 0 and lots < most_lots and 0 <= column < levels.shape[1]:
        shown = levels[row, column]
        column += outward
        if shown <= 0:
            continue
        left -= 1
        reach = float(abs(2 * (touch[TOUCH_BASE] + column - outward) - half))
        take = min(float(shown), most_lots - lots)
        if cost + take * reach > allowed * (lots + take):  # so reach is above what is allowed
            take = min(take, math.floor((allowed * lots - cost) / (reach - allowed)))
            left = 0
            most_lots = lots + take
        lots += take
        cost += take * reach
    out[DEPTH_LOTS], out[DEPTH_COST], out[DEPTH_REACH] = lots, cost, reach
    out[DEPTH_OPEN] = 1.0 if lots < most_lots else 0.0


@kernel
def beyond_cost(lots: float, reach: float, sigma: float, flow: float) -> float:
    """Return what lots behind a book's last level cost, half ticks x lots; infinite without flow.

    Args:
        lots: >= 0.
        reach: DEPTH_REACH.
        sigma: ticks per sqrt(second).
        flow: traded lots a second.
    """
    if lots <= 0.0:
        return 0.0
    if not flow > 0.0:
        return math.inf
    return lots * (reach + 2.0 * sigma * math.sqrt(lots / flow))


@kernel
def room_lots(
    depth: F8, half_ticks: int, most_lots: float, share: float, sigma: float, flow: float
) -> float:
    """Return the most whole lots that can be closed at once for a share of their worth.

    Args:
        depth: f8[DEPTH_COLUMNS] of `walk_side`, with the same bounds.
        half_ticks: bid + ask.
        most_lots: no more are asked for.
        share: of the worth at mid.
        sigma: ticks per sqrt(second).
        flow: traded lots a second.
    """
    lots, cost = depth[DEPTH_LOTS], depth[DEPTH_COST]
    if depth[DEPTH_OPEN] == 0.0:
        return float(lots)
    low, high = 0.0, math.floor(most_lots - lots)
    for _ in range(BISECTIONS):  # concave in the lots and not below 0 at none: it crosses once
        if high - low < 1.0:
            break
        more = math.floor(0.5 * (low + high + 1.0))
        spent = cost + beyond_cost(more, depth[DEPTH_REACH], sigma, flow)
        if spent <= share * half_ticks * (lots + more):
            low = more
        else:
            high = more - 1.0
    return float(lots + low)


@kernel
def flatten_cost(
    levels: I8, touch: I8, row: int, lots: float, sigma: float, flow: float, depth: F8
) -> tuple[float, float]:
    """Return (cost of closing lots at once in half ticks x lots, lots that the book holds).

    The cost is infinite when the book lacks lots and nothing trades.

    Args:
        levels: i8[2, width].
        touch: i8[TOUCH_COLUMNS].
        row: BID_ROW closes a long position, ASK_ROW a short one.
        lots: >= 0.
        sigma: ticks per sqrt(second).
        flow: traded lots a second.
        depth: f8[DEPTH_COLUMNS], scratch.
    """
    walk_side(levels, touch, row, lots, COST_FREE, depth)
    beyond = beyond_cost(lots - depth[DEPTH_LOTS], depth[DEPTH_REACH], sigma, flow)
    return float(depth[DEPTH_COST] + beyond), float(depth[DEPTH_LOTS])
