"""An operator's word ends a halt of risk that waits for one, and no other."""

import pytest

from agents.executor.state import new_state
from agents.executor.step import fold
from market.breach import (
    ACTIVE,
    HALTED,
    NEVER_RETURNS,
    REASON_DRAWDOWN,
    REASON_VOLATILITY,
    RISK_PEAK,
    RISK_STATE,
)
from market.layout import LEDGER_EQUITY
from market.states import enter
from tests.agents.executor.market import recording, session_for


@pytest.mark.parametrize(
    ("reason", "until_ns", "expected"),
    [(REASON_DRAWDOWN, NEVER_RETURNS, ACTIVE), (REASON_VOLATILITY, 0, HALTED)],
)
def test_rearm_ends_what_waits_for_an_operator(tmp_path, reason, until_ns, expected):
    """Losses count from then on; a halt with an end of its own goes on."""
    state = new_state(session_for(recording(tmp_path), feed={"hours": 0.2}))
    account = state.account
    account.ledger[LEDGER_EQUITY] = 77
    enter(account.risk, HALTED, reason, 5, until_ns)
    fold(state, "rearm", {"lifts": ["a" * 32]})
    assert account.risk[RISK_STATE] == expected
    assert (account.risk[RISK_PEAK] == 77) == (expected == ACTIVE)
