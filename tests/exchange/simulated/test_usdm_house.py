"""The pure parts of the futures exchange: cost of a position, margin, reduce-only, funding."""

import asyncio
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import SimulationError
from exchange.simulated.building import Wanted, build
from exchange.simulated.commands import Place
from exchange.simulated.refusals import Refusal
from exchange.simulated.usdm.margin import booked, initial_margin
from exchange.simulated.usdm.wire import wallet_of
from market.layout import BUY, SELL, UNITS
from tests.exchange.simulated.market import SECOND, START, write

FUNDED_NS = START + 20 * SECOND
RATE = 10_000
FILLS = st.lists(
    st.tuples(st.sampled_from((BUY, SELL)), st.integers(1, 50), st.integers(1, 10**9)), max_size=30
)


@given(FILLS)
def test_the_cost_of_a_position_and_what_was_earned_are_the_cash_that_moved(fills):
    """Wallet = cash + cost, to the last unit, and profit is what average cost says."""
    entry = held = cash = earned = 0
    exact = Fraction(0)
    for side, lots, price in fills:
        worth = lots * price
        if held * side >= 0:
            exact += side * worth
        else:
            closed = min(lots, abs(held))
            exact -= exact * closed / abs(held)
            exact += side * (lots - closed) * price
        entry, profit = booked(entry, held, side, lots, worth)
        held += side * lots
        cash -= side * worth
        earned += profit
        assert cash + entry == earned
        assert abs(entry - exact) <= len(fills)
        assert held or not entry


def test_the_worse_side_filled_is_what_orders_tie_up():
    """Orders against a position tie up nothing until they turn it round."""
    assert initial_margin(100, 50, 0, 10) == 15
    assert initial_margin(100, 0, 150, 10) == 10
    assert initial_margin(100, 0, 250, 10) == 15
    assert initial_margin(0, 1, 0, 10) == 1


class Play:
    """An exchange in this process, without sockets; feed time moves when told."""

    def __init__(self, path, state=None):
        self.built = build(Wanted(feeds=(path,), speed=1.0, futures=True, state=state))
        self.service = self.built.service
        self.house = self.service.first.house
        (self.account,) = self.house.accounts
        self.service.hub.user = lambda _, told: self.heard.append(told)
        self.heard = []
        self.number = 0

    def place(self, side, lots, ticks=0, **more):
        """Let an order arrive now; return its answer."""
        self.number += 1
        told = {"kind": "LIMIT", "time_in_force": "GTX"}
        if not ticks:
            told = {"kind": "MARKET", "time_in_force": "GTC"}
        wanted = Place(
            client_id=f"p-{self.house.next_order_id}-{self.number}",
            side=side,
            price=ticks * 10**6,
            quantity=lots * 10**6,
            quote_quantity=0,
            stp="NONE",
            response="RESULT",
            **{**told, **more},
        )
        return asyncio.run(self.send(wanted))

    async def send(self, wanted):
        """Send a command at this instant of the feed."""
        self.service.feed_now = lambda: self.service.now_ns
        try:
            wanted = replace(wanted, symbol=self.account.symbol)
            return await self.service.order(self.account, wanted, self.account.key)
        except Refusal as refusal:
            return refusal.code

    def until(self, seconds):
        """Live up to so many seconds after the beginning."""
        self.service.live_until(START + seconds * SECOND)


@pytest.fixture
def path(tmp_path):
    """The market of a child, with a funding after twenty seconds."""
    return write(tmp_path, seconds=60, spot=False, fee_in_base=False, funding=((FUNDED_NS, RATE),))


def test_longs_pay_and_shorts_receive_the_funding_of_the_recording(path):
    """A basis point of the position at the middle of the quotes, once."""
    for side, wanted in ((BUY, -100_000), (SELL, 100_000)):
        play = Play(path)
        play.until(2)
        play.place(side, 10)  # 0.1 at a mark of 100
        play.until(19)
        assert not play.account.margin.funding
        before = wallet_of(play.account, play.house.instrument)
        play.until(30)
        assert [each.units for each in play.account.margin.funding] == [wanted]
        assert wallet_of(play.account, play.house.instrument) == before + wanted
        (told,) = [e for e in play.heard if e.get("a", {}).get("m") == "FUNDING_FEE"]
        assert told["a"]["B"][0]["bc"] == ("-" if wanted < 0 else "") + "0.00100000"


def test_reduce_only_orders_never_turn_a_position_round(path):
    """They are cut to it as they arrive, and expire when nothing is left to reduce."""
    play = Play(path)
    play.until(2)
    assert play.place(SELL, 10, 10_500, reduce_only=True) == -2022
    play.place(BUY, 10)
    first = play.place(SELL, 3, 10_500, reduce_only=True)
    second = play.place(SELL, 9, 10_600, reduce_only=True)
    assert (first["origQty"], second["origQty"]) == ("0.03000000", "0.07000000")
    assert play.place(SELL, 1, 10_700, reduce_only=True) == -2022
    play.place(SELL, 6)
    statuses = {each.order_id: str(each.status) for each in play.account.orders.values()}
    assert statuses[second["orderId"]] == "EXPIRED"
    assert statuses[first["orderId"]] == "NEW"
    play.place(SELL, 9)
    assert str(play.account.orders[first["orderId"]].status) == "EXPIRED"
    assert play.account.held_lots(play.house.instrument) == -5


def test_margin_bounds_what_may_be_ordered(path):
    """With 100,000 and a leverage of 20, two millions at most, on the worse side."""
    play = Play(path)
    play.until(2)
    assert play.place(BUY, 2_200_000, 9_500) == -2019
    assert play.place(BUY, 2_000_000, 9_500)["status"] == "NEW"
    assert play.place(BUY, 200_000, 9_500) == -2019
    assert play.place(SELL, 1_800_000, 10_500)["status"] == "NEW"


def test_wallet_position_leverage_and_funding_survive_a_kill(path, tmp_path):
    """The file brings back what the account was; another kind of exchange refuses it."""
    play = Play(path, tmp_path / "state")
    play.until(2)
    play.place(BUY, 10)
    play.account.margin.leverage = 7
    play.house.note(play.account, {"leverage": 7})
    play.until(30)
    play.built.stores[0].close()
    again = Play(path, tmp_path / "state")
    known = play.house.instrument
    assert again.account.margin.leverage == 7
    assert again.account.margin.funding == play.account.margin.funding
    assert again.account.margin.entry == play.account.margin.entry == 10 * UNITS + UNITS // 100
    assert wallet_of(again.account, known) == wallet_of(play.account, known)
    again.until(40)
    assert len(again.account.margin.funding) == 1
    again.built.stores[0].close()
    with pytest.raises(SimulationError, match="belongs to"):
        build(Wanted(feeds=(path,), speed=1.0, state=tmp_path / "state"))


def test_an_account_of_futures_begins_without_a_position(path, tmp_path):
    """Base asset in its balances is refused in one line."""
    accounts = tmp_path / "accounts.toml"
    accounts.write_text('[[account]]\nname = "a"\nkey = "k"\nbalances = { PLAY = "1" }\n')
    with pytest.raises(SimulationError, match="wallet in USDT alone"):
        build(Wanted(feeds=(path,), speed=1.0, futures=True, accounts=accounts))
