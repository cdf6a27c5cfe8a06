"""The guard: once a second, turns the wanted ladder and our resting orders into few actions.

It keeps what may stay (queue position is money), pulls a side that the market runs over, quotes
again after fills, re-prices after a post-only reject. What is wanted is decided in `policy.py`,
what may be sent is judged by the gate, and the list of our own orders is `own.py`.
"""

import math

import numpy as np

from market.breach import HALTED, REDUCING
from market.jit import inlined_kernel, kernel
from market.layout import (
    ACTION_COLUMNS,
    ACTIONS_MAX,
    BUY,
    LADDER_COLUMNS,
    LEVELS_MAX,
    NO_ASK,
    NO_BID,
    SELL,
    STEP_ASK,
    STEP_BID,
    VIEW_READY,
    VIEW_SIGMA,
)
from market.own import (
    OWN_METER_COUNT,
    OWN_METER_HIGHEST_BID,
    OWN_METER_LOWEST_ASK,
)
from market.quotes import clear_ladder, write_reduction
from market.refresh import (
    HELD_COLUMNS,
    HELD_FRESH,
    HELD_HALF_TICKS,
    HELD_KEPT,
    HELD_LACKS,
    HELD_LEVELS,
    HELD_MAX_LOTS,
    HELD_ORDER_LOTS,
    HELD_PULLED_ASK,
    HELD_PULLED_BID,
    HELD_PULLS,
    HELD_REDUCED,
    HELD_STRAYS,
    cancel_rest,
    keep_orders,
    place_missing,
    survey_ladder,
)
from market.types import F8, I8

# --- what the guard may be told: f8[GUARD_COLUMNS] ------------------------------------------
GUARD_PULL_SIGMA = 0  # adverse move that pulls a side, in sigmas of one cycle; 0: never
GUARD_PULL_TICKS = 1  # and at least this many ticks
GUARD_TOLERANCE_TICKS = 2  # an order this close to its wanted price stays
GUARD_CYCLE_SECONDS = 3
GUARD_FLATTEN_SHARE = 4  # how far through the touch a flattening order may reach, share of price
GUARD_COLUMNS = 5


def guard_settings(
    *,
    pull_threshold_sigma: float = 3.0,
    pull_floor_ticks: float = 1.0,
    refresh_tolerance_ticks: int = 0,
    cycle_s: float = 30.0,
    flatten_share: float = 0.005,
) -> F8:
    """Build f8[GUARD_COLUMNS].

    Args:
        pull_threshold_sigma: adverse move of mid since the ladder was made that pulls a side, in
            standard deviations of one cycle; 0 never pulls.
        pull_floor_ticks: and at least this many ticks.
        refresh_tolerance_ticks: an order at most this far from its wanted price stays.
        cycle_s: seconds between decisions, > 0.
        flatten_share: how far beyond the touch a flattening order reaches, fraction of price.
    """
    if not cycle_s > 0 or not pull_threshold_sigma >= 0 or not refresh_tolerance_ticks >= 0:
        raise ValueError(
            "need cycle_s > 0, pull_threshold_sigma >= 0 and refresh_tolerance_ticks >= 0, found "
            f"{cycle_s}, {pull_threshold_sigma}, {refresh_tolerance_ticks}"
        )
    row = np.zeros(GUARD_COLUMNS)
    row[GUARD_PULL_SIGMA] = pull_threshold_sigma
    row[GUARD_PULL_TICKS] = pull_floor_ticks
    row[GUARD_TOLERANCE_TICKS] = refresh_tolerance_ticks
    row[GUARD_CYCLE_SECONDS] = cycle_s
    row[GUARD_FLATTEN_SHARE] = flatten_share
    return row


def new_guard() -> tuple[I8, I8, I8]:
    """Return (guard_state, ladder, actions), all empty."""
    return (
        np.zeros(HELD_COLUMNS, dtype=np.int64),
        np.zeros((2, LEVELS_MAX, LADDER_COLUMNS), dtype=np.int64),
        np.zeros((ACTIONS_MAX, ACTION_COLUMNS), dtype=np.int64),
    )


