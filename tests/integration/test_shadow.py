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

from agents.executor import records
from agents.executor.promotion import Stage, shadowed_blocks
from agents.executor.recovery import open_journal
from agents.executor.state import new_contest, thaw
from agents.session import open_session, parameter_row
from agents.settings import Settings
from bench.stack import finish, processes, run, start
from bench.venue_checks import problems_of
from bench.venue_house import VenueHouse
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from protocol.errors import JournalError
from tests.agents.command_line import told as told_by
from tests.agents.executor.market import lucky
from tests.agents.executor.test_replay import lived

pytestmark = pytest.mark.slow

EXECUTOR = "executor-1"
LIMIT_S = 240.0


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Arguments of a run."""
    feed, sections = lucky(tmp_path_factory.mktemp("told"))
    sections |= {"optimizer": {"budget": 8, "boundary_s": 300}}
    pairs = [
        ("--set", f"{section}.{name}={value}")
        for section, values in sections.items()
        for name, value in values.items()
    ]
    return ("--feed", str(feed), *chain.from_iterable(pairs))


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
