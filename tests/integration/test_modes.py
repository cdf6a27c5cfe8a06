"""All four coordination modes in runs of real processes, three optimizers, in lockstep."""

import pytest

from bench import modes
from bench.modes import PLANTED, Day, failures, problems, row, schedule_of, settings_of
from bench.stack import run, run_killed
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from protocol.messages import Mode

SCHEDULE = "14:peer,17:consensus,20:hierarchical"
THROUGH_ALL = (
    *("--hours", "1.9", "--optimizers", "3", "--set", f"coordinator.schedule={SCHEDULE}"),
    *("--set", "optimizer.boundary_s=300", "--set", "optimizer.budget=8"),
    *("--set", "optimizer.confidence_min=0.3", "--set", "coordinator.confidence_min=0.3"),
    *("--set", "optimizer.chance_max=1"),
    *("--set", "executor.proposes=true"),
)
SOUND = {
    "mode": "peer",
    "adopted": 20,
    "adopted_by_mode": {"peer": 20},
    "switches": 0,
    "alarms": 0,
    "unexplained": [],
    "identical": True,
}


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    path = tmp_path_factory.mktemp("feed") / "day.npz"
    save(path, synthetic_recording(seed=1, hours=2.0))
    return path


@pytest.fixture(scope="module")
def calm(feed, tmp_path_factory):
    return run(tmp_path_factory.mktemp("calm"), "--feed", str(feed), *THROUGH_ALL)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    path = tmp_path_factory.mktemp("planted") / "day.npz"
    save(path, synthetic_recording(seed=1, hours=1.65, setting="planted_edge"))
    where = ("--feed", str(path), "--hours", "1.6", "--optimizers", "3")
    return Day("planted", (*where, *settings_of(PLANTED)), least=1)


def test_the_run_through_all_modes_gives_each_as_many_turns():
    """Twelve turns, in the order of the modes, the first beginning before the first change."""
    changes = [part.split(":") for part in schedule_of(120).split(",")]
    assert [int(index) for index, _ in changes] == [21, 30, 39, 48, 57, 66, 75, 84, 93, 102, 111]
    turns = ["master-slave", *(mode for _, mode in changes)]
    assert all(turns.count(mode.value) == 3 for mode in Mode)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"adopted": 19}, "19 sets adopted"),
        ({"identical": False}, "other bytes"),
        ({"unexplained": ["(1, 4) was applied 2 times"]}, "(1, 4)"),
        ({"alarms": 1}, "1 alarms"),
        ({"mode": "through all", "switches": 2}, "2 changes of mode"),
        ({"mode": "through all", "switches": 3}, "nothing adopted under consensus"),
    ],
)
def test_the_comparison_of_modes_fails_for_each_thing_that_it_states(change, word):
    """A bar that cannot fail shows nothing."""
    day = Day("planted", (), least=20)
    assert failures(day, SOUND) == []
    assert any(word in line for line in failures(day, {**SOUND, **change}))


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(Mode))
def test_each_mode_adopts_sets_and_repeats_its_bytes_beside_a_busy_machine(mode, planted, tmp_path):
    """On a planted day with a start far too wide; the second time something else has the cores."""
    calm = run(tmp_path / "calm", *planted.arguments, "--mode", mode.value)
    with modes.burning(modes.CORES):
        busy = run(tmp_path / "busy", *planted.arguments, "--mode", mode.value)
    same = calm.result_bytes == busy.result_bytes
    assert failures(planted, row(mode.value, calm, same=same)) == []
    assert {each["mode"] for each in calm.result["tuning"]["decisions"]} == {mode.value}


@pytest.mark.slow
@pytest.mark.slice
def test_each_applied_version_is_explained_by_one_entry_under_one_mode(calm):
    """Proposals, votes, weights and measurements of the log lead to what was applied."""
    assert problems(calm) == []
    tuning = calm.result["tuning"]
    assert [each["to"] for each in tuning["mode_changes"]] == ["peer", "consensus", "hierarchical"]
    applied = [each for each in tuning["decisions"] if each["fate"] == "applied"]
    assert len({each["mode"] for each in applied}) >= 3
    assert {each["mode"] for each in tuning["decisions"]} <= {mode.value for mode in Mode}
    assert tuning["alarms"] == 0
    assert tuning["supervision"]["windows"] > 0


@pytest.mark.slow
def test_killing_every_part_changes_not_one_byte_in_any_mode(calm, feed, tmp_path):
    """SIGKILL at random moments, twice each of five parts: the same votes, merges and choices."""
    fired, kills = run_killed(
        tmp_path, "--feed", str(feed), *THROUGH_ALL, kills=2, seed=6, pause_s=(0.2, 1.2)
    )
    assert len(kills) == 5
    assert fired.result_bytes == calm.result_bytes
    assert problems(fired) == []
