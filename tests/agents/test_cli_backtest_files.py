import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.agents.command_line import ROOT, Process, short_day, told

WARM = ("--set", "executor.warmup_s=60")


@pytest.fixture(scope="module")
def data():
    """A folder with half an hour of an artificial market."""
    with tempfile.TemporaryDirectory(prefix="cp") as folder:
        short_day(Path(folder))
        yield Path(folder)


def given(data, *arguments, feed="half.npz"):
    """Exit code and what was said, on both outputs, by a process of its own."""
    feed_path = data / feed
    process = Process("backtest", "--data", data, "--feed", feed_path, *WARM, *arguments)
    code, out, err = process.end()
    assert "bug" not in err
    assert "Traceback" not in err
    return code, out, err


def test_no_recording_is_ever_written_over(data):
    """Neither by its own name nor by another one for it."""
    path = data / "half.npz"
    before = path.read_bytes()
    alias = data / "alias.csv"
    alias.symlink_to(path)
    for name in (path, alias):
        code, line = told(data, "backtest", "--feed", path, *WARM, "--csv", name)
        assert code == 2
        assert "must end in .csv" in line or "is the recording itself" in line
    assert path.read_bytes() == before


def test_the_printed_command_is_printed_letter_by_letter(data):
    """No part of it is taken for a picture or for markup; run again it is understood."""
    (data / "[bold]x:10:.npz").write_bytes((data / "half.npz").read_bytes())
    tiers = "feed.fee_tiers=0:10:10,10000:-1:5"
    code, out, err = given(data, "--set", tiers, "--csv", data / "[i].csv", feed="[bold]x:10:.npz")
    assert code == 0, err
    words = shlex.split(out.splitlines()[-1])
    assert tiers in words
    assert str(data / "[bold]x:10:.npz") in words
    assert f"written     {data / '[i].csv'}," in out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
def test_a_file_that_cannot_be_written_loses_no_result(data):
    """The table stands, the file is named, and what was there before stays."""
    old = data / "old.csv"
    old.write_text("as it was", encoding="utf-8")
    (data / "full.svg").symlink_to("/dev/full")
    code, out, err = given(data, "--csv", old, "--picture", data / "full.svg")
    assert code == 4
    assert f"counterpoint: {data / 'full.svg'} cannot be written: No space left" in err
    assert out.splitlines()[-1].startswith("reproduce ")
    assert "written " not in out
    assert old.read_text(encoding="utf-8") == "as it was"
    assert not list(data.glob(".*draft"))
    code, out, err = given(data, "--json", "--csv", "/proc/x.csv")
    assert code == 4
    assert "/proc/x.csv cannot be written" in err
    assert json.loads(out)["written"] == []


def test_beside_a_device_nothing_is_made(data):
    """What goes to /dev/null has no companion in /dev."""
    code, out, err = given(data, "--csv", "/dev/null")
    assert code == 0, err
    assert "written     /dev/null," in out
    assert not Path("/dev/null.json").exists()
    assert not Path("/dev/null").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_an_output_that_takes_no_more_is_one_line_or_none(data, form):
    """A full device is told in one line; a reader that left is told nothing. Files are written."""
    for name, code, says in (("full", 4, "No space left on device"), ("closed", 141, "")):
        csv = data / f"{name}.csv"
        command = [sys.executable, "-m", "agents.cli.main", "backtest", "--data", data]
        command += ["--feed", data / "half.npz", *WARM, "--csv", csv, *form]
        reading, writing = os.pipe()
        os.close(reading)
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                list(map(str, command)),
                check=False,
                cwd=ROOT,
                stdout=full if name == "full" else writing,
                stderr=subprocess.PIPE,
                text=True,
                timeout=120,
            )
        os.close(writing)
        assert done.returncode == code
        assert done.stderr.count("\n") == bool(says), done.stderr
        assert says in done.stderr
        assert csv.exists()


def test_a_sweep_is_paid_for_whatever_is_said(data):
    """Who gives fewer trials than were made is not believed."""
    code, out, err = given(data, "--grid", "levels=1,2", "--trials", 1, "--json")
    assert code == 0, err
    document = json.loads(out)
    assert (document["trials"], document["chosen_in_sample"]) == (2, True)
    assert document["first_row"]["verdict"]["trials"] == 2
    assert document["reproduce"][-2:] == ["--trials", "2"]
