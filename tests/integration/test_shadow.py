"""A policy that is worse on purpose, in shadow of a whole stack: promoted by luck, then sent back.

The rule is scaled down so that all of it happens within minutes of feed (`market.lucky`).
"""

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from itertools import chain, pairwise

import pytest

from agents.coordinator.log import read_records
from agents.coordinator.measuring import Meter
from agents.coordinator.records import Kind, fold
from agents.coordinator.rules import rules_from
from agents.coordinator.state import State
from agents.coordinator.supervising import HELD
from agents.executor import records
from agents.executor.promotion import Stage, shadowed_blocks
from agents.executor.recovery import open_journal
from agents.executor.state import new_contest, thaw
from agents.optimizer.memory import SCHEMA_VERSION, TABLE, Memory
from agents.optimizer.mind import Mind
from agents.session import open_session, parameter_row
from agents.settings import Settings
from bench.stack import finish, processes, run, run_killed, start
from bench.venue_checks import problems_of
from bench.venue_house import VenueHouse
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from protocol.errors import JournalError
from protocol.journal import Journal
from tests.agents.command_line import told as told_by
from tests.agents.executor.market import lucky
from tests.agents.executor.test_replay import lived

pytestmark = pytest.mark.slow

EXECUTOR, OPTIMIZER = "executor-1", "optimizer-1"
LIMIT_S = 240.0


def options(sections):
    """Sections of the configuration as words of a command line."""
    pairs = [
        ("--set", f"{section}.{name}={value}")
        for section, values in sections.items()
        for name, value in values.items()
    ]
    return tuple(chain.from_iterable(pairs))


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Arguments of a run."""
    feed, sections = lucky(tmp_path_factory.mktemp("told"))
    sections |= {"optimizer": {"budget": 8, "boundary_s": 300}}
    return ("--feed", str(feed), *options(sections))


@pytest.fixture(scope="module")
def calm(told, tmp_path_factory):
    return run(tmp_path_factory.mktemp("calm"), *told, limit_s=LIMIT_S)


def kept(folder, *tables):
    """Return every row of some tables of the executor's journal."""
    with open_journal(folder, readonly=True) as journal:
        return [
            (table, row.seq, row.time_ns, row.kind, row.key, row.body)
            for table in tables
            for row in journal.rows(table)
        ]


def verdicts(folder):
    """Return what was found of the contest, oldest first; nothing before there is a journal."""
    try:
        rows = kept(folder, records.HEARD)
    except (JournalError, OSError):
        return []
    return [body for *_, kind, _, body in rows if kind == "policy"]


def test_every_verdict_is_journaled_and_lucky_is_sent_back_within_the_bound(calm):
    """One a block until it goes back; in force it never was further behind than the rule bears."""
    found = verdicts(calm.folder)
    stages = [each["stage"] for each in found]
    promoted, back = stages.index(Stage.PROMOTED), stages.index(Stage.ROLLED_BACK)
    assert stages == [*["shadow"] * promoted, *["promoted"] * (back - promoted), "rolled_back"]
    assert all(b["until_ns"] - a["until_ns"] == 60 * 10**9 for a, b in pairwise(found))
    settings = Settings.model_validate_json((calm.folder / "config.json").read_bytes())
    rule, session = settings.promotion, open_session(settings)
    contest, tape = new_contest(session), session.tape_builder().advance(session.last_ns)
    parameters = parameter_row(session.baseline)
    assert not calm.result["parameters"]["history"]  # no other set came into force
    for before, each in pairwise(found):
        steps = (tape.step_at(before["since_ns"]), tape.step_at(each["until_ns"] + 1))
        held, trial = (
            shadowed_blocks(tape, session.setup, policy, parameters, steps, rule)
            for policy in (contest.before, contest.candidate)
        )
        gains = trial[0] - held[0]
        assert (len(gains), trial[1]) == (each["blocks"], each["trips"])
        if before["stage"] == each["stage"] == Stage.PROMOTED:
            assert gains.sum() >= -rule.loss * settings.account.capital
            assert each["upper"] is None or each["upper"] >= 0.0
        if each["lower"] is not None:
            assert each["lower"] <= gains[-rule.recent :].mean() <= each["upper"]
    assert found[back]["blocks"] <= rule.trial


