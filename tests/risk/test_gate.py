import numpy as np
import pytest

from market import breach
from market.account import Setup, open_account
from market.breach import limit_settings
from market.guard import guard_settings
from market.layout import (
    ACTION_COLUMNS,
    ACTION_KIND,
    ACTION_LOTS,
    ACTION_PLACE,
    ACTION_PRICE_TICKS,
    ACTION_SIDE,
    ACTION_TAKER,
    BUY,
    LEDGER_BASE,
    LEDGER_MARK,
    NO_BID,
    SCALE_COLUMNS,
    SCALE_LOT,
    SCALE_MIN_LOTS,
    SCALE_SPOT,
    SCALE_TICK_LOT,
    SELL,
    STEP_ASK,
    STEP_BID,
    STEP_COLUMNS,
    STEP_HEARD_NS,
    STEP_LAST,
    STEP_NOW_NS,
    UNITS,
)
from market.own import insert_own
from market.policy import policy_settings
from market.queueing import fill_model
from market.strategy import enter_order, judge
from protocol.errors import SealError
from protocol.messages import QuoteParameters
from protocol.orders import Approved, ApprovedParameters, Order, Refused, Seal, claim_seal
from risk import gate
from risk.limits import NAMES, Limits

CAPITAL = 100_000 * UNITS


def setup_with(**limits) -> Setup:
    scale = np.zeros(SCALE_COLUMNS, dtype=np.int64)
    scale[SCALE_TICK_LOT] = UNITS // 100  # a tick of 0.01, a lot of 1
    scale[SCALE_LOT] = UNITS
    scale[SCALE_MIN_LOTS] = 1
    scale[SCALE_SPOT] = 1
    return Setup(
        scale=scale,
        model=fill_model(),
        limits=limit_settings(capital_units=CAPITAL, **limits),
        policy=policy_settings(capital=100_000.0),
        guarding=guard_settings(),
        cycle=np.array([30 * 10**9]),
        opening=np.array([CAPITAL, 50 * UNITS, 50 * UNITS]),
    )


def place(side, price, lots, taker=0):
    action = np.zeros(ACTION_COLUMNS, dtype=np.int64)
    action[ACTION_KIND] = ACTION_PLACE
    action[ACTION_SIDE] = side
    action[ACTION_PRICE_TICKS] = price
    action[ACTION_LOTS] = lots
    action[ACTION_TAKER] = taker
    return action


def book(bid=9_990, ask=10_010):
    row = np.zeros(STEP_COLUMNS, dtype=np.int64)
    row[STEP_BID], row[STEP_ASK] = bid, ask
    return row


def asked(action, step_row=None, account=None, **limits):
    setup = setup_with(**limits)
    account = open_account(setup, trips=0) if account is None else account
    return gate.check(action, book() if step_row is None else step_row, account, setup)


def test_a_sound_order_is_approved_with_the_account_s_next_id():
    """Approved holds the order that was asked for, and nothing was changed."""
    found = asked(place(BUY, 9_980, 3))
    assert isinstance(found, Approved)
    assert found.order == Order(order_id=1, side=BUY, price_ticks=9_980, lots=3)


@pytest.mark.parametrize(
    ("action", "limits", "name", "figure", "bound"),
    [
        (place(BUY, 9_000, 3), {}, "price_collar", 0.1, 0.05),
        (place(BUY, 9_980, 11), {}, "max_position_size", 11.0, 10.0),
        (place(BUY, 9_980, 3), {"order_lots_max": 2}, "order_lots_max", 3.0, 2.0),
        (place(BUY, 9_980, 7), {"stress_fraction": 0.001}, "stressed_loss_limit", 7.0, 5.0),
        (place(BUY, 0, 3), {}, "minimum_order", 3.0, 1.0),
        (
            place(SELL, 10_020, 51),
            {"max_position_fraction": 1.0},
            "free_balance",
            51.0 * UNITS,
            50.0 * UNITS,
        ),
        (place(BUY, 9_980, 1, taker=1), {}, "risk_state", 0.0, 0.0),
    ],
)
def test_every_refusal_names_limit_figure_and_bound(action, limits, name, figure, bound):
    """What was found and what is allowed, in the limit's own unit."""
    assert asked(action, **limits) == Refused(name, pytest.approx(figure), bound)


NOW = 1_000 * 10**9


