import io
import json
import logging
import stat

import pytest
import structlog

from protocol import telemetry
from protocol.errors import SettingsError
from protocol.telemetry import setup_logging


@pytest.fixture
def talk():
    """Catch what a person would read, and leave logging as it was found."""
    yield io.StringIO()
    structlog.reset_defaults()
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, telemetry._Forward)]:
        root.removeHandler(handler)
        handler.close()


def test_a_fact_becomes_json_in_the_file_and_a_short_line_for_the_person(tmp_path, talk):
    """The same fact, twice, for two readers."""
    file = setup_logging("executor-1", tmp_path, talk=talk)
    log = structlog.get_logger()
    log.info("parameters_applied", version=412, confidence_score=0.81)
    log.debug("too_much")
    log.warning("fill_missed", text="a\nb\x1b[31m")
    file.close()
    path = tmp_path / "executor-1.log"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["event"] for row in rows] == ["parameters_applied", "fill_missed"]
    assert rows[0] | {"time": ""} == {
        "time": "",
        "level": "info",
        "component": "executor-1",
        "event": "parameters_applied",
        "version": 412,
        "confidence_score": 0.81,
    }
    assert rows[0]["time"].endswith("Z")
    first, second = talk.getvalue().splitlines()
    assert first[8:] == " executor-1 parameters_applied version=412 confidence_score=0.81"
    assert second[8:] == " executor-1 WARNING fill_missed text=a\\x0ab\\x1b[31m"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_libraries_say_is_kept_too(tmp_path, talk):
    """A warning of the standard logging becomes a line of ours, a trace stays in the file."""
    setup_logging("desk", tmp_path, talk=talk)
    file = setup_logging("desk", tmp_path, talk=talk)
    logging.getLogger("zmq").warning("peer %s is gone", "x")
    try:
        int("impossible")
    except ValueError:
        structlog.get_logger().exception("task_died")
    file.close()
    rows = [json.loads(line) for line in (tmp_path / "desk.log").read_text().splitlines()]
    assert [row["event"] for row in rows] == ["library_said", "task_died"]
    assert rows[0]["library"] == "zmq"
    assert "ValueError: invalid literal" in rows[1]["exception"]
    assert "Traceback" not in talk.getvalue()


def test_a_full_log_turns_over_and_keeps_one_older_file(tmp_path, talk, monkeypatch):
    """A log is bounded."""
    monkeypatch.setattr(telemetry, "LOG_BYTES_MAX", 500)
    file = setup_logging("executor-1", tmp_path, talk=talk)
    for number in range(50):
        structlog.get_logger().info("counted", number=number)
    file.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "executor-1.log",
        "executor-1.log.1",
    ]
    assert all(path.stat().st_size < 700 for path in tmp_path.iterdir())


def test_logging_that_cannot_be_set_up_is_one_line(tmp_path, talk):
    """Unknown level, absent folder."""
    with pytest.raises(SettingsError, match="one of debug, info, warning, error, found 'loud'"):
        setup_logging("x", None, "loud", talk=talk)
    with pytest.raises(SettingsError, match="log file cannot be written"):
        setup_logging("x", tmp_path / "absent", talk=talk)
    assert setup_logging("x", None, talk=talk) is None
