"""An executor's figures are those of its state, and of nothing else."""

import time
from types import SimpleNamespace

import pytest

from agents.executor.meter import Meter
from agents.executor.promotion import Finding, Stage
from agents.executor.showing import figures, problem_of, shown
from agents.executor.state import enter_stage, new_state
from agents.executor.telling import pnl_word
from exchange.port import MarketStep
from market.breach import (
    HALTED,
    LIMIT_CAPITAL,
    LIMIT_DRAWDOWN,
    REFUSED_COLLAR,
    RISK_PEAK,
    RISK_QUARTER,
    RISK_STATE,
)
from market.layout import BUY, LEDGER_EQUITY, SELL, STEP_COLUMNS, STEP_HEARD_NS, STEP_NOW_NS
from market.replay_step import COUNT_REFUSED
from protocol.exposition import Histogram
from tests.agents.executor.market import lucky, recording, session_for

SECOND_NS = 10**9


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    return session_for(recording(tmp_path_factory.mktemp("feed")), feed={"hours": 0.8})


@pytest.fixture
def shell(session):
    """A shell before its first step, as far as it is looked at."""
    return SimpleNamespace(
        state=new_state(session),
        meter=Meter(30 * SECOND_NS, 60.0),
        lag_s=0.002,
        venue_words=dict,
        acks=lambda: None,
    )


def found(shell):
    """Return every sample by name and own labels."""
    return {
        (each.name, *labels.values()): value
        for each in figures(shell)
        if not isinstance(each.samples, Histogram)
        for labels, value in each.samples
    }


def test_money_and_position_are_those_of_the_ledger(shell):
    """The same as the word of profit, which is held to the ledger elsewhere."""
    shell.state.account.ledger[LEDGER_EQUITY] += 123_456_789
    told, word = found(shell), pnl_word(shell.state)
    assert told["equity_quote",] == pytest.approx(float(word.equity))
    assert told["profit_quote",] == pytest.approx(float(word.equity) - float(word.opening))
    assert told["position_base",] == float(word.position)
    held = shell.state.incumbent.model_dump()
    assert {name: told["parameter", name] for name in held} == held
    assert (told["param_version",], told["baseline_in_force",]) == (0, True)


def test_how_much_of_a_limit_is_used_and_which_state_holds(shell):
    """Half way to the drawdown limit is a half; before the first mark nothing is used."""
    account, limits = shell.state.account, shell.state.session.setup.limits
    assert found(shell)["limit_used_ratio", "peak_drawdown_limit"] == 0.0
    bound = limits[LIMIT_CAPITAL] * limits[LIMIT_DRAWDOWN]
    account.risk[RISK_QUARTER] = 1
    account.risk[RISK_PEAK] = account.ledger[LEDGER_EQUITY] + int(bound / 2)
    account.risk[RISK_STATE] = HALTED
    shell.state.stops["5" * 32] = False
    told = found(shell)
    assert told["limit_used_ratio", "peak_drawdown_limit"] == pytest.approx(0.5)
    assert [told["risk_state", each] for each in ("active", "reducing", "halted")] == [0, 0, 1]
    assert told["stopped",] is True


def test_orders_are_counted_by_side_and_refusals_by_limit(shell):
    """No label is an order's; a limit that refused nothing shows 0."""
    for side in (BUY, BUY, SELL):
        shell.meter.placed(side)
    shell.state.counts[COUNT_REFUSED + REFUSED_COLLAR] = 4
    told = found(shell)
    assert told["orders_submitted_total", "buy"] == 2
    assert told["orders_submitted_total", "sell"] == 1
    assert told["orders_refused_total", "price_collar"] == 4
    assert told["orders_refused_total", "own_order"] == 0


def market_step(now_ns, heard_ns):
    """A step of a market that last told something then."""
    import numpy as np

    row = np.zeros(STEP_COLUMNS, dtype=np.int64)
    row[STEP_NOW_NS], row[STEP_HEARD_NS] = now_ns, heard_ns
    return MarketStep(now_ns, row, np.zeros(1), np.zeros(1), np.zeros((0, 1), dtype=np.int64))


def test_the_feeds_age_counts_the_wall_from_the_last_news():
    """News that is two minutes of a feed at 60x old is two seconds old; only cycles are timed."""
    meter = Meter(30 * SECOND_NS, 60.0)
    assert meter.feed_age_s() < 1.0
    meter.lived(market_step(3600 * SECOND_NS, 3480 * SECOND_NS), time.monotonic() - 0.004)
    assert 2.0 <= meter.feed_age_s() < 3.0
    meter.lived(market_step(3601 * SECOND_NS, 3601 * SECOND_NS), time.monotonic())
    assert meter.feed_age_s() < 1.0
    assert sum(meter.cycles.counts) == 1
    assert meter.cycles.total >= 0.004


def test_an_executor_without_its_venue_is_not_well(shell):
    """A recording is always there."""
    assert problem_of(shell) is None
    shell.venue_words = lambda: {"connected": False, "losses": 3}
    assert "not connected" in shown(shell).problem()
    assert found(shell)["venue_losses_total",] == 3
    assert shown(shell).labels["venue"] == "recording"


def test_the_stage_of_a_candidate_is_shown_where_there_is_one(shell, tmp_path):
    """One of three; without a candidate there is no such figure."""
    assert not [name for name, *_ in found(shell) if name == "policy_stage"]
    feed, sections = lucky(tmp_path)
    shell.state = new_state(session_for(feed, **sections))
    enter_stage(shell.state, Finding(Stage.PROMOTED, "surely better"), 7)
    told = found(shell)
    stages = {stage: told["policy_stage", stage] for stage in Stage}
    assert stages == {Stage.SHADOW: 0.0, Stage.PROMOTED: 1.0, Stage.ROLLED_BACK: 0.0}