@inlined_kernel
def hold_ladder(step_row: I8, max_lots: int, order_lots: int, levels: int, guard_state: I8) -> None:
    """Note the market in which a ladder was made; called by `policy.decide`.

    Args:
        step_row: i8[STEP_COLUMNS].
        max_lots: largest position, lots.
        order_lots: lots of one order of a reduction.
        levels: most orders of a reduction.
        guard_state: i8[HELD_COLUMNS], changed.
    """
    guard_state[HELD_FRESH] = 1
    guard_state[HELD_REDUCED] = 0
    guard_state[HELD_HALF_TICKS] = 0
    if step_row[STEP_BID] != NO_BID and step_row[STEP_ASK] != NO_ASK:
        guard_state[HELD_HALF_TICKS] = step_row[STEP_BID] + step_row[STEP_ASK]
    guard_state[HELD_MAX_LOTS] = max_lots
    guard_state[HELD_ORDER_LOTS] = order_lots
    guard_state[HELD_LEVELS] = levels
    guard_state[HELD_PULLED_BID] = 0
    guard_state[HELD_PULLED_ASK] = 0


@inlined_kernel
def start_pass(reducing: bool, ladder: I8, own_meter: I8, guard_state: I8) -> None:
    """Clear the scratch of the last pass; a fresh ladder lifts the marks of rejects.

    The ladder of a reduction must not outlive it: its prices were never meant to open a position.
    """
    if guard_state[HELD_REDUCED] != 0 and not reducing:
        clear_ladder(ladder)
        survey_ladder(ladder, guard_state)
    guard_state[HELD_REDUCED] = 1 if reducing else 0
    guard_state[HELD_LACKS] = 0
    guard_state[HELD_STRAYS] = 0
    if guard_state[HELD_FRESH] != 0:
        guard_state[HELD_FRESH] = 0
        own_meter[OWN_METER_HIGHEST_BID] = NO_ASK
        own_meter[OWN_METER_LOWEST_ASK] = NO_BID
        survey_ladder(ladder, guard_state)
    for index in range(own_meter[OWN_METER_COUNT]):
        guard_state[HELD_KEPT + index] = 0


@inlined_kernel
def pull_sides(step_row: I8, view_row: F8, guard_state: I8, settings: F8) -> None:
    """Pull the side that the market moved against since the ladder was made, until the next one.

    The move counts from GUARD_PULL_SIGMA x sigma x sqrt(cycle), and never below GUARD_PULL_TICKS.
    """
    if settings[GUARD_PULL_SIGMA] <= 0.0 or guard_state[HELD_HALF_TICKS] == 0:
        return
    bound = view_row[VIEW_SIGMA] * math.sqrt(settings[GUARD_CYCLE_SECONDS])
    bound = max(settings[GUARD_PULL_TICKS], settings[GUARD_PULL_SIGMA] * bound)
    moved = 0.5 * (step_row[STEP_BID] + step_row[STEP_ASK] - guard_state[HELD_HALF_TICKS])
    if moved < -bound and guard_state[HELD_PULLED_BID] == 0:
        guard_state[HELD_PULLED_BID] = 1
        guard_state[HELD_PULLS] += 1
    if moved > bound and guard_state[HELD_PULLED_ASK] == 0:
        guard_state[HELD_PULLED_ASK] = 1
        guard_state[HELD_PULLS] += 1


