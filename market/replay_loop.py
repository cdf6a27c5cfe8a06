"""The compiled loop of candidates over a tape: the contract's step order, nothing else."""

from market.account import Account, Exchange, Setup
from market.jit import inlined_kernel, kernel
from market.layout import LEDGER_MARK, NEVER, STEP_NOW_NS, UNITS
from market.order_lines import METER_NEXT_NS, METER_OVERFLOW, METER_READ, METER_WRITTEN
from market.own import both_open_lots
from market.post import hear, send
from market.quiet import STILL_HIT, STILL_MET, is_still, look_ahead, prepare, walk
from market.refresh import HELD_WITHHELD
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
from market.strategy import excess_units, think
from market.tape_fills import advance_tape
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
    out: F8,
) -> None:
    """Live through steps [first, last) with one set of parameters and fill one slice's row."""
    scale = setup.scale
    counts = records.counts
    ledger = account.ledger
    guard_state = account.guard_state
    out[REPLAY_PEAK] = -1e300
    tally(account, counts, scale, -1.0, out)
    bids, asks = both_open_lots(account.own, account.own_meter)
    unmarked = ledger[LEDGER_MARK] == 0
    still[STILL_MET] = -1
    step = first
    while step < last:
        row = rows.steps[step]
        now_ns = row[STEP_NOW_NS]
        heard = False
        if still[STILL_MET] != step:
            meet(step, rows, exchange, setup)
        if exchange.meter[METER_READ] < exchange.meter[METER_WRITTEN]:
            heard = hear(now_ns, account, exchange, setup, records)
        withheld = guard_state[HELD_WITHHELD]
        count = think(row, rows.views[step], rows.plans[step], account, setup, parameters, 0)
        withheld = guard_state[HELD_WITHHELD] - withheld
        if count > 0:
            delays = rows.stream.delays[step]
            send(count, step, row, delays, account, exchange, setup, records)
        if heard or count > 0:
            bids, asks = both_open_lots(account.own, account.own_meter)
        if unmarked and ledger[LEDGER_MARK] != 0:
            out[REPLAY_NET] -= excess_units(ledger, scale) / UNITS
            unmarked = False
        add_step(ledger, bids, asks, scale, out)
        if now_ns % setup.cycle[0] == 0:
            note_equity(now_ns, account, scale, records)
        step += 1
        if count == 0 and step < last and nothing_waits(exchange.meter):
            step = rest(
                step, last, rows, account, exchange, setup, bids, asks, withheld, still, out
            )
    tally(account, counts, scale, 1.0, out)
    steps_count = max(1.0, out[REPLAY_STEPS])
    out[REPLAY_EXPOSURE] /= steps_count
    out[REPLAY_QUOTED] /= steps_count
    out[REPLAY_QUOTED_WORTH] /= steps_count


@inlined_kernel
def meet(step: int, rows: Rows, exchange: Exchange, setup: Setup) -> None:
    """Let the market reach a step at the exchange; once a step, or hits would count twice."""
    now_ns = rows.steps[step, STEP_NOW_NS]
    advance_tape(rows.stream, step, now_ns, exchange, setup.model, setup.scale)


@inlined_kernel
def nothing_waits(meter: I8) -> bool:
    """Return whether nothing of ours is on its way to the exchange, or from there to us."""
    return bool(meter[METER_NEXT_NS] == NEVER and meter[METER_READ] == meter[METER_WRITTEN])


@inlined_kernel
def rest(
    first: int,
    last: int,
    rows: Rows,
    account: Account,
    exchange: Exchange,
    setup: Setup,
    bids: int,
    asks: int,
    withheld: int,
    still: I8,
    out: F8,
) -> int:
    """Live through the quiet steps from `first` on, if any; return the first full one.

    Args:
        first: the step after one without actions, after which nothing of ours waits.
        last: at most this step is returned.
        rows: of the tape.
        account: as that step left it.
        exchange: the same.
        setup: unchanged.
        bids: lots of our open bids.
        asks: the same of asks.
        withheld: places that the guard withheld at that step; it does so at every quiet one.
        still: i8[STILL_COLUMNS], scratch.
        out: f8[REPLAY_COLUMNS].
    """
    skim = rows.skim
    if skim.state.shape[0] == 0 or not is_still(account, skim, first - 1):
        return first
    before = rows.steps[first - 1]
    interval_ns = rows.steps[first, STEP_NOW_NS] - before[STEP_NOW_NS]
    prepare(first - 1, last, before, interval_ns, skim, account, setup, still)
    step = first
    while True:
        end = look_ahead(step, skim, still)
        step = walk(step, end, skim, account.ledger, setup.scale, bids, asks, still, out)
        if step < end or still[STILL_HIT] == 0:
            break
        meet(step, rows, exchange, setup)
        still[STILL_MET] = step
        if not nothing_waits(exchange.meter):
            break
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
        out: f8[n, slices, REPLAY_COLUMNS], zeros, written.

    Returns:
        Reports and orders that found no room, of all; the figures are worth nothing unless 0.
    """
    lost = 0
    for index in range(candidates.shape[0]):
        reopen_account(account, setup.opening)
        reopen_exchange(exchange)
        records.counts[:] = 0
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
                out[index, part],
            )
        lost += exchange.meter[METER_OVERFLOW]
    return int(lost)
