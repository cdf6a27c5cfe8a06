"""Two recordings at once as a user runs them: two stacks, one capital."""

import json
import os
import signal
from itertools import pairwise

import pytest

from agents.cli.risk_portfolio import standing
from agents.executor import records
from agents.executor.judged import named
from agents.executor.recovery import open_journal
from bench.venue_house import VenueHouse
from exchange.importers.synthetic import called, synthetic_recording
from exchange.recording import save
from market.quotes import LOTS_HUGE
from tests.agents.command_line import Process, told

SECOND_NS = 10**9
QUICK = ("--optimizers", "0", "--set", "executor.warmup_s=120", "--set", "executor.cycle_s=10")


@pytest.fixture(scope="module")
def feeds(tmp_path_factory):
    """One market under two names."""
    folder = tmp_path_factory.mktemp("feeds")
    day = synthetic_recording(seed=3, hours=0.3)
    paths = [folder / "a.npz", folder / "b.npz"]
    for path, symbol in zip(paths, ("AAA-USDT", "BBB-USDT"), strict=True):
        save(path, called(day, symbol))
    return paths


def started(data, feeds, *more):
    """Start a run of both."""
    named_feeds = [word for path in feeds for word in ("--feed", path)]
    return Process("run", "--data", data, *named_feeds, *QUICK, *more, "--json")


def kill(data, name):
    """End an executor as a power cut would, wherever it is."""
    for path in sorted((data / "runs").glob("*/processes.json")):
        pids = json.loads(path.read_bytes())
        if name in pids and not path.parent.is_symlink():
            os.kill(pids[name], signal.SIGKILL)
            return
    raise AssertionError(f"no {name} runs under {data}")


def folder_of(data, name):
    """Return the folder of the run of an executor."""
    for path in sorted((data / "runs").glob("*/config.json")):
        if json.loads(path.read_bytes())["account"]["executor"] == name:
            return path.parent
    raise AssertionError(f"no run of {name}")


@pytest.fixture(scope="module")
def calm(feeds, tmp_path_factory):
    """A run of both in lockstep; its folder, and what it printed."""
    data = tmp_path_factory.mktemp("calm")
    code, whole, error = started(data, feeds).end()
    assert code == 0, error
    return data, whole


@pytest.mark.slow
def test_two_recordings_are_traded_at_once_and_each_executor_hears_the_other(calm):
    """A report before every decision, and a cap that follows; nobody was given up."""
    data, whole = calm
    found = json.loads(whole)["runs"]
    assert [each["recording"]["symbol"] for each in found] == ["AAA-USDT", "BBB-USDT"]
    assert all(each["tuned"]["fills"]["count"] > 0 for each in found)
    for name in ("executor-1", "executor-2"):
        with open_journal(folder_of(data, name), readonly=True) as journal:
            rows = [row.body["row"] for row in journal.rows(records.HEARD) if row.kind == "peer"]
            cycles = sum(row.kind == "cycle" for row in journal.rows(records.CYCLES))
            judged = [row for row in journal.rows(records.JUDGED) if row.kind != "opened"]
        assert None not in rows
        assert cycles - 1 <= len(rows) <= cycles + 1
        assert 0 < named(judged[-1].body)["portfolio_lots"] < LOTS_HUGE
    told_of = standing(folder_of(data, "executor-1"))
    assert [each.name for each in told_of.members] == ["executor-1", "executor-2"]
    assert told_of.correlation[0][1] == pytest.approx(1.0)


@pytest.mark.slow
def test_an_executor_that_is_killed_in_lockstep_changes_not_one_byte(calm, feeds, tmp_path):
    """Feed time waits for whoever died; what it had heard stands in its journal."""
    _, whole = calm
    killed = started(tmp_path / "killed", feeds)
    killed.read_until("executor-2  ")
    killed.read_until("executor-2  ")
    kill(tmp_path / "killed", "executor-2")
    code, again, error = killed.end()
    assert code == 0, error
    assert again == whole
    parts = json.loads((folder_of(tmp_path / "killed", "executor-2") / "run.json").read_bytes())
    assert parts["parts"]["executor-2"]["deaths"] == 1


