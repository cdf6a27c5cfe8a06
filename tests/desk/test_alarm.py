"""From what the bus said to what the rules ask for."""

from desk.alarm import Watch
from desk.alert_rules import Bounds, found
from desk.live import Live

NS = 10**9
STATUS = {
    "venue_time": 100, "last_ns": 1000, "connected": True, "risk": "active", "risk_reason": 0,
    "stops": [], "pair": [0, 0],
}  # fmt: skip


class Desk:
    """A live view and its watch, with a clock of their own."""

    def __init__(self):
        self.now_s, self.failing = 0.0, ""
        self.live = Live(["executor-1"], steady=self.steady)
        self.watch = Watch(self.live, lambda: self.failing, steady=self.steady)

    def steady(self):
        """The clock, ns."""
        return int(self.now_s * NS)

    def say(self, **changes):
        """What the executor says of itself."""
        self.live.take("status", "executor-1", STATUS | changes)

    def wrong(self):
        """The rules that speak now."""
        facts = list(self.watch.facts())
        return [alert.rule for each in facts for alert in found(each, Bounds())]


def test_what_stands_still_is_found_after_a_while_and_forgotten_when_it_moves():
    """A feed that no longer moves, then an executor that says nothing."""
    desk = Desk()
    assert desk.wrong() == []
    assert not desk.watch.well()
    for second in range(0, 40, 2):
        desk.now_s = second
        desk.say()
        assert desk.watch.well()
        assert desk.wrong() == (["feed_stale"] if second > 30 else [])
    desk.say(venue_time=101)
    assert desk.wrong() == []
    desk.now_s += 11
    assert desk.wrong() == ["executor_silent"]
    assert not desk.watch.well()


def test_each_state_that_is_said_reaches_its_rule():
    """Lost venue, halted, stopped, a store that fails."""
    desk = Desk()
    desk.say(connected=False, risk="halted", stops=["a"])
    desk.failing = "disk full"
    assert desk.wrong() == ["venue_lost", "risk_halted", "stopped", "store_fails"]


def test_the_end_of_a_recording_is_no_alarm():
    """Nothing is said any more, and nobody is woken."""
    desk = Desk()
    desk.say(venue_time=1000)
    desk.now_s = 1000.0
    assert desk.wrong() == []


def test_nothing_decided_for_hours_is_told():
    """The pair in force has been the same for more than two."""
    desk = Desk()
    desk.say()
    assert desk.wrong() == []
    desk.now_s = 7201.0
    desk.say(venue_time=200)
    assert desk.wrong() == ["no_decision"]
