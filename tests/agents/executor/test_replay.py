"""The executor and the replay are one strategy: the same day, the same bytes."""

import asyncio
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from agents.executor import records
from agents.executor.recovery import new_venue, open_journal, recover
from agents.executor.result import executor_part, journaled
from agents.executor.shell import Shell
from agents.figures import figures
from agents.session import parameter_row
from market.layout import LEDGER_FUNDED, LEDGER_TRIPS, REPORT_FUNDING
from market.recorded_gymnasium import RecordedMarketEnv, Span
from market.replay import replay_one
from market.replay_step import COUNT_REPORTS
from risk.sizing import Bound, sizing_of
from tests.agents.executor.market import perpetual, recording, session_for


def lived(session, folder: Path):
    """Trade a session alone and return the journal's record."""

    async def trade():
        with open_journal(folder) as journal:
            shell = Shell(recover(journal, session, lockstep=False), journal, folder)
            assert await shell.run()

    asyncio.run(trade())
    return journaled(folder, session)


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    return recording(tmp_path_factory.mktemp("feed"))


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"feed": {"maker_fee_bps": 2.0}},
        {"executor": {"order_latency_ms": 700.0, "response_latency_ms": 900.0}},
        {"executor": {"latency": "sampled:80ms,2500ms"}, "feed": {"fill_model": "risk-averse"}},
        {"executor": {"latency": "measured:3.0"}, "feed": {"fill_model": "trade-through"}},
        {"risk": {"max_position_size": 0.002, "stop_loss_threshold": 0.0002, "cooldown_s": 60}},
        {"risk": {"volatility_cutoff": 1.3}},
        {"feed": {"delay": "sampled:80ms,2500ms"}, "executor": {"latency": "measured:1.0"}},
        {"executor": {"policy": "plan"}},
    ],
    ids=[
        "plain",
        "fee",
        "slow",
        "sampled",
        "measured",
        "stop-loss",
        "volatility",
        "late feed",
        "plan",
    ],
)
def test_a_run_without_updates_is_the_replay_byte_for_byte(feed, tmp_path, change):
    """Orders, fills, equity, refusals, ledger, round trips and figures are equal."""
    mine_is_the_replay(session_for(feed, **change), tmp_path)


@pytest.mark.parametrize(
    ("bound", "limits"),
    [
        (Bound.VALUE_AT_RISK, {"value_at_risk_limit": 0.00001, "flatten_cost_limit": 0.0}),
        (Bound.LIQUIDITY, {"flatten_cost_limit": 0.00006, "value_at_risk_limit": 0.0}),
    ],
)
def test_what_may_be_carried_binds_alike_live_and_in_replay(feed, tmp_path, bound, limits):
    """Caps of the filtered loss and of the book, tight enough to cut the ladder."""
    session = session_for(feed, risk=limits)
    record = mine_is_the_replay(session, tmp_path)
    room = sizing_of(record.account, session.setup, parameter_row(session.baseline)).room
    cut = {Bound.VALUE_AT_RISK: room.value_at_risk, Bound.LIQUIDITY: room.liquidity}
    assert cut[bound] < room.max_position


def test_funding_is_paid_alike_live_and_in_replay(tmp_path):
    """A perpetual funded every two minutes: the same bytes, and the parts still add up."""
    session = session_for(perpetual(tmp_path))
    record = mine_is_the_replay(session, tmp_path)
    ledger = record.account.ledger
    told = int(record.counts[COUNT_REPORTS + REPORT_FUNDING])
    assert len(session.setup.funding) >= ledger[LEDGER_FUNDED] == told > 20
    found = figures(record, session, session.tape_builder().advance(session.last_ns), trials=1)
    assert Decimal(found["profit"]["funding"]) != 0
    assert found["profit"]["funding"] == found["balances"]["funding"]["USDT"]


def mine_is_the_replay(session, folder):
    """Trade a session, replay it, compare all that is kept; return the record."""
    mine = lived(session, folder)
    tape = session.tape_builder().advance(session.last_ns)
    assert mine.last_ns == new_venue(session).last_ns
    theirs = replay_one(
        tape,
        parameter_row(session.baseline),
        session.setup,
        first_step=tape.step_at(session.first_ns),
        last_step=tape.step_at(mine.last_ns + 1),
    )
    assert len(theirs.filled) > 20
    for name in ("placed", "filled", "equity", "counts", "figures"):
        assert np.array_equal(getattr(theirs, name), getattr(mine.record, name)), name
    assert np.array_equal(theirs.account.ledger, mine.record.account.ledger)
    parameters = parameter_row(session.baseline)
    sized = sizing_of(mine.record.account, session.setup, parameters)
    assert sized == sizing_of(theirs.account, session.setup, parameters)
    assert sized.observations > 0
    count = int(theirs.account.ledger[LEDGER_TRIPS])
    assert np.array_equal(theirs.account.trips[:count], mine.record.account.trips)
    assert_the_environment_sees_it(session, tape, folder)
    return mine.record


def assert_the_environment_sees_it(session, tape, folder):
    """What the executor saw at each decision is what an agent in training sees there, in bytes."""
    with open_journal(folder, readonly=True) as journal:
        rows = journal.rows(records.CYCLES, kinds=("cycle",))
        saw = {row.time_ns: records.observation_row(row.body) for row in rows}
    span = Span(tape.step_at(session.first_ns), len(tape.steps))
    environment = RecordedMarketEnv(tape, session.setup, parameter_row(session.baseline), span)
    seen, info = environment.reset()
    over = False
    while not over:
        assert seen.tobytes() == saw[info["now_ns"]].tobytes()
        seen, _, _, over, info = environment.follow()
    assert len(np.unique(np.array(list(saw.values())), axis=0)) > environment.cycles / 2


def test_a_result_knows_nothing_of_the_machine(feed, tmp_path):
    """Two runs of one session give equal documents, without pairs, ids or wall times."""
    session = session_for(feed, feed={"hours": 0.3})
    documents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        mine = lived(session, tmp_path / name)
        tape = session.tape_builder().advance(mine.last_ns)
        documents.append(executor_part(mine, session, tape, complete=True))
    assert documents[0] == documents[1]
    assert set(documents[0]) >= {"parameters", "figures", "complete"}
    profit = documents[0]["figures"]["profit"]
    assert {"spread", "fees", "inventory", "total"} <= set(profit)