def test_the_log_of_the_run_tells_of_the_contest(calm):
    """Each change of stage once, with its grounds, in the order of time among the boundaries."""
    code, text = told_by(calm.folder.parents[1], "log", "--json")
    assert code == 0, text
    chapters = json.loads(text)["chapters"]
    entries = [each for chapter in chapters for each in chapter["entries"]]
    found = [each for each in entries if each["kind"] == "policy"]
    assert [each["stage"] for each in found] == ["shadow", "promoted", "rolled_back"]
    assert all(each in verdicts(calm.folder) for each in map(figures, found))
    starts = [each["at"] for each in chapters if each["at"] is not None]
    assert starts == sorted(starts)
    assert len(chapters) > len(found)


def figures(entry):
    """A verdict as the journal has it."""
    return {name: value for name, value in entry.items() if name not in {"at", "kind", "text"}}


def promoted_at(folder):
    """Of each boundary: index, venue time and whether the candidate quoted, as its log has it."""
    return [
        (each.body["index"], each.time_ns, each.body["promoted"])
        for each in read_records(folder)
        if each.kind is Kind.BOUNDARY
    ]


def windows(path):
    """What an optimizer kept of its windows, oldest first."""
    with Journal.open(path, schema_version=SCHEMA_VERSION, tables=(TABLE,)) as journal:
        return [row.body for row in journal.rows(TABLE)]


def judged_at(folder):
    """The same, as the verdicts until then have it."""
    found = verdicts(folder)
    return [
        (index, now_ns, [each["stage"] for each in found if each["until_ns"] <= now_ns][-1:])
        for index, now_ns, _ in promoted_at(folder)
    ]


@pytest.mark.parametrize("which", ["calm", "lasted"])
def test_each_boundary_tells_which_policy_quotes(request, which):
    """Sent back between two of them, or promoted at one: the verdict of that moment counts."""
    folder = request.getfixturevalue(which).folder
    told = promoted_at(folder)
    assert [(*each, stage == [Stage.PROMOTED]) for *each, stage in judged_at(folder)] == told
    assert {promoted for *_, promoted in told} == {False, True}


@pytest.fixture(scope="module")
def lasting(tmp_path_factory):
    """Arguments of a run long enough for a search, whose candidate stays once it is promoted."""
    feed = tmp_path_factory.mktemp("lasting") / "day.npz"
    save(feed, synthetic_recording(seed=11, hours=1.7, setting="planted_edge"))
    sections = {
        "executor": {"candidate": "plan", "warmup_s": 570},  # blocks end at boundaries
        "optimizer": {"budget": 16, "window_hours": 1, "confidence_min": 1},
        "promotion": {
            "block_s": 300, "blocks": 4, "trips": 1, "independent": 0, "level": 1,
            "trial": 1000, "loss": 1,
        },
    }  # fmt: skip
    return ("--feed", str(feed), *options(sections))


@pytest.fixture(scope="module")
def lasted(lasting, tmp_path_factory):
    return run(tmp_path_factory.mktemp("lasted"), *lasting, limit_s=LIMIT_S)


def test_the_optimizer_replays_by_the_policy_that_quotes(lasted, tmp_path):
    """To the last bit what a mind finds that is told so, and not what one finds that is not."""
    told = promoted_at(lasted.folder)
    settings = Settings.model_validate_json((lasted.folder / "config.json").read_bytes())
    session, lives = open_session(settings), []
    for number, knows in enumerate((True, False)):
        path = tmp_path / f"{number}.sqlite"
        mind = Mind(session, OPTIMIZER, Memory.open(path))
        for index, now_ns, promoted in told:
            given = {"promoted": promoted and knows}
            mind.remember(mind.answer(index, now_ns, session.baseline, **given))
        mind.memory.close()
        lives.append(windows(path))
    found = windows(lasted.folder / f"{OPTIMIZER}.memory.sqlite")
    assert found == lives[0]
    searched = [(mine["front"], other["front"]) for mine, other in zip(found, lives[1], strict=True)
                if mine["promoted"] and mine["front"]]  # fmt: skip
    assert searched
    assert all(mine != other for mine, other in searched)


def test_whoever_is_killed_replays_by_the_policy_that_quotes(lasted, lasting, tmp_path):
    """Executor, optimizer and coordinator, twice each: the same windows and the same result."""
    fired, kills = run_killed(
        tmp_path, *lasting, kills=2, seed=3, pause_s=(0.05, 0.6), limit_s=LIMIT_S
    )
    assert sum(kills.values()) >= 3
    assert promoted_at(fired.folder) == promoted_at(lasted.folder)
    name = f"{OPTIMIZER}.memory.sqlite"
    assert windows(fired.folder / name) == windows(lasted.folder / name)
    assert fired.result_bytes == lasted.result_bytes


