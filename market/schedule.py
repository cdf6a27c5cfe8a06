"""Replays parameters that change while they trade: from flat at the first step to the last one.

`replay.py` has one set from beginning to end. Here a set comes into force at a step, and what is
held and what rests is carried over, as in a run: the next decision, at the next cycle, is made
with the new set. Spreads may follow volatility as well: whoever has one line of code for it.
"""

import numpy as np

from market.account import Account, Exchange, Setup, open_account, open_tape_exchange
from market.frame import SCALE_MAX, SCALE_MIN, SPREAD_MAX
from market.jit import kernel
from market.layout import PARAMETER_COLUMNS, PARAMETER_SPREAD, VIEW_COLUMNS, VIEW_MID, VIEW_SIGMA
from market.order_lines import METER_OVERFLOW
from market.reopening import reopen_account, reopen_exchange
from market.replay import TRIPS_KEPT, Record, new_records, no_records, rows_of, slice_edges
from market.replay_loop import run_steps
from market.replay_step import (
    COUNT_EQUITY,
    COUNT_FILLED,
    COUNT_PLACED,
    REPLAY_COLUMNS,
    REPLAY_NET,
    Records,
    Rows,
    heard_count,
)
from market.still import STILL_COLUMNS, STILL_MET
from market.tape import Tape
from market.types import F8, I8


@kernel
def run_schedule(
    rows: Rows,
    edges: I8,
    sets: F8,
    account: Account,
    exchange: Exchange,
    setup: Setup,
    records: Records,
    still: I8,
    view: F8,
    out: F8,
) -> int:
    """Live through a tape, one set after the other; return how much found no room: 0, or untrue.

    Args:
        rows: of the tape.
        edges: i8[n + 1], the steps at which the sets come into force, and the step after the last.
        sets: f8[n, PARAMETER_COLUMNS].
        account: used anew, from the opening.
        exchange: the same.
        setup: unchanged.
        records: written.
        still: i8[STILL_COLUMNS], scratch.
        view: f8[VIEW_COLUMNS], scratch.
        out: f8[n, REPLAY_COLUMNS], zeros, written.
    """
    reopen_account(account, setup.opening)
    reopen_exchange(exchange)
    records.counts[:] = 0
    still[STILL_MET] = -1
    for part in range(sets.shape[0]):
        run_steps(
            rows,
            edges[part],
            edges[part + 1],
            account,
            exchange,
            setup,
            sets[part],
            records,
            still,
            view,
            out[part],
        )
    return int(exchange.meter[METER_OVERFLOW])


class _Desk:
    """What one schedule after the other is replayed with."""

    def __init__(self, setup: Setup, *, trips: int, records: Records) -> None:
        self.account, self.exchange = open_account(setup, trips=trips), open_tape_exchange()
        self.records = records
        self.still = np.zeros(STILL_COLUMNS, dtype=np.int64)
        self.view = np.zeros(VIEW_COLUMNS)

    def run(self, rows: Rows, edges: I8, sets: F8, setup: Setup) -> F8:
        """Return f8[n, REPLAY_COLUMNS] of the parts."""
        out = np.zeros((len(sets), REPLAY_COLUMNS))
        lost = run_schedule(
            rows, edges, sets, self.account, self.exchange, setup,
            self.records, self.still, self.view, out,
        )  # fmt: skip
        if lost:
            raise RuntimeError(f"{lost} reports or orders found no room in one guard step")
        return out


def replay_schedule(tape: Tape, starts: I8, sets: F8, setup: Setup, *, last_step: int) -> Record:
    """Return the full record of sets that come into force one after the other.

    It runs once to count what must be kept, then once to keep it.

    Args:
        tape: as for `replay.replay`.
        starts: i8[n], rising steps; nothing happens before the first.
        sets: f8[n, PARAMETER_COLUMNS].
        setup: instrument, delays, limits, settings.
        last_step: above the last start, at most the tape's steps.
    """
    edges = np.append(starts, last_step).astype(np.int64)
    if sets.shape != (len(starts), PARAMETER_COLUMNS) or not len(starts):
        raise ValueError(f"need {len(starts)} sets of {PARAMETER_COLUMNS}, found {sets.shape}")
    if edges[0] < 0 or (np.diff(edges) <= 0).any() or last_step > len(tape.steps):
        raise ValueError(
            f"steps must rise within [0, {len(tape.steps)}], found {edges[0]} to {last_step}"
        )
    sets = np.ascontiguousarray(sets, dtype=np.float64)
    rows = rows_of(tape, setup, step_by_step=False)
    scout = _Desk(setup, trips=0, records=no_records())
    scout.run(rows, edges, sets, setup)
    counts = scout.records.counts
    records = new_records(
        int(counts[COUNT_PLACED]),
        int(counts[COUNT_FILLED]),
        int(heard_count(counts)),
        int(counts[COUNT_EQUITY]),
    )
    desk = _Desk(setup, trips=TRIPS_KEPT, records=records)
    out = desk.run(rows, edges, sets, setup)
    return Record(
        records.placed, records.filled, records.equity, records.counts, desk.account,
        out.sum(0), records.heard,
    )  # fmt: skip


def volatility(tape: Tape, steps: I8) -> F8:
    """Return f8[n], the volatility of mid known at steps, fraction per sqrt(second); 0: none."""
    views = tape.views[steps]
    mids = views[:, VIEW_MID]
    ratio: F8 = np.where(mids > 0.0, views[:, VIEW_SIGMA] / np.where(mids > 0.0, mids, 1.0), 0.0)
    return ratio


def scaled(tape: Tape, parameters: F8, starts: I8, *, reference: float) -> F8:
    """Return f8[n, PARAMETER_COLUMNS]: one set, its spread in proportion to volatility.

    Args:
        tape: whose views are read at `starts`, and nowhere else.
        parameters: f8[PARAMETER_COLUMNS], as meant at the reference volatility.
        starts: i8[n], the steps at which the spread is set anew.
        reference: volatility, fraction per sqrt(second), > 0.
    """
    sets = np.tile(parameters, (len(starts), 1))
    share = np.clip(volatility(tape, starts) / reference, SCALE_MIN, SCALE_MAX)
    sets[:, PARAMETER_SPREAD] = np.minimum(sets[:, PARAMETER_SPREAD] * share, SPREAD_MAX)
    return sets


def nets_scaled(
    tape: Tape,
    candidates: F8,
    setup: Setup,
    *,
    starts: I8,
    last_step: int,
    slices: int,
    reference: float,
) -> F8:
    """Return f8[n, slices], net profits of candidates whose spreads follow volatility.

    Args:
        candidates: f8[n, PARAMETER_COLUMNS].
        starts: i8[m], as for `scaled`; the first is where all begin.
        last_step, setup: as for `replay_schedule`.
        slices: of equal length; a part that crosses an edge counts where it begins.
        reference: see `scaled`.
    """
    edges = np.append(starts, last_step).astype(np.int64)
    rows = rows_of(tape, setup, step_by_step=False)
    desk = _Desk(setup, trips=0, records=no_records())
    cuts = np.array(slice_edges(int(starts[0]), last_step, slices))
    place = np.searchsorted(cuts, starts, side="right") - 1
    nets = np.zeros((len(candidates), slices))
    for row, candidate in enumerate(candidates):
        out = desk.run(rows, edges, scaled(tape, candidate, starts, reference=reference), setup)
        np.add.at(nets[row], place, out[:, REPLAY_NET])
    return nets
