"""`counterpoint log`: the story of a decision log, beside its coordinator and after its death."""

import json
import subprocess
import sys

import pytest

from agents.cli.chronicle import Chronicle
from agents.cli.log_command import lines_of, mode_of, newest_log
from agents.coordinator.log import DecisionLog
from agents.coordinator.records import Kind, Record
from agents.settings import Settings
from protocol.messages import Mode
from tests.agents.command_line import ROOT, told

START_NS = 1_700_000_000 * 10**9
MINUTE_NS = 60 * 10**9
SET = {"spread_percentage": 0.18, "levels": 4, "base_quantity": 0.001, "max_position": 0.01}
METRICS = {"sqn_score": 1.0, "sharpe_ratio": 1.0, "max_drawdown": 0.1}
UPDATE = {
    "data": {
        "optimized_params": SET,
        "performance_metrics": METRICS,
        "confidence_score": 0.8,
    }
}
TOLD = "spread 0.18 %, levels 4, base 0.001, max 0.01"
ONE, TWO, STOP = "1" * 32, "2" * 32, "5" * 32


class Book:
    """A log in the making; each entry is a minute later."""

    def __init__(self):
        self.records = []

    def write(self, kind, **body):
        """Append one entry."""
        time_ns = START_NS + len(self.records) * MINUTE_NS
        self.records.append(Record(kind=kind, time_ns=time_ns, body=body))

    def propose(self, seat, key, *, boundary=False, renewal=False):
        """A seat proposes, at a boundary or beside any."""
        if boundary:
            self.write(Kind.ANSWER, seat=seat, id=key, update=UPDATE)
        else:
            self.write(Kind.PROPOSAL, src=seat, id=key, update=UPDATE, renewal=renewal)

    def put(self, *keys):
        """Open the round."""
        weights = [25_000_000] * len(keys)
        self.write(
            Kind.ROUND, round=1, epoch=1, sets=list(keys), weights=weights, candidate=SET,
            deadline=START_NS,
        )  # fmt: skip

    def vote(self, voter, choice, reason=""):
        """One vote in it."""
        self.write(Kind.VOTE, round=1, epoch=1, voter=voter, choice=choice, reason=reason)

    def decide(self, version, *keys, mode="master-slave", seat="optimizer-1"):
        """A decision that rests on proposals."""
        self.write(
            Kind.DECISION, pair=[1, version], params=SET, basis=list(keys), seat=seat, mode=mode,
            generation=0, not_before=START_NS, not_after=START_NS + MINUTE_NS, boundary=None,
        )  # fmt: skip

    def refuse(self, key, code="E_NOT_CHOSEN", detail="another proposal was approved"):
        """Refuse a proposal."""
        self.write(Kind.REFUSED, id=key, code=code, detail=detail)

    def told(self, mode=Mode.MASTER_SLAVE, applied=None):
        """The story so far."""
        return Chronicle(self.records, mode, applied)

    def text(self, mode=Mode.MASTER_SLAVE, applied=None):
        """As a person sees it."""
        chapters = self.told(mode, applied).told()
        return "\n".join(line for each in chapters for line in lines_of(each))


@pytest.fixture
def book():
    made = Book()
    made.write(Kind.EPOCH, epoch=1)
    return made


def test_a_set_is_followed_from_its_proposal_to_its_coming_into_force(book):
    """Proposal, vote, decision, application; the loser and why he lost."""
    book.propose("optimizer-1", ONE)
    book.propose("optimizer-2", TWO)
    book.put(ONE)
    book.vote("executor-1", "approve", "not worse on the newest window")
    book.decide(1, ONE)
    book.refuse(TWO)
    book.write(Kind.APPLIED, pair=[1, 1])
    text = book.text(applied={(1, 1): START_NS + 9 * MINUTE_NS})
    decided = f"decision 1.1 under master-slave, generation 0, of optimizer-1: {TOLD}; from "
    assert [line.split("  ", 1)[1].strip() for line in text.splitlines()] == [
        "the coordinator starts, epoch 1",
        "proposals, master-slave, generation 0",
        f"optimizer-1 proposes {TOLD} (confidence 0.80)",
        f"22:15:20  optimizer-2 proposes {TOLD} (confidence 0.80)",
        "22:16:20  round 1: the set of optimizer-1 is put to the executor",
        "22:17:20  executor-1 approves: not worse on the newest window",
        f"22:18:20  {decided}22:13:20, until 22:14:20 unless renewed",
        "22:19:20  optimizer-2 refused: E_NOT_CHOSEN another proposal was approved",
        "22:22:20  decision 1.1 is in force since 22:22:20",
    ]