def test_the_supervisor_replays_by_the_policy_that_quotes(told, tmp_path):
    """Of each window the set that was in force, as a meter finds it that is told who quoted."""
    folder = run(tmp_path, *told, "--mode", "hierarchical", limit_s=LIMIT_S).folder
    settings = Settings.model_validate_json((folder / "config.json").read_bytes())
    meter, state, found = Meter(settings), State(rules_from(settings)), []
    for record in read_records(folder):
        if record.kind is Kind.MEASURED and record.body["nets"]:
            asked = ((state.standing.held,), *record.body["window"])
            nets = [meter.nets(*asked, promoted=each)[0] for each in (False, True)]
            assert record.body["nets"][HELD] == nets[state.promoted]
            found.append((state.promoted, nets[0] != nets[1]))
        state = fold(state, record)
    assert (True, True) in found
    assert (False, True) in found


def test_whoever_is_in_force_quotes(calm, tmp_path):
    """Until the promotion the orders are those of a run without a candidate, after it others."""
    document = json.loads((calm.folder / "config.json").read_bytes())
    document["executor"] |= {"candidate": None, "checkpoint": None}
    alone = open_session(Settings.model_validate_json(json.dumps(document)))
    lived(alone, tmp_path)
    ours, theirs = kept(calm.folder, records.INTENTS), kept(tmp_path, records.INTENTS)
    same = [mine == other for mine, other in zip(ours, theirs, strict=False)]
    changed_ns = ours[same.index(False)][2]
    promoted, back = (
        each for each in verdicts(calm.folder) if each["since_ns"] == each["until_ns"]
    )
    assert promoted["since_ns"] < changed_ns <= back["since_ns"]
    session = open_session(Settings.model_validate_json((calm.folder / "config.json").read_bytes()))
    with open_journal(calm.folder, readonly=True) as journal:
        thaw(session, journal.get(records.STATE))
    assert session.setup.policy.tobytes() == alone.setup.policy.tobytes()


def test_an_executor_killed_within_the_contest_comes_to_the_same_verdicts(calm, told, tmp_path):
    """SIGKILL in shadow, promoted and sent back: every row of the journal is that of a calm run."""
    process, began_s = start(tmp_path, *told), time.monotonic()
    folder, kills, killed = tmp_path / "runs" / "latest", 0, None
    for count in (1, 5, 8):
        while process.poll() is None and time.monotonic() < began_s + LIMIT_S:
            pid = processes(tmp_path).get(EXECUTOR, killed)
            if pid != killed and len(verdicts(folder)) >= count:
                os.kill(pid, signal.SIGKILL)
                kills, killed = kills + 1, pid
                break
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.002)
    fired = finish(process, tmp_path, began_s, LIMIT_S)
    assert kills >= 2
    assert verdicts(fired.folder) == verdicts(calm.folder)
    assert kept(fired.folder, *records.TABLES) == kept(calm.folder, *records.TABLES)
    assert json.dumps(fired.result) == json.dumps(calm.result)


def test_at_a_venue_verdicts_go_on_over_a_kill(tmp_path):
    """Each at the end of a block since its stage began, on more blocks than the one before."""
    save(tmp_path / "day.npz", synthetic_recording(seed=3, hours=4, setting="planted_edge"))
    rule = {"block_s": 60, "blocks": 2, "trips": 10**6}  # nobody is promoted, and judged no more
    executor = {"candidate": "plan", "warmup_s": 120, "cycle_s": 5}
    told = {"promotion": rule, "executor": executor}
    with VenueHouse(tmp_path / "day.npz", tmp_path, speed=60.0, **told) as house:
        house.start()
        house.until(lambda: len(verdicts(house.folder)) >= 3)
        house.kill()
        count = len(verdicts(house.folder))
        house.start()
        house.until(lambda: len(verdicts(house.folder)) >= count + 3)
        assert house.end() == 0
        assert problems_of(house, ended=True) == []
        found = verdicts(house.folder)
    for before, each in pairwise(found):
        assert (each["until_ns"] - before["since_ns"]) % (60 * 10**9) == 0
        assert each["since_ns"] == before["since_ns"]
        assert each["blocks"] > before["blocks"]
