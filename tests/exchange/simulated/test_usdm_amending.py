"""What becomes of an order that is given another price or size."""

import asyncio

import pytest

from exchange.simulated.commands import Modify
from market.layout import BUY
from tests.exchange.simulated.market import write
from tests.exchange.simulated.test_usdm_house import Play


@pytest.fixture
def play(tmp_path):
    """A child's market after two seconds, with a bid of twelve lots at 99.95 that will fill."""
    made = Play(write(tmp_path, seconds=60, spot=False, fee_in_base=False))
    made.until(2)
    made.row = made.place(BUY, 12, 9_995)
    return made


def change(play, ticks, lots, side=BUY):
    """Change the bid now; return the answer, or the code of its refusal."""
    wanted = Modify(play.row["orderId"], None, side, ticks * 10**6, lots * 10**6)

    return asyncio.run(play.send(wanted))


def standing(play):
    """Return (price, lots) of the open orders."""
    return [(o.price_ticks, o.lots) for o in play.account.open.values()]


def test_it_fills_at_its_new_price_and_no_more_at_its_old_one(play):
    """The sellers of each second reach 99.86: below it nothing fills."""
    assert change(play, 9_980, 6)["status"] == "NEW"
    play.until(3)
    assert change(play, 9_988, 6)["price"] == "99.88000000"
    play.until(6)
    trades = [(trade.price_ticks, trade.lots) for trade in play.account.trades]
    assert trades == [(9_988, 5), (9_988, 1)]


def test_an_order_that_is_filled_so_far_already_ends(play):
    """Five lots are bought each second; after ten of them six are wanted in all."""
    play.until(4)
    assert sum(trade.lots for trade in play.account.trades) == 10
    row = change(play, 9_995, 6)
    assert row["status"] == "CANCELED"
    assert row["executedQty"] == row["origQty"] == "0.10000000"
    assert standing(play) == []


def test_a_post_only_order_that_would_take_ends_and_another_one_takes(play):
    """GTX never takes; a GTC order does, and what is left of it rests."""
    assert change(play, 10_050, 10)["status"] == "CANCELED"
    assert play.account.trades == []
    play.row = play.place(BUY, 15, 9_900, time_in_force="GTC")
    row = change(play, 10_010, 15)
    assert (row["status"], row["executedQty"]) == ("PARTIALLY_FILLED", "0.10000000")
    assert standing(play) == [(10_010, 15)]


def test_what_is_refused_leaves_the_order_as_it_was(play):
    """No change, no margin, an order that is gone: codes, and the bid stands."""
    assert change(play, 9_995, 12) == -5027
    assert change(play, 9_995, 5 * 10**6) == -2019
    assert change(play, 9_990, 10, side=-BUY) == -2013
    play.row = {"orderId": 999}
    assert change(play, 9_990, 10) == -2013
    assert standing(play) == [(9_995, 12)]
