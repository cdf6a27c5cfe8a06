"""The compiled loop of candidates over a tape: the contract's step order, nothing else."""

from market.account import Account, Exchange, Setup
from market.funding import charge, next_funding_ns
from market.jit import inlined_kernel, kernel
from market.layout import (
    LEDGER_MARK,
    NEVER,
    REPORT_VISIBLE_NS,
    STEP_NOW_NS,
    UNITS,
    VIEW_READY,
    VIEW_SIGMA,
    VIEW_SIGMA_REFERENCE,
)
from market.ledger import position_lots
from market.order_lines import METER_NEXT_NS, METER_OVERFLOW, METER_READ, METER_WRITTEN
from market.post import hear, only_mild, send
from market.quiet import is_still, look_ahead, prepare, walk, within
from market.refresh import HELD_LACKS, HELD_STRAYS, HELD_WITHHELD
from market.reopening import reopen_account, reopen_exchange
from market.replay_step import (
    REPLAY_EXPOSURE,
    REPLAY_NET,
    REPLAY_PEAK,
    REPLAY_QUOTED,
    REPLAY_QUOTED_WORTH,
    REPLAY_STEPS,
    Records,
    Rows,
    add_step,
    note_equity,
    tally,
)
from market.skim import (
    CELL_HIT_LAST,
    CELL_READY,
    CELL_REFERENCE,
    CELL_SIGMA,
    Skim,
    delay_row,
)
from market.still import (
    STILL_ASKS,
    STILL_BIDS,
    STILL_HIT,
    STILL_MET,
    STILL_STOP,
    note_open,
)
from market.strategy import assess, excess_units, half_ticks_of, see, think
from market.tape_fills import advance_tape, advance_window
from market.types import F8, I8


@kernel
def run_steps(
    rows: Rows,
    first: int,
    last: int,
    account: Account,
    exchange: Exchange,
    setup: Setup,
    parameters: F8,
    records: Records,
    still: I8,
    view: F8,
    out: F8,
) -> None:
    """Live through steps [first, last) with one set of parameters and fill one slice's row.

    `still[STILL_MET]` is the step that the market has met already, or -1.
    """
    scale = setup.scale
    counts = records.counts
    ledger = account.ledger
    guard_state = account.guard_state
    skim = rows.skim
    out[REPLAY_PEAK] = -1e300
    tally(account, counts, scale, -1.0, out)
    note_open(account, skim, still)
    unmarked = ledger[LEDGER_MARK] == 0
    step = first
    while step < last:
        brief = step < skim.cells.shape[0]
        row = skim.cells[step] if brief else rows.steps[step]
        now_ns = row[STEP_NOW_NS]
        cycle = now_ns % setup.cycle[0] == 0
        heard = False
        if still[STILL_MET] != step:
            meet(step, rows, exchange, setup)
        if next_funding_ns(exchange.meter, setup.funding) <= now_ns:
            owe(row, skim.delays[delay_row(skim, step)], account, exchange, setup)
        if exchange.meter[METER_READ] < exchange.meter[METER_WRITTEN]:
            heard = hear(now_ns, account, exchange, setup, records)
        withheld = guard_state[HELD_WITHHELD]
        shown = rows.views[step]
        if brief and not cycle:
            glance(step, skim, view)
            shown = view
        count = think(row, shown, rows.plans[step], account, setup, parameters, 0)
        withheld = guard_state[HELD_WITHHELD] - withheld
        refused = 0
        if count > 0:
            delays = skim.delays[delay_row(skim, step)]
            whole = rows.steps[step]
            refused = send(count, step, whole, delays, account, exchange, setup, records)
        if heard or count > 0:
            note_open(account, skim, still)
        if unmarked and ledger[LEDGER_MARK] != 0:
            out[REPLAY_NET] -= excess_units(ledger, scale) / UNITS
            unmarked = False
        add_step(ledger, still[STILL_BIDS], still[STILL_ASKS], scale, out)
        if cycle:
            note_equity(now_ns, account, scale, records)
        step += 1
        served = refused == 0 and guard_state[HELD_LACKS] == 0 and guard_state[HELD_STRAYS] == 0
        if step < last and (served or (count == 0 and nothing_waits(exchange.meter))):
            step = rest(
                step, last, served, withheld, rows, account, exchange, setup, records, still, out
            )
    tally(account, counts, scale, 1.0, out)
    steps_count = max(1.0, out[REPLAY_STEPS])
    out[REPLAY_EXPOSURE] /= steps_count
    out[REPLAY_QUOTED] /= steps_count
    out[REPLAY_QUOTED_WORTH] /= steps_count


