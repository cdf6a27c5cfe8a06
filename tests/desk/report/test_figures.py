"""Every figure of a report is what the raw fills say, worked out by other means."""

import dataclasses

import pytest

from desk.report.sheet import sheet_of
from exchange.importers.detect import import_feed
from exchange.recording import load, save
from tests.agents.executor.market import perpetual, session_for
from tests.desk.report.conftest import lived_in, stored
from tests.desk.report.twin import Twin
from tests.exchange.feeds import NEXO, real_feed

OWNER = "executor"
PROFITS = ("sqn", "sqn100", "win_rate", "profit_factor", "expectancy")
"""What profits of round trips decide."""


def test_every_figure_of_an_artificial_day_is_that_of_the_raw_fills(store):
    """None is left out on either side; all are defined but one: no ten minutes lost net."""
    sheet = sheet_of(store, "a run", OWNER)
    same(sheet, store)
    undefined = [name for name, figure in sheet.figures.items() if figure.value is None]
    assert undefined == ["net_sortino"]
    assert sheet.holds


def test_a_contract_with_fundings_is_accounted_to_the_last_digit(tmp_path):
    """Fundings every two minutes: their sum is the ledger's, and the round trips leave them out."""
    with stored(lived_in(tmp_path, session_for(perpetual(tmp_path)))) as store:
        sheet = sheet_of(store, "a run", OWNER)
        same(sheet, store)
    assert sheet.holds, [each.said for each in sheet.identities if not each.holds]
    assert sheet.history.fundings != 0
    assert sheet.as_dict()["profit"]["funding"] != "0"


def test_commissions_in_base_are_taken_from_the_position(tmp_path):
    """The fills alone do not add up to the position; with the commissions they do."""
    feed = tmp_path / "day.npz"
    path = perpetual(tmp_path, 1.0, funded=False)
    day = load(path)
    meta = day.meta.model_copy(update={"spot": True, "fee_in_base": True})
    save(feed, dataclasses.replace(day, meta=meta))
    with stored(lived_in(tmp_path, session_for(feed, feed={"maker_fee_bps": 2.0}))) as store:
        sheet = sheet_of(store, "a run", OWNER)
    assert sheet.holds, [each for each in sheet.identities if not each.holds]
    assert any("commissions in" in each.said for each in sheet.identities)


@pytest.mark.slow
def test_every_figure_of_a_recorded_day_is_that_of_the_raw_fills(tmp_path):
    """NEXOUSDT of 23 July 2024, without a fee, so that fills are the position alone."""
    feed = tmp_path / "nexo.npz"
    save(feed, import_feed(sorted(real_feed(NEXO).glob("*.gz"))).recording)
    with stored(lived_in(tmp_path, session_for(feed, feed={"maker_fee_bps": 0.0}))) as store:
        sheet = sheet_of(store, "a run", OWNER)
        same(sheet, store)
    assert sheet.holds


def same(sheet, store):
    """Compare all figures of a sheet with those of its twin.

    A round trip of one lot earns some thousand units, each rounded: a millionth of the SQN. The
    ledger's round trips carry fundings, which the twin leaves out.
    """
    wanted = Twin(store).figures()
    found = {name: figure.value for name, figure in sheet.figures.items()}
    assert found.keys() == wanted.keys()
    if sheet.history.fundings:
        for name in PROFITS:
            del wanted[name]
    off = {
        name: (found[name], figure)
        for name, figure in wanted.items()
        if found[name] != figure
        and (
            None in (found[name], figure)
            or found[name] != pytest.approx(figure, rel=1e-5 if name in PROFITS else 1e-9)
        )
    }
    assert off == {}
