"""`counterpoint log` and `incident` say what became of a policy in shadow."""

import json
from itertools import chain

import pytest

from agents.cli.chapters import clock
from agents.cli.log_command import stamp
from agents.coordinator.log import DecisionLog
from agents.coordinator.records import Kind, Record
from agents.executor import records
from agents.executor.recovery import open_journal
from tests.agents.command_line import told
from tests.agents.executor.market import lucky

BEGUN = "policy in shadow: judged block by block beside the one that quotes"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data folder with a run in which a policy was promoted by luck, and sent back."""
    folder = tmp_path_factory.mktemp("verdicts")
    feed, sections = lucky(folder)
    pairs = [
        ("--set", f"{section}.{name}={value}")
        for section, values in sections.items()
        for name, value in values.items()
    ]
    code, text = told(folder / "data", "executor", "--feed", feed, *chain.from_iterable(pairs))
    assert code == 0, text
    return folder / "data"


@pytest.fixture(scope="module")
def verdicts(data):
    """The journal's verdicts that were another stage than the one before, and the first."""
    with open_journal(data / "runs" / "latest", readonly=True) as journal:
        found = [row.body for row in journal.rows(records.HEARD, kinds=("policy",))]
    stages = [each["stage"] for each in found]
    assert len(found) == 8
    return [found[stages.index(stage)] for stage in ("shadow", "promoted", "rolled_back")]


def worded(verdict):
    """The grounds of a verdict as its line has them."""
    gain = f"{verdict['lower']:+.3g} to {verdict['upper']:+.3g} a block"
    return (
        f"{verdict['reason']}, {gain}, {verdict['blocks']} blocks, {verdict['trips']} round trips"
    )


def test_the_log_tells_each_change_in_its_place(data, verdicts):
    """One line each, between what the coordinator did before and after; as JSON with figures."""
    begun, promoted, back = verdicts
    run = data / "runs" / "latest"
    times = [each["until_ns"] + 1 for each in verdicts]
    with DecisionLog.open(run) as log:
        log.append([Record(kind=Kind.EPOCH, time_ns=0, body={"epoch": 1})])
        for number, time_ns in enumerate(times):
            stop = {"id": f"{number:032x}", "scope": "all", "flatten": False, "reason": "drill"}
            log.append([Record(kind=Kind.STOP, time_ns=time_ns, body=stop)])
    code, text = told(data, "log", "--run", run)
    assert code == 0, text
    heads = [line for line in text.splitlines() if not line.startswith(" ")]
    lines = [line.partition("  ")[::2] for line in heads]
    assert [said for _, said in lines] == [
        "the coordinator starts, epoch 1",
        BEGUN,
        "STOP, all: drill",
        f"policy promoted: {worded(promoted)}",
        "STOP, all: drill",
        f"policy sent back: {worded(back)}",
        "STOP, all: drill",
    ]
    times = (begun["since_ns"], promoted["until_ns"], back["until_ns"])
    assert [lines[place][0][11:] for place in (1, 3, 5)] == [clock(each) for each in times]
    code, text = told(data, "log", "--run", run, "--json", "--last", "2")
    (entry,) = json.loads(text)["chapters"][0]["entries"]
    wanted = {"at": stamp(back["until_ns"]), "kind": "policy", "text": lines[5][1], **back}
    assert entry == wanted
    (run / "decisions.sqlite").unlink()


def test_an_incident_tells_each_change(data, verdicts):
    """Before the decisions, in whole lines of its screen."""
    code, text = told(data, "incident")
    assert code == 0, text
    lines = text.splitlines()
    first = lines.index("policy") + 1
    said = [line.strip().partition("  ")[2] for line in lines[first : first + 3]]
    _, promoted, back = verdicts
    assert said == [
        BEGUN,
        f"policy promoted: {worded(promoted)}",
        f"policy sent back: {worded(back)}",
    ]
    assert lines[first + 3].startswith("decisions")
