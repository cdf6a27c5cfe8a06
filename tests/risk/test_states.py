"""The table of risk states: the kernel walks every pair of it, and no other."""

import numpy as np
import pytest

from market import breach, states
from market.breach import limit_settings
from market.layout import (
    LEDGER_DAY,
    LEDGER_DAY_OPENING,
    LEDGER_EQUITY,
    LEDGER_OPEN_LOTS,
    LEDGER_POSITION_COST,
    SCALE_COLUMNS,
    SCALE_LOT,
    SCALE_MIN_LOTS,
    SCALE_TICK_LOT,
)
from market.ledger import new_ledger
from risk.states import PERMITS, TABLE, Change, State, changes_of

SECOND = 10**9
CAPITAL = 10**12
HALF = 2_000
ORDER = {rule.reason: place for place, rule in enumerate(TABLE)}


class Account:
    """One account whose market and figures a test sets by reason."""

    def __init__(self, **limits):
        told = {"capital_units": CAPITAL, "cooldown_ns": 60 * SECOND, "age_ns": 10 * SECOND}
        self.limits = limit_settings(**told | limits)
        self.scale = np.zeros(SCALE_COLUMNS, dtype=np.int64)
        self.scale[[SCALE_TICK_LOT, SCALE_LOT, SCALE_MIN_LOTS]] = (10_000, 1_000, 1)
        self.ledger = new_ledger(CAPITAL, 0, 0)
        self.risk = breach.new_risk()
        self.now = 100 * SECOND
        self.calm()
        self.look()

    def calm(self):
        """No reason holds."""
        self.equity, self.opening, self.lots, self.cost = CAPITAL, CAPITAL, 0, 0
        self.ratio, self.silent = 1.0, 0

    def trouble(self, reason):
        """Make a reason hold, and no graver one."""
        self.calm()
        if reason == breach.REASON_DRAWDOWN:
            self.equity = CAPITAL - CAPITAL // 10
            self.opening = self.equity
        elif reason == breach.REASON_DAILY_LOSS:
            self.equity = CAPITAL - CAPITAL // 20
        elif reason == breach.REASON_ROLLING_LOSS:
            self.equity = self.opening = CAPITAL - CAPITAL // 20
        elif reason == breach.REASON_VOLATILITY:
            self.ratio = 6.0
        elif reason == breach.REASON_STALE:
            self.silent = 11 * SECOND
        elif reason == breach.REASON_STOP_LOSS:
            self.lots, self.cost = 10, 10 * 1_100 * 10_000
        else:
            cap = breach.position_cap_lots(HALF, self.limits, self.scale)
            self.lots = cap + cap // 9
            self.cost = self.lots * HALF // 2 * 10_000

    def look(self, seconds=1):
        """Let time pass and judge."""
        self.now += seconds * SECOND
        self.ledger[LEDGER_EQUITY], self.ledger[LEDGER_DAY_OPENING] = self.equity, self.opening
        self.ledger[LEDGER_DAY] = self.now // (86_400 * SECOND)
        self.ledger[LEDGER_OPEN_LOTS], self.ledger[LEDGER_POSITION_COST] = self.lots, self.cost
        return states.evaluate(
            self.ledger, self.lots, HALF, self.ratio, self.now - self.silent, 0.0, self.limits,
            self.risk, self.scale, self.now,
        )  # fmt: skip

    @property
    def reason(self):
        """The reason in force."""
        return int(self.risk[breach.RISK_REASON])


@pytest.mark.parametrize("rule", TABLE, ids=lambda rule: rule.name)
def test_each_reason_leads_to_its_state(rule):
    """From ACTIVE, at once, and the change is counted once."""
    account = Account()
    assert account.reason == breach.REASON_NONE
    account.trouble(rule.reason)
    assert (account.look(), account.reason) == (rule.state, rule.reason)
    assert account.look() == rule.state
    assert changes_of(account.risk) == [Change(account.now - SECOND, rule.state, rule.reason)]


@pytest.mark.parametrize("held", TABLE, ids=lambda rule: rule.name)
@pytest.mark.parametrize("comes", TABLE, ids=lambda rule: rule.name)
def test_the_graver_of_two_reasons_holds(held, comes):
    """What was in force stays while its own end has not come, unless a graver reason comes."""
    account = Account()
    account.trouble(held.reason)
    account.look()
    account.trouble(comes.reason)
    account.look()
    lasting = {
        breach.REASON_DRAWDOWN,  # until an operator
        breach.REASON_DAILY_LOSS,  # until the next day
        breach.REASON_ROLLING_LOSS,  # until the next quarter of an hour
        breach.REASON_STOP_LOSS,  # until rested
    }
    stays = held.reason in lasting and ORDER[held.reason] < ORDER[comes.reason]
    assert account.reason == (held.reason if stays else comes.reason)