def test_a_merge_names_its_weights_and_a_peer_that_finds_otherwise(book):
    """Peers do not vote: what they find is an alarm, beside the decision."""
    book.propose("optimizer-1", ONE)
    book.propose("optimizer-2", TWO)
    book.put(ONE, TWO)
    book.decide(1, ONE, TWO, mode="peer", seat="optimizer-1+optimizer-2")
    book.write(Kind.ALARM, round=1, peer="executor-1", code="E_BOUNDS", detail="another digest")
    text = book.text(Mode.PEER)
    assert "merged from optimizer-1 (weight 0.2500), optimizer-2 (weight 0.2500)" in text
    assert "ALARM: executor-1 finds otherwise in round 1: another digest" in text


def test_a_round_without_a_quorum_names_who_was_silent(book):
    """Nothing came into force, and it is known why."""
    book.propose("optimizer-1", ONE)
    book.put(ONE)
    book.vote("optimizer-1", "reject")
    book.write(Kind.VOID, round=1, epoch=1, silent=["executor-1", "optimizer-2"])
    text = book.text(Mode.CONSENSUS)
    assert "round 1: median of optimizer-1" in text
    assert "optimizer-1 rejects\n" in text
    assert text.endswith("round 1 is void: executor-1, optimizer-2 did not vote")


def test_boundaries_at_which_nobody_proposed_are_one_chapter(book):
    """A quiet night is one line; whoever found nothing better is named where somebody did."""
    for index in range(1, 4):
        book.write(Kind.BOUNDARY, index=index, id=f"{index:032x}", incumbent=[0, 0])
        book.write(Kind.ANSWER, seat="optimizer-1", id=f"{index + 9:032x}", update=None)
        book.write(Kind.DONE, index=index, decision=None)
    book.write(Kind.BOUNDARY, index=4, id="4" * 32, incumbent=[0, 0])
    book.write(Kind.ANSWER, seat="executor-1", id="6" * 32, update=None)
    book.propose("optimizer-1", ONE, boundary=True)
    book.refuse(ONE, "E_STEP", "levels must be in [3, 5] to be one step, found 9")
    text = book.text()
    assert "boundaries 1 to 3: nobody proposed" in text
    lines = text.splitlines()[-4:]
    assert lines[0].endswith("boundary 4, master-slave, generation 0")
    assert lines[2].endswith("executor-1: nothing better")
    assert lines[3].endswith("refused: E_STEP levels must be in [3, 5] to be one step, found 9")


def test_what_the_supervisor_finds_again_is_told_only_where_a_decision_rests_on_it(book):
    """Weights that have not moved are no news; a lone quiet boundary says that nobody proposed."""
    supervisor = {"running": {"expert": "optimizer-1"}}
    weights = {"optimizer-1": 0.6, "optimizer-2": 0.4}
    for index in range(1, 4):
        book.write(Kind.BOUNDARY, index=index, id=f"{index:032x}", incumbent=[0, 0])
        if index == 3:
            book.propose("optimizer-1", ONE, boundary=True)
        book.write(
            Kind.MEASURED, window=[0, index], nets={}, won={}, weights=weights,
            supervisor=supervisor,
        )  # fmt: skip
    book.decide(1, ONE, mode="hierarchical")
    text = book.text(Mode.HIERARCHICAL)
    assert "boundary 2: nobody proposed" in text
    assert text.count("the supervisor runs optimizer-1") == 1
    chapter = book.told(Mode.HIERARCHICAL).decision((1, 1))
    assert any("the supervisor runs optimizer-1" in line for line in lines_of(chapter))


