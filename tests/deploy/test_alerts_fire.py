"""Alert rules fire in a real Prometheus, and what causes it is real: processes, not figures.

Two rules wait for hours of silence: their bounds are shortened here, and nothing else is. In
`rules_test.yml` every rule is tried at its own bound, with figures that are made up.
"""

import contextlib
import os
import re
import signal
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from agents.checkpoint import write_checkpoint
from agents.settings import Policy
from market.policy import RESIDUALS
from tests.deploy.alerting import HOURS_OF, Alerting
from tests.deploy.test_prometheus import ALERTS
from tests.deploy.tools import needs

pytestmark = [pytest.mark.slow, needs("prometheus")]

TIGHT = (
    *("risk.stop_loss_threshold=0.000001", "executor.autonomy_limit_s=10"),
    *("optimizer.boundary_s=60", "optimizer.window_hours=1", "optimizer.budget=16"),
    *("optimizer.chance_max=1", "optimizer.confidence_min=0", "coordinator.confidence_min=1"),
)
"""Any loss of a position reduces it, and the coordinator refuses whatever the optimizer says."""
HOURS = 48.0
"""Of the market: 48 minutes, and all of this takes a quarter of an hour on a busy machine."""
LOSING = ("risk.peak_drawdown_limit=0.000001", "risk.daily_loss_limit=0.000001")
"""The first loss, of whatever size, halts: what is held before anything is traded has one."""
FICKLE = (
    *("executor.policy=plan", "executor.candidate=closed_form"),
    *("parameters.spread_percentage=0.1", "parameters.levels=3"),
    *("parameters.base_quantity=1.5", "parameters.max_position=9"),
    *("promotion.block_s=300", "promotion.blocks=4", "promotion.trips=1", "promotion.level=1"),
    *("promotion.independent=0", "promotion.trial=2", "promotion.recent=2", "promotion.doubt=0.5"),
    "promotion.loss=0",
)
"""Who earns more in four blocks is promoted, and goes back once he is behind: in replays of this
market both happened from all of 129 beginnings, after an hour in the middle, 165 minutes at most.
"""


@contextlib.contextmanager
def living(folder, settings):
    """A stack that Prometheus watches."""
    told = [word for each in settings for word in ("--set", each)]
    with (
        pytest.MonkeyPatch.context() as patch,
        Alerting(folder, patch.setenv, *told, hours=HOURS) as house,
    ):
        house.start()
        yield house


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """One for all but losses."""
    with living(tmp_path_factory.mktemp("alerting"), TIGHT) as found:
        found.until_whole()
        yield found


def test_a_loss_halts_and_says_so(tmp_path):
    """A drawdown beyond its limit, and the loss of the day beyond its own."""
    with living(tmp_path, LOSING) as house:
        house.fired("drawdown_near_limit", "daily_loss_near_limit", "risk_halted", seconds=300)
        house.operator("incident")


def test_a_promoted_policy_that_does_worse_is_sent_back(tmp_path):
    """A closed form that volatility widens earns more than the plan, but not in every block."""
    learned, wary = tmp_path / "wary.npz", np.zeros(RESIDUALS)
    wary[2] = 0.5
    write_checkpoint(learned, wary, Policy.CLOSED_FORM, {})
    with living(tmp_path, (*FICKLE, f"executor.checkpoint={learned}")) as house:
        house.fired("policy_rolled_back", seconds=420)
        house.operator("log")


def test_a_position_that_loses_is_reduced(house):
    """The stop loss, at a millionth."""
    house.fired("risk_reducing", seconds=300)


def test_refused_updates_are_counted(house):
    """Twenty proposals that the coordinator is not sure enough of."""
    house.fired("updates_refused", seconds=420)


def test_a_stop_shows_until_it_is_rearmed(house):
    """As the operator types it."""
    house.operator("stop")
    house.fired("stopped")
    house.operator("rearm")
    house.over("stopped")


def test_an_executor_that_hangs_is_missed_by_its_guardian(house):
    """Which has stopped it too."""
    with house.frozen("executor"):
        house.fired("executor_silent")
    house.fired("stopped")
    house.operator("rearm")
    house.over("executor_silent", "stopped")


def test_an_exchange_that_hangs_is_seen_by_everybody(house):
    """The executor has lost it and its market, the guardian could not cancel, it is down itself."""
    with house.frozen("exchange"):
        house.fired("process_down", "venue_lost", "feed_stale", "guardian_blind")
    house.over("process_down", "venue_lost", "feed_stale", "guardian_blind")


def test_a_market_that_does_not_trade_is_closed(house):
    """The exchange halts the symbol."""
    house.exchange.control_port("POST", "symbol", status="HALT")
    house.fired("market_closed")
    house.exchange.control_port("POST", "symbol", status="TRADING")
    house.over("market_closed")


def test_a_coordinator_that_hangs_leaves_the_executor_alone(house):
    """For longer than it may be."""
    with house.frozen("coordinator"):
        house.fired("coordinator_lost")
    house.over("coordinator_lost")


def test_an_optimizer_that_hangs_answers_nothing_and_nothing_is_decided(house):
    """Seen once it goes on: a process that hangs tells no figures."""
    with house.frozen("optimizer"):
        house.fired("no_decision")
        house.until(lambda: "process_down" in house.firing())
    house.fired("no_answer")


def test_a_journal_that_somebody_locks_makes_decisions_slow(house):
    """As a slow disk does: each decision is written before it counts."""
    path = house.folder / "executor.db"
    connect = lambda: sqlite3.connect(path, isolation_level=None)  # noqa: E731
    with house.blocked(connect, holds_s=1.5, free_s=0.5):
        house.fired("decision_slow")


def test_an_executor_that_its_disk_holds_up_is_late(house):
    """A decision waits longer for the journal than the market does for the next one."""
    path = house.folder / "executor.db"
    connect = lambda: sqlite3.connect(path, isolation_level=None)  # noqa: E731
    with house.blocked(connect, holds_s=0.55, free_s=0.1):
        house.fired("feed_late", seconds=400)
    house.over("feed_late", seconds=400)


def test_a_database_that_somebody_locks_takes_nothing(house):
    """The desk's own; trading goes on."""
    with contextlib.closing(sqlite3.connect(house.data / "desk.db", isolation_level=None)) as held:
        held.execute("BEGIN EXCLUSIVE")
        house.fired("store_fails")
        held.execute("ROLLBACK")
    house.over("store_fails")


def test_a_process_that_dies_again_and_again_is_told(house):
    """Four kills within an hour, each followed by a start."""
    for _ in range(4):
        before = started(house)
        os.kill(house.pid_of("desk"), signal.SIGKILL)
        house.until(lambda before=before: started(house) not in {None, before}, seconds=120)
        house.pause(3.0)  # it must have been looked at
    house.fired("process_restarts")


def started(house):
    """When the desk was started, as it tells; None while it does not."""
    with contextlib.suppress(OSError):
        found = re.search(rb"\nprocess_start_time_seconds (\S+)", house.figures("desk"))
        return found and found[1]
    return None


def test_every_rule_is_caused_here():
    """No rule that ships is left out, and each of hours is named."""
    text = Path(__file__).read_text(encoding="utf-8")
    caused = re.findall(r'"(\w+)"', " ".join(re.findall(r"\.fired\((.*?)\)", text)))
    assert set(ALERTS) == set(caused)
    assert set(HOURS_OF) <= set(ALERTS)
