"""What an executor's journal knows of its account at a venue, for the venue to reconcile.

At a venue every transaction that comes before orders holds the whole state, so the newest frozen
state knows every order that was ever sent; what was heard since comes again from the exchange.
"""

from collections import defaultdict

from agents.executor import records
from agents.executor.state import State
from exchange.binance.settings import BinanceSettings, Record
from exchange.order_life import Life, LiveOrder
from market.layout import (
    LEDGER_BASE,
    LEDGER_QUOTE,
    OWN_ID,
    OWN_OPEN,
    OWN_PRICE_TICKS,
    OWN_REMAINING,
    OWN_SIDE,
    OWN_STATE,
    REPORT_FUNDING,
    REPORT_KIND,
    REPORT_TRADE_ID,
)
from market.own import OWN_METER_NEXT_ID
from market.replay_step import (
    FILLED_LOTS,
    FILLED_ORDER_ID,
    FILLED_TRADE_ID,
    PLACED_ORDER_ID,
)
from protocol.journal import Journal

WRITTEN_NS = "written_ns"
"""Name of the wall time of the newest frozen state: nothing was sent later."""


def record_of(
    journal: Journal,
    state: State,
    trading: BinanceSettings,
    *,
    opening_trade_id: int,
    offset_ns: int,
) -> Record:
    """Return what the venue must know.

    Args:
        journal: of the run.
        state: as it was frozen.
        trading: how the venue is reached.
        opening_trade_id: newest trade of the account before the run.
        offset_ns: the exchange's clock less ours.
    """
    account = state.account
    mine = account.own[: state.open_orders]
    wanted = set(mine[:, OWN_ID].tolist())
    newest = opening_trade_id
    fundings: set[int] = set()
    trades: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for row in journal.rows(records.REPORTS):
        reports, filled = records.report_rows(row.body)
        of_funding = reports[:, REPORT_KIND] == REPORT_FUNDING
        fundings.update(reports[of_funding, REPORT_TRADE_ID].tolist())
        if not len(filled):
            continue
        newest = max(newest, int(filled[:, FILLED_TRADE_ID].max()))
        for fill in filled[[each in wanted for each in filled[:, FILLED_ORDER_ID].tolist()]]:
            trades[int(fill[FILLED_ORDER_ID])][int(fill[FILLED_TRADE_ID])] = int(fill[FILLED_LOTS])
    takers = {
        int(row[PLACED_ORDER_ID])
        for each in (journal.rows(records.INTENTS) if wanted else ())
        for row in records.sent_rows(each.body)
        if row[records.SENT_TAKER]
    }
    way_ns = (trading.receive_window_ms + trading.margin_ms) * 10**6
    until_ns = int(journal.get(WRITTEN_NS, 0)) + offset_ns + way_ns
    orders = []
    for row in mine.tolist():
        order_id, done = row[OWN_ID], trades[row[OWN_ID]]
        filled_lots = sum(done.values())
        accepted = row[OWN_STATE] == OWN_OPEN or bool(done)
        orders.append(
            LiveOrder(
                order_id=order_id,
                side=row[OWN_SIDE],
                price_ticks=row[OWN_PRICE_TICKS],
                lots=row[OWN_REMAINING] + filled_lots,
                taker=int(order_id in takers),
                deadline_ns=until_ns,
                # Either way the exchange is asked for it, and whatever it says is believed.
                life=Life.GONE if accepted else Life.DOUBT,
                trades=frozenset(done),
                filled=filled_lots,
                executed=filled_lots,
                told_open=accepted,
            )
        )
    return Record(
        orders=tuple(orders),
        highest_id=int(account.own_meter[OWN_METER_NEXT_ID]) - 1,
        last_trade_id=newest,
        quote_units=int(account.ledger[LEDGER_QUOTE]),
        base_units=int(account.ledger[LEDGER_BASE]),
        fundings=frozenset(fundings),
    )
