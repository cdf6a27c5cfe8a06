"""One guard step of trading, in exactly the order of `market/replay_step.py`.

Reports, then `market.strategy.think`, then each action through the gate. The kernels are those of
the replay; here they are asked one step at a time, and what they want becomes effects.
"""

import numpy as np

from agents.executor import judging, records
from agents.executor.events import Cancel, Compare, Effect, Place, Reach, Reply, Show, Write
from agents.executor.judged import judged_entry, phase_entry, stood
from agents.executor.peers import reckon
from agents.executor.promotion import Stage as Promotion
from agents.executor.state import State, freeze
from agents.executor.telling import pnl_word
from exchange.port import MarketStep
from market.breach import APPROVED
from market.closing import flatten
from market.layout import (
    ACTION_CANCEL,
    ACTION_KIND,
    ACTION_LOTS,
    ACTION_PLACE,
    ACTION_PRICE_TICKS,
    LEDGER_BASE,
    LEDGER_MARK,
    LEDGER_QUOTE,
    LEDGER_TRIPS,
    REPORT_EXCH_NS,
    REPORT_FILL,
    REPORT_KIND,
    REPORT_LOTS,
    REPORT_MAKER,
    REPORT_ORDER_ID,
    REPORT_PRICE_TICKS,
    REPORT_SIDE,
    REPORT_TRADE_ID,
    REPORT_VISIBLE_NS,
    UNITS,
    VIEW_FLOW,
)
from market.ledger import position_lots
from market.own import FULL, free_base, free_quote, mark_cancelling
from market.quotes import smallest_lots
from market.replay_step import (
    COUNT_EQUITY,
    COUNT_FILLED,
    COUNT_PLACED,
    COUNT_REFUSED,
    COUNT_REPORTS,
    FILLED_COLUMNS,
    REPLAY_NET,
    measure,
)
from market.strategy import enter_order, excess_units, half_ticks_of, take_report, think
from market.types import I8
from protocol.journal import Entry
from protocol.messages import Ack, Stage
from protocol.orders import Approved, Refused
from risk import gate
from risk.emergency import TABLE, fact_of, slice_lots


def trade(state: State, event: MarketStep) -> tuple[Effect, ...]:
    """Live through one guard step; return what is to be done, the journal first."""
    now_ns = event.now_ns
    state.now_ns = now_ns
    state.steps += 1
    account, setup = state.account, state.session.setup
    said: list[Effect] = []
    before = stood(state)
    if len(event.reports):
        said.extend(_hear(state, event.reports))
    unmarked = account.ledger[LEDGER_MARK] == 0
    cycle = now_ns % setup.cycle.item(0) == 0
    entries: list[Entry] = []
    if cycle:
        changes, replies = judging.renew(state)
        entries.extend(changes)
        said.extend(replies)
    peers = state.peers
    shifted = peers is not None and reckon(peers, account, setup, now_ns)
    quiet = 1 if state.quiet else 0
    rows = (event.step_row, event.view_row, event.plan_row)
    count = think(*rows, account, setup, state.parameters, quiet)
    if quiet and state.flatten:
        count = _flatten(state, event)
    changed = stood(state) != before
    if count or changed or shifted:
        state.unwritten.append(judged_entry(state, event, before))
    sends = _act(state, event, count) if count else []
    if unmarked and account.ledger[LEDGER_MARK] != 0:
        state.figures[REPLAY_NET] -= excess_units(account.ledger, setup.scale) / UNITS
    measure(account, setup.scale, state.figures)
    if peers is not None and peers.at_edge(now_ns):
        peers.said = [*peers.said[-1:], pnl_word(state).model_dump(mode="json")]
    if _enter_phase(state, event, count):
        changed = True
        state.unwritten.append(phase_entry(state))
    if state.calm:
        said.extend(stopped_replies(state))
    frozen = None
    if cycle:
        state.counts[COUNT_EQUITY] += 1
        entries.append(records.cycle_entry(state))
        if is_compared(state):
            said.append(Compare())
        if _reaches_boundary(state):  # it tells which policy quotes from now on
            said.append(Reach(state.boundary, now_ns))
        state.kept_trips = int(account.ledger[LEDGER_TRIPS])
    elif (sends or changed) and state.live and state.kept_trips < account.ledger[LEDGER_TRIPS]:
        entries.append(records.trips_entry(state))
        state.kept_trips = int(account.ledger[LEDGER_TRIPS])
    if cycle or (state.live and (sends or changed)):
        frozen = freeze(state)
    if not (cycle or sends or changed):
        return tuple(said)
    entries = [*state.unwritten, *entries]
    state.unwritten.clear()
    return (Write(tuple(entries), frozen), *sends, *said)


