"""All four coordination modes in one run of real processes, three optimizers, in lockstep."""

import pytest

from bench.modes import problems
from bench.stack import run, run_killed
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from protocol.messages import Mode

SCHEDULE = "14:peer,17:consensus,20:hierarchical"
THROUGH_ALL = (
    *("--hours", "1.9", "--optimizers", "3", "--set", f"coordinator.schedule={SCHEDULE}"),
    *("--set", "optimizer.boundary_s=300", "--set", "optimizer.budget=8"),
    *("--set", "optimizer.confidence_min=0.3", "--set", "coordinator.confidence_min=0.3"),
    *("--set", "executor.proposes=true"),
)


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    path = tmp_path_factory.mktemp("feed") / "day.npz"
    save(path, synthetic_recording(seed=1, hours=2.0))
    return path


@pytest.fixture(scope="module")
def calm(feed, tmp_path_factory):
    return run(tmp_path_factory.mktemp("calm"), "--feed", str(feed), *THROUGH_ALL)


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
