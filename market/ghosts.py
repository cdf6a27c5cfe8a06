"""Replays real orders of the past as if they were ours, to see whether our fills are true.

A *ghost* is a real order of a recording that knows its orders by id. Its own size is taken out of
the book, an order of ours takes its place, and the engine's exchange side decides when it would
have been filled. What really happened to it is known. How ghosts are found in a recording is
`exchange/ghosts.py`; how predictions are scored is `scores.py`.
"""

from market.book import apply
from market.jit import kernel
from market.layout import (
    BUY,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    EVENT_SIDE,
    KIND_CLEAR,
    KIND_TRADE,
    NEVER,
    SEEN_EXCHANGE,
    SELL,
    TOUCH_ASK,
    TOUCH_BID,
)
from market.queueing import change, cross, join, trade
from market.types import F8, I8

# --- one real order: i8[ghosts, GHOST_COLUMNS]; rows are numbers of events -------------------
GHOST_ID = 0
GHOST_SIDE = 1
GHOST_PRICE_TICKS = 2
GHOST_LOTS = 3
GHOST_BIRTH = 4  # row that put it into the book
GHOST_LAST = 5  # the row after its last one: until then it is in the recorded book
GHOST_END = 6  # the row after the print that completed it; of a cancel, its row
GHOST_BORN_NS = 7
GHOST_TOUCHED_NS = 8  # when its price first was the best of its side, NEVER if it never was
GHOST_FIRST_NS = 9  # first fill, NEVER if none
GHOST_DONE_NS = 10  # complete fill, NEVER if none
GHOST_END_NS = 11  # complete fill, cancel, or the end of the recording
GHOST_FILLED_LOTS = 12
GHOST_COLUMNS = 13

# An order is whole when all but a thousandth is filled: level totals and trades are each rounded to
# lots, so that the last lot of an order is sometimes not in them.
WHOLE = 1000

# --- what a model says of it: i8[ghosts, FATE_COLUMNS] ----------------------------------------
FATE_FIRST_NS = 0  # first fill, NEVER if none
FATE_DONE_NS = 1  # complete fill, NEVER if none; after the real order's end it tells how late
FATE_LOTS = 2  # filled before the real order's end
FATE_COLUMNS = 3


@kernel
def level_changes(events: I8, levels: I8, touch: I8, deltas: I8, bests: I8) -> None:
    """Write by how much each event changed its level, and the best prices after it.

    Args:
        events: i8[n, EVENT_COLUMNS].
        levels: i8[2, width], an empty book, changed.
        touch: i8[TOUCH_COLUMNS], changed.
        deltas: i8[n], written: lots; 0 for trades, clears and what the exchange did not see.
        bests: i8[n, 2], written: best bid and best ask, ticks.
    """
    for index in range(events.shape[0]):
        deltas[index] = 0
        kind = events[index, EVENT_KIND]
        if events[index, EVENT_SEEN] & SEEN_EXCHANGE != 0 and kind != KIND_TRADE:
            lots = events[index, EVENT_LOTS]
            before = apply(
                levels,
                touch,
                kind,
                events[index, EVENT_SIDE],
                events[index, EVENT_PRICE_TICKS],
                lots,
            )
            if kind != KIND_CLEAR:
                deltas[index] = lots - before
        bests[index, 0] = touch[TOUCH_BID]
        bests[index, 1] = touch[TOUCH_ASK]


@kernel
def aggressor_of(event: I8, best: I8) -> int:
    """Return the aggressor of a trade; an unknown one is told from the touch, else it is 0."""
    if event[EVENT_SIDE] != 0:
        return int(event[EVENT_SIDE])
    if event[EVENT_PRICE_TICKS] <= best[0]:
        return SELL
    if event[EVENT_PRICE_TICKS] >= best[1]:
        return BUY
    return 0


@kernel
def lots_that_pass(
    event: I8, delta: int, best: I8, side: int, price: int, model: F8, queue: F8
) -> float:
    """Return the lots of a print, or newly posted against us, that come as far as our order.

    Args:
        event: i8[EVENT_COLUMNS]: a print, or a level of the other side.
        delta: lots by which the level grew.
        best: i8[2]: best bid and ask after the event.
        side, price: of our order.
        model: f8[MODEL_COLUMNS].
        queue: f8[QUEUE_COLUMNS], changed.
    """
    beyond = side * (price - event[EVENT_PRICE_TICKS])
    if beyond < 0:
        return 0.0
    if event[EVENT_KIND] == KIND_TRADE:
        lots = float(event[EVENT_LOTS])
        if lots <= 0.0 or aggressor_of(event, best) != -side:
            return 0.0
        if beyond == 0:
            return trade(model, queue, lots, lots)
        return cross(model, queue, lots, True)
    if delta <= 0 or event[EVENT_PRICE_TICKS] != (best[1] if side == BUY else best[0]):
        return 0.0
    return cross(model, queue, float(delta), beyond > 0)


