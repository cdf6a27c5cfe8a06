"""Names every record layout and column number that kernels share.

All tables are C-contiguous numpy arrays. `i8[n, X_COLUMNS]` below means int64, one row a record.
Prices are ticks, quantities lots, times nanoseconds UTC, money 1e-8 of its asset ("units").
Nothing here computes.
"""

import numpy as np

# --- one market event: i8[n, EVENT_COLUMNS] -------------------------------------------------
EVENT_KIND = 0  # KIND_*
EVENT_SIDE = 1  # BUY or SELL (the aggressor of a trade, the side of a level); 0 for both
EVENT_SEEN = 2  # SEEN_EXCHANGE | SEEN_LOCAL: on which clock's tape the event exists
EVENT_EXCH_NS = 3
EVENT_LOCAL_NS = 4
EVENT_PRICE_TICKS = 5
EVENT_LOTS = 6  # depth: the level's new total; trade: traded
EVENT_COLUMNS = 7

KIND_DEPTH = 1
KIND_TRADE = 2
KIND_CLEAR = 3  # empties one side (or both) from the touch to the event's price
KIND_SNAPSHOT = 4  # one level of a snapshot; counts as depth

BUY = 1
SELL = -1
SEEN_EXCHANGE = 1
SEEN_LOCAL = 2

# --- a book: levels i8[2, width] of lots, touch i8[TOUCH_COLUMNS] ---------------------------
BID_ROW = 0
ASK_ROW = 1
TOUCH_BID = 0  # best bid in ticks, NO_BID when the side is empty
TOUCH_ASK = 1  # best ask in ticks, NO_ASK when the side is empty
TOUCH_BASE = 2  # tick of column 0 of `levels`
TOUCH_OUTSIDE = 3  # events whose price fell outside the window, counted
TOUCH_BIDS = 4  # bid levels that hold lots
TOUCH_ASKS = 5
TOUCH_COLUMNS = 6
NO_BID = -(1 << 62)
NO_ASK = 1 << 62

# --- one guard step, public and the same for every candidate --------------------------------
# i8[steps, STEP_COLUMNS]
STEP_NOW_NS = 0
STEP_BID = 1  # local best bid, ticks (NO_BID when absent)
STEP_ASK = 2  # local best ask, ticks (NO_ASK when absent)
STEP_HEARD_NS = 3  # time of the step by which the newest event was read; 0 before the first
STEP_CURSOR = 4  # number of events read so far on the local clock
STEP_LAST = 5  # last trade price, ticks; 0 before the first
STEP_COLUMNS = 6

# f8[steps, VIEW_COLUMNS]; prices in ticks, quantities in lots, time in seconds
VIEW_MID = 0
VIEW_MID_AVERAGE = 1  # EWMA of mid
VIEW_RETURN = 2  # change of mid over the last cycle
VIEW_SIGMA = 3  # volatility of mid, per sqrt(second)
VIEW_SIGMA_REFERENCE = 4  # its slow average
VIEW_IMBALANCE = 5  # in [-1, 1], top of book
VIEW_DRIFT = 6  # expected change of mid over the next cycle, from public data only
VIEW_INTENSITY_BID = 7  # A of A exp(-k depth): fills a second of a bid at depth 0
VIEW_DECAY_BID = 8  # k, per tick
VIEW_INTENSITY_ASK = 9
VIEW_DECAY_ASK = 10
VIEW_FLOW = 11  # traded lots a second, EWMA
VIEW_READY = 12  # 1.0 once there is a two-sided book and enough data to quote on
VIEW_LOSS = 13  # loss of a lot exceeded with 1 % over the horizon, ticks; 0 when not known
VIEW_ROOM = 14  # lots that could be closed at once within the cost that is allowed
VIEW_COLUMNS = 15

