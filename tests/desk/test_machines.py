"""What the desk says of processes: who lives, and what each seat does."""

import json

from desk.live import Live
from desk.machines import Machines
from protocol.messages import utc_ns

SECOND = 10**9
STARTED = "2026-11-26T12:00:00Z"


def test_an_executor_is_a_seat_that_says_in_its_beat_what_it_does():
    """It gives no status of a search; it is silent only once its beat is."""
    now = [0]
    live = Live(["executor-1"], ["optimizer-1"], steady=lambda: now[0])
    machines = Machines(live, None)
    seats = [{"name": "executor-1", "wins": 0}, {"name": "optimizer-1", "wins": 3}]
    live.take("status", "coordinator", {"conduct": seats})
    live.take("status", "optimizer-1", {"state": "searching", "answered": 24})
    live.take("heartbeat", "executor-1", {"state": "trading", "lag_ms": 0.4})
    assert [each["state"] for each in machines.processes()["seats"]] == ["trading", "searching"]
    assert [each["answered"] for each in machines.processes()["seats"]] == [None, 24]
    now[0] = 10 * SECOND
    assert machines.processes()["seats"][0]["state"] is None


def test_starts_are_counted_where_a_supervisor_says_them_and_else_unknown(tmp_path):
    """In a container nobody here starts anybody: that is not the same as never."""

    def again():
        told = Machines(Live(["executor-1"]), tmp_path, lambda: utc_ns(STARTED)).processes()
        return {each["name"]: each["restarts"] for each in told["processes"]}

    assert set(again().values()) == {None}
    rows = [
        {"time": STARTED, "event": "process_started", "process": name}
        for name in ("coordinator", "executor-1", "executor-1")
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "supervisor.log").write_text(text, encoding="ascii")
    assert again() == {"coordinator": 0, "executor-1": 1}
