"""What a decision is told of risk by the public market: the loss of a lot, and what can be closed.

Reckoned at the end of each cycle from the local book and the mids of past cycles; `carry.py` makes
the caps of a position of it. Nothing here knows our orders: one tape serves all candidates.
"""

from market.calibration import (
    MEMORY_DEPTH,
    MEMORY_RING,
    MEMORY_VALUE,
    OBSERVER_COST_SHARE,
    OBSERVER_COST_TICK_LOTS,
    OBSERVER_CYCLE_STEPS,
    OBSERVER_INTERVAL_S,
    OBSERVER_VALUE_STEPS,
)
from market.jit import inlined_kernel, kernel
from market.layout import (
    ASK_ROW,
    BID_ROW,
    TOUCH_ASK,
    TOUCH_BID,
    VIEW_FLOW,
    VIEW_LOSS,
    VIEW_MID,
    VIEW_ROOM,
    VIEW_SIGMA,
)
from market.liquidity import DEPTH_COLUMNS, room_lots, walk_side
from market.types import F8, I8
from market.value import note_mid, value_loss


def with_risk(settings: F8, *, value_s: float, cost_share: float, cost_tick_lots: float) -> F8:
    """Return f8[OBSERVER_COLUMNS] that ask for risk as well.

    Args:
        settings: f8[OBSERVER_COLUMNS].
        value_s: horizon of value at risk, rounded to whole cycles, at least one; 0: not reckoned.
        cost_share: most that closing at once may cost, fraction of the worth; 0: not reckoned.
        cost_tick_lots: largest position for which that is asked, ticks x lots.
    """
    row = settings.copy()
    cycle_s = row[OBSERVER_CYCLE_STEPS] * row[OBSERVER_INTERVAL_S]
    row[OBSERVER_VALUE_STEPS] = max(1, round(value_s / cycle_s)) if value_s > 0.0 else 0
    row[OBSERVER_COST_SHARE] = cost_share
    row[OBSERVER_COST_TICK_LOTS] = cost_tick_lots
    return row


@inlined_kernel
def most_lots_at(half_ticks: int, settings: F8) -> float:
    """Return the lots of the largest position that is asked for, rounded up."""
    return float(2.0 * settings[OBSERVER_COST_TICK_LOTS] // max(1, half_ticks) + 1.0)


@kernel
def walk_both(levels: I8, touch: I8, settings: F8, depths: F8) -> None:
    """Write how far both sides of a book go.

    Args:
        levels: i8[2, width].
        touch: i8[TOUCH_COLUMNS].
        settings: f8[OBSERVER_COLUMNS].
        depths: f8[2 x DEPTH_COLUMNS], written: bids, then asks.
    """
    depths[:] = 0.0
    share = settings[OBSERVER_COST_SHARE]
    if share <= 0.0:
        return
    most = most_lots_at(touch[TOUCH_BID] + touch[TOUCH_ASK], settings)
    walk_side(levels, touch, BID_ROW, most, share, depths[:DEPTH_COLUMNS])
    walk_side(levels, touch, ASK_ROW, most, share, depths[DEPTH_COLUMNS:])


@kernel
def tell_risk(sound: bool, half_ticks: int, view_row: F8, memory: F8, settings: F8) -> None:
    """Write VIEW_LOSS and VIEW_ROOM at the end of a cycle; an unsound book leaves both.

    Args:
        sound: whether the book has two sides that do not cross.
        half_ticks: bid + ask.
        view_row: f8[VIEW_COLUMNS]; mid, volatility and flow are read.
        memory: its depths are read, its past mids are changed.
        settings: f8[OBSERVER_COLUMNS].
    """
    steps = int(settings[OBSERVER_VALUE_STEPS])
    if steps > 0:
        past = memory[MEMORY_VALUE:MEMORY_RING]
        note_mid(view_row[VIEW_MID] if sound else 0.0, past)
        if sound:
            view_row[VIEW_LOSS] = view_row[VIEW_MID] * value_loss(past, steps)
    share = settings[OBSERVER_COST_SHARE]
    if share > 0.0 and sound:
        most = most_lots_at(half_ticks, settings)
        middle = MEMORY_DEPTH + DEPTH_COLUMNS
        told = (half_ticks, most, share, view_row[VIEW_SIGMA], view_row[VIEW_FLOW])
        view_row[VIEW_ROOM] = min(
            room_lots(memory[MEMORY_DEPTH:middle], *told),
            room_lots(memory[middle:MEMORY_VALUE], *told),
        )
