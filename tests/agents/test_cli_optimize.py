"""`counterpoint optimize` as a person types it: one search, stored, gone on with, looked at."""

import json

import pytest

from agents.cli.optimize import FILE
from agents.optimizer.studies import Studies
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from tests.agents.command_line import Process, told

QUICK = ("--set", "executor.warmup_s=60", "--set", "optimizer.slices=6", "--budget", "8")


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """A folder with two hours of a market."""
    folder = tmp_path_factory.mktemp("day")
    save(folder / "day.npz", synthetic_recording(seed=3, hours=2.0, setting="planted_edge"))
    return folder


@pytest.fixture(scope="module")
def first(day):
    """What the first command on a new study says."""
    feed = ("--feed", day / "day.npz", "--every", "0.5", "--windows", "2")
    code, text = told(day, "optimize", *feed, *QUICK, "--study", "mine")
    assert code == 0, text
    return text


def lines(text, *names):
    """The lines that begin with a name."""
    return [line for line in text.splitlines() if line.startswith(names)]


def test_a_name_alone_goes_on_with_a_study(day, first):
    """Feed, windows, budget and every setting are the study's; the answer has the same digest."""
    code, again = told(day, "optimize", "--study", "mine")
    assert code == 0, again
    kept = ("verdict", "in force", "search", "together", "afterwards", "confidence", "digest")
    assert lines(again, *kept) == lines(first, *kept)
    assert "batches from the store" in again


def test_the_table_says_verdict_windows_and_what_it_cost(first):
    """Somebody who reads only this knows what to do and how sure it is."""
    assert len(lines(first, "2025-")) == 2
    for name in ("verdict", "in force", "search", "together", "afterwards", "spent", "digest"):
        assert len(lines(first, name)) == 1, name


def test_as_json_it_holds_front_and_verdict_to_the_last_digit(day, first):
    """The document is whole: a script needs nothing else."""
    code, text = told(day, "optimize", "--study", "mine", "--json")
    assert code == 0
    document = json.loads(text)
    assert document["digest"] in first
    assert document["verdict"] == document["rows"][-1]
    assert all(len(each["values"]) == 3 for each in document["front"])
    assert document["spent"]["batches_restored"] == document["spent"]["batches"]


def test_a_complete_study_can_be_looked_at(day, first):
    """Another terminal needs its name alone."""
    code, text = told(day, "optimize", "--study", "mine", "--watch")
    assert code == 0
    assert "2 windows of 8 candidates" in text
    assert text.rstrip().endswith("complete")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--watch",), 2, "--watch needs the name of a study"),
        (("--storage", "sqlite:///x.db"), 2, "--storage needs the name of a study"),
        (("--study", "other", "--watch"), 3, "there is no study other; known here: mine"),
        (("--study", "mine", "--budget", "9"), 4, "optimizer.budget 8, found 9"),
        (("--study", "mine", "--seed", "2"), 4, "seed 1, found 2"),
        (("--study", "mine", "--windows", "1"), 4, "with other windows"),
        (("--windows", "0"), 2, "--windows must be in"),
        (("--export-optuna", "x.txt"), 2, "--export-optuna must end in .db"),
        (("--study", " "), 2, "--study is empty"),
    ],
)
def test_what_cannot_be_done_is_one_line(day, first, arguments, code, words):
    """What was found, what is allowed, and what to do."""
    found, text = told(day, "optimize", *arguments)
    assert (found, words in text) == (code, True), text


@pytest.mark.slow
def test_killed_by_the_system_it_ends_with_the_same_digest(day, first):
    """A real process, kill -9 in the middle of its work, and the same command again."""
    feed = ("--feed", day / "day.npz", "--every", "0.5", "--windows", "2")
    arguments = ("optimize", "--data", day, *feed, *QUICK, "--study", "killed")
    process = Process(*arguments)
    with Studies.open(f"sqlite:///{day / FILE}") as studies:
        while not studies.batches("killed"):
            assert process._process.poll() is None, process.end()
    process.close()
    code, text = told(day, *arguments[:1], *arguments[3:])
    assert code == 0, text
    assert lines(text, "digest") == lines(first, "digest")
    assert "from the store" in text


def test_the_page_of_a_study_is_written_by_the_desk(day, first, tmp_path):
    """`--report FILE`: verdict and digest of the table are on the page."""
    path = tmp_path / "study.html"
    code, text = told(day, "optimize", "--study", "mine", "--report", path)
    assert code == 0, text
    page = path.read_text(encoding="utf-8")
    assert lines(first, "digest")[0].split()[1] in page
    assert "What became of the choices" in page
    assert "Front of the newest window" in page
    assert len(page) < 2_000_000
