"""The difference between the wanted ladder and our orders: what stays, goes and is missing.

Here live the guard's memory and the three passes over one side: keep, cancel, place. When each
is done is decided in `guard.py`.
"""

from market.jit import kernel
from market.layout import (
    ACTION_CANCEL,
    ACTION_KIND,
    ACTION_LEVEL,
    ACTION_LOTS,
    ACTION_ORDER_ID,
    ACTION_PLACE,
    ACTION_PRICE_TICKS,
    ACTION_SIDE,
    ASK_ROW,
    BID_ROW,
    BUY,
    LADDER_LOTS,
    LADDER_PRICE_TICKS,
    LEVELS_MAX,
    ORDERS_MAX,
    OWN_CANCELLING,
    OWN_ID,
    OWN_LEVEL,
    OWN_PRICE_TICKS,
    OWN_REMAINING,
    OWN_SIDE,
    OWN_STATE,
    SCALE_LOT,
    SCALE_SPOT,
    STEP_ASK,
    STEP_BID,
)
from market.own import (
    OWN_METER_COUNT,
    OWN_METER_HIGHEST_BID,
    OWN_METER_LOWEST_ASK,
    open_lots,
)
from market.quotes import cost_units, smallest_lots
from market.types import I8

# --- what the guard remembers: i8[HELD_COLUMNS], zeros at first -----------------------------
HELD_FRESH = 0  # 1: `decide` wrote a ladder that the guard has not seen yet
HELD_HALF_TICKS = 1  # bid + ask when the ladder was made; 0: no ladder
HELD_MAX_LOTS = 2  # largest position with every open order of the worse side filled
HELD_ORDER_LOTS = 3  # lots and levels of a reduction between two decisions
HELD_LEVELS = 4
HELD_PULLED_BID = 5  # 1: the side is pulled until the next decision
HELD_PULLED_ASK = 6
HELD_PULLS = 7  # sides pulled so far
HELD_WITHHELD = 8  # places withheld because they could have matched one of ours
HELD_REDUCED = 9  # 1: the ladder is that of a reduction
HELD_KEPT = 10  # scratch, one flag an own order
HELD_MISSING = HELD_KEPT + ORDERS_MAX  # scratch, lots still wanted by [side, level]
HELD_PRICE = HELD_MISSING + 2 * LEVELS_MAX  # scratch, wanted price by [side, level]
HELD_COLUMNS = HELD_PRICE + 2 * LEVELS_MAX


@kernel
def keep_orders(
    side: int,
    step_row: I8,
    ladder: I8,
    own: I8,
    own_meter: I8,
    tolerance: int,
    guard_state: I8,
) -> None:
    """Choose which orders of a side stay, and write what each level still misses.

    An order stays when it is within the tolerance of a level's price and the level has room for
    all of it; orders of the same level are asked first, then any, the oldest first.
    """
    row = BID_ROW if side == BUY else ASK_ROW
    count = own_meter[OWN_METER_COUNT]
    for level in range(LEVELS_MAX):
        wanted = ladder[row, level, LADDER_LOTS]
        slot = row * LEVELS_MAX + level
        guard_state[HELD_MISSING + slot] = 0
        if wanted <= 0:
            continue
        price = ladder[row, level, LADDER_PRICE_TICKS]
        if side == BUY:
            price = min(price, step_row[STEP_ASK] - 1, own_meter[OWN_METER_HIGHEST_BID])
        else:
            price = max(price, step_row[STEP_BID] + 1, own_meter[OWN_METER_LOWEST_ASK])
        for same in range(2):
            for index in range(count):
                if own[index, OWN_SIDE] != side or own[index, OWN_STATE] == OWN_CANCELLING:
                    continue
                if guard_state[HELD_KEPT + index] != 0 or own[index, OWN_REMAINING] > wanted:
                    continue
                if same == 0 and own[index, OWN_LEVEL] != level:
                    continue
                if abs(own[index, OWN_PRICE_TICKS] - price) <= tolerance:
                    guard_state[HELD_KEPT + index] = 1
                    wanted -= own[index, OWN_REMAINING]
            if wanted == 0:
                break
        guard_state[HELD_MISSING + slot] = wanted
        guard_state[HELD_PRICE + slot] = price


@kernel
def place_missing(
    side: int,
    room_lots: int,
    free_units: int,
    own: I8,
    own_meter: I8,
    scale: I8,
    guard_state: I8,
    count: int,
    actions: I8,
) -> int:
    """Append the places of a side after `count` actions; return the new count.

    A place is cut to the room that the side's open orders leave (cancelling ones included: they
    may still fill), and on spot to the free balance. It is withheld when its price would meet one
    of our own orders of the other side, cancelling ones and those of this batch included.
    """
    row = BID_ROW if side == BUY else ASK_ROW
    room = room_lots - open_lots(own, own_meter, side)
    spot = scale[SCALE_SPOT] != 0
    free = free_units
    slots = ORDERS_MAX - own_meter[OWN_METER_COUNT]
    for index in range(count):
        if actions[index, ACTION_KIND] == ACTION_PLACE:
            slots -= 1
    for level in range(LEVELS_MAX):
        slot = row * LEVELS_MAX + level
        lots = min(guard_state[HELD_MISSING + slot], room)
        if lots <= 0 or slots <= 0:
            continue
        price = guard_state[HELD_PRICE + slot]
        if spot and side == BUY:
            lots = min(lots, free // cost_units(price, 1, scale))
        elif spot:
            lots = min(lots, free // scale[SCALE_LOT])
        if price <= 0 or lots < smallest_lots(price, scale):
            continue
        if meets_own(side, price, own, own_meter, count, actions):
            guard_state[HELD_WITHHELD] += 1
            continue
        actions[count, :] = 0
        actions[count, ACTION_KIND] = ACTION_PLACE
        actions[count, ACTION_SIDE] = side
        actions[count, ACTION_PRICE_TICKS] = price
        actions[count, ACTION_LOTS] = lots
        actions[count, ACTION_LEVEL] = level
        count += 1
        slots -= 1
        room -= lots
        free -= cost_units(price, lots, scale) if side == BUY else lots * scale[SCALE_LOT]
    return count


@kernel
def meets_own(side: int, price: int, own: I8, own_meter: I8, count: int, actions: I8) -> bool:
    """Return whether a price would match one of our own orders of the other side."""
    for row in range(own_meter[OWN_METER_COUNT]):
        if own[row, OWN_SIDE] == -side and side * (price - own[row, OWN_PRICE_TICKS]) >= 0:
            return True
    for row in range(count):
        if (
            actions[row, ACTION_KIND] == ACTION_PLACE
            and actions[row, ACTION_SIDE] == -side
            and side * (price - actions[row, ACTION_PRICE_TICKS]) >= 0
        ):
            return True
    return False


@kernel
def write_cancel(order_id: int, side: int, count: int, actions: I8) -> None:
    """Write a cancel as action number `count`."""
    actions[count, :] = 0
    actions[count, ACTION_KIND] = ACTION_CANCEL
    actions[count, ACTION_ORDER_ID] = order_id
    actions[count, ACTION_SIDE] = side


@kernel
def cancel_rest(own: I8, own_meter: I8, guard_state: I8, actions: I8) -> int:
    """Write a cancel for each order that was not kept; return the number of actions."""
    count = 0
    for index in range(own_meter[OWN_METER_COUNT]):
        if guard_state[HELD_KEPT + index] == 0 and own[index, OWN_STATE] != OWN_CANCELLING:
            write_cancel(own[index, OWN_ID], own[index, OWN_SIDE], count, actions)
            count += 1
    return count
