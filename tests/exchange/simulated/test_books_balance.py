"""Whatever several accounts do, no money is made or lost and nothing fills twice."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as some

from market.layout import BUY
from tests.exchange.simulated.plays import Stage

WHO = some.sampled_from("ABC")
PRICE = some.integers(9_970, 10_030).map(lambda ticks: f"{ticks / 100:.2f}")
SIZE = some.integers(5, 40).map(lambda lots: f"{lots / 100:.2f}")
SIDE = some.sampled_from(["BUY", "SELL"])
STP = some.sampled_from(["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT", "NONE"])
NAME = some.integers(0, 5).map(lambda number: f"#n{number}")
REQUEST = some.one_of(
    some.builds("{} LIMIT_MAKER {} @ {} {}".format, SIDE, SIZE, PRICE, NAME),
    some.builds(
        "{} LIMIT {} @ {} {} {} selfTradePreventionMode={}".format,
        SIDE, SIZE, PRICE, some.sampled_from(["GTC", "IOC", "FOK"]), NAME, STP,
    ),
    some.builds("{} MARKET {}".format, SIDE, SIZE),
    some.builds("{} MARKET quote {}".format, SIDE, some.integers(10, 50)),
    some.builds("cancel {}".format, NAME),
    some.builds("amend {} {}".format, NAME, SIZE),
    some.builds("replace {} {} LIMIT_MAKER {} @ {}".format, NAME, SIDE, SIZE, PRICE),
    some.just("cancel all"),
    some.builds("wait {}".format, some.sampled_from(["0.25", "0.5", "1.25"])),
)  # fmt: skip


def check(stage, opening):
    """The laws, for every account."""
    known = stage.instrument
    for name, account in stage.accounts.items():
        held = dict(opening[name])
        done = {}
        for trade in account.trades:
            sign = 1 if trade.side == BUY else -1
            assert trade.quote_units == trade.price_ticks * trade.lots * known.tick_lot
            rate = account.fees.maker if trade.is_maker else account.fees.taker
            received = trade.lots * known.lot if trade.side == BUY else trade.quote_units
            assert trade.commission_asset == ("PLAY" if trade.side == BUY else "USDT")
            assert abs(Fraction(received * rate, 10**8) - trade.commission) <= Fraction(1, 2)
            held["PLAY"] += sign * trade.lots * known.lot
            held["USDT"] -= sign * trade.quote_units
            held[trade.commission_asset] -= trade.commission
            done[trade.order_id] = done.get(trade.order_id, 0) + trade.lots
        assert held == account.balances
        assert len({trade.trade_id for trade in account.trades}) >= len(account.trades) // 2
        locked = {"PLAY": 0, "USDT": 0}
        for order in account.orders.values():
            assert order.executed == done.get(order.order_id, 0)
            assert order.executed + order.prevented <= order.lots
            assert order.is_open == (order.order_id in account.open)
            if order.is_open and order.side == BUY:
                locked["USDT"] += order.price_ticks * order.remaining * known.tick_lot
            elif order.is_open:
                locked["PLAY"] += order.remaining * known.lot
        for asset, amount in locked.items():
            assert account.locked(asset, known) == amount
            assert account.free(asset, known) >= 0
        rows = stage.house.sides[account.key]._side.orders
        resting = {int(row[0]): int(row[4]) for row in rows if row[6] == 2}
        assert resting == {number: order.remaining for number, order in account.open.items()}


@settings(max_examples=60)
@given(some.lists(some.tuples(WHO, REQUEST), min_size=1, max_size=40))
def test_balances_are_the_opening_ones_and_the_fills(requests):
    """Balances = opening + fills - fees; locked = open orders; executed <= asked, for everyone."""
    stage = Stage(accounts="ABC", held="4")
    opening = {name: dict(account.balances) for name, account in stage.accounts.items()}
    for who, request in requests:
        stage.do(who, request)
        check(stage, opening)
