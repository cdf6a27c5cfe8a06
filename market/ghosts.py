"""Real orders of the past, replayed as if they were ours: is our fill model true?

A *ghost* is a real order of a recording that knows its orders by id. Its own size is taken out of
the book, an order of ours takes its place, and the engine's exchange side decides when it would
have been filled. What really happened to it is known. How ghosts are found in a recording is
`exchange/ghosts.py`; how predictions are scored is `scores.py`.
"""

from market.book import apply
from market.jit import kernel
from market.layout import (
    EVENT_KIND,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    EVENT_SIDE,
    KIND_CLEAR,
    KIND_TRADE,
    SEEN_EXCHANGE,
    TOUCH_ASK,
    TOUCH_BID,
)
from market.types import I8

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
                levels, touch, kind, events[index, EVENT_SIDE], events[index, EVENT_PRICE_TICKS], lots
            )
            if kind != KIND_CLEAR:
                deltas[index] = lots - before
        bests[index, 0] = touch[TOUCH_BID]
        bests[index, 1] = touch[TOUCH_ASK]
