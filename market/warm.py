"""Compiles every kernel that a run needs, once, before processes start that would all compile."""

import time

import numpy as np

from market.account import Setup, open_account, open_exchange
from market.audit import SAMPLE_COLUMNS, SURVEY_COLUMNS, survey
from market.book import apply, new_book, window_for
from market.breach import APPROVED, limit_settings, position_cap_lots, stress_cap_lots
from market.carry import liquid_cap_lots, value_cap_lots
from market.clocks import merge_clocks
from market.closing import flatten
from market.decode import RECORD_WORDS, decode_records
from market.features import new_observer, observe, observer_settings
from market.fifo import RETOLD_COLUMNS, retell
from market.fills import METER_READ, METER_WRITTEN, advance, cancel, submit
from market.funding import NO_FUNDING, book, charge, next_funding_ns
from market.guard import guard_settings
from market.hosting import lots_ahead, rest, withdraw
from market.layout import (
    ACTION_CANCEL,
    BID_ROW,
    BUY,
    DELAY_COLUMNS,
    EVENT_COLUMNS,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    EVENT_SIDE,
    LEDGER_QUOTE,
    PARAMETER_COLUMNS,
    PLAN_COLUMNS,
    REPORT_COLUMNS,
    REPORT_LOTS,
    REPORT_PRICE_TICKS,
    REPORT_SIDE,
    SCALE_COLUMNS,
    SCALE_LOT,
    SCALE_MIN_LOTS,
    SCALE_SPOT,
    SCALE_TICK_LOT,
    SEEN_LOCAL,
    STEP_ASK,
    STEP_BID,
    STEP_COLUMNS,
    STEP_NOW_NS,
    UNITS,
    VIEW_COLUMNS,
)
from market.ledger import fee_rate, fill, position_lots, value
from market.liquidity import DEPTH_COLUMNS, beyond_cost, flatten_cost
from market.own import free_base, free_quote, mark_cancelling, open_lots, own_touch
from market.policy import (
    cap_lots,
    kelly_moments,
    lots_of,
    observe_profit,
    policy_settings,
    size_fraction,
)
from market.prints import read_events
from market.queueing import fill_model
from market.quotes import cost_units, smallest_lots
from market.replay import replay, replay_one
from market.replay_step import COUNT_COLUMNS, REPLAY_COLUMNS, measure, tally
from market.states import day_before, open_loss, release
from market.strategy import (
    enter_order,
    excess_units,
    half_ticks_of,
    judge,
    market_of,
    take_report,
    think,
)
from market.synthetic import synthetic_day
from market.tape import Tape, build_tape
from market.tape_sides import first_local_ns
from market.types import F8, I8
from market.verdict import edge_verdict
from market.wide import divide

SECOND_NS = 10**9


def warm() -> float:
    """Run a few minutes of an artificial market through everything; return the seconds it took."""
    began = time.perf_counter()
    events, _ = synthetic_day(seed=1, hours=0.2)
    tape = tape_of(events)
    setup = warm_setup()
    parameters = np.zeros((1, PARAMETER_COLUMNS))
    parameters[0] = (0.05, 2.0, 1.0, 5.0)
    last = len(tape.steps)
    replay(tape, parameters, setup, first_step=0, last_step=last)
    replay_one(tape, parameters[0], setup, first_step=0, last_step=last)
    edge_verdict(np.arange(64.0) % 7.0 - 3.0, round_trips=100, trials=1, seed=1)
    tape_of(read_recording(events))
    trade(events, tape, setup, parameters[0])
    ask(setup)
    risk(events, setup)
    fund(setup)
    host(events, setup)
    return time.perf_counter() - began


def tape_of(events: I8) -> Tape:
    """Return the tape of a second's guard interval and thirty seconds' cycle."""
    settings = observer_settings(warmup_s=60.0)
    return build_tape(events, interval_ns=SECOND_NS, cycle_ns=30 * SECOND_NS, settings=settings)


