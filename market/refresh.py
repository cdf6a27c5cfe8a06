"""The difference between the wanted ladder and our orders: what stays, goes and is missing.

Here live the guard's memory and the three passes over one side: keep, cancel, place. When each
is done is decided in `guard.py`.
"""

from market.jit import inlined_kernel, kernel
from market.layout import (
    ACTION_CANCEL,
    ACTION_KIND,
    ACTION_LEVEL,
    ACTION_LOTS,
    ACTION_ORDER_ID,
    ACTION_PLACE,
    ACTION_PRICE_TICKS,
    ACTION_SIDE,
    ACTION_TAKER,
    ASK_ROW,
    BID_ROW,
    BUY,
    LADDER_LOTS,
    LADDER_PRICE_TICKS,
    LEVELS_MAX,
    NO_ASK,
    NO_BID,
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
)
from market.quotes import affordable, cost_units, is_legal
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
HELD_DEPTH = 10  # of [side]: rows of the ladder up to the last one with lots
HELD_BEST = 12  # of [side]: its best price; NO_BID and NO_ASK when nothing is wanted
HELD_LACKS = 14  # scratch, 1: some level still misses lots after this pass
HELD_STRAYS = 15  # scratch, 1: some order was kept at a level that is not its own
HELD_KEPT = 16  # scratch, of an own order: 1 + the level that it stays at, 0 when it goes
HELD_LIST = HELD_KEPT + ORDERS_MAX  # scratch, rows of the own orders that may stay on a side
HELD_MISSING = HELD_LIST + ORDERS_MAX  # scratch, lots still wanted by [side, level]
HELD_PRICE = HELD_MISSING + 2 * LEVELS_MAX  # scratch, wanted price by [side, level]
HELD_COLUMNS = HELD_PRICE + 2 * LEVELS_MAX


@kernel
def survey_ladder(ladder: I8, guard_state: I8) -> None:
    """Note how deep the ladder is and its best prices; called whenever it was written."""
    for row in range(2):
        depth = 0
        best = NO_BID if row == BID_ROW else NO_ASK
        for level in range(LEVELS_MAX):
            if ladder[row, level, LADDER_LOTS] <= 0:
                continue
            depth = level + 1
            price = ladder[row, level, LADDER_PRICE_TICKS]
            best = max(best, price) if row == BID_ROW else min(best, price)
        guard_state[HELD_DEPTH + row] = depth
        guard_state[HELD_BEST + row] = best


@inlined_kernel
def want_levels(side: int, step_row: I8, ladder: I8, own_meter: I8, guard_state: I8) -> None:
    """Write what each level of a side wants: its lots, and its price off the touch of now."""
    row = BID_ROW if side == BUY else ASK_ROW
    start = row * LEVELS_MAX
    if side == BUY:
        bound = min(step_row[STEP_ASK] - 1, own_meter[OWN_METER_HIGHEST_BID])
    else:
        bound = max(step_row[STEP_BID] + 1, own_meter[OWN_METER_LOWEST_ASK])
    for level in range(guard_state[HELD_DEPTH + row]):
        price = ladder[row, level, LADDER_PRICE_TICKS]
        guard_state[HELD_MISSING + start + level] = max(0, ladder[row, level, LADDER_LOTS])
        guard_state[HELD_PRICE + start + level] = (
            min(price, bound) if side == BUY else max(price, bound)
        )


@inlined_kernel
def keep_orders(
    side: int,
    step_row: I8,
    ladder: I8,
    own: I8,
    own_meter: I8,
    tolerance: int,
    guard_state: I8,
) -> bool:
    """Choose which orders of a side stay; write, and return whether, a level still misses lots.

    An order stays when it is within the tolerance of a level's price and the level has room for
    all of it; levels choose from the inside, first orders of their own, then any, the oldest first.

    Most orders stay where they are, so each is first offered to its own level alone. Only a level
    that then misses lots looks at the others, and only when it wants one that a later level was
    given is the whole choice made anew, level by level.
    """
    row = BID_ROW if side == BUY else ASK_ROW
    start = row * LEVELS_MAX
    depth = guard_state[HELD_DEPTH + row]
    want_levels(side, step_row, ladder, own_meter, guard_state)
    listed = 0
    for index in range(own_meter[OWN_METER_COUNT]):
        if own[index, OWN_SIDE] != side or own[index, OWN_STATE] == OWN_CANCELLING:
            continue
        guard_state[HELD_LIST + listed] = index
        listed += 1
        level = own[index, OWN_LEVEL]
        if level < depth and fits(index, start + level, tolerance, own, guard_state):
            guard_state[HELD_KEPT + index] = 1 + level
            guard_state[HELD_MISSING + start + level] -= own[index, OWN_REMAINING]
    missing = False
    for level in range(depth):
        slot = start + level
        if guard_state[HELD_MISSING + slot] == 0:
            continue
        for place in range(listed):
            index = guard_state[HELD_LIST + place]
            kept = guard_state[HELD_KEPT + index]
            if 0 < kept <= 1 + level or not fits(index, slot, tolerance, own, guard_state):
                continue
            if kept != 0:
                want_levels(side, step_row, ladder, own_meter, guard_state)
                return choose_anew(start, depth, listed, tolerance, own, guard_state)
            guard_state[HELD_STRAYS] = 1
            guard_state[HELD_KEPT + index] = 1 + level
            guard_state[HELD_MISSING + slot] -= own[index, OWN_REMAINING]
        missing = missing or guard_state[HELD_MISSING + slot] != 0
    return bool(missing)


