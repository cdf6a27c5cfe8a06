"""The arms that run the stack: what it did is what they quote, and what T does in one process."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agents.cli.evaluate import arms_asked
from agents.cli.evaluate_house import house
from agents.evaluation import arms as playing
from agents.evaluation.ground import opened
from agents.evaluation.house import Came, housed, through
from agents.evaluation.piece import Task, computed
from agents.evaluation.plan import the_plan
from agents.session import parameter_row
from agents.settings import Clock, Settings
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from protocol.messages import Mode

SHORT = {"train_hours": 0.3, "sets": 12, "slices": 6, "draws": 200, "period_s": 120}
PLAN = the_plan().model_copy(update=SHORT)
EAGER = {
    "executor": {"warmup_s": 120},
    "parameters": {"spread_percentage": 0.2},
    "optimizer": {"boundary_s": 600, "budget": 16, "threads": 1, "step_limit": 0.1}
    | {"confidence_min": 0.5, "chance_max": 1.0, "window_hours": 1.0},
    "coordinator": {"confidence_min": 0.5},
}
"""Far too wide, with an optimizer that says what it thinks, sure or not: much to decide."""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Settings of four hours of a market with an edge."""
    path = tmp_path_factory.mktemp("day") / "edge.npz"
    save(path, synthetic_recording(seed=1, hours=4.0, setting="planted_edge"))
    return Settings.model_validate({"feed": {"path": path, "maker_fee_bps": 0.0}} | EAGER)


@pytest.fixture(scope="module")
def ground(told):
    return opened(told, PLAN, training=True)


@pytest.fixture(scope="module")
def held(ground):
    return ground.session.baseline


def wider(held, times):
    return held.model_copy(update={"spread_percentage": held.spread_percentage * times})


def test_what_came_into_force_is_quoted_from_the_next_cycle_on(ground, held):
    """What came before the test is what it begins with; what comes after its end counts no more."""
    cycle = ground.session.settings.executor.cycle_ns
    first, last = ground.time(ground.first), ground.time(ground.last - 1)
    came = [
        Came(first - 7 * cycle, wider(held, 2.0)),
        Came(first - 3 * cycle, wider(held, 3.0)),
        Came(first + 5 * cycle - 1, wider(held, 4.0)),
        Came(last + cycle, wider(held, 5.0)),
    ]
    arm = through("TM", Mode.PEER, lambda _settings: came)
    found = arm(ground, {"S1": held.model_dump()})
    assert [ground.time(int(each)) for each in found.starts] == [first, first + 5 * cycle]
    assert (found.sets == [parameter_row(wider(held, times)) for times in (3.0, 4.0)]).all()
    assert found.kept == wider(held, 4.0).model_dump()


def test_a_house_begins_with_what_its_arm_knew_in_its_mode(ground, held):
    """The seats of the plan, in lockstep, whatever the user's own run is configured as."""
    asked = []
    open_door = ground.session.settings.coordinator.model_copy(update={"accept_plain": 5577})
    told = ground.session.settings.model_copy(update={"coordinator": open_door})
    ground = replace(ground, session=replace(ground.session, settings=told))
    arm = through("TC", Mode.CONSENSUS, lambda settings: asked.append(settings) or ())
    kept = wider(held, 2.0)
    found = arm(ground, {"S1": held.model_dump(), "TC": kept.model_dump()})
    assert found.kept == kept.model_dump()
    (settings,) = asked
    assert settings.coordinator.mode is Mode.CONSENSUS
    assert settings.coordinator.schedule is None
    assert settings.run.optimizers == PLAN.seats
    assert settings.run.clock is Clock.LOCKSTEP
    assert settings.coordinator.accept_plain is None
    assert settings.parameters.model_dump() == kept.model_dump()
    assert housed(ground, Mode.PEER, held).feed == ground.session.settings.feed


def test_modes_are_played_when_they_are_asked_for(told, held):
    """Without a name none is; with one its house is asked, and later recordings go on from it."""
    assert not set(PLAN.modes) & set(arms_asked(None, PLAN))
    assert arms_asked("TP,S1", PLAN) == ("S1", "TP")
    seen = []

    def fake(settings):
        seen.append((settings.coordinator.mode, settings.parameters.model_dump()))
        return (Came(0, wider(held, 2.0)),)

    arms = ("S1", *PLAN.modes)
    first = computed(Task(0, told, PLAN, arms, None, {}, fake), "a", lambda _name: None)
    assert [mode for mode, _ in seen] == list(Mode)
    assert list(first["arms"]) == list(arms)
    assert first["carried"]["TH"] == wider(held, 2.0).model_dump()
    computed(Task(1, told, PLAN, arms, first, {}, fake), "b", lambda _name: None)
    assert all(began == wider(held, 2.0).model_dump() for _, began in seen[len(PLAN.modes) :])


@pytest.mark.slow
def test_one_optimizer_as_master_is_what_t_does_in_one_process(told, held):
    """Coordinator, executor and optimizer in processes put the same into force, when T does."""
    plan = PLAN.model_copy(update={"seats": 1})
    ground = opened(told, plan, training=True)
    alone = playing.tuned_on("T")(ground, {"T": held.model_dump()})
    found = through("TM", Mode.MASTER_SLAVE, house)(ground, {"S1": held.model_dump()})
    assert len(alone.starts) > 5
    assert np.array_equal(found.starts, alone.starts)
    assert np.array_equal(found.sets, alone.sets)


@pytest.mark.slow
def test_three_optimizers_decide_in_every_mode_as_that_mode_does(told, held):
    """Each adopts something, and no two of them the same throughout."""
    ground = opened(told, PLAN, training=True)
    schedules = {
        name: through(name, mode, house)(ground, {"S1": held.model_dump()})
        for name, mode in PLAN.modes.items()
    }
    told_apart = {each.sets.tobytes() for each in schedules.values()}
    assert all(len(each.starts) > 3 for each in schedules.values())
    assert len(told_apart) == len(PLAN.modes)


LONE = """
import sys
from agents.cli.evaluate_house import house
from agents.settings import Settings
house(Settings.model_validate_json(sys.stdin.read()))
"""


def until(condition, *, seconds=60.0):
    """Wait for what other processes do."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + seconds, "it did not come about"
        signal.sigtimedwait([], 0.02)


def parts(place):
    """Process ids by what they run, of whatever has a folder in its command line."""
    found = {}
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (each / "cmdline").read_text().split("\0")
            if any(str(place) in word for word in words[3:]):
                found[int(each.name)] = words[2]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_a_house_ends_with_the_command_however_it_ends(told, tmp_path, ending):
    """No process of it stays; what can be asked to end leaves no folder either."""
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", LONE], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ
    )
    process.stdin.write(told.model_dump_json().encode())
    process.stdin.close()
    until(lambda: len(parts(tmp_path)) == 3)
    process.send_signal(ending)
    process.wait(60)
    until(lambda: not parts(tmp_path))
    assert (not list(tmp_path.iterdir())) == (ending is not signal.SIGKILL)
