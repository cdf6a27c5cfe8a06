"""What a run on the peer's exchange leaves, in the peer's arithmetic: doubles, fill by fill."""

from market.jit import kernel
from market.types import F8

# --- what a run leaves: f8[RESULT_COLUMNS], the peer's arithmetic -----------------------------
RESULT_POSITION = 0  # lots
RESULT_BALANCE = 1  # quote asset
RESULT_FEE = 2
RESULT_FILLS = 3
RESULT_CANCELS = 4  # sent
RESULT_COLUMNS = 5

# --- what the arithmetic of money needs: f8[COST_COLUMNS] -------------------------------------
COST_TICK = 0  # quote asset
COST_LOTS = 1  # lots in one unit of the base asset
COST_MAKER = 2  # share of the notional
COST_COLUMNS = 3


@kernel
def book_fill(result: F8, costs: F8, side: int, ticks: int, lots: int) -> None:
    """Book one fill as the peer does, in doubles and in its order."""
    quantity = lots / costs[COST_LOTS]
    amount = ticks * costs[COST_TICK] * quantity
    result[RESULT_POSITION] += side * lots
    result[RESULT_BALANCE] -= amount * side
    result[RESULT_FEE] += costs[COST_MAKER] * amount
    result[RESULT_FILLS] += 1.0