# f8[steps, PLAN_COLUMNS]: two plans, depths proposed as a line in x = position / max_position:
#   bid depth = PLAN_BID + PLAN_SLOPE * x,  ask depth = PLAN_ASK - PLAN_SLOPE * x   (ticks)
PLAN_BID = 0
PLAN_ASK = 1
PLAN_SLOPE = 2
PLAN_DYNAMIC = 3  # from here on the same three of the plan by dynamic programming, where made
PLAN_COLUMNS = 6

# --- the four tuned parameters: f8[PARAMETER_COLUMNS] ---------------------------------------
PARAMETER_SPREAD = 0  # spread_percentage: full spread, percent of mid
PARAMETER_LEVELS = 1
PARAMETER_BASE_QUANTITY = 2  # base asset
PARAMETER_MAX_POSITION = 3  # base asset
PARAMETER_COLUMNS = 4
LEVELS_MAX = 50

# --- what the exchange side knows of our orders: i8[ORDERS_MAX, ORDER_COLUMNS] --------------
ORDER_ID = 0  # 0: the slot is free
ORDER_SIDE = 1
ORDER_PRICE_TICKS = 2
ORDER_LOTS = 3
ORDER_REMAINING = 4
ORDER_STEP = 5  # guard step at which it was sent
ORDER_STATE = 6  # STATE_*
ORDER_ARRIVES_NS = 7  # exchange time at which the order reaches the book
ORDER_CANCEL_NS = 8  # exchange time at which its cancel arrives; NEVER when none was sent
ORDER_SENT_NS = 9  # local time of sending
ORDER_TAKER = 10  # 1: immediate-or-cancel
ORDER_CUT = 11  # events of the exchange until it arrived; from here on only `tape_fills.py` reads
ORDER_SEGMENT = 12  # segment of the level histories that its line is read in
ORDER_ROW = 13  # next row of its level there; -1: its line was not looked up yet
ORDER_ROW_END = 14  # the one after the level's last
ORDER_BEFORE = 15  # lots of the level after the row read last
ORDER_COLUMNS = 16
ORDERS_MAX = 256
STATE_FREE = 0
STATE_IN_FLIGHT = 1
STATE_RESTING = 2
STATE_GONE = 3  # over, but a cancel is still on its way to it
NEVER = 1 << 62

# --- what the exchange tells us: i8[REPORTS_MAX, REPORT_COLUMNS], a ring --------------------
REPORT_KIND = 0  # REPORT_*
REPORT_ORDER_ID = 1
REPORT_SIDE = 2
REPORT_PRICE_TICKS = 3
REPORT_LOTS = 4  # lots of this fill; of a funding quote units received; else lots remaining
REPORT_EXCH_NS = 5
REPORT_VISIBLE_NS = 6  # local time from which the executor may know it
REPORT_MAKER = 7  # 1 maker, 0 taker
REPORT_TRADE_ID = 8  # counts fills of this account from 1; of a funding the exchange's number
REPORT_COLUMNS = 9
REPORT_ACCEPTED = 1
REPORT_REJECTED = 2  # post-only order would have crossed
REPORT_FILL = 3
REPORT_CANCELLED = 4
REPORT_CANCEL_REJECTED = 5  # the order was gone already
REPORT_REFUSED = 6  # below the smallest order, or it would have met another order of ours
REPORT_FUNDING = 7  # of no order: what a perpetual position paid or received
REPORTS_MAX = 4096

# --- what the executor believes of its own orders: i8[ORDERS_MAX, OWN_COLUMNS] --------------
OWN_ID = 0  # 0: the slot is free
OWN_SIDE = 1
OWN_PRICE_TICKS = 2
OWN_REMAINING = 3
OWN_STATE = 4  # OWN_PENDING, OWN_OPEN or OWN_CANCELLING
OWN_SENT_NS = 5
OWN_LEVEL = 6
OWN_COLUMNS = 7
OWN_PENDING = 1
OWN_OPEN = 2
OWN_CANCELLING = 3

# --- a ladder, the quotes wanted now: i8[2, LEVELS_MAX, LADDER_COLUMNS], row BID_ROW/ASK_ROW
LADDER_PRICE_TICKS = 0
LADDER_LOTS = 1  # 0: no quote at this level
LADDER_COLUMNS = 2