@pytest.mark.slow
def test_a_killed_executor_counts_as_limits_fully_used_until_it_is_back(feeds, tmp_path):
    """Ten seconds of feed time after its last report: in the log, the cap, and the audit."""
    run = started(tmp_path, feeds, "--clock", "real", "--speed", "15")
    run.read_until("executor-1   ")
    run.read_until("executor-1   ")
    run.read_until("executor-1   ")
    kill(tmp_path, "executor-2")
    code, _, error = run.end()
    assert code == 0, error
    folder = folder_of(tmp_path, "executor-1")
    lines = [json.loads(line) for line in (folder / "executor-1.log").read_text().splitlines()]
    events = [
        each for each in lines if each["event"] in ("limits_count_as_used", "report_heard_again")
    ]
    pairs = [pair for pair in pairwise(events) if pair[0]["event"] == "limits_count_as_used"]
    gone, back = max(pairs, key=lambda pair: pair[1]["venue_time"] - pair[0]["venue_time"])
    assert back["event"] == "report_heard_again"
    with open_journal(folder, readonly=True) as journal:
        rows = [row for row in journal.rows(records.HEARD) if row.kind == "peer"]
        judged = [row for row in journal.rows(records.JUDGED) if row.kind != "opened"]
    caps = {row.time_ns: named(row.body)["portfolio_lots"] for row in judged}
    last_ns = max(row.body["row"][0] for row in rows if row.time_ns < gone["venue_time"])
    assert 10 * SECOND_NS < gone["venue_time"] - last_ns <= 11 * SECOND_NS
    before = [cap for at_ns, cap in caps.items() if at_ns < gone["venue_time"] and cap < LOTS_HUGE]
    assert caps[gone["venue_time"]] == gone["portfolio_lots"] < before[-1]
    assert caps[back["venue_time"]] == back["portfolio_lots"] > gone["portfolio_lots"]
    code, text = told(tmp_path, "audit", "verify", "--run", folder)
    assert code == 0, text


def most_at_exchange(feed, folder, **portfolio):
    """Trade at the simulated exchange beside somebody who never speaks; return what was reached.

    Returns:
        The largest position with all orders of a side filled, and the largest cap, lots.
    """
    sections = {"bus": {"peers": "executor-2=/nowhere"}, "portfolio": portfolio}
    with VenueHouse(feed, folder, speed=60.0, **sections) as house:
        house.start()
        house.until(lambda: len(house.exchange.trades()) > 30)
        assert house.end() == 0
        with open_journal(house.folder, readonly=True) as journal:
            rows = [row.body for row in journal.rows(records.JUDGED) if row.kind != "opened"]
    found = [named(body) for body in rows]
    reach = [
        max(
            each["position_lots"] + each["open_buy_lots"],
            each["open_sell_lots"] - each["position_lots"],
        )
        for each in found
    ]
    return max(reach), max(each["portfolio_lots"] for each in found)


@pytest.mark.slow
def test_at_an_exchange_the_cap_holds_and_without_the_limits_it_is_passed(tmp_path):
    """The other's limits count as fully used: 0.6 x 2000 leaves 200, at about 100 a piece."""
    feed = tmp_path / "planted.npz"
    save(feed, synthetic_recording(seed=3, hours=4, setting="planted_edge"))
    held, cap = most_at_exchange(feed, tmp_path / "held", correlation_pair_limit=0.6)
    assert 0 < held <= cap < 2_100
    off = {
        "correlation_pair_limit": 1.0,
        "correlation_portfolio_limit": 1.0,
        "joint_value_limit": 0.0,
    }
    free, none = most_at_exchange(feed, tmp_path / "free", **off)
    assert none == LOTS_HUGE
    assert free > 1.5 * cap


def test_what_cannot_be_run_together_is_one_line_and_leaves_nothing(feeds, tmp_path):
    """One symbol twice, five feeds, a bus of one's own."""
    for more, code, word in (
        (("--feed", feeds[0]), 2, "AAA-USDT twice"),
        (("--feed", feeds[1]) * 4, 2, "at most 4 --feed"),
        (("--feed", feeds[1], "--set", "bus.port=5000"), 4, "bus.port must be unset"),
        (("--feed", feeds[1], "--set", "account.executor=executor-2"), 4, "account.executor"),
    ):
        found, line = told(tmp_path, "run", "--feed", feeds[0], *more)
        assert found == code, line
        assert word in line
        assert not (tmp_path / "runs").exists()
