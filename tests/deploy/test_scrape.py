"""Real processes, scraped by Prometheus itself: all up, every queried name there, faults seen."""

import pytest

from tests.deploy.asked import missing
from tests.deploy.tools import needs
from tests.deploy.watched import TARGETS, Watched

pytestmark = [pytest.mark.slow, needs("prometheus")]


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A stack that quotes, and Prometheus that has scraped all of it."""
    with Watched(tmp_path_factory.mktemp("watched")) as made:
        yield made


def test_every_target_is_up_and_every_metric_that_is_queried_exists(watched):
    """All seven, and no panel or rule asks for what nobody shows."""
    assert watched.up() == set(TARGETS)
    assert missing(watched.names()) == {}


def test_no_secret_is_in_a_metric(watched):
    """Private keys and tokens stand in no scrape of any part."""
    text = "".join(watched.scrape(part) for part in TARGETS)
    assert len(watched.secrets()) >= 10
    assert [each for each in watched.secrets() if each in text] == []


def test_limits_that_bind_are_seen(watched):
    """The lone executor's first fall uses its limit up and halts it."""
    for alert in ("drawdown_near_limit", "risk_halted"):
        watched.until(alert, "lone")
    assert not watched.holds("risk_halted", TARGETS["executor"])


def test_a_store_that_takes_nothing_is_seen(watched):
    """And is gone when the database is back."""
    assert not watched.holds("store_fails")
    with watched.locked_store():
        watched.until("store_fails")


def test_a_coordinator_that_stands_still_is_seen_from_both_sides(watched):
    """It does not answer, and the executor is alone."""
    with watched.standing("coordinator"):
        watched.until("process_down", "coordinator")
        watched.until("coordinator_lost", "executor")


def test_a_process_that_is_started_again_and_again_is_seen(watched):
    """Four deaths within the hour, one more than is let pass."""
    for _ in range(3):
        watched.restart("optimizer", "optimizer-1")
    assert not watched.holds("process_restarts", TARGETS["optimizer"])
    watched.restart("optimizer", "optimizer-1")
    watched.until("process_restarts", "optimizer")


def test_an_executor_that_stands_still_is_seen_by_its_guardian_and_stays_stopped(watched):
    """Silent for ten seconds, then stopped until somebody rearms it."""
    assert not watched.holds("executor_silent")
    assert not watched.holds("stopped")
    with watched.standing("executor-1"):
        watched.until("process_down", "executor")
        watched.until("executor_silent", "guardian")
    watched.until("stopped", "executor")
    watched.type("rearm")


def test_an_exchange_that_dies_is_seen_by_all_who_need_it(watched):
    """Last of all, since nothing trades any more."""
    watched.house.exchange.kill()
    watched.until("process_down", "exchange")
    watched.until("venue_lost", "executor")
    watched.until("feed_stale", "executor")
    watched.until("guardian_blind", "guardian")