@kernel
def haunt(
    events: I8,
    order_ids: I8,
    deltas: I8,
    bests: I8,
    born: I8,
    ghost: I8,
    model: F8,
    after_ns: int,
    queue: F8,
    fate: I8,
) -> None:
    """Let one ghost live again as an order of ours, and write what the model says of it.

    It joins behind the lots of others at its price. From then on the level is what others hold:
    its own changes are no events, its own lots are taken off the total. The prints that filled it
    in reality stay prints. What comes to rest against it, or trades beyond it, reaches it as it
    does in `fills.py`.

    Args:
        events, order_ids, deltas, bests, born: as in `replay_ghosts`.
        ghost: i8[GHOST_COLUMNS].
        model: f8[MODEL_COLUMNS].
        after_ns: how long to go on after the real order was filled.
        queue: f8[QUEUE_COLUMNS], scratch.
        fate: i8[FATE_COLUMNS], written.
    """
    side = ghost[GHOST_SIDE]
    price = ghost[GHOST_PRICE_TICKS]
    birth = ghost[GHOST_BIRTH]
    end = ghost[GHOST_END]
    own = ghost[GHOST_LOTS]  # of the order, in the recorded book
    remaining = ghost[GHOST_LOTS]
    others = events[birth, EVENT_LOTS] - own
    until_ns = ghost[GHOST_END_NS]
    if ghost[GHOST_DONE_NS] != NEVER:
        until_ns += after_ns
    fate[FATE_FIRST_NS] = NEVER
    fate[FATE_DONE_NS] = NEVER
    fate[FATE_LOTS] = 0
    join(model, queue, float(others), birth)
    for row in range(birth + 1, events.shape[0]):
        now_ns = events[row, EVENT_EXCH_NS]
        if row >= end and (ghost[GHOST_DONE_NS] == NEVER or now_ns > until_ns):
            return
        if events[row, EVENT_SEEN] & SEEN_EXCHANGE == 0 or events[row, EVENT_KIND] == KIND_CLEAR:
            continue
        if events[row, EVENT_KIND] != KIND_TRADE and events[row, EVENT_SIDE] == side:
            if events[row, EVENT_PRICE_TICKS] != price:
                continue
            inside = row < ghost[GHOST_LAST]  # it is still in the recorded book
            if inside and order_ids[row] == ghost[GHOST_ID]:
                own += deltas[row]
                continue
            before = float(others)
            others = max(0, events[row, EVENT_LOTS] - (own if inside else 0))
            change(model, queue, before, float(others), born[row])
            continue
        passed = lots_that_pass(events[row], deltas[row], bests[row], side, price, model, queue)
        part = min(remaining, int(passed))
        if part > 0:
            remaining -= part
            fate[FATE_FIRST_NS] = min(fate[FATE_FIRST_NS], now_ns)
            if row < end:
                fate[FATE_LOTS] += part
            if remaining * WHOLE <= ghost[GHOST_LOTS]:
                fate[FATE_DONE_NS] = now_ns
                return


@kernel
def replay_ghosts(
    events: I8,
    order_ids: I8,
    deltas: I8,
    bests: I8,
    born: I8,
    ghosts: I8,
    model: F8,
    after_ns: int,
    queue: F8,
    fates: I8,
) -> None:
    """Write the fate of every ghost under one fill model.

    Args:
        events: i8[n, EVENT_COLUMNS].
        order_ids: i8[n], 0 where none.
        deltas, bests: as `level_changes` wrote them.
        born: i8[n], event that added the order which changed; 0 unknown.
        ghosts: i8[m, GHOST_COLUMNS].
        model: f8[MODEL_COLUMNS].
        after_ns: how long to go on after the real order was filled, to see how late we are.
        queue: f8[QUEUE_COLUMNS], scratch.
        fates: i8[m, FATE_COLUMNS], written.
    """
    for index in range(ghosts.shape[0]):
        haunt(
            events,
            order_ids,
            deltas,
            bests,
            born,
            ghosts[index],
            model,
            after_ns,
            queue,
            fates[index],
        )