@kernel
def guard(
    step_row: I8,
    view_row: F8,
    ladder: I8,
    own: I8,
    own_meter: I8,
    position_lots: int,
    free_quote_units: int,
    free_base_units: int,
    risk_state: int,
    scale: I8,
    settings: F8,
    guard_state: I8,
    actions: I8,
) -> int:
    """Write what to do now, cancels before places; return the number of actions.

    Nothing is quoted while the book is one-sided, crossed or not ready, and while HALTED. While
    REDUCING, only the side that shrinks the position is, at the touch, followed every step.

    Args:
        step_row: i8[STEP_COLUMNS].
        view_row: f8[VIEW_COLUMNS].
        ladder: i8[2, LEVELS_MAX, LADDER_COLUMNS]; rewritten while REDUCING.
        own: i8[ORDERS_MAX, OWN_COLUMNS], unchanged.
        own_meter: i8[OWN_METER_COLUMNS]; the marks of rejects are lifted by a fresh ladder.
        position_lots: i8, signed.
        free_quote_units: i8, quote balance not tied up in our orders (`own.free_quote`).
        free_base_units: i8, the same for the base asset (`own.free_base`).
        risk_state: of `breach.py`.
        scale: i8[SCALE_COLUMNS].
        settings: f8[GUARD_COLUMNS].
        guard_state: i8[HELD_COLUMNS], changed.
        actions: i8[ACTIONS_MAX, ACTION_COLUMNS]; the first rows are written.
    """
    cancels, bids, asks = survey(
        step_row,
        view_row,
        ladder,
        own,
        own_meter,
        position_lots,
        risk_state,
        scale,
        settings,
        guard_state,
        actions,
    )
    return replenish(
        bids,
        asks,
        cancels,
        own,
        own_meter,
        position_lots,
        free_quote_units,
        free_base_units,
        risk_state,
        scale,
        guard_state,
        actions,
    )


@inlined_kernel
def survey(
    step_row: I8,
    view_row: F8,
    ladder: I8,
    own: I8,
    own_meter: I8,
    position_lots: int,
    risk_state: int,
    scale: I8,
    settings: F8,
    guard_state: I8,
    actions: I8,
) -> tuple[int, bool, bool]:
    """Do the first half of `guard`: choose what stays, write the cancels.

    Returns:
        The number of cancels, and whether bids and asks are missing; only then are the free
        balances needed.
    """
    reducing = risk_state == REDUCING
    start_pass(reducing, ladder, own_meter, guard_state)
    bid = step_row[STEP_BID]
    ask = step_row[STEP_ASK]
    sound = bid != NO_BID and ask != NO_ASK and bid < ask
    quoting = sound and view_row[VIEW_READY] >= 0.5 and risk_state != HALTED
    if quoting and reducing:
        size = (guard_state[HELD_LEVELS], guard_state[HELD_ORDER_LOTS])
        write_reduction(position_lots, *size, bid, ask, scale, ladder)
        survey_ladder(ladder, guard_state)
    elif quoting:
        pull_sides(step_row, view_row, guard_state, settings)
    tolerance = int(settings[GUARD_TOLERANCE_TICKS])
    bids = quoting and (reducing or guard_state[HELD_PULLED_BID] == 0)
    asks = quoting and (reducing or guard_state[HELD_PULLED_ASK] == 0)
    if bids:
        bids = keep_orders(BUY, step_row, ladder, own, own_meter, tolerance, guard_state)
    if asks:
        asks = keep_orders(SELL, step_row, ladder, own, own_meter, tolerance, guard_state)
    return cancel_rest(own, own_meter, guard_state, actions), bids, asks


@inlined_kernel
def replenish(
    bids: bool,
    asks: bool,
    cancels: int,
    own: I8,
    own_meter: I8,
    position_lots: int,
    free_quote_units: int,
    free_base_units: int,
    risk_state: int,
    scale: I8,
    guard_state: I8,
    actions: I8,
) -> int:
    """Do the second half of `guard`: write the places after the cancels; return the actions."""
    count = cancels
    bid_room = guard_state[HELD_MAX_LOTS] - position_lots
    ask_room = guard_state[HELD_MAX_LOTS] + position_lots
    if risk_state == REDUCING:
        bid_room = max(0, -position_lots)
        ask_room = max(0, position_lots)
    tail = (own, own_meter, scale, guard_state, cancels)
    if bids:
        count = place_missing(BUY, bid_room, free_quote_units, *tail, count, actions)
    if asks:
        count = place_missing(SELL, ask_room, free_base_units, *tail, count, actions)
    return count
