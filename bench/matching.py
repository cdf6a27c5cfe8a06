"""Time the exchange's side of a candidate alone: actions, reports and fills over a busy tape.

A ladder of twenty bids and twenty asks around the touch is cancelled and placed anew every so
many steps, without any strategy. Seconds are CPU seconds of this process; the least of several
runs, since another process can only add. Run it twice: the first run compiles.
"""

import argparse
import json
import time

import numpy as np

from exchange.recording import decode
from market.account import Exchange, open_tape_exchange
from market.indexer import Indexer
from market.jit import kernel
from market.layout import (
    BUY,
    DELAY_COLUMNS,
    EVENT_EXCH_NS,
    EVENT_PRICE_TICKS,
    FRAME_ASK,
    FRAME_BID,
    FRAME_HIGH,
    FRAME_LOW,
    NO_ASK,
    NO_BID,
    ORDER_ID,
    SCALE_COLUMNS,
    SCALE_MIN_LOTS,
    SCALE_TICK_LOT,
    SELL,
)
from market.order_lines import (
    METER_ASK_LOW,
    METER_BID_HIGH,
    METER_NEXT_NS,
    METER_READ,
    METER_TRADES,
    METER_WRITTEN,
)
from market.pending import cancel, submit
from market.queueing import MODEL_NAMES, fill_model
from market.stream import Stream
from market.synthetic_busy import EVENTS, SECONDS, busy_records
from market.tape_fills import advance_tape
from market.types import F8, I8

STEP_NS = 100_000_000
DELAY_NS = 5_000_000
LEVELS = 20
LOTS = 100
REPEATS = 9
EVERY_CYCLE = 300  # steps: 30 s
EVERY_STEP = 1
FAR = 5_000  # ticks: no hit reaches it


@kernel
def drive(
    stream: Stream,
    first_ns: int,
    exchange: Exchange,
    model: F8,
    scale: I8,
    depth: int,
    gap: int,
    every: int,
) -> int:
    """Walk a tape with the ladder; return the places and cancels that were sent."""
    orders, meter, frames = exchange.orders, exchange.meter, stream.frames
    sent = 0
    next_id = 1
    for step in range(frames.shape[0]):
        now_ns = first_ns + step * STEP_NS
        if (
            frames[step, FRAME_LOW] <= meter[METER_BID_HIGH]
            or frames[step, FRAME_HIGH] >= meter[METER_ASK_LOW]
            or meter[METER_NEXT_NS] <= now_ns
        ):
            advance_tape(stream, step, now_ns, exchange, model, scale)
            meter[METER_READ] = meter[METER_WRITTEN]
        bid = frames[step, FRAME_BID]
        ask = frames[step, FRAME_ASK]
        if step % every != 0 or bid == NO_BID or ask == NO_ASK:
            continue
        delays = stream.delays[step]
        for order_id in range(max(1, next_id - 2 * LEVELS), next_id):
            if orders[order_id % orders.shape[0], ORDER_ID] == order_id:
                cancel(orders, exchange.cancels, meter, order_id, now_ns, delays)
                sent += 1
        for level in range(LEVELS):
            for side in (BUY, SELL):
                price = (bid if side == BUY else ask) - side * (depth + gap * level)
                ring = exchange.arrivals
                submit(orders, ring, meter, next_id, side, price, LOTS, 0, now_ns, delays, step)
                next_id += 1
                sent += 1
    return sent


def tape_of(events: I8) -> tuple[Stream, int]:
    """Return the stream of a recording at a step of 100 ms, and the time of step 0."""
    first_ns = int(events[0, EVENT_EXCH_NS]) // STEP_NS * STEP_NS + STEP_NS
    last_ns = int(events[-1, EVENT_EXCH_NS])
    base = int(events[:, EVENT_PRICE_TICKS].min())
    width = int(events[:, EVENT_PRICE_TICKS].max()) - base + 1
    indexer = Indexer(base, width, first_ns=first_ns, interval_ns=STEP_NS, expected=len(events))
    steps = (last_ns - first_ns) // STEP_NS + 1
    indexer.add_steps(np.full((steps, DELAY_COLUMNS), DELAY_NS, dtype=np.int64))
    indexer.advance(events, 0, last_ns)
    return indexer.stream(), first_ns


def timed(stream: Stream, first_ns: int, name: str, depth: int, every: int) -> dict[str, object]:
    """Return what one model with one ladder took."""
    model, scale = fill_model(name), np.zeros(SCALE_COLUMNS, dtype=np.int64)
    scale[[SCALE_TICK_LOT, SCALE_MIN_LOTS]] = 1
    least_s, sent = np.inf, 0
    exchange = open_tape_exchange()
    for _ in range(REPEATS):
        exchange = open_tape_exchange()
        started = time.process_time()
        sent = drive(stream, first_ns, exchange, model, scale, depth, 10, every)
        least_s = min(least_s, time.process_time() - started)
    reports = int(exchange.meter[METER_WRITTEN])
    return {
        "model": name,
        "depth_ticks": depth,
        "every_steps": every,
        "actions": sent,
        "reports": reports,
        "fills": int(exchange.meter[METER_TRADES]),
        "milliseconds": round(1e3 * least_s, 3),
        "ns_an_action": round(1e9 * least_s / max(1, sent), 1),
    }


def main() -> None:
    """Print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    told = parser.parse_args()
    records = busy_records(events=told.events, seconds=SECONDS * told.events / EVENTS)
    events = decode(records, tick="0.1", lot="0.001")
    del records
    started = time.process_time()
    stream, first_ns = tape_of(events)
    print(
        f"{len(events)} events, {len(stream.frames)} steps of 100 ms, {len(stream.hit_ns)} hits, "
        f"indexed in {time.process_time() - started:.2f} s"
    )
    del events
    rows = [
        *(timed(stream, first_ns, name, 5, EVERY_CYCLE) for name in MODEL_NAMES),
        timed(stream, first_ns, "risk-averse", FAR, EVERY_STEP),
    ]
    print("model           depth  every  actions  reports  fills       ms  ns an action")
    for row in rows:
        print(
            "{model:14s} {depth_ticks:6d} {every_steps:6d} {actions:8d} {reports:8d} {fills:6d} "
            "{milliseconds:8.3f} {ns_an_action:13.1f}".format(**row)
        )
    print(json.dumps({"steps": len(stream.frames), "rows": rows}))


if __name__ == "__main__":
    main()
