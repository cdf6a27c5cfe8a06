"""Runs a grid strategy on hftbacktest, in the peer's own environment; imports nothing of ours.

    python peer_grid.py    # told one JSON object a line on standard input, answers likewise

`{"feed": PATH}` loads records (`.npy`). `{"run": {...}}` makes one backtest with one candidate
and answers with its CPU seconds, its fills and, when `out` names a file, one row a step of
(position, balance, fee, fills, cancels sent). The strategy is the one that market makers know
from the peer's own pages: a lattice of prices around a reservation price, order ids that stand
for a lattice cell and a side, cancels of what left the window, orders where one is missing. It is
the twin of `market/compat_grid.py`.
"""

import json
import sys
import time
from typing import Any

import hftbacktest
import numpy as np
from hftbacktest import (
    BUY,
    GTX,
    LIMIT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
    ROIVectorMarketDepthBacktest,
)
from numba import njit

NO_BID = -(1 << 63)
NO_ASK = (1 << 63) - 1
RECORD_BYTES = 64

# of a candidate's dials, f8[6]
SPREAD = 0
LEVELS = 1
LOTS = 2
MAX_LOTS = 3
INTERVAL_TICKS = 4
SKEW = 5

# what a step is remembered by, f8[5]
POSITION = 0
BALANCE = 1
FEE = 2
FILLS = 3
CANCELS = 4


@njit
def grid(
    hbt: Any,
    dials: Any,
    tick: float,
    lot: float,
    quantity: float,
    offset_ns: int,
    interval_ns: int,
    rows: Any,
    told: bool,
) -> int:
    """Trade until the data or the steps end; return the number of steps lived through."""
    levels = int(dials[LEVELS])
    interval = int(dials[INTERVAL_TICKS])
    max_lots = int(dials[MAX_LOTS])
    steps = rows.shape[0]
    cancels = 0
    step = 0
    wait_ns = offset_ns
    while step < steps and hbt.elapse(wait_ns) == 0:
        wait_ns = interval_ns
        hbt.clear_inactive_orders(0)
        depth = hbt.depth(0)
        bid = depth.best_bid_tick
        ask = depth.best_ask_tick
        position = int(np.rint(hbt.position(0) / lot))
        bid_low, bid_high, ask_low, ask_high = 1, 0, 1, 0
        if bid != NO_BID and ask != NO_ASK:
            mid = (bid + ask) / 2.0
            half = mid * dials[SPREAD] / 200.0
            reservation = mid - dials[SKEW] * half * (position / max_lots)
            if position < max_lots:
                bid_high = int(np.floor(min(reservation - half, float(bid)) / interval))
                bid_low = bid_high - levels + 1
            if position > -max_lots:
                ask_low = int(np.ceil(max(reservation + half, float(ask)) / interval))
                ask_high = ask_low + levels - 1
        orders = hbt.orders(0)
        values = orders.values()
        while values.has_next():
            order = values.get()
            if order.cancellable:
                cell = order.order_id >> 1
                if order.side == BUY:
                    kept = bid_low <= cell <= bid_high
                else:
                    kept = ask_low <= cell <= ask_high
                if not kept:
                    hbt.cancel(0, order.order_id, False)
                    cancels += 1
        for cell in range(bid_high, bid_low - 1, -1):
            order_id = np.uint64(cell << 1)
            if order_id not in orders:
                price = cell * interval * tick
                hbt.submit_buy_order(0, order_id, price, quantity, GTX, LIMIT, False)
        for cell in range(ask_low, ask_high + 1):
            order_id = np.uint64((cell << 1) | 1)
            if order_id not in orders:
                price = cell * interval * tick
                hbt.submit_sell_order(0, order_id, price, quantity, GTX, LIMIT, False)
        if told:
            state = hbt.state_values(0)
            rows[step, POSITION] = state.position
            rows[step, BALANCE] = state.balance
            rows[step, FEE] = state.fee
            rows[step, FILLS] = state.num_trades
            rows[step, CANCELS] = cancels
        step += 1
    return step


def aligned(path: str) -> Any:
    """Return records at an address that is a multiple of their size, as the peer wants them."""
    data = np.load(path, mmap_mode="r")
    room = np.empty(data.nbytes + RECORD_BYTES, np.uint8)
    start = -room.ctypes.data % RECORD_BYTES
    records = room[start : start + data.nbytes].view(data.dtype)
    records[:] = data
    return records


def backtest_of(records: Any, run: dict[str, Any]) -> Any:
    """Return the peer's backtest of one asset."""
    asset = (
        BacktestAsset()
        .data(records)
        .linear_asset(1.0)
        .constant_order_latency(run["entry_ns"], run["response_ns"])
        .no_partial_fill_exchange()
        .trading_value_fee_model(run["maker_fee"], run["taker_fee"])
        .tick_size(run["tick"])
        .lot_size(run["lot"])
        .last_trades_capacity(0)
    )
    if run["queue"] == "risk_averse":
        asset = asset.risk_adverse_queue_model()
    else:
        asset = asset.power_prob_queue_model(run["exponent"])
    if run["book"] == "map":
        return HashMapMarketDepthBacktest([asset])
    asset = asset.roi_lb(run["low"]).roi_ub(run["high"])
    return ROIVectorMarketDepthBacktest([asset])


def answer(records: Any, run: dict[str, Any]) -> dict[str, Any]:
    """Run one candidate; return what the parent wants to know."""
    rows = np.zeros((run["steps"], 5))
    dials = np.array(run["dials"], np.float64)
    backtest = backtest_of(records, run)
    before = time.process_time()
    steps = grid(
        backtest,
        dials,
        run["tick"],
        run["lot"],
        run["quantity"],
        run["offset_ns"],
        run["interval_ns"],
        rows,
        run["told"],
    )
    seconds = time.process_time() - before
    values = backtest.state_values(0)
    found = {
        "cpu_s": seconds,
        "steps": int(steps),
        "position": float(values.position),
        "balance": float(values.balance),
        "fee": float(values.fee),
        "fills": int(values.num_trades),
    }
    backtest.close()
    if run.get("out"):
        np.save(run["out"], rows[:steps])
    return found


def main() -> None:
    """Answer requests until the input ends."""
    records = None
    print(json.dumps({"version": hftbacktest.__version__, "numpy": np.__version__}), flush=True)
    for line in sys.stdin:
        told = json.loads(line)
        if "feed" in told:
            records = aligned(told["feed"])
            found = {"events": len(records)}
        else:
            found = answer(records, told["run"])
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