@inlined_kernel
def fits(index: int, slot: int, tolerance: int, own: I8, guard_state: I8) -> bool:
    """Return whether a level has room for an order and wants about its price."""
    if own[index, OWN_REMAINING] > guard_state[HELD_MISSING + slot]:
        return False
    away = own[index, OWN_PRICE_TICKS] - guard_state[HELD_PRICE + slot]
    return bool(-tolerance <= away <= tolerance)


@kernel
def choose_anew(
    start: int, depth: int, listed: int, tolerance: int, own: I8, guard_state: I8
) -> bool:
    """Choose level by level, as `keep_orders` says, among the listed orders."""
    guard_state[HELD_STRAYS] = 1
    for place in range(listed):
        guard_state[HELD_KEPT + guard_state[HELD_LIST + place]] = 0
    missing = False
    for level in range(depth):
        slot = start + level
        for others in range(2):
            if guard_state[HELD_MISSING + slot] == 0:
                break
            for place in range(listed):
                index = guard_state[HELD_LIST + place]
                if others == 0 and own[index, OWN_LEVEL] != level:
                    continue
                if guard_state[HELD_KEPT + index] == 0 and fits(
                    index, slot, tolerance, own, guard_state
                ):
                    guard_state[HELD_KEPT + index] = 1 + level
                    guard_state[HELD_MISSING + slot] -= own[index, OWN_REMAINING]
        missing = missing or guard_state[HELD_MISSING + slot] != 0
    return bool(missing)


@inlined_kernel
def place_missing(
    side: int,
    room_lots: int,
    free_units: int,
    own: I8,
    own_meter: I8,
    scale: I8,
    guard_state: I8,
    cancels: int,
    count: int,
    actions: I8,
) -> int:
    """Append the places of a side after `count` actions; return the new count.

    A place is cut to the room that the side's open orders leave (cancelling ones included: they
    may still fill), and on spot to the free balance. It is withheld when its price would meet one
    of our own orders of the other side, cancelling ones and those of this batch included. The
    first `cancels` actions are the cancels.
    """
    row = BID_ROW if side == BUY else ASK_ROW
    start = row * LEVELS_MAX
    room = room_lots
    met = NO_ASK if side == BUY else NO_BID  # best price of our orders of the other side
    for index in range(own_meter[OWN_METER_COUNT]):
        if own[index, OWN_SIDE] == side:
            room -= own[index, OWN_REMAINING]
        else:
            price = own[index, OWN_PRICE_TICKS]
            met = min(met, price) if side == BUY else max(met, price)
    for index in range(cancels, count):
        if actions[index, ACTION_SIDE] != side:
            price = actions[index, ACTION_PRICE_TICKS]
            met = min(met, price) if side == BUY else max(met, price)
    spot = scale[SCALE_SPOT] != 0
    free = free_units
    slots = ORDERS_MAX - own_meter[OWN_METER_COUNT] - (count - cancels)
    for level in range(guard_state[HELD_DEPTH + row]):
        lots = min(guard_state[HELD_MISSING + start + level], room)
        if lots <= 0 or slots <= 0:
            continue
        price = guard_state[HELD_PRICE + start + level]
        if price <= 0:
            continue
        unit = cost_units(price, 1, scale) if side == BUY else scale[SCALE_LOT]
        if spot:
            lots = affordable(lots, unit, free)
        if not is_legal(price, lots, scale):
            continue
        if side * (price - met) >= 0:
            guard_state[HELD_WITHHELD] += 1
            continue
        actions[count, ACTION_KIND] = ACTION_PLACE
        actions[count, ACTION_ORDER_ID] = 0
        actions[count, ACTION_SIDE] = side
        actions[count, ACTION_PRICE_TICKS] = price
        actions[count, ACTION_LOTS] = lots
        actions[count, ACTION_LEVEL] = level
        actions[count, ACTION_TAKER] = 0
        guard_state[HELD_MISSING + start + level] -= lots
        count += 1
        slots -= 1
        room -= lots
        free -= cost_units(price, lots, scale) if side == BUY else lots * scale[SCALE_LOT]
    for level in range(guard_state[HELD_DEPTH + row]):
        if guard_state[HELD_MISSING + start + level] > 0:
            guard_state[HELD_LACKS] = 1
    return count


@inlined_kernel
def write_cancel(order_id: int, side: int, count: int, actions: I8) -> None:
    """Write a cancel as action number `count`."""
    actions[count, :] = 0
    actions[count, ACTION_KIND] = ACTION_CANCEL
    actions[count, ACTION_ORDER_ID] = order_id
    actions[count, ACTION_SIDE] = side


@inlined_kernel
def cancel_rest(own: I8, own_meter: I8, guard_state: I8, actions: I8) -> int:
    """Write a cancel for each order that was not kept; return the number of actions."""
    count = 0
    for index in range(own_meter[OWN_METER_COUNT]):
        if guard_state[HELD_KEPT + index] == 0 and own[index, OWN_STATE] != OWN_CANCELLING:
            write_cancel(own[index, OWN_ID], own[index, OWN_SIDE], count, actions)
            count += 1
    return count
