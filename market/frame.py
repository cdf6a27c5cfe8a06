"""The frame of the tuned spread: how wide and how far shifted a plan may quote (DESIGN.md 6)."""

from market.jit import inlined_kernel, kernel
from market.layout import PLAN_ASK, PLAN_BID, PLAN_SLOPE, VIEW_MID, VIEW_SIGMA
from market.types import F8

SCALE_MIN, SCALE_MAX = 0.25, 4.0
"""The spread follows volatility within a quarter of and four times its own."""
SPREAD_MAX = 10.0  # percent, the largest legal one


@inlined_kernel
def followed_spread(spread: float, view_row: F8, reference: float) -> float:
    """Return the spread now, percent.

    Args:
        spread: of the set in force.
        view_row: f8[VIEW_COLUMNS].
        reference: volatility at which it is meant, fraction per sqrt(second); 0: at any.
    """
    if not (reference > 0.0 and view_row[VIEW_MID] > 0.0):
        return spread
    share = view_row[VIEW_SIGMA] / view_row[VIEW_MID] / reference
    return float(min(SPREAD_MAX, spread * min(SCALE_MAX, max(SCALE_MIN, share))))


@kernel
def width_and_shift(
    mid: float, spread_percentage: float, plan_row: F8, x: float
) -> tuple[float, float]:
    """Return (w, r) in ticks: the half width and reservation shift of DESIGN.md 6.

    h = spread_percentage / 200 m; r = clip((d_a - d_b)/2, -2h, 2h); w = clip((d_a + d_b)/2,
    0.5h, 3h), with d_b = PLAN_BID + PLAN_SLOPE x and d_a = PLAN_ASK - PLAN_SLOPE x.
    """
    half = spread_percentage / 200.0 * mid
    bid_depth = plan_row[PLAN_BID] + plan_row[PLAN_SLOPE] * x
    ask_depth = plan_row[PLAN_ASK] - plan_row[PLAN_SLOPE] * x
    shift = min(2.0 * half, max(-2.0 * half, 0.5 * (ask_depth - bid_depth)))
    width = min(3.0 * half, max(0.5 * half, 0.5 * (ask_depth + bid_depth)))
    return width, shift
