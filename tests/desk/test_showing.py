"""A desk's figures: whether what it shows can be believed."""

from types import SimpleNamespace

from desk.live import Live
from desk.showing import figures


def test_who_was_never_heard_is_infinitely_old():
    """A threshold finds him, too; the store's trouble is told."""
    now_ns = 10**9
    live = Live(("executor-1",), steady=lambda: now_ns)
    live.take("status", "executor-1", {})
    now_ns = 4 * 10**9
    told = {
        (each.name, *labels.values()): value
        for each in figures(live, SimpleNamespace(failing="disk full", rounds=7))
        for labels, value in each.samples
    }
    assert told == {
        ("desk_heard_age_seconds", "coordinator"): float("inf"),
        ("desk_heard_age_seconds", "executor-1"): 3.0,
        ("desk_store_failing",): True,
        ("desk_rounds_total",): 7,
    }
