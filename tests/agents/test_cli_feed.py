import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from agents.cli.feed import app
from agents.cli.talk import Talk
from exchange.recorder import Recorder
from exchange.recording import load
from exchange.recording_folder import load_recording
from market.layout import EVENT_LOCAL_NS
from protocol.messages import QuoteParameters
from tests.exchange.feeds import NEXO, real_feed, spot_day, write
from tests.exchange.test_recorder import META, rows

ROOT = Path(__file__).parents[2]
RUNNER = CliRunner()


def feed(*arguments):
    return RUNNER.invoke(app, [str(argument) for argument in arguments])


def refused(*arguments):
    """The one line and the exit code of a command that must fail."""
    result = feed(*arguments)
    assert result.exception is not None
    assert not isinstance(result.exception, SystemExit), result.output
    line = str(result.exception)
    assert "\n" not in line
    return line, result.exception.exit_code


@pytest.fixture
def raw(tmp_path):
    return write(tmp_path / "abcusdt_20231114.gz", spot_day())


@pytest.fixture
def recording(tmp_path, raw):
    out = tmp_path / "abc.npz"
    assert feed("import", raw, "--out", out).exit_code == 0
    return out


def test_import_writes_a_recording_and_says_what_is_in_it(tmp_path, raw):
    """Counts on standard output, nothing else."""
    result = feed("import", raw, "--out", tmp_path / "abc.npz", "--maker-fee", "-0.5")
    assert "5 depth events (6 level changes), 2 trades, 0 gaps" in result.stdout
    meta = load(tmp_path / "abc.npz").meta
    assert (meta.symbol, meta.maker_fee_bps, meta.taker_fee_bps) == ("ABC-USDT", -0.5, 10.0)
    as_json = feed("import", raw, "--out", tmp_path / "two.npz", "--json")
    assert json.loads(as_json.stdout)["symbol"] == "ABC-USDT"


def test_a_folder_of_segments_is_a_recording(tmp_path):
    """Checked, described and joined, sealed or open; a folder of raw data is imported as ever."""
    folder = tmp_path / "live"
    recorder = Recorder(folder, META, rotate_ns=300 * 10**9)
    for part in np.array_split(rows(), 50):
        recorder.append(part, int(part[-1, EVENT_LOCAL_NS]))
    recorder.flush(1 << 62)
    found = json.loads(feed("check", folder, "--json").stdout)
    assert found["passed"]
    assert found["events"] == len(rows())
    assert json.loads(feed("info", folder, "--json").stdout)["meta"]["symbol"] == "BTC-USDT"
    assert feed("import", folder, "--out", tmp_path / "one.npz").exit_code == 0
    assert (load(tmp_path / "one.npz").events == rows()).all()
    recorder.close()
    assert (load_recording(folder).events == rows()).all()
    line, code = refused("check", folder, "--symbol", "ETH-USDT")
    assert "BTC-USDT" in line
    assert code == 4


def test_check_passes_a_sound_recording(recording, raw):
    """The one line that matters, for the recording and for the raw file alike."""
    for path in (recording, raw):
        result = feed("check", path)
        assert result.exit_code == 0
        assert "5 depth events (6 level changes), 2 trades, 0 gaps, 0 crossed books" in (
            result.stdout
        )
    found = json.loads(feed("check", recording, "--json").stdout)
    assert (found["passed"], found["depth_events"], found["crossed_books"]) == (True, 5, 0)


def test_check_fails_a_crossed_book_with_exit_code_4(tmp_path):
    """The report goes to standard output, the first error becomes the one line."""
    lines = [line.replace('["10.01", "2.0"]', '["10.00", "2.0"]') for line in spot_day()]
    raw = write(tmp_path / "abcusdt_20231114.gz", lines)
    assert feed("import", raw, "--out", tmp_path / "abc.npz").exit_code == 0
    line, code = refused("check", tmp_path / "abc.npz")
    assert code == 4
    assert "check failed: crossed book after" in line
    report = feed("check", tmp_path / "abc.npz").stdout
    assert "error: crossed book" in report
    assert report.endswith("failed\n")
    as_json = json.loads(feed("check", tmp_path / "abc.npz", "--json").stdout)
    assert as_json["passed"] is False


def without(lines, row):
    return lines[:row] + lines[row + 1 :]


def swapped(lines, row):
    return [*lines[:row], lines[row + 1], lines[row], *lines[row + 2 :]]


@pytest.mark.parametrize(
    ("lines", "cut", "flags", "says"),
    [
        (without(spot_day(), 4), 0, (), "an update is missing"),
        (swapped(spot_day(), 4), 0, (), "runs back"),
        (spot_day(), 20, ("--format", "binance"), "cut off after line"),
        (spot_day(), 0, ("--symbol", "BTC-USDT"), "wanted BTC-USDT"),
    ],
)
def test_import_refuses_damage_with_one_line_and_exit_code_4(tmp_path, lines, cut, flags, says):
    """A removed diff, a swapped pair, a truncated file, a wrong symbol; nothing is written."""
    raw = write(tmp_path / "abcusdt_20231114.gz", lines)
    raw.write_bytes(raw.read_bytes()[: len(raw.read_bytes()) - cut])
    line, code = refused("import", raw, "--out", tmp_path / "abc.npz", *flags)
    assert says in line
    assert code == 4
    assert not (tmp_path / "abc.npz").exists()


