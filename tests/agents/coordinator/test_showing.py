"""A coordinator's figures: its log's counts, and the status that it told."""

from agents.coordinator.records import Kind, Record
from agents.coordinator.showing import Noted


def found(noted):
    """Return every sample by name and own labels."""
    return {
        (each.name, *labels.values()): value
        for each in noted.figures()
        for labels, value in each.samples
    }


def test_entries_and_refusals_are_counted():
    """Every kind and code is there from the start, so that a rise from nothing is seen."""
    noted = Noted()
    noted.take(Record(Kind.REFUSED, 1, {"id": "a", "code": "E_STEP", "detail": ""}))
    told = found(noted)
    assert told["log_entries_total", "refused"] == 1
    assert told["log_entries_total", "decision"] == 0
    assert told["updates_refused_total", "E_STEP"] == 1
    assert told["updates_refused_total", "E_BOUNDS"] == 0


def test_a_decision_or_a_renewal_ends_the_wait_for_one(monkeypatch):
    """A boundary that was closed with nothing does not."""
    now_s = 1000.0
    monkeypatch.setattr("agents.coordinator.showing.time.monotonic", lambda: now_s)
    noted = Noted()
    now_s = 1500.0
    noted.take(Record(Kind.DONE, 1, {"not_after": None}))
    assert found(noted)["decision_age_seconds",] == 500.0
    noted.take(Record(Kind.DONE, 1, {"not_after": 7}))
    assert found(noted)["decision_age_seconds",] == 0.0
    now_s = 1600.0
    noted.take(Record(Kind.DECISION, 2, {}))
    assert found(noted)["decision_age_seconds",] == 0.0


def test_a_status_shows_mode_frames_and_seats():
    """Before the first one nothing of them is shown."""
    noted = Noted()
    assert ("generation",) not in found(noted)
    seat = {"name": "optimizer-1", "weight": 1, "reliability": 0.5, "faults": 2}
    noted.told = {
        "phase": "idle",
        "mode": "peer",
        "generation": 2,
        "epoch": 3,
        "version": 4,
        "stops": 0,
        "control_forwarded": 9,
        "conduct": [{**seat, "benched_until": None}],
    }
    told = found(noted)
    assert (told["mode", "peer"], told["mode", "consensus"]) == (1, 0)
    assert told["frames_total", "forwarded"] == 9
    assert told["seat_reliability_ratio", "optimizer-1"] == 0.5
    assert told["seat_benched", "optimizer-1"] == 0
