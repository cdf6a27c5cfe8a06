"""The compiled loop of candidates over a tape: the contract's step order, nothing else."""

from market.account import Account, Exchange, Setup
from market.fills import advance
from market.jit import kernel
from market.layout import LEDGER_MARK, STEP_NOW_NS, UNITS
from market.own import both_open_lots
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
from market.types import F8


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
    out: F8,
) -> None:
    """Live through steps [first, last) with one set of parameters and fill one slice's row."""
    scale = setup.scale
    counts = records.counts
    ledger = account.ledger
    meter = exchange.meter
    out[REPLAY_PEAK] = -1e300
    tally(account, counts, scale, -1.0, out)
    bids, asks = both_open_lots(account.own, account.own_meter)
    unmarked = ledger[LEDGER_MARK] == 0
    for step in range(first, last):
        row = rows.steps[step]
        now_ns = row[STEP_NOW_NS]
        waiting = advance(
            rows.events,
            exchange.levels,
            exchange.touch,
            exchange.orders,
            exchange.reports,
            meter,
            setup.delays,
            now_ns,
        )
        heard = False
        if waiting > 0:
            heard = hear(now_ns, account, exchange, setup, records)
        count = think(row, rows.views[step], rows.plans[step], account, setup, parameters, 0)
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
    tally(account, counts, scale, 1.0, out)
    steps_count = max(1.0, out[REPLAY_STEPS])
    out[REPLAY_EXPOSURE] /= steps_count
    out[REPLAY_QUOTED] /= steps_count
    out[REPLAY_QUOTED_WORTH] /= steps_count
