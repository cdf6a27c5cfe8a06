from hypothesis import given
from hypothesis import strategies as some

from exchange.simulated.accounts import Account, Fees, Order, Status, commission_of, half_even
from exchange.simulated.instrument import instrument_of, parse_units, text
from market.layout import BUY, SELL, UNITS
from market.wide import divide
from tests.exchange.simulated.market import recording

KNOWN = instrument_of(recording(10).meta)


@given(some.integers(0, 10**16), some.integers(-(10**6), 10**6))
def test_fees_round_as_the_ledger_rounds_them(amount, rate):
    """Half-even in 1e-8, rebates too: the exchange's own arithmetic is that of the replay."""
    assert half_even(amount, rate) == divide(amount, rate, UNITS)


def test_a_half_goes_to_the_even_neighbour():
    """0.5 to 0, 1.5 to 2, 2.5 to 2; the same below zero."""
    halves = [half_even(number, UNITS // 2) for number in (1, 3, 5)]
    assert halves == [0, 2, 2]
    assert [half_even(number, -UNITS // 2) for number in (1, 3, 5)] == [0, -2, -2]


@given(some.integers(-(10**18), 10**18))
def test_amounts_are_read_as_they_are_written(amount):
    """Decimal text with eight places and back."""
    assert parse_units(text(amount)) == amount
    assert len(text(amount).partition(".")[2]) == 8


def test_a_commission_falls_back_when_the_other_asset_runs_out():
    """BNB while there is enough of it, then what the fill received."""
    fees = Fees(10_000, 20_000, "BNB", 600 * UNITS)
    rich = Account("a", "a", "a", fees, {"BNB": 10 * UNITS})
    poor = Account("b", "b", "b", fees, {"BNB": 1})
    lots, worth = 100, KNOWN.notional(10_000, 100)
    assert commission_of(rich, KNOWN, BUY, lots, worth, maker=True) == (1_250, "BNB")
    assert commission_of(poor, KNOWN, BUY, lots, worth, maker=True) == (10_000, "PLAY")
    assert commission_of(poor, KNOWN, SELL, lots, worth, maker=False) == (2_000_000, "USDT")


def test_an_order_is_found_by_either_id_but_not_by_two_that_disagree():
    """The later order hides an earlier one with its client id."""
    account = Account("a", "a", "a", Fees(0, 0), {})
    told = {"account": "a", "side": BUY, "kind": "LIMIT", "time_in_force": "GTC", "price_ticks": 1,
            "lots": 1, "made_ns": 0, "stp": "NONE"}  # fmt: skip
    first = Order(order_id=1, client_id="x", status=Status.CANCELED, **told)
    second = Order(order_id=2, client_id="x", **told)
    account.add(first)
    account.add(second)
    assert account.find(None, "x") is second
    assert account.find(1, None) is first
    assert account.find(1, "x") is first
    assert account.find(1, "y") is None
    assert account.find(7, None) is None
    assert list(account.open) == [2]
