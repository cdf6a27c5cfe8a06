"""The whole stack as a user runs it: processes, bus, recording, result."""

import json
from decimal import Decimal

import pytest

from bench.stack import run, run_killed
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save

SHORT = ("--hours", "1", "--set", "optimizer.budget=8", "--set", "optimizer.boundary_s=300")


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    path = tmp_path_factory.mktemp("feed") / "planted.npz"
    save(path, synthetic_recording(seed=3, hours=1.2, setting="planted_edge"))
    return path


@pytest.fixture(scope="module")
def calm(feed, tmp_path_factory):
    return run(tmp_path_factory.mktemp("calm"), "--feed", str(feed), *SHORT)


def test_every_boundary_is_answered_and_every_applied_set_was_approved(calm):
    """Nothing comes into force that the decision log does not explain."""
    tuning = calm.result["tuning"]
    assert tuning["boundaries"] == 12
    applied = [row for row in tuning["decisions"] if row["fate"] == "applied"]
    assert len(applied) == sum(
        row["what"] == "applied" for row in calm.result["parameters"]["history"]
    )
    for row in applied:
        assert row["approved_by"] == "executor-1"
        assert row["mode"] == "master-slave"


def test_balances_equal_opening_plus_fills_minus_fees_to_the_last_digit(calm):
    """Decimal arithmetic from the journal's fills gives the same balances."""
    from agents.executor.result import journaled
    from agents.session import open_session
    from agents.settings import Settings

    config = json.loads((calm.folder / "config.json").read_bytes())
    session = open_session(Settings.model_validate_json(json.dumps(config)))
    filled = journaled(calm.folder, session).record.filled
    assert len(filled) > 100
    tick, lot = Decimal(session.meta.tick), Decimal(session.meta.lot)
    said = calm.result["tuned"]["balances"]
    quote = Decimal(said["opening"]["USDT"])
    base = Decimal(said["opening"]["SYN"])
    for _, _, _, side, price, lots, *_ in filled.tolist():
        quote -= side * price * tick * lots * lot
        base += side * lots * lot
    assert quote - Decimal(said["fees"]["USDT"]) == Decimal(said["closing"]["USDT"])
    assert base - Decimal(said["fees"]["SYN"]) == Decimal(said["closing"]["SYN"])


def test_the_profit_is_the_sum_of_its_parts_exactly(calm):
    """Equity change = spread + fees + inventory + funding, without a rest."""
    for name in ("tuned", "untuned"):
        profit = {k: Decimal(v) for k, v in calm.result[name]["profit"].items()}
        parts = ("spread", "fees", "inventory", "funding")
        assert profit["total"] == sum(profit[part] for part in parts)
        assert profit["total"] == profit["holding"] + profit["net_of_holding"]


def test_killing_every_part_changes_not_one_byte_of_the_result(calm, feed, tmp_path):
    """SIGKILL at random moments, twice each, and the same result.json."""
    fired, kills = run_killed(
        tmp_path, "--feed", str(feed), *SHORT, kills=2, seed=5, pause_s=(0.05, 0.6)
    )
    assert sum(kills.values()) >= 3
    assert fired.result_bytes == calm.result_bytes


@pytest.mark.slow
def test_another_seed_is_another_run_and_the_same_seed_the_same(calm, feed, tmp_path):
    """Determinism comes from the seed, not from luck."""
    again = run(tmp_path / "again", "--feed", str(feed), *SHORT)
    assert again.result_bytes == calm.result_bytes
    other = run(tmp_path / "other", "--feed", str(feed), *SHORT, "--seed", "2")
    assert other.result_bytes != calm.result_bytes