@pytest.mark.parametrize(
    ("limits", "cells", "action", "expected"),
    [
        ({"age_ns": 5 * 10**9}, {STEP_HEARD_NS: NOW - 6 * 10**9}, None, ("price_age_limit", 6, 5)),
        ({"notional_fraction": 0.002}, {}, None, ("max_order_size", 299.4, 200)),
        ({"collar_fraction": 0.02}, {STEP_LAST: 10_400}, None, ("last_trade_collar", 0.0404, 0.02)),
        ({}, {}, place(SELL, 9_900, 1), ("own_order", 9_900, 9_970)),
    ],
)
def test_a_limit_of_price_size_and_age_is_named(limits, cells, action, expected):
    """One step within it, the same order passes."""
    setup = setup_with(**limits)
    account = open_account(setup, trips=0)
    insert_own(account.own, account.own_meter, BUY, 9_970, 1, 0, 0)
    step_row = book()
    step_row[[STEP_NOW_NS, STEP_HEARD_NS, STEP_LAST]] = NOW, NOW, 10_000
    action = place(BUY, 9_980, 3) if action is None else action
    for column, value in cells.items():
        step_row[column] = value
    found = gate.check(action, step_row, account, setup)
    assert isinstance(found, Refused)
    assert (found.limit, found.figure, found.bound) == (
        expected[0], pytest.approx(expected[1], rel=1e-3), pytest.approx(expected[2]),
    )  # fmt: skip
    calm = place(BUY, 9_980, 2) if action[ACTION_SIDE] == BUY else place(SELL, 9_971, 1)
    step_row[[STEP_HEARD_NS, STEP_LAST]] = NOW - 5 * 10**9, 10_000
    passes = expected[0] != "max_order_size"
    calm[ACTION_LOTS] = 3 if passes and calm[ACTION_SIDE] == BUY else 1
    assert isinstance(gate.check(calm, step_row, account, setup), Approved)


def test_orders_come_no_faster_than_their_rate():
    """Three at once, then one a second; an order of a flatten is not counted."""
    setup = setup_with(orders_per_second=1.0, orders_burst=3)
    account = open_account(setup, trips=0)
    step_row = book()

    def ask(at_ns):
        step_row[STEP_NOW_NS] = at_ns
        found = gate.check(place(BUY, 9_980, 1), step_row, account, setup)
        if isinstance(found, Approved):
            enter_order(place(BUY, 9_980, 1), at_ns, account, setup)
        return found

    assert all(isinstance(ask(NOW), Approved) for _ in range(3))
    assert ask(NOW) == Refused("order_rate_max", 4.0, 3.0)
    assert isinstance(ask(NOW + 10**9 - 1), Refused)
    assert isinstance(ask(NOW + 10**9), Approved)
    assert isinstance(ask(NOW + 10**9), Refused)
    assert all(isinstance(ask(NOW + 60 * 10**9), Approved) for _ in range(3))
    taken = int(account.risk[breach.RISK_RATE_NS])
    enter_order(place(SELL, 9_980, 1, taker=1), NOW + 61 * 10**9, account, setup)
    assert account.risk[breach.RISK_RATE_NS] == taken


@pytest.mark.parametrize(
    ("column", "name"),
    [
        (breach.RISK_VALUE_LOTS, "value_at_risk_limit"),
        (breach.RISK_LIQUID_LOTS, "liquidity_limit"),
        (breach.RISK_PORTFOLIO_LOTS, "correlation_limits"),
    ],
)
def test_what_may_be_carried_counts_open_orders_too(column, name):
    """Five lots: three are open, so two more may come, and any order that shrinks the position."""
    setup = setup_with()
    account = open_account(setup, trips=0)
    account.risk[column] = 5
    insert_own(account.own, account.own_meter, BUY, 9_970, 3, 0, 0)
    assert isinstance(gate.check(place(BUY, 9_980, 2), book(), account, setup), Approved)
    assert gate.check(place(BUY, 9_980, 3), book(), account, setup) == Refused(name, 6.0, 5.0)
    account.ledger[LEDGER_BASE] += 9 * UNITS
    assert isinstance(gate.check(place(SELL, 10_020, 9), book(), account, setup), Approved)