# --- what the guard wants done: i8[ACTIONS_MAX, ACTION_COLUMNS] -----------------------------
ACTION_KIND = 0  # ACTION_PLACE or ACTION_CANCEL
ACTION_ORDER_ID = 1  # cancels only
ACTION_SIDE = 2
ACTION_PRICE_TICKS = 3
ACTION_LOTS = 4
ACTION_LEVEL = 5
ACTION_TAKER = 6  # 1: immediate-or-cancel, only in a flatten
ACTION_COLUMNS = 7
ACTIONS_MAX = 512
ACTION_PLACE = 1
ACTION_CANCEL = 2

# --- the ledger: i8[LEDGER_COLUMNS], money in 1e-8 units of its asset -----------------------
LEDGER_QUOTE = 0  # quote units held
LEDGER_BASE = 1  # base units held (dust included)
LEDGER_TARGET = 2  # base units of the target inventory
LEDGER_SPREAD = 3  # quote units earned against mid at the fill
LEDGER_FEES = 4  # quote value of fees, negative when paid
LEDGER_INVENTORY = 5  # quote units from moves of mid
LEDGER_MARK = 6  # mid of the last mark, half ticks (bid + ask); 0 before the first
LEDGER_FEES_QUOTE = 7  # fees paid in quote units
LEDGER_FEES_BASE = 8  # fees paid in base units
LEDGER_FILLS = 9
LEDGER_BOUGHT_LOTS = 10
LEDGER_SOLD_LOTS = 11
LEDGER_TURNOVER = 12  # quote units traded
LEDGER_PEAK = 13  # highest equity seen at a mark, quote units
LEDGER_DRAWDOWN = 14  # deepest fall below the peak, quote units
LEDGER_OPENING = 15  # equity at the first mark, quote units
LEDGER_POSITION_COST = 16  # signed quote units spent on the open position lots
LEDGER_TRIPS = 17  # closed round trips
LEDGER_WINS = 18  # of them with a profit
LEDGER_DAY_OPENING = 19  # equity at the first mark of the UTC day, quote units
LEDGER_DAY = 20  # number of that day since the epoch
LEDGER_EQUITY = 21  # of the balances now, at the last mark
LEDGER_OPEN_LOTS = 22  # signed sum of the open FIFO lots
LEDGER_FUNDING = 23  # quote units of funding, negative when paid
LEDGER_FUNDED = 24  # fundings that were booked
LEDGER_COLUMNS = 25

# one open FIFO lot of the position: i8[LOTS_MAX, LOT_COLUMNS], oldest first, a ring
LOT_SIGNED = 0  # lots, positive long
LOT_PRICE_TICKS = 1
LOT_TIME_NS = 2
LOT_FEE = 3  # quote units of fee still attached (cost positive)
LOT_COLUMNS = 4
LOTS_MAX = 4096

# one closed round trip: i8[n, TRIP_COLUMNS]
TRIP_OPEN_NS = 0
TRIP_CLOSE_NS = 1
TRIP_SIGNED_LOTS = 2
TRIP_OPEN_TICKS = 3
TRIP_CLOSE_TICKS = 4
TRIP_PROFIT = 5  # quote units, net of both fees
TRIP_COLUMNS = 6

# --- one funding of a perpetual contract: i8[n, FUNDING_COLUMNS], ascending in time -----------
FUNDING_NS = 0
FUNDING_RATE = 1  # 1e-8 of the notional; positive: longs pay shorts
FUNDING_COLUMNS = 2

# --- scale and costs of an instrument: i8[SCALE_COLUMNS] ------------------------------------
SCALE_TICK_LOT = 0  # quote units of one tick on one lot
SCALE_LOT = 1  # base units of one lot
SCALE_MIN_LOTS = 2  # smallest order
SCALE_MIN_NOTIONAL = 3  # quote units
SCALE_MAKER_FEE = 4  # 1e-8 of the notional; cost positive, rebate negative
SCALE_TAKER_FEE = 5
SCALE_FEE_IN_BASE = 6  # 1: a buy's commission is taken from the base asset
SCALE_SPOT = 7  # 1: cannot sell what is not held
SCALE_COLUMNS = 8

