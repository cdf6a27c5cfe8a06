"""What settings and recording say about costs, as the session's arrays."""

import dataclasses
import re

import numpy as np
import pytest

from agents.cli.result import recording_of
from agents.costs import costs_line, funding_of, tiers_of, with_fees
from agents.fee_tiers import read_fee_tiers
from agents.session import open_session
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import load, save
from market.layout import LEDGER_TURNOVER
from market.replay_step import FILLED_FEE, FILLED_LOTS, FILLED_PRICE_TICKS
from protocol.errors import SettingsError
from tests.agents.executor.market import perpetual, recording, session_for, settings_for
from tests.agents.executor.test_replay import mine_is_the_replay

HOUR = 3_600 * 10**9


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("costs")


@pytest.fixture(scope="module")
def future(folder):
    return perpetual(folder, hours=0.25)


def test_a_recording_keeps_its_fundings_in_file_and_session(future):
    """Those inside the session, in order, as whole numbers."""
    known = load(future).meta.funding
    session = session_for(future)
    assert len(known) == 8
    inside = [list(row) for row in known if session.first_ns <= row[0] <= session.last_ns]
    assert session.setup.funding.tolist() == inside
    assert session.setup.funding.flags.c_contiguous


def test_a_configured_rate_stands_over_the_recordings_own(future):
    """One basis point at whole hours of UTC; the session's 15 minutes hold midnight or none."""
    session = session_for(future, feed={"funding_bps": 1.0, "funding_hours": 1})
    assert all(row[1] == 10_000 and row[0] % HOUR == 0 for row in session.setup.funding.tolist())
    meta, settings = session.meta, session.settings
    many = funding_of(meta, settings, 0, 24 * HOUR)
    assert many[:, 0].tolist() == [hour * HOUR for hour in range(25)]


def test_a_rate_of_zero_pays_nothing_and_no_schedule_is_none(future, folder):
    """Spot knows no funding, even where a file says so."""
    spot = session_for(recording(folder)).setup.funding
    assert spot.shape == (0, 2)
    assert spot.dtype == np.int64
    odd = synthetic_recording(seed=3, hours=0.25)
    odd = dataclasses.replace(odd, meta=odd.meta.model_copy(update={"funding": ((1, 2),)}))
    save(folder / "odd.npz", odd)
    assert session_for(folder / "odd.npz").setup.funding.shape == (0, 2)


def test_spot_refuses_a_configured_rate_with_one_line(folder):
    """What was found, and what to do."""
    with pytest.raises(SettingsError) as refused:
        open_session(settings_for(recording(folder), feed={"funding_bps": 1.0}))
    assert str(refused.value) == (
        "feed.funding_bps (1) is for perpetual contracts, found spot SYN-USDT of synthetic; "
        "leave it out"
    )


@pytest.mark.parametrize("hours", [5, 7, 23])
def test_hours_that_do_not_fill_a_day_are_refused(folder, hours):
    """Else the times would wander over the days."""
    with pytest.raises(ValueError, match=f"must divide 24, found {hours}"):
        settings_for(recording(folder), feed={"funding_hours": hours})


TIERS = "0:2:5, 15e6:1.6:4,50e6:-0.5:3"


def test_tiers_begin_where_the_volume_before_left_off(folder):
    """Those below the opening volume are gone; the rest counts from the opening on."""
    path = recording(folder)
    tiers = session_for(path, feed={"fee_tiers": TIERS}).setup.tiers
    assert tiers.tolist() == [
        [0, 20_000, 50_000], [15 * 10**14, 16_000, 40_000], [50 * 10**14, -5_000, 30_000],
    ]  # fmt: skip
    later = session_for(path, feed={"fee_tiers": TIERS, "volume_30d": 20e6})
    assert later.setup.tiers.tolist() == [[0, 16_000, 40_000], [30 * 10**14, -5_000, 30_000]]
    assert (later.meta.maker_fee_bps, later.meta.taker_fee_bps) == (1.6, 4.0)
    last = settings_for(path, feed={"fee_tiers": TIERS, "volume_30d": 50e6})
    assert tiers_of(last).tolist() == [[0, -5_000, 30_000]]
    assert session_for(path).setup.tiers.shape == (0, 3)


def test_one_tier_is_the_constant_fee(folder):
    """The same instrument either way."""
    path = recording(folder)
    meta = session_for(path).meta
    one = with_fees(meta, settings_for(path, feed={"fee_tiers": "0:2:5"}))
    two = with_fees(meta, settings_for(path, feed={"maker_fee_bps": 2.0, "taker_fee_bps": 5.0}))
    assert one == two


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must be volume:maker_bps:taker_bps, ..., found ''"),
        ("0:2", "must be volume:maker_bps:taker_bps, ..., found '0:2'"),
        ("0:2:x", "must be volume:maker_bps:taker_bps, ..., found '0:2:x'"),
        ("0:2:5,", "must be volume:maker_bps:taker_bps, ..., found ''"),
        ("5:2:5", "must begin with volume 0, found 5"),
        ("0:2:5,9:1:2,9:1:1", "must rise in volume, found 9 after 9"),
        ("nan:2:5", "must have volumes in [0, 9e+10], found 'nan:2:5'"),
        ("0:2:nan", "must have fees in [-100, 1000] bps, found '0:2:nan'"),
        ("0:-101:2", "must have fees in [-100, 1000] bps, found '0:-101:2'"),
        (",".join(f"{v}:1:1" for v in range(51)), "holds at most 50 tiers, found 51"),
    ],
)
def test_tiers_that_cannot_be_meant_are_refused(folder, text, problem):
    """What was found and what is allowed, with the name of the setting before it."""
    with pytest.raises(ValueError, match=re.escape(problem)) as refused:
        read_fee_tiers(text)
    assert str(refused.value) == problem
    with pytest.raises(ValueError, match=r"feed\.fee_tiers"):
        settings_for(recording(folder), feed={"fee_tiers": text})


def test_tiers_and_a_single_fee_are_not_both_given(folder):
    """Nobody could say which holds."""
    with pytest.raises(ValueError, match="give one or the other"):
        settings_for(recording(folder), feed={"fee_tiers": TIERS, "taker_fee_bps": 1.0})


def test_a_result_says_what_trading_cost(folder, future):
    """Fees, tiers and fundings, in the document and in one line."""
    path = recording(folder)
    assert costs_line(recording_of(session_for(path))) == "maker fee 0 bps"
    told = recording_of(session_for(path, feed={"fee_tiers": TIERS, "volume_30d": 20e6}))
    assert told["fee_tiers"][2] == [50e6, -0.5, 3.0]
    assert costs_line(told) == "maker fee 1.6 bps (tier 2 of 3, by volume from 20,000,000 on)"
    told = recording_of(session_for(future))
    assert "fundings of" in costs_line(told)
    assert told["fundings"] == len(session_for(future).setup.funding)


def test_tiers_are_charged_alike_live_and_in_replay(folder, tmp_path):
    """Three tiers reached within the session: the same bytes, and less paid than at the first."""
    tiers = "0:2:5,8000:1:4,20000:-0.5:3"
    path = recording(folder)
    record = mine_is_the_replay(session_for(path, feed={"fee_tiers": tiers}), tmp_path)
    assert record.account.ledger[LEDGER_TURNOVER] > 25_000 * 10**8
    rates = record.filled[:, FILLED_FEE] / (
        record.filled[:, FILLED_PRICE_TICKS] * record.filled[:, FILLED_LOTS]
    )
    seen = np.unique(np.round(rates / rates[0] * 2, 1))
    assert seen.tolist() == [-0.5, 1.0, 2.0]
