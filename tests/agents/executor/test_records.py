"""What a journal's rows must be to be compared with a replay."""

from pathlib import Path

import pytest

from agents.executor.records import BACK_NS, demand_forward
from protocol.errors import JournalError

DAY = 1_704_067_200 * 10**9  # 2024-01-01


def test_a_session_that_goes_back_in_venue_time_is_refused():
    """An exchange that began its feed anew makes two markets of one session."""
    demand_forward([], Path("run"))
    demand_forward([DAY, DAY + BACK_NS, DAY + 5], Path("run"))  # told anew, a little off
    later = DAY + 3_600 * 10**9
    with pytest.raises(JournalError) as caught:
        demand_forward([DAY, later, later - BACK_NS - 1, later], Path("run"))
    assert "run: venue time goes back from 2024-01-01T01:00:00 to 2024-01-01T00:58:59" in str(
        caught.value
    )