def test_a_parameter_set_needs_the_gate_too():
    """It must hold the smallest order, and a halted account takes none."""
    setup = setup_with()
    setup.scale[SCALE_MIN_LOTS] = 5
    account = open_account(setup, trips=0)
    account.ledger[LEDGER_MARK] = 20_000
    told = {"spread_percentage": 0.1, "levels": 1, "base_quantity": 1.0}
    small = QuoteParameters(max_position=4.0, **told)
    assert gate.check_parameters(small, account, setup) == Refused("minimum_order", 4.0, 5.0)
    params = QuoteParameters(max_position=5.0, **told)
    approved = gate.check_parameters(params, account, setup)
    assert isinstance(approved, ApprovedParameters)
    assert approved.params is params
    account.risk[breach.RISK_STATE] = breach.HALTED
    assert gate.check_parameters(params, account, setup) == Refused("risk_state", 2.0, 0.0)


def test_without_a_two_sided_book_nothing_passes():
    """A price cannot be judged against a market that is not there."""
    found = asked(place(BUY, 9_980, 3), book(bid=NO_BID))
    assert isinstance(found, Refused)
    assert found.limit == "two_sided_book"


def test_open_orders_of_the_worse_side_count_as_filled():
    """Ten lots are allowed: eight open ones leave two."""
    setup = setup_with()
    account = open_account(setup, trips=0)
    insert_own(account.own, account.own_meter, BUY, 9_970, 8, 0, 0)
    assert isinstance(gate.check(place(BUY, 9_980, 2), book(), account, setup), Approved)
    found = gate.check(place(BUY, 9_980, 3), book(), account, setup)
    assert found == Refused("max_position_size", 11.0, 10.0)


def test_the_count_of_open_orders_is_bounded():
    """One order beyond the bound is refused by name."""
    setup = setup_with(open_orders_max=1)
    account = open_account(setup, trips=0)
    insert_own(account.own, account.own_meter, BUY, 9_970, 1, 0, 0)
    found = gate.check(place(BUY, 9_980, 1), book(), account, setup)
    assert found == Refused("open_orders_max", 1.0, 1.0)


def test_a_halted_account_sends_nothing():
    """HALTED refuses even what would shrink the position, unless it flattens."""
    setup = setup_with()
    account = open_account(setup, trips=0)
    account.risk[breach.RISK_STATE] = breach.HALTED
    found = gate.check(place(BUY, 9_980, 1), book(), account, setup)
    assert found == Refused("risk_state", float(breach.HALTED), 0.0)


def test_the_gate_and_the_replay_say_the_same_of_every_order():
    """Both ask one kernel: random orders get the same answer."""
    setup = setup_with(open_orders_max=6)
    account = open_account(setup, trips=0)
    rng = np.random.default_rng(5)
    for _ in range(500):
        action = place(
            int(rng.choice([BUY, SELL])),
            int(rng.integers(9_300, 10_700)),
            int(rng.integers(0, 15)),
        )
        code = judge(action, book(), account, setup)
        found = gate.check(action, book(), account, setup)
        assert isinstance(found, Approved) == (code == breach.APPROVED)
        if isinstance(found, Refused):
            assert gate.refused_code(found) == code
        elif rng.random() < 0.1:
            side, price, lots = (int(x) for x in action[2:5])
            insert_own(account.own, account.own_meter, side, price, lots, 0, 0)


def test_nobody_else_can_make_an_approval():
    """The seal is claimed, and a forged one does not open."""
    with pytest.raises(SealError):
        claim_seal()
    with pytest.raises(SealError):
        Approved(Order(1, BUY, 100, 1), Seal())


def test_limits_survive_the_row_that_kernels_take():
    """A frozen value and its row are the same limits."""
    limits = Limits(capital_units=CAPITAL, max_position_size=0.02, open_orders_max=17)
    assert Limits.of_row(limits.row()) == limits
    assert set(NAMES.values()) >= {"max_position_size", "price_collar", "open_orders_max"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_position_size": 0.0},
        {"stop_loss_threshold": float("nan")},
        {"price_collar": 1.5},
        {"volatility_cutoff": -1.0},
        {"open_orders_max": 0},
        {"cooldown_ns": -1},
    ],
)
def test_a_limit_out_of_range_is_refused_by_name(wrong):
    """NaN and zero are no limits."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Limits(capital_units=CAPITAL, **wrong)


def test_limits_that_cannot_bind_are_named():
    """An operator must know which of the figures are decoration."""
    limits = Limits(capital_units=CAPITAL, volatility_cutoff=0.0, open_orders_max=256)
    idle = limits.idle(setup_with().scale, position_cap_lots=10)
    assert set(idle) >= {"volatility_cutoff", "open_orders_max", "order_lots_max"}
    assert "daily_loss_limit" in idle
    assert "stop_loss_threshold" not in idle
