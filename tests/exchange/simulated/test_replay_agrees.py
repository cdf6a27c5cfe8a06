"""The orders of a replay, sent through the exchange's core, fill as they did in the replay."""

import pytest

from agents.session import parameter_row
from exchange.importers.detect import import_feed
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from exchange.simulated.accounts import Account, Fees
from exchange.simulated.building import Wanted, days_of, side_of
from exchange.simulated.commands import Cancel, Place
from exchange.simulated.core import Core
from exchange.simulated.house import House
from market.layout import ACTION_CANCEL, LEDGER_BASE, LEDGER_QUOTE, STEP_NOW_NS
from market.queueing import model_text
from market.replay import replay_one
from market.replay_step import (
    FILLED_EXCH_NS,
    FILLED_LOTS,
    FILLED_MAKER,
    FILLED_ORDER_ID,
    FILLED_PRICE_TICKS,
    FILLED_SIDE,
    FILLED_VISIBLE_NS,
    PLACED_CODE,
    PLACED_KIND,
    PLACED_LOTS,
    PLACED_NOW_NS,
    PLACED_ORDER_ID,
    PLACED_PRICE_TICKS,
    PLACED_SIDE,
)
from tests.agents.executor.market import session_for
from tests.exchange.feeds import NEXO, real_feed

HEARD = (
    FILLED_EXCH_NS, FILLED_VISIBLE_NS, FILLED_ORDER_ID, FILLED_SIDE, FILLED_PRICE_TICKS,
    FILLED_LOTS, FILLED_MAKER,
)  # fmt: skip


def command_of(row, instrument):
    """A place or cancel of the replay as a client would send it."""
    name = f"cp-{row[PLACED_ORDER_ID]}"
    if row[PLACED_KIND] == ACTION_CANCEL:
        return Cancel(None, name, f"{name}-c")
    return Place(
        client_id=name,
        side=row[PLACED_SIDE],
        kind="LIMIT_MAKER",
        time_in_force="GTC",
        price=row[PLACED_PRICE_TICKS] * instrument.tick,
        quantity=row[PLACED_LOTS] * instrument.lot,
        quote_quantity=0,
        stp="EXPIRE_TAKER",
        response="FULL",
    )


def through_the_core(session, path, tape, record):
    """The fills that the core gives, those that became visible, and the account."""
    wanted = Wanted(feeds=(path,), speed=None, fill_model=model_text(session.setup.model))
    (day,) = days_of(wanted)
    instrument = day.instrument
    quote, base, _ = (int(units) for units in session.setup.opening)
    fees = Fees(instrument.maker_fee, instrument.taker_fee)
    held = {instrument.quote: quote, instrument.base: base}
    account = Account("one", "one", "one", fees, held)
    core = Core(House(instrument, [account], side_of(wanted, day)))
    waiting = [row for row in record.placed.tolist() if row[PLACED_CODE] == 0]
    fills, ticket = [], 0
    for index in range(tape.step_at(session.first_ns), len(tape.steps)):
        now_ns = int(tape.steps[index, STEP_NOW_NS])
        delays = tape.stream.delays[index]
        for outcome in core.advance(now_ns, delays):
            if outcome.ticket is None and outcome.told.get("x") == "TRADE":
                told, trade = outcome.told, account.trades[len(fills)]
                assert told["t"] == trade.trade_id
                fills.append(
                    (
                        trade.time_ns,
                        outcome.visible_ns,
                        int(told["c"][3:]),
                        trade.side,
                        trade.price_ticks,
                        trade.lots,
                        int(trade.is_maker),
                    )
                )
        while waiting and waiting[0][PLACED_NOW_NS] == now_ns:
            ticket += 1
            command = command_of(waiting.pop(0), instrument)
            core.receive(account, ticket, command, now_ns=now_ns, delays=delays)
    assert not waiting
    last_ns = int(tape.steps[-1, STEP_NOW_NS])
    return fills, [fill for fill in fills if fill[1] <= last_ns], account


def agrees(path, latency, **feed):
    """Compare fill by fill and balance by balance; return how many fills there were."""
    session = session_for(path, executor={"latency": latency, "warmup_s": 300}, feed=feed)
    tape = session.tape_builder().advance(session.last_ns)
    record = replay_one(
        tape,
        parameter_row(session.baseline),
        session.setup,
        first_step=tape.step_at(session.first_ns),
        last_step=len(tape.steps),
    )
    fills, visible, account = through_the_core(session, path, tape, record)
    assert visible == [tuple(row[column] for column in HEARD) for row in record.filled.tolist()]
    if len(fills) == len(visible):
        quote, base = record.account.ledger[LEDGER_QUOTE], record.account.ledger[LEDGER_BASE]
        assert sorted(account.balances.values()) == sorted([int(quote), int(base)])
    return len(visible)


@pytest.fixture(scope="module")
def bundled(tmp_path_factory):
    """Four hours of the bundled day's market."""
    path = tmp_path_factory.mktemp("day") / "day.npz"
    save(path, synthetic_recording(seed=1, hours=4.0))
    return path


@pytest.mark.parametrize("latency", ["0", "5ms", "sampled:80ms,2500ms"])
def test_the_bundled_day_fills_as_in_the_replay(bundled, latency):
    """The same orders at the same times: price, quantity, times, side, maker flag, balances."""
    assert agrees(bundled, latency) > 50


@pytest.mark.slow
@pytest.mark.parametrize("latency", ["5ms", "measured:1.0"])
def test_a_real_day_fills_as_in_the_replay(tmp_path, latency):
    """24 hours of NEXOUSDT."""
    path = tmp_path / "nexo.npz"
    made = import_feed([real_feed(NEXO)])
    save(path, made.recording, made.data)
    assert agrees(path, latency) > 100
