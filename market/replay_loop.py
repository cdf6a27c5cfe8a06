"""The compiled loop of candidates over a tape: the contract's step order, nothing else."""

from market.account import Account, Exchange, Setup
from market.fills import METER_NEXT_NS, METER_READ, METER_WRITTEN, advance
from market.jit import kernel
from market.layout import LEDGER_MARK, NEVER, STEP_NOW_NS, UNITS
from market.own import both_open_lots
from market.quiet import STILL_HIT, is_still, look_ahead, prepare, walk
from market.refresh import HELD_WITHHELD
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
    hear,
    note_equity,
    send,
    tally,
)
from market.strategy import excess_units, think
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
    step = first
    while step < last:
        row = rows.steps[step]
        now_ns = row[STEP_NOW_NS]
        heard = False
        if meet(now_ns, rows, exchange, setup):
            heard = hear(now_ns, account, exchange, setup, records)
        withheld = guard_state[HELD_WITHHELD]
        count = think(row, rows.views[step], rows.plans[step], account, setup, parameters, 0)
        withheld = guard_state[HELD_WITHHELD] - withheld
        if count > 0:
            send(count, row, account, exchange, setup, records)
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


@kernel
def meet(now_ns: int, rows: Rows, exchange: Exchange, setup: Setup) -> bool:
    """Let the market reach a step; return whether a report is unread."""
    waiting = advance(
        rows.events, rows.born, exchange, setup.model, setup.scale, setup.delays, now_ns
    )
    return bool(waiting > 0)


@kernel
def nothing_waits(meter: I8) -> bool:
    """Return whether nothing of ours is on its way to the exchange, or from there to us."""
    return bool(meter[METER_NEXT_NS] == NEVER and meter[METER_READ] == meter[METER_WRITTEN])


@kernel
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
    cleared = -1
    while True:
        end = look_ahead(step, cleared, skim, still)
        step = walk(step, end, skim, account.ledger, setup.scale, bids, asks, still, out)
        if step < end or still[STILL_HIT] == 0:
            break
        meet(rows.steps[step, STEP_NOW_NS], rows, exchange, setup)
        if not nothing_waits(exchange.meter):
            break
        cleared = step
    account.guard_state[HELD_WITHHELD] += withheld * (step - first)
    return step
