"""What an exchange that hosts clients does to one account's orders in the recorded market.

The road to the exchange and the judgement of an order are the host's (`exchange/simulated`). These
kernels put an order into its line, take it out and make it smaller; what the market then does to it
is `fills.advance`, the same as in a replay.
"""

from market.jit import kernel
from market.layout import (
    ASK_ROW,
    BID_ROW,
    BUY,
    NEVER,
    ORDER_ARRIVES_NS,
    ORDER_CANCEL_NS,
    ORDER_ID,
    ORDER_LOTS,
    ORDER_PRICE_TICKS,
    ORDER_REMAINING,
    ORDER_SENT_NS,
    ORDER_SIDE,
    ORDER_STATE,
    ORDER_TAKER,
    STATE_RESTING,
    TOUCH_BASE,
)
from market.order_lines import (
    METER_CURSOR,
    Exchange,
    enter_line,
    find_row,
    free_row,
    leave_line,
    remove,
)
from market.pending import FULL, OK, UNKNOWN_ORDER
from market.queueing import QUEUE_AHEAD, join
from market.resting import ours_before, stand_behind
from market.types import F8


@kernel
def rest(
    exchange: Exchange,
    model: F8,
    order_id: int,
    side: int,
    price_ticks: int,
    lots: int,
    now_ns: int,
) -> int:
    """Put an order into its line behind what its level shows; return OK or FULL.

    The exchange stands at `now_ns`. Whether the order may come in was judged before: one that
    crosses the recorded book rests all the same, since it took there what there was to take.

    Args:
        exchange: changed.
        model: f8[MODEL_COLUMNS].
        order_id: i8, > 0, rising.
        side: BUY or SELL.
        price_ticks: i8.
        lots: i8, > 0.
        now_ns: i8, exchange time.
    """
    orders = exchange.orders
    meter = exchange.meter
    slot = free_row(orders, meter, order_id)
    if slot < 0:
        return FULL
    orders[slot, ORDER_ID] = order_id
    orders[slot, ORDER_SIDE] = side
    orders[slot, ORDER_PRICE_TICKS] = price_ticks
    orders[slot, ORDER_LOTS] = lots
    orders[slot, ORDER_REMAINING] = lots
    orders[slot, ORDER_ARRIVES_NS] = now_ns
    orders[slot, ORDER_CANCEL_NS] = NEVER
    orders[slot, ORDER_SENT_NS] = now_ns
    orders[slot, ORDER_TAKER] = 0
    ahead = 0
    column = price_ticks - exchange.touch[TOUCH_BASE]
    if 0 <= column < exchange.levels.shape[1]:
        ahead = exchange.levels[BID_ROW if side == BUY else ASK_ROW, column]
    join(model, exchange.queue[slot], float(ahead), meter[METER_CURSOR])
    place = enter_line(orders, exchange.lines, meter, slot)
    other = ours_before(orders, exchange.lines, slot, place)
    if other >= 0:
        stand_behind(exchange.queue, slot, other)
    orders[slot, ORDER_STATE] = STATE_RESTING
    return OK


@kernel
def withdraw(exchange: Exchange, order_id: int, lots: int) -> int:
    """Take lots off a resting order, the order itself when none are left.

    It keeps its place. Return OK or UNKNOWN_ORDER.

    Args:
        exchange: changed.
        order_id: i8.
        lots: i8, > 0; at least what is left takes the order out.
    """
    orders = exchange.orders
    slot = find_row(orders, exchange.meter, order_id)
    if slot < 0 or orders[slot, ORDER_STATE] != STATE_RESTING:
        return UNKNOWN_ORDER
    orders[slot, ORDER_REMAINING] -= lots
    if orders[slot, ORDER_REMAINING] <= 0:
        leave_line(orders, exchange.lines, exchange.meter, slot)
        remove(orders, slot)
    return OK


@kernel
def lots_ahead(exchange: Exchange, order_id: int) -> float:
    """Return the recorded lots that stand before a resting order; 0 when it is gone."""
    slot = find_row(exchange.orders, exchange.meter, order_id)
    if slot < 0:
        return 0.0
    return float(exchange.queue[slot, QUEUE_AHEAD])