def _hear(state: State, reports: I8) -> list[Effect]:
    """Book every report that has become visible."""
    account, setup, counts = state.account, state.session.setup, state.counts
    fills = []
    for row in reports:
        mark = int(account.ledger[LEDGER_MARK])
        fee = take_report(row, account, setup)
        kind = int(row[REPORT_KIND])
        counts[COUNT_REPORTS + kind] += 1
        if kind != REPORT_FILL:
            continue
        counts[COUNT_FILLED] += 1
        fills.append(
            (
                row[REPORT_EXCH_NS],
                row[REPORT_VISIBLE_NS],
                row[REPORT_ORDER_ID],
                row[REPORT_SIDE],
                row[REPORT_PRICE_TICKS],
                row[REPORT_LOTS],
                row[REPORT_MAKER],
                row[REPORT_TRADE_ID],
                mark,
                fee,
            )
        )
    filled = np.array(fills, dtype=np.int64).reshape(-1, FILLED_COLUMNS)
    state.unwritten.append(records.report_entry(state.now_ns, reports, filled))
    return [Show(filled)] if fills else []


def _act(state: State, event: MarketStep, count: int) -> list[Effect]:
    """Put each action through the gate, note it, and return what is to be sent."""
    account, setup, now_ns = state.account, state.session.setup, state.now_ns
    rows: list[tuple[int, ...]] = []
    sends: list[Effect] = []
    refused: list[tuple[Refused, tuple[int, ...]]] = []
    for action in account.actions[:count]:
        kind, order_id, side, price, lots, level, taker = action.tolist()
        code = APPROVED
        if kind == ACTION_CANCEL:
            mark_cancelling(account.own, account.own_meter, order_id)
            sends.append(Cancel(order_id))
        else:
            judged = gate.check(action, event.step_row, account, setup)
            order_id = 0
            if isinstance(judged, Approved):
                order_id = enter_order(action, now_ns, account, setup)
                if order_id == FULL:
                    judged, order_id = gate.full(), 0
                else:
                    sends.append(Place(judged))
            if isinstance(judged, Refused):
                code = gate.refused_code(judged)
                state.counts[COUNT_REFUSED + code] += 1
        row = (now_ns, kind, order_id, side, price, lots, level, code, taker)
        rows.append(row)
        if code != APPROVED and isinstance(judged, Refused):
            refused.append((judged, row))
    state.counts[COUNT_PLACED] += count
    state.unwritten.append(records.sent_entry(now_ns, rows))
    if refused:
        state.unwritten.append(records.refusal_entry(now_ns, refused))
    return sends


def _flatten(state: State, event: MarketStep) -> int:
    """Write the actions that close the position, instead of the guard's; a slice at a time."""
    account, setup = state.account, state.session.setup
    ledger, own, meter = account.ledger, account.own, account.own_meter
    count = int(
        flatten(
            event.step_row,
            own,
            meter,
            position_lots(ledger, setup.scale),
            free_quote(own, meter, int(ledger[LEDGER_QUOTE]), setup.scale),
            free_base(own, meter, int(ledger[LEDGER_BASE]), setup.scale),
            setup.scale,
            setup.guarding,
            account.actions,
        )
    )
    if _closes(state, count):
        action = account.actions[count - 1]
        smallest = int(smallest_lots(action[ACTION_PRICE_TICKS], setup.scale))
        flow = event.view_row.item(VIEW_FLOW)
        action[ACTION_LOTS] = slice_lots(action.item(ACTION_LOTS), flow, smallest)
    return count


def _closes(state: State, count: int) -> bool:
    """Return whether the actions of a flatten end with an order: then nothing of ours is open."""
    return count > 0 and state.account.actions.item(count - 1, ACTION_KIND) == ACTION_PLACE


def _enter_phase(state: State, event: MarketStep, count: int) -> bool:
    """Let the emergency stop go on from what this step found; return whether its phase changed."""
    closing = False
    if state.flatten:
        unpriced = half_ticks_of(event.step_row) <= 0 and not state.open_orders
        held = position_lots(state.account.ledger, state.session.setup.scale) != 0
        closing = _closes(state, count) or (unpriced and held)
    fact = fact_of(
        stopped=bool(state.stops), open_orders=state.open_orders or count, closing=closing
    )
    before, state.phase = state.phase, TABLE[state.phase, fact]
    return state.phase is not before


def stopped_replies(state: State) -> list[Effect]:
    """Say `stopped` to whoever asked and has not heard it since this start."""
    replies: list[Effect] = []
    for key, src in state.asked.items():
        if key in state.stops and key not in state.told:
            state.told.add(key)
            replies.append(Reply(src, key, Ack(stage=Stage.STOPPED)))
    return replies


def is_compared(state: State) -> bool:
    """Return whether a block of the shadow has ended."""
    contest = state.contest
    if (
        contest is None
        or contest.stage is Promotion.ROLLED_BACK
        or state.now_ns <= contest.since_ns
    ):
        return False
    return (state.now_ns - contest.since_ns) % state.session.settings.promotion.block_ns == 0


def _reaches_boundary(state: State) -> bool:
    """Note a tuning boundary, from which feed time goes on only when it was closed."""
    session = state.session
    every = session.settings.optimizer.boundary_ns
    if not state.lockstep or state.now_ns % every or state.now_ns <= session.first_ns:
        return False
    state.boundary = state.now_ns // every - session.first_ns // every
    state.waiting = True
    return True