def test_switches_stops_and_late_refusals_have_their_place(book):
    """The operator's deeds are chapters; the executor's veto stands with the decision."""
    book.propose("optimizer-1", ONE, renewal=True)
    book.decide(1, ONE)
    change = {"from": "master-slave", "to": "peer", "generation": 1, "reason": "drill"}
    book.write(Kind.MODE, id="7" * 32, **change)
    book.write(Kind.STOP, id=STOP, scope="all", flatten=True, reason="test")
    book.write(Kind.REARM, lifts=[STOP], reason="over")
    book.write(Kind.REJECTED, pair=[1, 1], code="E_RISK_VETO", detail="position")
    chapters = book.told().told()
    assert [each.title for each in chapters] == [
        "the coordinator starts, epoch 1",
        "proposals, master-slave, generation 0",
        "mode master-slave -> peer, generation 1: drill",
        "STOP and flatten, all: test",
        "rearmed: over",
    ]
    lines = [line.text for line in chapters[1].lines]
    assert lines[0].startswith("optimizer-1 has the set in force prolonged:")
    assert lines[-1] == "the executor refuses decision 1.1: E_RISK_VETO position"


def test_one_decision_is_told_with_its_grounds_alone(book):
    """What led to it, what became of it, and what took its place; of others nothing."""
    book.propose("optimizer-1", ONE)
    book.put(ONE)
    book.vote("executor-1", "approve")
    book.decide(1, ONE)
    book.write(Kind.APPLIED, pair=[1, 1])
    book.propose("optimizer-2", TWO)
    book.decide(2, TWO, seat="optimizer-2")
    book.write(Kind.APPLIED, pair=[1, 2])
    story = book.told()
    found = [line.kind for line in story.decision((1, 1)).lines]
    assert found == ["proposal", "round", "vote", "decision", "applied", "replaced"]
    assert [line.kind for line in story.decision((1, 2)).lines] == [
        "proposal",
        "decision",
        "applied",
    ]
    assert story.decision((1, 3)) is None


def test_every_entry_of_every_kind_is_told(book):
    """No kind of entry is lost on the way, as many as the log may hold."""
    book.propose("optimizer-1", ONE)
    book.write(Kind.MEASURED, window=[0, 1], boundary=None, nets={}, won={"optimizer-1": True},
               next={}, supervisor=None)  # fmt: skip
    told = sum(len(each.lines) for each in book.told().chapters)
    assert told == len(book.records)
    assert "on replay optimizer-1 beat what they replaced" in book.text()


WRITER = """
import sys
from pathlib import Path
from agents.coordinator.log import DecisionLog
from tests.agents.test_cli_log import Book, Kind, ONE
book = Book()
book.write(Kind.EPOCH, epoch=1)
book.propose("optimizer-1", ONE)
book.put(ONE)
book.vote("executor-1", "approve")
book.decide(1, ONE)
with DecisionLog.open(Path(sys.argv[1])) as log:
    log.append(book.records)
    print("written", flush=True)
    sys.stdin.read()
"""


