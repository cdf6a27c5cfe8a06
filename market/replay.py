"""Backtests on a tape: many candidates at once as figures, or one candidate as a full record.

The loop is in `replay_step.py`, the strategy in `strategy.py`; here candidates are laid out,
spread over threads and cut into time slices. Own orders do not move the recorded market.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from market.account import Account, Exchange, Setup, open_account, open_exchange
from market.fills import METER_CURSOR, METER_OVERFLOW
from market.layout import ORDERS_MAX, PARAMETER_COLUMNS, REPORTS_MAX, STEP_NOW_NS
from market.quiet import STILL_COLUMNS
from market.replay_loop import run_steps
from market.replay_step import (
    COUNT_COLUMNS,
    COUNT_EQUITY,
    COUNT_FILLED,
    COUNT_PLACED,
    EQUITY_COLUMNS,
    FILLED_COLUMNS,
    PLACED_COLUMNS,
    REPLAY_COLUMNS,
    Records,
    Rows,
)
from market.skim import new_skim
from market.tape import NO_IDS, Tape
from market.types import F8, I8

TRIPS_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class Record:
    """The whole story of one candidate; column names are in `replay_step.py`.

    Attributes:
        placed: i8[n, PLACED_COLUMNS], every place and cancel, refused ones included.
        filled: i8[n, FILLED_COLUMNS], in the order in which they became known.
        equity: i8[n, EQUITY_COLUMNS], one row a cycle.
        counts: i8[COUNT_COLUMNS].
        account: as it ended.
        figures: f8[REPLAY_COLUMNS] of the whole span.
    """

    placed: I8
    filled: I8
    equity: I8
    counts: I8
    account: Account
    figures: F8


def slice_edges(first: int, last: int, slices: int) -> list[int]:
    """Return slices + 1 steps that cut [first, last) into parts of equal length, within one."""
    return [first + (last - first) * index // slices for index in range(slices + 1)]


def replay(
    tape: Tape,
    parameters: F8,
    setup: Setup,
    *,
    first_step: int,
    last_step: int,
    slices: int = 1,
    threads: int = 1,
) -> F8:
    """Return f8[n, slices, REPLAY_COLUMNS] for n candidates over steps [first_step, last_step).

    Each starts flat at the setup's opening balances. The result does not depend on `threads`.

    Args:
        tape: what all candidates share.
        parameters: f8[n, PARAMETER_COLUMNS].
        setup: instrument, delays, limits, settings.
        first_step: >= 0.
        last_step: at most the tape's steps.
        slices: time slices of equal length.
        threads: workers; the kernels hold no lock.
    """
    candidates = np.ascontiguousarray(parameters, dtype=np.float64)
    if candidates.ndim != 2 or candidates.shape[1] != PARAMETER_COLUMNS:
        raise ValueError(f"parameters must be [n, {PARAMETER_COLUMNS}], found {candidates.shape}")
    if not 0 <= first_step <= last_step <= tape.steps.shape[0]:
        raise ValueError(
            f"steps must be in [0, {tape.steps.shape[0]}], found [{first_step}, {last_step})"
        )
    out = np.zeros((candidates.shape[0], slices, REPLAY_COLUMNS))
    opening = _opening(tape, first_step)
    rows = _rows(tape)
    edges = slice_edges(first_step, last_step, slices)

    def run(index: int) -> None:
        account = open_account(setup, trips=0)
        exchange = opening.exchange()
        records = _records(0, 0, 0)
        still = np.zeros(STILL_COLUMNS, dtype=np.int64)
        for part in range(slices):
            run_steps(
                rows,
                edges[part],
                edges[part + 1],
                account,
                exchange,
                setup,
                candidates[index],
                records,
                still,
                out[index, part],
            )
        _demand_whole(exchange)

    _spread(run, range(candidates.shape[0]), threads)
    return out


@dataclass(frozen=True, slots=True)
class _Opening:
    """The exchange's book before the first step, as the levels in use of a wide, empty window."""

    shape: tuple[int, int]
    columns: tuple[I8, I8]
    lots: tuple[I8, I8]
    touch: I8
    cursor: int

    def exchange(self) -> Exchange:
        """Return an exchange of its own for one candidate; zeros cost no memory until written."""
        levels = np.zeros(self.shape, dtype=np.int64)
        for row, (columns, lots) in enumerate(zip(self.columns, self.lots, strict=True)):
            levels[row, columns] = lots
        exchange = open_exchange(levels, self.touch.copy())
        exchange.meter[METER_CURSOR] = self.cursor
        return exchange


