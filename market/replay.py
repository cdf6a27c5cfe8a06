"""Backtests on a tape: many candidates at once as figures, or one candidate as a full record.

The loop is in `replay_step.py`, the strategy in `strategy.py`; here candidates are laid out,
spread over threads and cut into time slices. Own orders do not move the recorded market.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from market.account import Account, Setup, open_account, open_tape_exchange
from market.breach import LIMIT_AGE_NS, LIMIT_VOLATILITY
from market.layout import ORDERS_MAX, PARAMETER_COLUMNS, REPORTS_MAX, STEP_NOW_NS, VIEW_COLUMNS
from market.replay_loop import run_candidates
from market.replay_step import (
    COUNT_COLUMNS,
    COUNT_EQUITY,
    COUNT_FILLED,
    COUNT_PLACED,
    EQUITY_COLUMNS,
    FILLED_COLUMNS,
    HEARD_COLUMNS,
    PLACED_COLUMNS,
    REPLAY_COLUMNS,
    Records,
    Rows,
    heard_count,
)
from market.skim import Skim, new_skim, skim_steps
from market.still import STILL_COLUMNS
from market.tape import Tape
from market.types import F8, I8

TRIPS_KEPT = 100_000
BATCH = 16
"""Candidates that a worker takes at once: few enough that all end together."""


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
        heard: i8[n, HEARD_COLUMNS], every report that is no fill, in the order in which they came.
    """

    placed: I8
    filled: I8
    equity: I8
    counts: I8
    account: Account
    figures: F8
    heard: I8


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
    step_by_step: bool = False,
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
        step_by_step: live through every step in full, also where nothing can happen: slower, and
            the same to the last byte (`tests/market/test_replay_quiet.py`).
    """
    candidates = np.ascontiguousarray(parameters, dtype=np.float64)
    if candidates.ndim != 2 or candidates.shape[1] != PARAMETER_COLUMNS:
        raise ValueError(f"parameters must be [n, {PARAMETER_COLUMNS}], found {candidates.shape}")
    if not 0 <= first_step <= last_step <= tape.steps.shape[0]:
        raise ValueError(
            f"steps must be in [0, {tape.steps.shape[0]}], found [{first_step}, {last_step})"
        )
    out = np.zeros((candidates.shape[0], slices, REPLAY_COLUMNS))
    rows = rows_of(tape, setup, step_by_step=step_by_step)
    edges = np.array(slice_edges(first_step, last_step, slices), dtype=np.int64)
    count = candidates.shape[0]
    workers = max(1, min(threads, count))
    size = max(1, min(BATCH, -(-count // (4 * workers)) if workers > 1 else BATCH))
    starts = iter(range(0, count, size))

    def work() -> None:
        tools = _Tools(setup)
        for start in starts:  # shared by all workers
            part = slice(start, start + size)
            tools.run(rows, edges, setup, candidates[part], out[part])

    if workers == 1:
        work()
        return out
    with ThreadPoolExecutor(max_workers=workers) as pool:
        for done in [pool.submit(work) for _ in range(workers)]:
            done.result()
    return out


class _Tools:
    """What one worker needs to replay candidates, made once and used for one after the other."""

    def __init__(self, setup: Setup, *, trips: int = 0, records: Records | None = None) -> None:
        self.account = open_account(setup, trips=trips)
        self.exchange = open_tape_exchange()
        self.records = no_records() if records is None else records
        self.still = np.zeros(STILL_COLUMNS, dtype=np.int64)
        self.view = np.zeros(VIEW_COLUMNS)

    def run(self, rows: Rows, edges: I8, setup: Setup, candidates: F8, out: F8) -> None:
        """Replay candidates; stop when a report or order was lost: the rest would not be true."""
        lost = run_candidates(
            rows,
            edges,
            self.account,
            self.exchange,
            setup,
            candidates,
            self.records,
            self.still,
            self.view,
            out,
        )
        if lost:
            raise RuntimeError(
                f"{lost} reports or orders found no room in one guard step, of {REPORTS_MAX} "
                f"reports and {ORDERS_MAX} orders; use a shorter guard interval"
            )


def rows_of(tape: Tape, setup: Setup, *, step_by_step: bool) -> Rows:
    """Return the tape's rows, with a skim of them unless every step shall be a full one."""
    skim = new_skim(tape.base, 0, tape.stream.delays) if step_by_step else skim_of(tape, setup)
    return Rows(tape.steps, tape.views, tape.plans, tape.stream, skim)


def skim_of(tape: Tape, setup: Setup) -> Skim:
    """Return the skim of a whole tape for a setup; the tape keeps it."""
    key = setup.guarding.tobytes() + setup.limits[[LIMIT_VOLATILITY, LIMIT_AGE_NS]].tobytes()
    kept = tape.skims.get(key)
    if isinstance(kept, Skim):
        return kept
    count = len(tape.steps)
    skim = new_skim(tape.base, count, tape.stream.delays)
    frames = tape.stream.frames
    skim_steps(tape.steps, tape.views, frames, 0, count, setup.guarding, setup.limits, skim)
    tape.skims[key] = skim
    return skim


def no_records() -> Records:
    """Return records that keep nothing but counts."""
    return new_records(0, 0, 0, 0)


def new_records(placed: int, filled: int, heard: int, equity: int) -> Records:
    """Return records with room for so many rows of each kind."""
    return Records(
        np.zeros((placed, PLACED_COLUMNS), dtype=np.int64),
        np.zeros((filled, FILLED_COLUMNS), dtype=np.int64),
        np.zeros((heard, HEARD_COLUMNS), dtype=np.int64),
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
    step_by_step: bool = False,
) -> Record:
    """Return the full record of one candidate, f8[PARAMETER_COLUMNS], over [first_step, last_step).

    It runs once to count what must be kept, then once to keep it.
    """
    candidates = np.ascontiguousarray(parameters, dtype=np.float64).reshape(1, PARAMETER_COLUMNS)
    rows = rows_of(tape, setup, step_by_step=step_by_step)
    edges = np.array([first_step, last_step], dtype=np.int64)
    scout = _Tools(setup)
    scout.run(rows, edges, setup, candidates, np.zeros((1, 1, REPLAY_COLUMNS)))
    counts = scout.records.counts
    records = new_records(
        int(counts[COUNT_PLACED]),
        int(counts[COUNT_FILLED]),
        int(heard_count(counts)),
        int(counts[COUNT_EQUITY]),
    )
    tools = _Tools(setup, trips=TRIPS_KEPT, records=records)
    figures = np.zeros((1, 1, REPLAY_COLUMNS))
    tools.run(rows, edges, setup, candidates, figures)
    return Record(
        records.placed,
        records.filled,
        records.equity,
        records.counts,
        tools.account,
        figures[0, 0],
        records.heard,
    )


def span_ns(tape: Tape, first_step: int, last_step: int) -> int:
    """Return the time from the first to the last of steps [first_step, last_step)."""
    if last_step - first_step < 2:
        return 0
    return int(tape.steps[last_step - 1, STEP_NOW_NS] - tape.steps[first_step, STEP_NOW_NS])