def asked(*arguments):
    """Exit code, stdout and stderr of a `counterpoint log` process."""
    done = subprocess.run(
        [sys.executable, "-m", "agents.cli.main", "log", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_the_log_is_read_beside_its_writer_and_after_it_was_killed(tmp_path):
    """Processes: the same story while the coordinator holds the file, and after kill -9."""
    folder = tmp_path / "runs" / "20240101-000000"
    folder.mkdir(parents=True)
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert writer.stdout.readline() == "written\n"
        beside = asked("--data", tmp_path)
        assert beside[0] == 0, beside
        assert "decision 1.1 under master-slave, generation 0, of optimizer-1" in beside[1]
    finally:
        writer.kill()
        writer.communicate()
    assert asked("--data", tmp_path) == beside
    code, text, _ = asked("--data", tmp_path, "--decision", "1.1", "--json")
    assert code == 0
    (chapter,) = json.loads(text)["chapters"]
    kinds = [each["kind"] for each in chapter["entries"]]
    assert kinds == ["proposal", "round", "vote", "decision"]
    assert chapter["entries"][-1]["proposed_by"] == ["optimizer-1"]


def test_a_run_configured_elsewhere_tells_its_first_mode_itself(book, tmp_path):
    """By its first decision or switch; a configuration, where there is one, goes before."""
    settings = Settings.model_validate({"data": tmp_path})
    assert mode_of(tmp_path, book.records, settings) is None
    book.write(Kind.MODE, **{"from": "peer", "to": "consensus", "generation": 1, "reason": ""})
    book.propose("optimizer-1", ONE)
    book.decide(1, ONE, mode="consensus")
    assert mode_of(tmp_path, book.records, settings) is Mode.PEER
    assert mode_of(tmp_path, book.records[2:], settings) is Mode.CONSENSUS
    (tmp_path / "config.json").write_text(settings.model_dump_json(), encoding="utf-8")
    assert mode_of(tmp_path, book.records, settings) is Mode.MASTER_SLAVE


def test_no_log_is_one_clear_line(tmp_path):
    """With its exit code, and what to do; a wrong question likewise."""
    code, line = told(tmp_path, "log")
    assert code == 3
    assert line.startswith("no decision log under")
    assert "start with `counterpoint run`" in line
    code, line = told(tmp_path, "log", "--run", tmp_path)
    assert (code, "holds no decision log" in line) == (3, True)
    code, line = told(tmp_path, "log", "--decision", "seven")
    assert code == 2
    assert "EPOCH.VERSION" in line
    with DecisionLog.open(tmp_path):
        pass
    assert told(tmp_path, "log", "--run", tmp_path) == (
        0,
        "the decision log is empty: nothing was proposed yet\n",
    )
    code, line = told(tmp_path, "log", "--run", tmp_path, "--decision", "1.1")
    assert (code, line) == (1, "the log holds no decision 1.1; none yet")
    (tmp_path / "decisions.sqlite").write_bytes(b"not a journal at all" * 99)
    code, line = told(tmp_path, "log", "--run", tmp_path)
    assert code != 0
    assert "decisions.sqlite" in line


def test_the_newest_run_is_told_and_the_end_of_it_on_demand(tmp_path):
    """Runs of one second are numbered; `--last` counts chapters."""
    for name in ("20240101-000000", "20240101-000000-2", "20240101-000000-10", "20231231-235959"):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        book = Book()
        book.write(Kind.EPOCH, epoch=1)
        book.propose("optimizer-1", ONE)
        with DecisionLog.open(folder) as log:
            log.append(book.records)
    (tmp_path / "runs" / "latest").symlink_to("20231231-235959")
    assert newest_log(tmp_path) == tmp_path / "runs" / "20240101-000000-10"
    code, text = told(tmp_path, "log", "--last", "1")
    assert code == 0
    assert text.splitlines()[0].endswith("proposals, mode unknown, generation 0")


def test_a_reader_who_has_seen_enough_is_no_bug(tmp_path):
    """`counterpoint log | head -1` ends quietly."""
    book = Book()
    for number in range(2000):
        book.propose("optimizer-1", f"{number:032x}")
    with DecisionLog.open(tmp_path) as log:
        log.append(book.records)
    command = f"{sys.executable} -m agents.cli.main log --run {tmp_path} | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_faults_benches_and_counts_are_told():
    """Who said nonsense, who is not heard and until when, and what was refused unlogged."""
    book = Book()
    book.write(Kind.FAULT, seat="optimizer-1", id=ONE, code="E_SCHEMA", detail="levels is missing")
    book.write(Kind.BENCH, seat="optimizer-1", until=START_NS + 60 * MINUTE_NS, faults=10)
    book.write(Kind.TALLY, refused={"optimizer-1": {"E_SCHEMA": 7}}, dropped={"rate": 3})
    lines = [line for each in Chronicle(book.records).told() for line in lines_of(each)]
    text = "\n".join(lines)
    assert "optimizer-1 says what is no word: E_SCHEMA levels is missing" in text
    assert "optimizer-1 is benched until 2023-11-14T23:13:20Z, after 10 faults in a row" in text
    assert "refused besides: optimizer-1 E_SCHEMA x 7, dropped (rate) x 3" in text
