"""What settings and recording say about costs, as the session's arrays."""

import dataclasses

import numpy as np
import pytest

from agents.session import funding_of, open_session
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import load, save
from protocol.errors import SettingsError
from tests.agents.executor.market import perpetual, recording, session_for, settings_for

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
