"""The ladder: what each gate asks, what is kept, and whom a start refuses."""

import dataclasses

import pytest

from agents.ladder import (
    Found,
    Rung,
    demand_rung,
    gates,
    keep,
    ladder_file,
    market_of,
    promotion,
    reached,
    rung_of,
)
from agents.ladder_settings import Ladder
from agents.settings import Settings
from protocol.errors import SettingsError

GOOD = Found(
    days=8.0, round_trips=100, net=0.0, overlap=0.9, net_difference_bps=-2.0, alerts=()
)  # fmt: skip
MISSED = {
    "days traded": {"days": 0.99},
    "round trips": {"round_trips": 99},
    "net of holding": {"net": -0.01},
    "replay-session: overlap": {"overlap": 0.89},
    "replay-session: net, bps apart": {"net_difference_bps": -2.01},
    "open alerts": {"alerts": ("stopped",)},
}


def settings(tmp_path, **sections):
    """Settings of real money in BTC-USDT."""
    venue = {"kind": "binance", "symbol": "BTC-USDT", "real": True}
    return Settings.model_validate({"data": str(tmp_path), "venue": venue, **sections})


def test_a_run_at_every_bound_passes_every_gate():
    """Bounds hold when they are just met, on each rung with its own number of days."""
    for rung, days in ((Rung.SIMULATE, 1), (Rung.PAPER, 3), (Rung.MINIMUM, 7)):
        asked = gates(dataclasses.replace(GOOD, days=days), rung, Ladder())
        assert all(each.holds for each in asked)
        assert {each.name for each in asked} == set(MISSED)
        assert not gates(dataclasses.replace(GOOD, days=days - 0.01), rung, Ladder())[0].holds
    assert gates(GOOD, Rung.FULL, Ladder()) == ()


@pytest.mark.parametrize("name", MISSED)
def test_each_gate_alone_refuses_and_shows_its_figure(name):
    """All others hold."""
    (change,) = MISSED[name].items()
    asked = gates(dataclasses.replace(GOOD, **MISSED[name]), Rung.SIMULATE, Ladder())
    (missed,) = (each for each in asked if not each.holds)
    assert missed.name == name
    figure = change[1][0] if isinstance(change[1], tuple) else f"{abs(change[1])}"
    assert figure in missed.found


def test_a_run_on_a_recording_is_its_own_backtest():
    """Nothing was sent that a replay could be held to."""
    alone = dataclasses.replace(GOOD, overlap=None, net_difference_bps=None)
    asked = gates(alone, Rung.SIMULATE, Ladder())
    assert not any(each.name.startswith("replay-session") for each in asked)


def test_promotions_are_kept_by_market(tmp_path):
    """The newest counts; spot and futures of one symbol climb apart."""
    path = tmp_path / "deep" / "ladder.jsonl"
    assert reached(path, "BTCUSDT") is Rung.SIMULATE
    for rung in (Rung.PAPER, Rung.MINIMUM):
        keep(path, promotion("BTCUSDT", rung, GOOD, "run", "2026-11-26T00:00:00+00:00"))
    assert reached(path, "BTCUSDT") is Rung.MINIMUM
    assert reached(path, "BTCUSDT perpetual") is Rung.SIMULATE


@pytest.mark.parametrize("line", ["nonsense", "[]", '{"market": "BTCUSDT", "rung": "moon"}', "{}"])
def test_a_damaged_ladder_lets_nobody_climb(tmp_path, line):
    """It is one line with its place, and no promotion is guessed."""
    path = tmp_path / "ladder.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"ladder\.jsonl, line 1: no promotion of ours"):
        reached(path, "BTCUSDT")


def test_the_capital_says_which_rung_real_money_is(tmp_path):
    """Up to ladder.minimum_capital it is minimum size; paper and play money are what they are."""
    small, large = ({"account": {"capital": each}} for each in (500.0, 500.01))
    assert rung_of(settings(tmp_path, **small), real=True) is Rung.MINIMUM
    assert rung_of(settings(tmp_path, **large), real=True) is Rung.FULL
    assert rung_of(settings(tmp_path), real=False) is Rung.SIMULATE
    paper = settings(tmp_path, venue={"kind": "paper", "symbol": "BTC-USDT"})
    assert rung_of(paper, real=False) is Rung.PAPER
    futures = settings(tmp_path, venue={"kind": "binance-futures", "symbol": "BTCUSDT"})
    assert market_of(futures) == "BTCUSDT perpetual"


def test_real_money_waits_for_its_rung_unless_that_is_skipped_aloud(tmp_path):
    """The line says what was reached, what is needed and what to type."""
    told = settings(tmp_path)
    path = ladder_file(told)
    with pytest.raises(SettingsError, match=r"the rung simulate .*100000 is full .*--skip-ladder"):
        demand_rung(told)
    keep(path, promotion("BTCUSDT", Rung.MINIMUM, GOOD, "run", "now"))
    with pytest.raises(SettingsError, match=r"the rung minimum .* is full"):
        demand_rung(told)
    assert demand_rung(settings(tmp_path, account={"capital": 500})) == ""
    assert "stands on the rung minimum" in demand_rung(settings(tmp_path, ladder={"skip": True}))
    keep(path, promotion("BTCUSDT", Rung.FULL, GOOD, "run", "now"))
    assert demand_rung(told) == ""