@pytest.mark.parametrize("rule", TABLE, ids=lambda rule: rule.name)
def test_each_reason_ends_as_the_table_says(rule):
    """In a calm market: at once, with its time, or never."""
    account = Account()
    account.trouble(rule.reason)
    account.look()
    account.calm()
    waits = {breach.REASON_STOP_LOSS: 60, breach.REASON_ROLLING_LOSS: 900}
    if rule.reason in waits:
        assert account.look() == rule.state
        assert account.look(waits[rule.reason]) == State.ACTIVE
    elif rule.reason == breach.REASON_DAILY_LOSS:
        assert account.look(80_000) == State.HALTED
        assert account.look(7_000) == State.ACTIVE
    elif rule.reason == breach.REASON_DRAWDOWN:
        assert account.look(10 * 86_400) == State.HALTED
        assert rule.operator
    else:
        assert account.look() == State.ACTIVE


def test_a_drawdown_may_end_by_itself_after_a_rest():
    """Its peak then counts anew: the same fall again is needed."""
    account = Account(rest_ns=600 * SECOND)
    account.trouble(breach.REASON_DRAWDOWN)
    account.look()
    account.risk[breach.RISK_RING : breach.RISK_RING + breach.QUARTERS] = account.equity
    assert account.look(599) == State.HALTED
    assert account.look(1) == State.ACTIVE
    account.equity -= CAPITAL // 10 - 1
    account.opening = account.equity
    account.risk[breach.RISK_RING : breach.RISK_RING + breach.QUARTERS] = account.equity
    assert account.look() == State.ACTIVE
    account.equity -= 1
    assert account.look() == State.HALTED


@pytest.mark.parametrize("reason", [breach.REASON_DAILY_LOSS, breach.REASON_ROLLING_LOSS])
def test_a_loss_may_wait_for_an_operator(reason):
    """No day and no recovery ends it; a release does, and the same loss does not bring it back."""
    account = Account(loss_operator=True)
    account.trouble(reason)
    account.look()
    assert account.look(3 * 86_400) == State.HALTED
    assert states.release(account.ledger, account.risk, account.now)
    assert not states.release(account.ledger, account.risk, account.now)
    account.opening = account.equity
    assert account.look() == State.ACTIVE


def test_only_a_halt_that_waits_for_an_operator_is_released():
    """A halt with an end of its own is nobody's to end."""
    account = Account()
    account.trouble(breach.REASON_VOLATILITY)
    account.look()
    assert not states.release(account.ledger, account.risk, account.now)
    assert account.look() == State.HALTED


def test_a_loss_of_the_night_counts_for_24_hours():
    """The new UTC day lifts the day's limit, the other one holds until the loss is a day old."""
    account = Account()
    account.look(86_400 - 1_000)  # a quarter of an hour before midnight
    account.trouble(breach.REASON_DAILY_LOSS)
    account.look()
    assert account.reason == breach.REASON_DAILY_LOSS
    account.opening = account.equity  # the new day opens with what is left
    account.look(1_000)
    assert account.reason == breach.REASON_ROLLING_LOSS
    for _ in range(94):
        account.look(900)
    assert account.reason == breach.REASON_ROLLING_LOSS
    for _ in range(4):
        account.look(900)
    assert account.reason == breach.REASON_NONE


def test_no_gap_in_the_marks_hides_a_loss():
    """The quarters that nobody marked keep what was known before."""
    account = Account()
    account.look(7 * 86_400)
    account.equity = account.opening = CAPITAL - CAPITAL // 20
    account.look(5 * 86_400)
    assert account.reason == breach.REASON_ROLLING_LOSS


def test_the_last_changes_are_kept_in_order():
    """Of seventy the last sixty-four."""
    account = Account()
    for number in range(70):
        account.ratio = 1.0 if number % 2 else 9.0
        account.look()
    kept = changes_of(account.risk)
    assert len(kept) == breach.LOGGED
    assert [change.now_ns for change in kept] == [
        account.now - number * SECOND for number in reversed(range(64))
    ]
    assert kept[-1] == Change(account.now, State.ACTIVE, 0)


def test_every_state_says_what_it_permits():
    """And every reason is in the table once."""
    assert set(PERMITS) == set(State)
    assert sorted(rule.reason for rule in TABLE) == list(range(1, breach.REASONS))
