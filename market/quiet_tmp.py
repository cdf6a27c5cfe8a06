"""Temporary."""
import numpy as np
from market.book import apply, new_book
from market.fills import aggressor
from market.jit import kernel
from market.layout import *

@kernel
def windows(events, levels, touch, steps, frames):
    i = 0
    for step in range(steps.shape[0]):
        low = NO_ASK; high = NO_BID
        now = steps[step, STEP_NOW_NS]
        while i < events.shape[0]:
            if events[i, EVENT_SEEN] & SEEN_EXCHANGE == 0:
                i += 1
                continue
            if events[i, EVENT_EXCH_NS] > now:
                break
            kind = events[i, EVENT_KIND]; side = events[i, EVENT_SIDE]; price = events[i, EVENT_PRICE_TICKS]; lots = events[i, EVENT_LOTS]
            i += 1
            if kind == KIND_TRADE:
                hit = aggressor(side, price, touch)
                if hit == SELL: low = min(low, price)
                if hit == BUY: high = max(high, price)
                continue
            before = apply(levels, touch, kind, side, price, lots)
            if kind == KIND_CLEAR: continue
            if lots > before:
                if side == BUY: high = max(high, price)
                else: low = min(low, price)
        frames[step, FRAME_LOW] = low
        frames[step, FRAME_HIGH] = high

def frames_of(tape):
    frames = np.zeros((len(tape.steps), FRAME_COLUMNS), dtype=np.int64)
    levels, touch = new_book(tape.base, tape.width)
    windows(tape.events, levels, touch, tape.steps, frames)
    return frames