@kernel
def arrive(
    step: int,
    rows: Rows,
    account: Account,
    exchange: Exchange,
    setup: Setup,
    parameters: F8,
    records: Records,
    still: I8,
) -> int:
    """Do what a cycle edge does before it decides, and see; return the risk state.

    `run_steps` from this step on then finds it done: the account ends as if this had not been
    called, so that a policy may look before it proposes.
    """
    row = rows.steps[step]
    now_ns = row[STEP_NOW_NS]
    if still[STILL_MET] != step:
        meet(step, rows, exchange, setup)
        still[STILL_MET] = step
    if next_funding_ns(exchange.meter, setup.funding) <= now_ns:
        owe(row, rows.skim.delays[delay_row(rows.skim, step)], account, exchange, setup)
    if exchange.meter[METER_READ] < exchange.meter[METER_WRITTEN]:
        hear(now_ns, account, exchange, setup, records)
    state = assess(row, rows.views[step], account, setup)
    see(row, rows.views[step], account, setup, parameters)
    return state


@inlined_kernel
def glance(step: int, skim: Skim, view: F8) -> None:
    """Write into a view's row what a step needs of it that is no decision."""
    view[VIEW_SIGMA] = skim.figures[step, CELL_SIGMA]
    view[VIEW_SIGMA_REFERENCE] = skim.figures[step, CELL_REFERENCE]
    view[VIEW_READY] = skim.figures[step, CELL_READY]


@inlined_kernel
def meet(step: int, rows: Rows, exchange: Exchange, setup: Setup) -> None:
    """Let the market reach a step at the exchange; once a step, or hits would count twice."""
    skim = rows.skim
    stream = rows.stream
    if step >= skim.cells.shape[0]:
        now_ns = rows.steps[step, STEP_NOW_NS]
        advance_tape(stream, step, now_ns, exchange, setup.model, setup.scale)
        return
    low = skim.base[0] + skim.low[step]
    high = skim.base[0] + skim.high[step]
    begin = skim.cells[step - 1, CELL_HIT_LAST] if step > 0 else 0
    hits = (begin, skim.cells[step, CELL_HIT_LAST])
    now_ns = skim.cells[step, STEP_NOW_NS]
    delays = skim.delays[delay_row(skim, step)]
    advance_window(stream, delays, now_ns, low, high, *hits, exchange, setup.model, setup.scale)


@inlined_kernel
def owe(row: I8, delays: I8, account: Account, exchange: Exchange, setup: Setup) -> None:
    """Let the exchange charge the fundings that are due by a step."""
    ledger = account.ledger
    half = half_ticks_of(row)
    charge(
        exchange.reports,
        exchange.meter,
        setup.funding,
        position_lots(ledger, setup.scale),
        exchange.meter[METER_READ],
        half if half > 0 else ledger[LEDGER_MARK],
        row[STEP_NOW_NS],
        delays,
        setup.scale,
    )


@inlined_kernel
def nothing_waits(meter: I8) -> bool:
    """Return whether nothing of ours is on its way to the exchange, or from there to us."""
    return bool(meter[METER_NEXT_NS] == NEVER and meter[METER_READ] == meter[METER_WRITTEN])


