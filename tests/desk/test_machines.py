"""What the desk says of processes: who lives, and what each seat does."""

from desk.live import Live
from desk.machines import Machines

SECOND = 10**9


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
