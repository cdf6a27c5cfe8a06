"""The limits: each binds at its figure and not before, and each state ends as it should."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market import breach, states
from market.layout import (
    BUY,
    LEDGER_DAY,
    LEDGER_DAY_OPENING,
    LEDGER_EQUITY,
    LEDGER_OPEN_LOTS,
    LEDGER_PEAK,
    LEDGER_POSITION_COST,
    NO_ASK,
    NO_BID,
    SCALE_COLUMNS,
    SCALE_LOT,
    SCALE_MIN_LOTS,
    SCALE_MIN_NOTIONAL,
    SCALE_SPOT,
    SCALE_TICK_LOT,
    SELL,
)
from market.ledger import new_ledger

UNITS = 10**8
SECOND = 10**9
CAPITAL = 100_000 * UNITS
MID = 2_000  # half ticks: a price of 1,000 ticks
LOT_WORTH = 1_000 * 100_000  # quote units of one lot at mid


def scale_row(**cells):
    row = np.zeros(SCALE_COLUMNS, dtype=np.int64)
    row[SCALE_TICK_LOT], row[SCALE_LOT], row[SCALE_MIN_LOTS] = 100_000, 1_000, 1
    row[SCALE_SPOT] = 1
    for name, value in cells.items():
        row[{"min_lots": SCALE_MIN_LOTS, "min_notional": SCALE_MIN_NOTIONAL}[name]] = value
    return row


NOBODY = {"market": None, "touch": (NO_BID, NO_ASK)}


class Account:
    """A ledger with given figures under given limits."""

    def __init__(self, scale=None, **limits):
        self.limits = breach.limit_settings(capital_units=CAPITAL, **limits)
        self.scale = scale_row() if scale is None else scale
        self.risk = breach.new_risk()
        self.ledger = new_ledger(CAPITAL, 0, 0)
        self.ledger[[LEDGER_EQUITY, LEDGER_PEAK, LEDGER_DAY_OPENING]] = CAPITAL
        states.remember_equity(CAPITAL, 0, self.risk)

    def hold(self, lots, price):
        """Hold lots bought (sold, when negative) at a price, in whole and as one FIFO lot."""
        self.lots = lots
        self.ledger[LEDGER_OPEN_LOTS] = lots
        self.ledger[LEDGER_POSITION_COST] = lots * price * int(self.scale[SCALE_TICK_LOT])
        return self

    lots = 0

    def judge(self, *, half=MID, ratio=1.0, now=0, equity=CAPITAL, day=0, kept=0.0):
        """Return the state after a mark."""
        self.ledger[LEDGER_EQUITY], self.ledger[LEDGER_DAY] = equity, day
        return states.evaluate(
            self.ledger, self.lots, half, ratio, now, kept, self.limits, self.risk, self.scale, now
        )

    def ask(self, side, price=1_000, lots=1, *, position=0, open_lots=0, half=MID, **more):
        """Return the code for an order."""
        told = {"quote": CAPITAL, "base": 10**15, "count": 0, "taker": 0} | NOBODY | more
        return breach.check_order(
            side, price, lots, position, open_lots, told["market"] or (0, half, 0, 0),
            told["touch"], told["quote"], told["base"], told["count"], told["taker"],
            self.limits, self.risk, self.scale,
        )  # fmt: skip


@pytest.mark.parametrize("fall", [1, CAPITAL // 100])
def test_a_loss_is_judged_with_what_closing_may_cost(fall):
    """A unit before the limit less that cost it is still ACTIVE, for the peak as for the day."""
    for told in ({"daily_loss_fraction": 1.0}, {"drawdown_fraction": 1.0}):
        account = Account(**told)
        bound = CAPITAL // (10 if "daily_loss_fraction" in told else 20)
        at = CAPITAL - bound + fall
        assert account.judge(equity=at + 1, kept=float(fall)) == breach.ACTIVE
        assert account.judge(equity=at, kept=float(fall)) == breach.HALTED


def test_a_drawdown_halts_for_good():
    """Neither a recovery nor a new day lifts it."""
    account = Account()
    below = CAPITAL - CAPITAL // 10
    assert account.judge(equity=below + 1, day=0) == breach.HALTED  # the day's loss binds first
    account = Account(daily_loss_fraction=1.0)
    assert account.judge(equity=below + 1) == breach.ACTIVE
    assert account.judge(equity=below) == breach.HALTED
    assert account.risk[breach.RISK_REASON] == breach.REASON_DRAWDOWN
    assert account.judge(equity=2 * CAPITAL, day=3) == breach.HALTED


def test_a_daily_loss_halts_until_the_next_utc_day():
    """And a recovery on the same day does not lift it."""
    account = Account()
    assert account.judge(equity=CAPITAL - CAPITAL // 20) == breach.HALTED
    assert account.judge(equity=CAPITAL) == breach.HALTED
    assert account.judge(equity=CAPITAL, day=1) == breach.ACTIVE
    assert account.risk[breach.RISK_REASON] == breach.REASON_NONE


def test_volatility_halts_until_it_has_fallen_well_below_the_cutoff():
    """So that it does not flutter."""
    account = Account()
    assert account.judge(ratio=5.0) == breach.ACTIVE
    assert account.judge(ratio=5.1) == breach.HALTED
    assert account.judge(ratio=4.5) == breach.HALTED
    assert account.judge(ratio=3.9) == breach.ACTIVE
    assert Account(volatility_cutoff=0.0).judge(ratio=1e9) == breach.ACTIVE


@pytest.mark.parametrize(("lots", "bought", "now_at"), [(50, 1_000, 1_960), (-50, 1_000, 2_040)])
def test_a_stop_loss_reduces_until_flat_and_rested(lots, bought, now_at):
    """Two percent of the cost, for a long and for a short."""
    account = Account().hold(lots, bought)
    step = 2 if lots > 0 else -2
    assert account.judge(half=now_at + step) == breach.ACTIVE
    assert account.judge(half=now_at) == breach.REDUCING
    assert account.judge(half=MID, now=700 * SECOND) == breach.REDUCING  # not flat
    account.hold(0, 0)
    assert account.judge(now=599 * SECOND) == breach.REDUCING  # not rested
    assert account.judge(now=600 * SECOND) == breach.ACTIVE


def test_a_position_too_small_to_be_closed_does_not_hold_the_account():
    """Below the smallest legal order nothing could reduce it."""
    account = Account(scale_row(min_lots=10)).hold(10, 1_000)
    assert account.judge(half=1_900) == breach.REDUCING
    account.hold(9, 1_000)
    assert account.judge(half=1_900, now=601 * SECOND) == breach.ACTIVE


def test_dust_of_base_fees_is_no_loss():
    """Three lots held of four bought: the fourth went as fees and was paid as such."""
    account = Account().hold(4, 1_000)
    account.lots = 3
    assert account.judge(half=MID) == breach.ACTIVE


def test_each_order_limit_binds_at_its_figure():
    """One step further is refused, with the limit's own code."""
    account = Account(order_lots_max=40, open_orders_max=7, collar_fraction=0.05)
    cap = breach.position_cap_lots(MID, account.limits, account.scale)
    assert cap == CAPITAL // 100 // LOT_WORTH == 1_000
    ok = breach.APPROVED
    assert account.ask(BUY) == ok
    assert (account.ask(BUY, lots=40), account.ask(BUY, lots=41)) == (ok, breach.REFUSED_SIZE)
    assert account.ask(BUY, lots=0) == breach.REFUSED_SIZE
    assert (account.ask(SELL, 1_050), account.ask(SELL, 1_051)) == (ok, breach.REFUSED_COLLAR)
    assert (account.ask(BUY, 950), account.ask(BUY, 949)) == (ok, breach.REFUSED_COLLAR)
    assert (account.ask(BUY, count=6), account.ask(BUY, count=7)) == (
        ok, breach.REFUSED_OPEN_ORDERS,
    )  # fmt: skip
    assert account.ask(BUY, lots=10, position=980, open_lots=10) == ok
    assert account.ask(BUY, lots=11, position=980, open_lots=10) == breach.REFUSED_POSITION
    assert account.ask(SELL, lots=11, position=-980, open_lots=10) == breach.REFUSED_POSITION
    assert account.ask(SELL, lots=40, position=5_000, open_lots=40) == ok  # it shrinks
    assert account.ask(BUY, half=0) == breach.REFUSED_BOOK