@inlined_kernel
def next_event(meter: I8, reports: I8) -> int:
    """Return when something of ours happens next: an arrival there, or a report that is heard."""
    event_ns = meter[METER_NEXT_NS]
    if meter[METER_READ] < meter[METER_WRITTEN]:
        place = meter[METER_READ] % reports.shape[0]
        event_ns = min(event_ns, reports[place, REPORT_VISIBLE_NS])
    return int(event_ns)


@inlined_kernel
def rest(
    first: int,
    last: int,
    served: bool,
    withheld: int,
    rows: Rows,
    account: Account,
    exchange: Exchange,
    setup: Setup,
    records: Records,
    still: I8,
    out: F8,
) -> int:
    """Live through the quiet steps from `first` on, if any; return the first full one.

    Args:
        first: the step after a full one.
        last: at most this step is returned.
        served: whether all that the guard wanted there stands or is on its way; if not, it asked
            for nothing and nothing of ours waits.
        withheld: places that it withheld; it does so at every quiet step.
        rows: of the tape.
        account: as that step left it.
        exchange: the same.
        setup: unchanged.
        records: of the candidate.
        still: i8[STILL_COLUMNS], whose STILL_MET is the step that the market has met.
        out: f8[REPLAY_COLUMNS].
    """
    skim = rows.skim
    if skim.state.shape[0] == 0 or not is_still(account, skim, first - 1, setup.limits):
        return first
    begin_ns = skim.cells[first - 1, STEP_NOW_NS]
    interval_ns = skim.cells[first, STEP_NOW_NS] - begin_ns
    due_ns = next_funding_ns(exchange.meter, setup.funding)
    prepare(first - 1, last, begin_ns, interval_ns, due_ns, skim, account, setup, still)
    step = first
    while True:
        stop = still[STILL_STOP]
        event_ns = next_event(exchange.meter, exchange.reports)
        if event_ns <= begin_ns + (stop - first) * interval_ns:
            stop = max(step, first - 1 - (begin_ns - event_ns) // interval_ns)
        end = look_ahead(step, stop, skim, still)
        step = walk(step, end, skim, account.ledger, account.risk, setup.scale, still, out)
        due = end == stop and stop < still[STILL_STOP]
        if step < end or (not (due and within(step, skim, still)) and still[STILL_HIT] == 0):
            break
        if still[STILL_MET] != step:
            meet(step, rows, exchange, setup)
            still[STILL_MET] = step
        now_ns = begin_ns + (step - first + 1) * interval_ns
        if not (nothing_waits(exchange.meter) or (served and only_mild(now_ns, exchange))):
            break
        if exchange.meter[METER_READ] < exchange.meter[METER_WRITTEN] and hear(
            now_ns, account, exchange, setup, records
        ):
            note_open(account, skim, still)
    account.guard_state[HELD_WITHHELD] += withheld * (step - first)
    return step


@kernel
def run_candidates(
    rows: Rows,
    edges: I8,
    account: Account,
    exchange: Exchange,
    setup: Setup,
    candidates: F8,
    records: Records,
    still: I8,
    view: F8,
    out: F8,
) -> int:
    """Live through a tape with one candidate after the other, each from the opening.

    Args:
        rows: of the tape.
        edges: i8[slices + 1], the first step of each slice and the step after the last.
        account: a worker's own, used again for each.
        exchange: the same.
        setup: unchanged.
        candidates: f8[n, PARAMETER_COLUMNS].
        records: what the last candidate did; its counts are of that one alone.
        still: i8[STILL_COLUMNS], scratch.
        view: f8[VIEW_COLUMNS], scratch.
        out: f8[n, slices, REPLAY_COLUMNS], zeros, written.

    Returns:
        Reports and orders that found no room, of all; the figures are worth nothing unless 0.
    """
    lost = 0
    for index in range(candidates.shape[0]):
        reopen_account(account, setup.opening)
        reopen_exchange(exchange)
        records.counts[:] = 0
        still[STILL_MET] = -1
        for part in range(edges.shape[0] - 1):
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
                view,
                out[index, part],
            )
        lost += exchange.meter[METER_OVERFLOW]
    return int(lost)
