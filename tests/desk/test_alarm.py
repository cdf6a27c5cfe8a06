"""From what the bus said, the journals hold and the supervisor logs to who is told of it."""

import asyncio
import json

import pytest

from desk.alarm import Watch
from desk.alert_rules import Bounds, Quiet, found
from desk.alerts import Bell
from desk.live import Live
from desk.store import Store
from desk.view import View
from protocol.messages import JournalRow, utc_text
from tests.desk.phones import listening
from tests.desk.test_alert_rules import WRONG

NS = 10**9
HOUR = 3600 * NS
BEGAN = 1_000 * HOUR
STATUS = {
    "venue_time": BEGAN, "last_ns": 2 * BEGAN, "connected": True, "risk": "active",
    "risk_reason": 0, "stops": [], "pair": [0, 0], "used": {"peak_drawdown_limit": 0.1},
}  # fmt: skip


class Desk:
    """A live view, a read model and their watch, with a clock of their own."""

    def __init__(self, store, folder):
        self.now_s, self.failing = 0.0, ""
        self.store, self.folder, self.rows = store, folder, 0
        self.live = Live(["executor-1"], steady=self.steady)
        clock = lambda: BEGAN + self.steady()  # noqa: E731
        view = View(store, self.live, run="r", folder=folder, clock=clock)
        self.watch = Watch(self.live, view, lambda: self.failing, steady=self.steady)

    def steady(self):
        """The clock, ns."""
        return int(self.now_s * NS)

    def say(self, **changes):
        """What the executor says of itself."""
        self.live.take("status", "executor-1", STATUS | changes)

    def logged(self, kind, **body):
        """What the coordinator writes into its decision log now."""
        self.rows += 1
        row = JournalRow(seq=self.rows, time_ns=BEGAN + self.steady(), kind=kind, body=body)
        self.store.take("r", "coordinator", "log", [row])

    def started(self, process):
        """What the supervisor writes when it starts a process."""
        head = {"time": utc_text(BEGAN + self.steady()), "event": "process_started"}
        with (self.folder / "supervisor.log").open("a") as file:
            file.write(json.dumps(head | {"process": process, "pid": 1}) + "\n")

    def wrong(self):
        """The rules that speak now."""
        facts = list(self.watch.facts())
        return [alert.rule for each in facts for alert in found(each, Bounds())]


@pytest.fixture
def desk(tmp_path):
    with Store.open(f"sqlite:///{tmp_path / 'desk.db'}") as store:
        yield Desk(store, tmp_path)


def test_what_stands_still_is_found_after_a_while_and_forgotten_when_it_moves(desk):
    """A feed that no longer moves, then an executor that says nothing."""
    assert desk.wrong() == []
    assert not desk.watch.well()
    for second in range(0, 40, 2):
        desk.now_s = second
        desk.say()
        assert desk.watch.well()
        assert desk.wrong() == (["feed_stale"] if second > 30 else [])
    desk.say(venue_time=BEGAN + 1)
    assert desk.wrong() == []
    desk.now_s += 11
    assert desk.wrong() == ["executor_silent"]
    assert not desk.watch.well()


def test_each_state_that_is_said_reaches_its_rule(desk):
    """Lost venue, halted, stopped, a store that fails."""
    desk.say(connected=False, risk="halted", stops=["a"])
    desk.failing = "disk full"
    assert desk.wrong() == ["venue_lost", "risk_halted", "stopped", "store_fails"]


def test_the_end_of_a_recording_is_no_alarm(desk):
    """Nothing is said any more, and nobody is woken."""
    desk.say(venue_time=2 * BEGAN)
    desk.now_s = 1000.0
    assert desk.wrong() == []


def test_nothing_decided_for_hours_is_told(desk):
    """The pair in force has been the same for more than two."""
    desk.say()
    assert desk.wrong() == []
    desk.now_s = 7201.0
    desk.say(venue_time=BEGAN + 1)
    assert desk.wrong() == ["no_decision"]


def test_a_drawdown_near_its_limit_is_told_before_it_halts(desk):
    """As the executor judges it; a rule speaks from eight tenths of it on."""
    desk.say(used={"peak_drawdown_limit": 0.8})
    assert desk.wrong() == []
    desk.say(used={"peak_drawdown_limit": 0.801})
    assert desk.wrong() == ["drawdown_near_limit"]


def test_refusals_are_counted_over_the_last_hour_of_the_venue(desk):
    """Entries of the decision log, and what a tally counts; an hour later they are forgotten."""
    desk.say()
    for kind in ("refused", "rejected", "vote", "refused"):
        desk.logged(kind, id="a")
    desk.logged("tally", refused={"optimizer-1": {"E_RATE": 15, "E_STEP": 2}}, dropped={"a": 99})
    assert desk.wrong() == []  # twenty
    desk.logged("refused", id="b")
    assert desk.wrong() == ["updates_refused"]
    desk.say(venue_time=BEGAN + HOUR + 1)
    assert desk.wrong() == []


def test_starts_of_a_process_are_counted_but_for_its_first(desk):
    """Four times again within an hour, even of an executor that never came to say a word."""
    desk.started("executor-1")
    for _ in range(3):
        desk.now_s += 60.0
        desk.started("optimizer-1")
        desk.started("executor-1")
    assert desk.wrong() == []
    desk.started("executor-1")
    assert desk.wrong() == ["process_restarts"]
    desk.now_s = 3720.0
    assert desk.wrong() == []


GOING_WRONG = {
    "executor_silent": lambda desk: setattr(desk, "now_s", desk.now_s + 11.0),
    "venue_lost": lambda desk: desk.say(connected=False),
    "feed_stale": lambda desk: [setattr(desk, "now_s", desk.now_s + 31.0), desk.say()],
    "risk_halted": lambda desk: desk.say(risk="halted"),
    "risk_reducing": lambda desk: desk.say(risk="reducing"),
    "stopped": lambda desk: desk.say(stops=["a"]),
    "drawdown_near_limit": lambda desk: desk.say(used={"peak_drawdown_limit": 0.9}),
    "no_decision": lambda desk: [
        setattr(desk, "now_s", desk.now_s + 7201.0), desk.say(venue_time=BEGAN + 7),
    ],
    "policy_rolled_back": lambda desk: desk.say(
        policy={"stage": "rolled_back", "reason": "surely worse"}
    ),
    "updates_refused": lambda desk: [desk.logged("refused", id="a") for _ in range(21)],
    "process_restarts": lambda desk: [desk.started("optimizer-1") for _ in range(5)],
    "store_fails": lambda desk: setattr(desk, "failing", "disk full"),
}  # fmt: skip


@pytest.mark.parametrize("rule", GOING_WRONG)
def test_the_alert_of_each_rule_arrives_once_at_a_webhook(desk, rule):
    """From its source - bus, journal, log, store - through a bell that looks on: one letter."""
    assert set(GOING_WRONG) == set(WRONG)
    with listening() as phone:
        bell = Bell(
            desk.watch.facts,
            [f"json://127.0.0.1:{phone.server_port}/alerts?cto=60&rto=60"],
            bounds=Bounds(),
            quiet=Quiet(),
            book=desk.folder / "told.json",
            clock=lambda: BEGAN + desk.steady(),
        )

        def look():
            bell.look()
            assert asyncio.run(bell.send())

        desk.say()
        look()
        GOING_WRONG[rule](desk)
        for _ in range(3):
            look()
            desk.now_s += 0.1
        assert [each["title"].partition(": ")[2] for each in phone.letters] == [rule]