def test_an_order_fits_the_free_balance_or_is_refused():
    """Quote for a buy, base for a sell; on a perpetual neither binds."""
    account = Account()
    assert account.ask(BUY, lots=3, quote=3 * LOT_WORTH) == breach.APPROVED
    assert account.ask(BUY, lots=3, quote=3 * LOT_WORTH - 1) == breach.REFUSED_BALANCE
    assert account.ask(SELL, lots=3, base=3_000) == breach.APPROVED
    assert account.ask(SELL, lots=3, base=2_999) == breach.REFUSED_BALANCE
    account.scale[SCALE_SPOT] = 0
    assert account.ask(SELL, lots=3, base=0) == breach.APPROVED


def test_a_minimum_refuses_what_the_venue_would():
    """Lots and notional, at the order's own price."""
    account = Account(scale_row(min_lots=2, min_notional=5 * LOT_WORTH))
    assert account.ask(BUY, lots=4) == breach.REFUSED_MINIMUM
    assert account.ask(BUY, lots=5) == breach.APPROVED
    assert account.ask(BUY, 990, lots=5) == breach.REFUSED_MINIMUM


def test_a_halted_account_sends_only_a_flatten():
    """A taker order that shrinks the position passes; while reducing, makers that shrink do."""
    account = Account()
    account.risk[breach.RISK_STATE] = breach.HALTED
    assert account.ask(SELL, lots=5, position=5) == breach.REFUSED_STATE
    assert account.ask(SELL, lots=5, position=5, taker=1) == breach.APPROVED
    assert account.ask(SELL, lots=6, position=5, taker=1) == breach.REFUSED_STATE
    account.risk[breach.RISK_STATE] = breach.REDUCING
    assert account.ask(SELL, lots=5, position=5) == breach.APPROVED
    assert account.ask(SELL, lots=5, position=5, open_lots=1) == breach.REFUSED_STATE
    assert account.ask(BUY, lots=1, position=5) == breach.REFUSED_STATE


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([BUY, SELL]),
    st.integers(900, 1_100),
    st.integers(1, 1_500),
    st.integers(-1_500, 1_500),
    st.integers(0, 1_500),
    st.sampled_from([breach.ACTIVE, breach.REDUCING, breach.HALTED]),
)
def test_an_approved_order_never_carries_the_position_past_the_cap(
    side, price, lots, position, waiting, state
):
    """With every order of its side filled; unless it shrinks what is there."""
    account = Account()
    account.risk[breach.RISK_STATE] = state
    code = account.ask(side, price, lots, position=position, open_lots=waiting)
    after = side * position + waiting + lots
    if code == breach.APPROVED:
        assert after <= max(0, breach.position_cap_lots(MID, account.limits, account.scale))
        assert state != breach.HALTED
        assert state == breach.ACTIVE or after <= 0
