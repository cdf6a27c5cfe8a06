"""What the executor tells of itself: the share of each limit is the one that it judges by."""

import pytest

from agents.executor.state import new_state
from agents.executor.telling import used_words
from market.breach import (
    LIMIT_CAPITAL,
    LIMIT_DAILY_LOSS,
    LIMIT_DRAWDOWN,
    LIMIT_STOP_LOSS,
    RISK_PEAK,
    RISK_QUARTER,
    RISK_RING,
)
from market.layout import (
    LEDGER_DAY_OPENING,
    LEDGER_EQUITY,
    LEDGER_MARK,
    LEDGER_OPEN_LOTS,
    LEDGER_POSITION_COST,
    SCALE_TICK_LOT,
)
from tests.agents.executor.market import recording, session_for


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    return session_for(recording(tmp_path_factory.mktemp("feed")), feed={"hours": 0.8})


def test_a_share_of_one_is_where_the_limit_binds(session):
    """Half of the drawdown, a quarter of the loss since yesterday, the whole of a stop loss."""
    state = new_state(session, lockstep=True)
    ledger, risk, limits = state.account.ledger, state.account.risk, session.setup.limits
    capital = float(limits[LIMIT_CAPITAL])
    equity = int(ledger[LEDGER_EQUITY])
    risk[RISK_PEAK] = equity + round(0.5 * limits[LIMIT_DRAWDOWN] * capital)
    risk[RISK_QUARTER] = 1
    risk[RISK_RING + 1] = equity + round(0.25 * limits[LIMIT_DAILY_LOSS] * capital)
    ledger[LEDGER_DAY_OPENING] = equity - 5
    ledger[LEDGER_MARK], ledger[LEDGER_OPEN_LOTS] = 20_000, 10
    worth = 0.5 * 20_000 * float(session.setup.scale[SCALE_TICK_LOT]) * 10
    ledger[LEDGER_POSITION_COST] = round(worth / (1.0 - float(limits[LIMIT_STOP_LOSS])))
    assert used_words(state) == {
        "peak_drawdown_limit": pytest.approx(0.5, abs=1e-5),
        "daily_loss_limit": pytest.approx(0.25, abs=1e-5),
        "stop_loss_threshold": pytest.approx(1.0, abs=1e-5),
        "open_orders_max": 0.0,
    }


def test_a_gain_uses_nothing(session):
    """Shares are never negative; without a position no stop loss is used."""
    state = new_state(session, lockstep=True)
    state.account.risk[RISK_PEAK] = 0
    assert set(used_words(state).values()) == {0.0}
