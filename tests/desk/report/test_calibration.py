"""What came of stated confidences, and what a backtest foretells, in the report."""

import json
from dataclasses import replace

import pytest

from agents.cli import replay_session
from agents.cli import report as command
from desk.report.calibration import calibration, outcomes
from desk.report.page import page_of
from desk.report.sheet import sheet_of
from desk.report.text import text_of
from desk.rows import DECISIONS
from desk.store import Store
from exchange.errors import RecordingError
from protocol.messages import JournalRow

OWNER = "executor"
SIDE = {"fills": 9, "lots": 90, "net": -1.25, "turnover": 900.0,
        "markouts_bps": {"markout_1s_bps": 0.5, "markout_60s_bps": None}}  # fmt: skip
MATCHED = {**SIDE, "overlap": 0.9876, "net_difference_bps": 1.5, "both": 7, "only_actual": 2,
           "only_predicted": 1, "first_fill_shift_ms": None}  # fmt: skip
REPLAYED = {"symbol": "A-B", "hours": 1.5, "orders": 40, "refused": 3, "order_delay_ms": None,
            "actual": SIDE, "configured": MATCHED, "measured": MATCHED}  # fmt: skip
"""As `replay-session --json` words it."""


def answered(key, seat, confidence):
    """A seat's answer to a boundary."""
    return "answer", {"id": key, "seat": seat, "update": {"data": {"confidence_score": confidence}}}


def told(*entries):
    """Events of a decision log."""
    return tuple((DECISIONS, kind, place, body) for place, (kind, body) in enumerate(entries))


LOG = told(
    ("applied", {"pair": [1, 0]}),  # its decision is from before the span
    ("measured", {"won": {"optimizer-1": True}}),
    answered("a", "optimizer-1", 0.9),
    ("proposal", {"id": "b", "src": "optimizer-2",
                  "update": {"data": {"confidence_score": 0.6}}}),
    answered("c", "optimizer-3", 0.7),
    ("decision", {"basis": ["a", "b"], "pair": [1, 1]}),
    ("applied", {"pair": [1, 1]}),
    ("measured", {"won": {"optimizer-1": True, "optimizer-2": False}}),
    ("measured", {"won": {"optimizer-1": False}}),  # of a trial that was measured already
    answered("d", "optimizer-1", 0.2),
    ("decision", {"basis": ["d"], "pair": [1, 2]}),
    ("rejected", {"pair": [1, 2]}),
    ("measured", {"won": {}}),
    answered("e", "optimizer-1", 0.1),
    ("decision", {"basis": ["e"], "pair": [1, 3]}),
    ("applied", {"pair": [1, 3]}),
    ("measured", {"won": {"optimizer-1": False}}),
)  # fmt: skip


def test_an_outcome_belongs_to_the_set_that_came_into_force(store):
    """Each stated once with what came of it; refused, unknown and measured twice are none."""
    history = replace(sheet_of(store, "a run", OWNER).history, events=LOG)
    assert outcomes(history) == ([0.9, 0.6, 0.1], [True, False, False])
    found = calibration(history)
    assert found["outcomes"] == 3
    assert found["base_rate"] == pytest.approx(1 / 3)
    assert found["brier"] == pytest.approx((0.1**2 + 0.6**2 + 0.1**2) / 3)
    assert found["calibration_error"] == pytest.approx((0.1 + 0.6 + 0.1) / 3)
    assert found["skill"] == pytest.approx(1 - found["brier"] / (2 / 9))


def test_both_are_told_in_every_form(store):
    """Text, page and JSON, each with its sample; a report without either says so."""
    sheet = sheet_of(store, "a run", OWNER)
    assert "no set that came into force has an outcome yet" in text_of([sheet])
    assert "Predicted against actual" not in text_of([sheet])
    assert json.loads(json.dumps(sheet.as_dict()))["replayed"] is None
    history = replace(sheet.history, events=LOG)
    sheet = replace(sheet, calibration=calibration(history), replayed=REPLAYED)
    for form in (text_of([sheet]), page_of([sheet])):
        for words in ("n 3", "3 in all", "98.8%", "40 orders over 1.50 h, 3 refused", "+0.50"):
            assert words in form, words
        assert "no fair sample of all that was proposed" in form
        assert "3 outcomes behind the confidence" in form
    document = json.loads(json.dumps(sheet.as_dict(), allow_nan=False))
    assert document["replayed"]["measured"]["overlap"] == 0.9876
    assert document["calibration"]["outcomes"] == 3


def test_the_log_of_a_run_reaches_the_report(store, copied):
    """Entries as the coordinator's journal hands them over."""
    for place, (_, kind, _, body) in enumerate(LOG, 1):
        first = sheet_of(store, "a run", OWNER).history.since_ns
        row = JournalRow(seq=place, time_ns=first + place, kind=kind, body=body)
        copied.take("a run", "coordinator", DECISIONS, [row])
    assert sheet_of(copied, "a run", OWNER).calibration["outcomes"] == 3


@pytest.fixture
def copied(store):
    """A store of one's own."""
    with Store.open("sqlite://") as found:
        raw, own = store.engine.raw_connection(), found.engine.raw_connection()
        raw.driver_connection.backup(own.driver_connection)
        yield found


def test_a_session_is_replayed_where_a_run_was_at_a_venue(tmp_path, monkeypatch, capsys):
    """Else nothing is; a recording that cannot be replayed is a line, and the report goes on."""
    assert command.replayed(tmp_path) is None
    (tmp_path / "session.json").write_text("{}", encoding="utf-8")

    def broken(*_):
        raise RecordingError("the recording has a gap")

    for name in ("agents.cli.stack.settings_in", "agents.session.open_session"):
        monkeypatch.setattr(name, lambda *_: _Anything())
    monkeypatch.setattr("agents.executor.agreement.agreement", broken)
    assert command.replayed(tmp_path) is None
    assert "the session cannot be replayed: the recording has a gap" in capsys.readouterr().err
    monkeypatch.setattr("agents.executor.agreement.agreement", lambda *_: None)
    monkeypatch.setattr(replay_session, "document", lambda _: REPLAYED)
    assert command.replayed(tmp_path) == REPLAYED


class _Anything:
    def located(self, _):
        return self
