from pathlib import Path

import pytest

from agents.settings import Clock, Settings
from protocol.errors import SettingsError
from protocol.messages import Mode
from protocol.settings import leaves, load_settings, show


def load(**flags):
    dotted = {key.replace("__", "."): value for key, value in flags.items()}
    return load_settings(Settings, flags=dotted).settings


def test_every_setting_says_its_meaning_and_has_a_default():
    """`config show` explains each line, and nothing must be set to start."""
    for key, field in leaves(Settings).items():
        assert field.description, key
        assert not field.is_required(), key
    assert load() == Settings()


def test_the_defaults_are_the_designs():
    """The figures other pages speak of."""
    found = Settings()
    assert (found.executor.cycle_ns, found.executor.guard_interval_ns) == (30 * 10**9, 10**9)
    assert found.optimizer.boundary_ns == 600 * 10**9
    assert found.optimizer.tuning_latency_ns == 120 * 10**9
    assert found.optimizer.validity_ns == 6 * 3600 * 10**9
    assert found.risk.max_position_size == 0.01
    assert found.risk.stop_loss_threshold == 0.02
    assert found.risk.daily_loss_limit == 0.05
    assert found.coordinator.mode is Mode.MASTER_SLAVE
    assert found.run.clock is Clock.LOCKSTEP
    assert found.keys_folder == Path("counterpoint-data/keys")


def test_choices_paths_and_moments_are_read_from_text():
    """As a flag or a variable would give them."""
    found = load(
        coordinator__mode="peer",
        run__clock="real",
        feed__path="day.npz",
        feed__start="2024-07-23T00:00:00Z",
        feed__maker_fee_bps="-0.5",
        bus__keys=Path("keys"),
    )
    assert found.coordinator.mode is Mode.PEER
    assert found.run.clock is Clock.REAL
    assert found.feed.path == Path("day.npz")
    assert found.feed.maker_fee_bps == -0.5
    assert found.keys_folder == Path("keys")


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("coordinator__mode", "anarchy", "coordinator.mode must be"),
        ("run__clock", "sundial", "run.clock must be"),
        ("feed__start", "2024-07-23", "feed.start must be UTC"),
        ("executor__cycle_s", "0", "executor.cycle_s must be in [1, 3600], found 0"),
        ("executor__guard_interval_ms", 700, "executor.cycle_s must be a multiple of"),
        ("optimizer__history_hours", 9.0, "optimizer.history_hours must hold window_hours and"),
        ("optimizer__boundary_s", 601, "optimizer.boundary_s must be a multiple of"),
        ("account__executor", "Executor One", "account.executor must match"),
        ("risk__max_position_size", "nan", "risk.max_position_size must be"),
    ],
)
def test_a_setting_out_of_its_range_is_one_line(key, value, found):
    """Before anything starts."""
    with pytest.raises(SettingsError) as caught:
        load(**{key: value})
    assert str(caught.value).startswith(found)
    assert f"flag {key.replace('__', '.')}" in str(caught.value)


def test_what_is_shown_can_be_read_again(tmp_path):
    """The whole configuration, through its own file."""
    loaded = load_settings(Settings, flags={"feed.hours": 4, "coordinator.mode": "consensus"})
    file = tmp_path / "counterpoint.toml"
    file.write_text(show(loaded))
    assert load_settings(Settings, file=file).settings == loaded.settings


def test_a_lone_optimizer_sits_under_its_configured_name():
    """The same seats for coordinator, executor and supervisor; several are numbered from 1."""
    assert load(optimizer__name="optimizer-3").optimizer_seats == ("optimizer-3",)
    several = load(optimizer__name="optimizer-3", run__optimizers=2)
    assert several.optimizer_seats == ("optimizer-1", "optimizer-2")
    assert load(run__optimizers=0).optimizer_seats == ()