def _opening(tape: Tape, step: int) -> _Opening:
    levels, touch, cursor = tape.exchange_before(step)
    bids, asks = np.flatnonzero(levels[0]), np.flatnonzero(levels[1])
    lots = (levels[0, bids], levels[1, asks])
    return _Opening((2, levels.shape[1]), (bids, asks), lots, touch, cursor)


def _rows(tape: Tape) -> Rows:
    """Return the tape's rows; every step is a full one."""
    return Rows(tape.events, NO_IDS, tape.steps, tape.views, tape.plans, new_skim(tape.base, 0))


def _demand_whole(exchange: Exchange) -> None:
    """Stop when a report or an order was lost: what follows would not be the truth."""
    lost = int(exchange.meter[METER_OVERFLOW])
    if lost:
        raise RuntimeError(
            f"{lost} reports or orders found no room in one guard step, of {REPORTS_MAX} reports "
            f"and {ORDERS_MAX} orders; use a shorter guard interval"
        )


def _spread(run: Callable[[int], None], indices: Sequence[int], threads: int) -> None:
    if threads <= 1 or len(indices) <= 1:
        for index in indices:
            run(index)
        return
    with ThreadPoolExecutor(max_workers=threads) as pool:
        for done in [pool.submit(run, index) for index in indices]:
            done.result()


def _records(placed: int, filled: int, equity: int) -> Records:
    return Records(
        np.zeros((placed, PLACED_COLUMNS), dtype=np.int64),
        np.zeros((filled, FILLED_COLUMNS), dtype=np.int64),
        np.zeros((equity, EQUITY_COLUMNS), dtype=np.int64),
        np.zeros(COUNT_COLUMNS, dtype=np.int64),
    )


def replay_one(
    tape: Tape,
    parameters: F8,
    setup: Setup,
    *,
    first_step: int,
    last_step: int,
) -> Record:
    """Return the full record of one candidate, f8[PARAMETER_COLUMNS], over [first_step, last_step).

    It runs once to count what must be kept, then once to keep it.
    """
    candidate = np.ascontiguousarray(parameters, dtype=np.float64)
    rows = _rows(tape)
    opening = _opening(tape, first_step)
    records = _records(0, 0, 0)
    account = open_account(setup, trips=0)
    figures = np.zeros(REPLAY_COLUMNS)
    for attempt in range(2):
        figures = np.zeros(REPLAY_COLUMNS)
        account = open_account(setup, trips=TRIPS_KEPT if attempt else 0)
        exchange = opening.exchange()
        run_steps(
            rows,
            first_step,
            last_step,
            account,
            exchange,
            setup,
            candidate,
            records,
            np.zeros(STILL_COLUMNS, dtype=np.int64),
            figures,
        )
        _demand_whole(exchange)
        if attempt == 0:
            counts = records.counts
            records = _records(
                int(counts[COUNT_PLACED]), int(counts[COUNT_FILLED]), int(counts[COUNT_EQUITY])
            )
    return Record(records.placed, records.filled, records.equity, records.counts, account, figures)


def span_ns(tape: Tape, first_step: int, last_step: int) -> int:
    """Return the time from the first to the last of steps [first_step, last_step)."""
    if last_step - first_step < 2:
        return 0
    return int(tape.steps[last_step - 1, STEP_NOW_NS] - tape.steps[first_step, STEP_NOW_NS])