def warm_setup() -> Setup:
    """Return a setup that quotes: a spot instrument of 1e-5 quote a tick and lot."""
    scale = np.zeros(SCALE_COLUMNS, dtype=np.int64)
    scale[SCALE_TICK_LOT] = 1000
    scale[SCALE_LOT] = 100_000
    scale[SCALE_MIN_LOTS] = 1
    scale[SCALE_SPOT] = 1
    return Setup(
        scale=scale,
        model=fill_model(),
        limits=limit_settings(capital_units=10**13),
        policy=policy_settings(capital=100_000.0),
        guarding=guard_settings(),
        cycle=np.array([30 * SECOND_NS], dtype=np.int64),
        opening=np.array([10**13, 10**9, 10**9], dtype=np.int64),
    )


def read_recording(events: I8) -> I8:
    """Do what reading and auditing a recording does; return the events seen late by one clock."""
    words = np.zeros((1, RECORD_WORDS), dtype=np.int64)
    one = np.zeros((1, EVENT_COLUMNS), dtype=np.int64)
    for writable in (True, False):  # a file that was read, and one that is mapped
        words.setflags(write=writable)
        decode_records(words, words.view(np.float64), 1.0, 1.0, 1.0, 1.0, one)
    late = events[: len(events) // 2].copy()
    late[:, EVENT_LOCAL_NS] += np.arange(len(late)) * 7919 % 400 * 1_000_000
    late = late[np.argsort(late[:, EVENT_LOCAL_NS], kind="stable")]
    origin, seen = (np.zeros(2 * len(late), dtype=np.int64) for _ in range(2))
    order = np.argsort(late[:, EVENT_EXCH_NS], kind="stable")
    count = merge_clocks(order, late, origin, seen)
    both = late[origin[:count]]
    both[:, EVENT_SEEN] = seen[:count]
    samples = np.zeros((1, SAMPLE_COLUMNS), dtype=np.int64)
    meter = np.zeros(SURVEY_COLUMNS, dtype=np.int64)
    empty = new_book(*window_for(events))
    survey(events, SEEN_LOCAL, *empty, SECOND_NS, 100.0, SECOND_NS, samples, meter)
    first_local_ns(both)
    return both


def trade(events: I8, tape: Tape, setup: Setup, parameters: F8) -> None:
    """Live some minutes as the executor and the recorded venue do, one step and call at a time."""
    account = open_account(setup, trips=0)
    exchange = open_exchange(*new_book(tape.base, tape.width))
    born = np.zeros(0, dtype=np.int32)
    figures = np.zeros(REPLAY_COLUMNS)
    own = (account.own, account.own_meter)
    for index in range(len(tape.steps)):
        row, delays = tape.steps[index], tape.stream.delays[index]
        now_ns = int(row[STEP_NOW_NS])
        advance(events, born, exchange, setup.model, setup.scale, delays, now_ns)
        written = int(exchange.meter[METER_WRITTEN])
        for place in range(int(exchange.meter[METER_READ]), written):
            take_report(exchange.reports[place % len(exchange.reports)], account, setup)
        exchange.meter[METER_READ] = written
        count = think(row, tape.views[index], tape.plans[index], account, setup, parameters, 0)
        for action in account.actions[:count]:
            kind, order_id, side, price, lots, _, taker = action.tolist()
            if kind == ACTION_CANCEL:
                mark_cancelling(*own, order_id)
                cancel(exchange.orders, exchange.cancels, exchange.meter, order_id, now_ns, delays)
            elif judge(action, row, account, setup) == APPROVED:
                order_id = enter_order(action, now_ns, account, setup)
                sent = (order_id, side, price, lots, taker, now_ns)
                lines = (exchange.orders, exchange.arrivals, exchange.meter)
                submit(*lines, *sent, delays, index)
        measure(account, setup.scale, figures)
    tally(account, np.zeros(COUNT_COLUMNS, dtype=np.int64), setup.scale, 1.0, figures)


def ask(setup: Setup) -> None:
    """Ask what is asked now and then from Python, and at the end of trading."""
    account = open_account(setup, trips=0)
    own, scale, ledger = (account.own, account.own_meter), setup.scale, account.ledger
    row = np.zeros(STEP_COLUMNS, dtype=np.int64)
    row[STEP_BID], row[STEP_ASK] = 1_000, 1_002
    report = np.zeros(REPORT_COLUMNS, dtype=np.int64)
    report[REPORT_PRICE_TICKS], report[REPORT_LOTS], report[REPORT_SIDE] = 1_000, 1, BUY
    books = (ledger, account.lots, account.lots_meter, account.trips)
    fill(*books, report, scale, 2_002, setup.tiers)
    half = int(half_ticks_of(row))
    excess_units(ledger, scale)
    cap_lots(np.ones(PARAMETER_COLUMNS), scale)
    position_cap_lots(half, setup.limits, scale)
    stress_cap_lots(half, setup.limits, scale)
    kelly_moments(account.kelly)
    open_lots(*own, BUY)
    cost_units(1_000, 1, scale)
    smallest_lots(1_000, scale)
    divide(1, fee_rate(0, 1, scale, setup.tiers), UNITS)
    free = free_quote(*own, int(ledger[LEDGER_QUOTE]), scale), free_base(*own, 1, scale)
    value(1, half, scale)
    told = np.zeros((1, RETOLD_COLUMNS), dtype=np.int64)
    retell(told, ledger, account.lots, account.lots_meter, account.trips, scale)
    position = position_lots(ledger, scale)
    flatten(row, *own, position, *free, scale, setup.guarding, account.actions)


def risk(events: I8, setup: Setup) -> None:
    """Ask what the gate, the operator's release and `counterpoint risk` ask."""
    account = open_account(setup, trips=0)
    market_of(np.zeros(STEP_COLUMNS, dtype=np.int64))
    own_touch(account.own, account.own_meter)
    lots_of(1.0, setup.scale)
    observe_profit(1.0, setup.policy, account.kelly)
    size_fraction(setup.policy, account.kelly)
    view, depth = np.zeros(VIEW_COLUMNS), np.zeros(DEPTH_COLUMNS)
    value_cap_lots(view, setup.limits, setup.scale)
    liquid_cap_lots(view, setup.limits)
    day_before(account.risk)
    open_loss(account.ledger, 2_002, setup.scale)
    release(account.ledger, account.risk, SECOND_NS)
    levels, touch = new_book(*window_for(events))
    local = (levels, touch, *new_observer(observer_settings()))
    read_events(events[:1], 0, *local, int(events[0, EVENT_LOCAL_NS]))
    flatten_cost(levels, touch, BID_ROW, 1.0, 1.0, 1.0, depth)
    beyond_cost(1.0, 1.0, 1.0, 1.0)


def fund(setup: Setup) -> None:
    """Charge and book fundings as an exchange does."""
    account, exchange = open_account(setup, trips=0), open_exchange(*new_book(0, 0))
    next_funding_ns(exchange.meter, NO_FUNDING)
    delays = np.zeros(DELAY_COLUMNS, dtype=np.int64)
    lines = (exchange.reports, exchange.meter, NO_FUNDING)
    charge(*lines, 1, 0, 2_002, SECOND_NS, delays, setup.scale)
    book(1, account.ledger, account.lots, account.lots_meter)


def host(events: I8, setup: Setup) -> None:
    """Do what a simulated exchange does for its clients, and a client with its stream."""
    levels, touch = new_book(*window_for(events))
    told = (EVENT_KIND, EVENT_SIDE, EVENT_PRICE_TICKS, EVENT_LOTS)
    apply(levels, touch, *(int(events[0, column]) for column in told))
    exchange = open_exchange(*new_book(*window_for(events)))
    rest(exchange, setup.model, 1, BUY, int(events[0, EVENT_PRICE_TICKS]), 1, SECOND_NS)
    lots_ahead(exchange, 1)
    withdraw(exchange, 1, 1)
    settings = observer_settings(warmup_s=60.0)
    step = np.zeros(STEP_COLUMNS, dtype=np.int64)
    view, plan = np.zeros(VIEW_COLUMNS), np.zeros(PLAN_COLUMNS)
    memory, cells = new_observer(settings)
    now_ns = (int(events[0, EVENT_LOCAL_NS]) // SECOND_NS + 1) * SECOND_NS
    local = (levels, touch, memory, cells)
    observe(events[:1], 0, *local, now_ns, settings, step, view, plan)