def test_a_data_set_of_hftbacktest_opens_when_its_instrument_is_named(tmp_path, recording):
    """Without a meta one line says which flags to give; with them it is a recording."""
    with np.load(recording) as members:
        np.savez_compressed(tmp_path / "bare.npz", data=members["data"])
    line, code = refused("check", tmp_path / "bare.npz")
    assert code == 4
    assert "--symbol BASE-QUOTE --tick TICK --lot LOT" in line
    flags = ("--symbol", "ABC-USDT", "--tick", "0.01", "--lot", "0.1")
    assert feed("check", tmp_path / "bare.npz", *flags).exit_code == 0
    assert (
        feed("import", tmp_path / "bare.npz", *flags, "--out", tmp_path / "new.npz").exit_code == 0
    )
    assert (load(tmp_path / "new.npz").events == load(recording).events).all()
    line, code = refused("check", tmp_path / "bare.npz", *flags[:2], "--tick", "0.3")
    assert (code, "no multiple of 0.3" in line) == (4, True)


def test_what_is_a_recording_already_is_not_imported(tmp_path, recording):
    """Flags would be ignored in silence."""
    line, _ = refused("import", recording, "--out", tmp_path / "new.npz")
    assert "recording already" in line
    line, code = refused("check", recording, "--symbol", "XYZ-USDT")
    assert (code, "holds ABC-USDT, wanted XYZ-USDT" in line) == (4, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("import", "RAW", "--out", "abc.txt"), "--out must end in .npz"),
        (("import", "RAW", "--out", "nowhere/abc.npz"), "no such folder"),
        (("check", "RAW", "--format", "csv"), "--format must be one of binance"),
        (("check", "absent.npz"), "no such file"),
        (("check", "absent"), "no such file or folder"),
        (("info", "RAW", "--hours", "0"), "--hours must be above 0"),
        (("info", "RAW", "--capital", "nan"), "--capital must be above 0"),
        (("info", "RAW"), "look at more hours"),
        (("synth", "--out", "s.npz", "--setting", "rosy"), "setting must be one of"),
        (("synth", "--out", "s.npz", "--hours", "0"), "hours must be in"),
    ],
)
def test_a_wrong_request_is_one_line(raw, monkeypatch, arguments, says):
    """Found, allowed, and what to do."""
    monkeypatch.chdir(raw.parent)
    line, code = refused(*(raw if word == "RAW" else word for word in arguments))
    assert says in line
    assert code in {1, 2, 4}


def test_synth_makes_the_same_day_from_the_same_seed(tmp_path):
    """And the day passes its check, is described, and its truth stands in the meta."""
    for name in ("one.npz", "two.npz"):
        made = feed(
            "synth", "--out", tmp_path / name, "--seed", 5, "--hours", 0.5,
            "--setting", "zero_edge",
        )  # fmt: skip
        assert made.exit_code == 0, made.output
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    assert feed("check", tmp_path / "one.npz").exit_code == 0
    assert load(tmp_path / "one.npz").meta.notes["setting"] == "zero_edge"
    told = feed("info", tmp_path / "one.npz", "--capital", 5000)
    assert "suggested for a capital of 5,000 USDT" in told.stdout
    found = json.loads(feed("info", tmp_path / "one.npz", "--json").stdout)
    QuoteParameters(**found["parameters"])
    assert found["meta"]["symbol"] == "SYN-USDT"
    paid = json.loads(feed("info", tmp_path / "one.npz", "--json", "--maker-fee", 40).stdout)
    assert paid["parameters"]["spread_percentage"] >= 0.8


def counterpoint(*arguments, cwd):
    """The whole command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "agents.cli.main", "feed", *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_the_real_quiet_day_shows_what_its_manifest_says(tmp_path):
    """68,182 depth events, 12,458 trades, 0 gaps, 0 crossed books, in separate processes."""
    folder = real_feed(NEXO)
    made = counterpoint("import", folder, "--out", "nexo.npz", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    said = made.stderr.splitlines()  # nothing, but on a machine that needs three seconds for it
    progress = re.compile(r"(reading \S+|ordering both clocks): \d+%")
    assert all(progress.fullmatch(line) for line in said), made.stderr
    found = counterpoint("check", "nexo.npz", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert (
        "68,182 depth events (136,315 level changes), 12,458 trades, 0 gaps, 0 crossed books"
        in found.stdout
    )


def test_a_truncated_real_file_ends_the_process_with_one_line(tmp_path):
    """Standard output stays empty, standard error holds one line without a traceback."""
    source = min(real_feed(NEXO).iterdir())
    (tmp_path / source.name).write_bytes(source.read_bytes()[:-1000])
    result = counterpoint("import", source.name, "--out", "nexo.npz", cwd=tmp_path)
    assert result.returncode == 4
    assert result.stdout == ""
    assert result.stderr.startswith("counterpoint: nexousdt_20240723.dat.gz: cut off after line")
    assert result.stderr.count("\n") == 1
    assert gzip.decompress(source.read_bytes())  # the original was whole


def test_long_work_tells_how_far_it_is(capsys):
    """After three seconds, and then once every three seconds when nobody watches a terminal."""
    now = iter([0.0, 1.0, 3.5, 4.0, 7.0])
    talk = Talk(clock=lambda: next(now))
    for fraction in (0.1, 0.35, 0.4, 0.7):
        talk("reading day.gz", fraction)
    assert capsys.readouterr().err == "reading day.gz: 35%\nreading day.gz: 70%\n"