# --- fees by traded volume: i8[n, TIER_COLUMNS], ascending; without a row the scale's hold ------
TIER_FROM = 0  # quote units traded since the opening, from which on; 0 in the first row
TIER_MAKER = 1  # 1e-8 of the notional; cost positive, rebate negative
TIER_TAKER = 2
TIER_COLUMNS = 3

# --- delays of one guard step: i8[DELAY_COLUMNS]; a tape has a row a step --------------------
DELAY_ORDER_NS = 0  # sent -> at the exchange
DELAY_RESPONSE_NS = 1  # at the exchange -> known here
DELAY_CANCEL_NS = 2  # sent -> at the exchange, for a cancel
DELAY_COLUMNS = 3

# --- one event that could fill a resting order: code i4 = column << HIT_SHIFT | flags ---------
HIT_SELL_TRADE = 0  # a seller's print: reaches bids at its price or above
HIT_BUY_TRADE = 1  # a buyer's print: reaches asks at its price or below
HIT_ASK_POSTED = 2  # lots newly posted at what is now the best ask: bids at or above meet them
HIT_BID_POSTED = 3
HIT_KIND_MASK = 3
HIT_ON_ASKS = 1  # bits of a kind: what it reaches, and whether it prints or is posted
HIT_POSTED = 2
HIT_BETTER = 4  # flag of the posted kinds: the best price improved
HIT_SHIFT = 3

# --- how the exchange stands at one guard step: i8[steps, FRAME_COLUMNS] ----------------------
# "Events until t" are those with exch_ts <= t; they are the first ones, so a count is a cut.
FRAME_EVENT = 0  # events until the step's time
FRAME_HIT = 1  # hits among them; the step's window is [previous row's FRAME_HIT, this one)
FRAME_LOW = 2  # lowest price, ticks, of the window's hits on bids; NO_ASK when none
FRAME_HIGH = 3  # highest price, ticks, of the window's hits on asks; NO_BID when none
FRAME_ORDER_NS = 4  # exchange time at which an order sent at this step arrives
FRAME_ORDER_EVENT = 5  # events until then
FRAME_BID = 6  # the exchange's best prices then, ticks
FRAME_ASK = 7
FRAME_CANCEL_NS = 8  # the same of a cancel
FRAME_CANCEL_EVENT = 9
FRAME_COLUMNS = 10

# --- one segment of the level histories: i8[segments, SEGMENT_COLUMNS] ------------------------
SEGMENT_EVENT = 0  # its first event
SEGMENT_END = 1  # the one after its last
SEGMENT_KEY = 2  # its first row of level_keys
SEGMENT_KEY_END = 3
SEGMENT_COLUMNS = 4
LEVEL_SIDE_SHIFT = 24  # key = row << LEVEL_SIDE_SHIFT | column of the book's window
LEVEL_SHIFT = 2  # level_lots = lots << LEVEL_SHIFT | flag
LEVEL_DEPTH = 0  # a level change that the exchange sent
LEVEL_CARRIED = 1  # what the level held as the segment began: no event
LEVEL_CLEARED = 2  # emptied by a clear event: no order left and none was filled
LEVEL_FLAG_MASK = 3

UNITS = 100_000_000  # 1e-8

RECORDING_DTYPE = np.dtype(
    [
        ("ev", "<u8"),
        ("exch_ts", "<i8"),
        ("local_ts", "<i8"),
        ("px", "<f8"),
        ("qty", "<f8"),
        ("order_id", "<u8"),
        ("ival", "<i8"),
        ("fval", "<f8"),
    ],
    align=True,
)
"""hftbacktest's event layout (64 bytes); its flags are in `exchange/recording.py`."""
