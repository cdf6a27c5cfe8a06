"""Several symbols on one exchange: one purse, one clock, everything else apart."""

import asyncio
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from exchange.errors import SimulationError
from exchange.recording import units
from exchange.simulated import queries
from exchange.simulated.building import Wanted, build, days_of
from exchange.simulated.parameters import read_cancel, read_place
from exchange.simulated.refusals import Refusal
from exchange.simulated.usdm import account_queries
from exchange.simulated.usdm.parameters import read_place as read_future
from market.layout import UNITS
from tests.exchange.simulated.market import OTHER, SECOND, START, SYMBOL, write, write_two

ACCOUNTS = """
[[account]]
name = "one"
key = "one"
secret = "one"
balances = {{ USDT = "{quote}", PLAY = "{base}", TOYS = "{base}" }}
"""


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return write_two(tmp_path_factory.mktemp("feeds"))


def accounts(folder, quote="30", base="1"):
    """A file with one account."""
    path = folder / "accounts.toml"
    path.write_text(ACCOUNTS.format(quote=quote, base=base))
    return path


class Play:
    """An exchange in this process, without sockets; feed time moves when told."""

    def __init__(self, feeds, **told):
        self.built = build(Wanted(feeds=tuple(feeds), speed=1.0, **told))
        self.service = self.built.service
        self.service.feed_now = lambda: self.service.now_ns
        self.account = next(iter(self.service.accounts.values()))
        self.market_heard, self.user_heard = [], []
        self.service.hub.user = lambda _, told: self.user_heard.append(told)
        self.service.hub.publish = lambda event, _: self.market_heard.append(event.told)
        self.numbers = count(1)
        self.futures = told.get("futures", False)

    def ask(self, query, **told):
        """Ask a question."""
        return query(self.service, self.account, told)

    def place(self, symbol, side, quantity, price, **more):
        """Let an order arrive now; return its answer, or the code of its refusal."""
        told = {"symbol": symbol, "side": side, "quantity": quantity, "price": price}
        kind = {"type": "LIMIT", "timeInForce": "GTC"}
        reader = read_future if self.futures else read_place
        name = f"p-{next(self.numbers)}"
        return self.send(reader({**told, **kind, **more}, self.service.markets, name))

    def cancel(self, symbol, number):
        """Cancel an order."""
        told = {"symbol": symbol, "orderId": str(number)}
        return self.send(read_cancel(told, self.service.markets, f"c-{next(self.numbers)}"))

    def send(self, command):
        """Send a request."""
        try:
            return asyncio.run(self.service.order(self.account, command, "one"))
        except Refusal as refusal:
            return refusal.code

    def until(self, seconds):
        """Live up to so many seconds after the beginning."""
        self.service.live_until(START + seconds * SECOND)

    def held(self, asset):
        """Free and locked of an asset, as text."""
        rows = {row["asset"]: row for row in self.ask(queries.account_status)["balances"]}
        return rows[asset]["free"], rows[asset]["locked"]


@pytest.fixture
def play(paths, tmp_path):
    made = Play(paths, accounts=accounts(tmp_path))
    made.until(1)
    return made


def test_an_order_in_one_symbol_locks_what_the_other_can_use(play):
    """19.9 of 30 USDT are locked for PLAY; TOYS has 10.1 left until that order is gone."""
    first = play.place(SYMBOL, "BUY", "0.20", "99.50")
    assert play.held("USDT") == ("10.10000000", "19.90000000")
    assert play.place(OTHER, "BUY", "0.20", "99.50") == -2010
    assert play.place(OTHER, "BUY", "0.10", "99.50")["status"] == "NEW"
    assert play.held("USDT") == ("0.15000000", "29.85000000")
    play.cancel(SYMBOL, first["orderId"])
    assert play.held("USDT") == ("20.05000000", "9.95000000")


def test_fills_of_both_symbols_move_one_balance_and_fees_come_from_the_asset_received(play):
    """A bought PLAY pays in PLAY, a sold TOYS in USDT; what one earns the other may spend."""
    play.place(SYMBOL, "BUY", "0.20", "99.95")
    play.until(7)
    assert play.held("USDT") == ("10.01000000", "0.00000000")
    assert play.held("PLAY") == ("1.19998000", "0.00000000")
    play.place(OTHER, "SELL", "0.20", "100.05")
    play.until(14)
    assert play.held("USDT") == ("30.01799900", "0.00000000")
    assert play.held("TOYS") == ("0.80000000", "0.00000000")
    assert play.place(SYMBOL, "BUY", "0.30", "99.50")["status"] == "NEW"
    positions = [each for each in play.user_heard if each["e"] == "outboundAccountPosition"]
    assert [row["a"] for row in positions[-1]["B"]] == ["PLAY", "USDT"]


def test_each_symbol_counts_its_own_orders_and_trades(play):
    """Numbers begin at 1 in each; a list is of one symbol, that of open orders of all as well."""
    for symbol in (SYMBOL, OTHER):
        assert play.place(symbol, "BUY", "0.06", "99.95")["orderId"] == 1
        assert play.place(symbol, "BUY", "0.06", "99.50")["orderId"] == 2
    play.until(4)
    for symbol in (SYMBOL, OTHER):
        found = [
            (trade["symbol"], trade["id"], trade["orderId"])
            for trade in play.ask(queries.my_trades, symbol=symbol)
        ]
        assert found == [(symbol, 1, 1), (symbol, 2, 1)]
        assert [row["orderId"] for row in play.ask(queries.all_orders, symbol=symbol)] == [1, 2]
        (row,) = play.ask(queries.open_orders, symbol=symbol)
        assert row["symbol"] == symbol
    both = play.ask(queries.open_orders)
    assert [(row["symbol"], row["orderId"]) for row in both] == [(SYMBOL, 2), (OTHER, 2)]
    with pytest.raises(Refusal) as refused:
        play.ask(queries.my_trades)
    assert refused.value.code == -1102


def test_tickers_and_the_list_of_symbols_answer_one_several_or_all(play):
    """`symbol` is a row, `symbols` and nothing are lists; both, or no list, are refused."""
    for query in (queries.book_ticker, queries.price_ticker, queries.day_ticker):
        assert play.ask(query, symbol=OTHER)["symbol"] == OTHER
        assert [row["symbol"] for row in play.ask(query)] == [SYMBOL, OTHER]
        told = f'["{OTHER}"]'
        assert [row["symbol"] for row in play.ask(query, symbols=told)] == [OTHER]
        for wrong, code in (({"symbols": '["NONE"]'}, -1121), ({"symbol": "NONE"}, -1121),
                            ({"symbols": told, "symbol": OTHER}, -1128)):  # fmt: skip
            with pytest.raises(Refusal) as refused:
                play.ask(query, **wrong)
            assert refused.value.code == code
    for query in (queries.price_ticker, queries.exchange_info):
        for text, code in (
            ("", -1105),
            ("[]", -1102),
            (OTHER, -1100),
            (f"[{OTHER}]", -1100),
            (f'["{OTHER}"', -1100),
            (f"['{OTHER}']", -1100),
            (f'["{OTHER}", "{SYMBOL}"]', -1100),
            (f'["{OTHER.lower()}"]', -1100),
            (f'["{OTHER}","{OTHER}"]', -1101),
        ):
            with pytest.raises(Refusal) as refused:
                play.ask(query, symbols=text)
            assert refused.value.code == code, text
    both = f'["{OTHER}","{SYMBOL}"]'
    assert [row["symbol"] for row in play.ask(queries.price_ticker, symbols=both)] == [
        OTHER,
        SYMBOL,
    ]
    listed = play.ask(queries.exchange_info)["symbols"]
    assert [(row["symbol"], row["baseAsset"]) for row in listed] == [
        (SYMBOL, "PLAY"),
        (OTHER, "TOYS"),
    ]
    (row,) = play.ask(queries.exchange_info, symbol=OTHER)["symbols"]
    assert row["symbol"] == OTHER


def test_public_events_of_all_symbols_come_in_the_order_of_their_time(play):
    """Also when a step of the clock is many events long."""
    play.market_heard.clear()
    play.until(5)
    trades = [each for each in play.market_heard if each["e"] == "trade"]
    assert {each["s"] for each in trades} == {SYMBOL, OTHER}
    assert [each["T"] for each in trades] == sorted(each["T"] for each in trades)
    ids = {symbol: [e["t"] for e in trades if e["s"] == symbol] for symbol in (SYMBOL, OTHER)}
    assert ids[SYMBOL] == ids[OTHER] == sorted(ids[OTHER])


def test_a_symbol_that_halts_stops_nobody_in_the_other(play):
    """Status and filters are those of one symbol."""
    house = play.service.markets[OTHER].house
    house.instrument = house.instrument.changed(status="HALT")
    assert play.place(OTHER, "BUY", "0.06", "99.50") == -1013
    assert play.place(SYMBOL, "BUY", "0.06", "99.50")["status"] == "NEW"
    rows = play.ask(queries.exchange_info)["symbols"]
    assert [row["status"] for row in rows] == ["TRADING", "HALT"]


ACTS = some.lists(
    some.tuples(
        some.sampled_from((SYMBOL, OTHER)),
        some.sampled_from(("BUY", "SELL")),
        some.integers(6, 40),
        some.sampled_from(("99.50", "99.95", "100.05", "100.20", "100.50")),
    ),
    min_size=5,
    max_size=25,
)


@settings(max_examples=25, deadline=None)
@given(ACTS)
def test_nothing_is_ever_spent_twice_and_balances_are_the_opening_and_all_trades(
    paths, tmp_path_factory, acts
):
    """Whatever is ordered where: free is never below zero, and the sum comes out."""
    folder = tmp_path_factory.mktemp("accounts")
    play = Play(paths, accounts=accounts(folder, quote="100"))
    for number, (symbol, side, lots, price) in enumerate(acts, 1):
        play.until(number)
        play.place(symbol, side, f"0.{lots:02d}", price)
        for asset in ("USDT", "PLAY", "TOYS"):
            assert units(play.held(asset)[0]) >= 0
    play.until(len(acts) + 3)
    wanted = {"USDT": 100 * UNITS, "PLAY": UNITS, "TOYS": UNITS}
    for market in play.service.markets.values():
        known = market.instrument
        for trade in market.account(play.account).trades:
            wanted[known.base] += trade.side * trade.lots * known.lot
            wanted["USDT"] -= trade.side * trade.quote_units
            wanted[trade.commission_asset] -= trade.commission
    assert play.account.balances == wanted


def test_one_wallet_of_futures_carries_the_margin_of_all_positions(paths, tmp_path):
    """At leverage 1 a position in PLAY leaves less for TOYS; the account adds all up."""
    told = ACCOUNTS.format(quote="30", base="0")
    (tmp_path / "accounts.toml").write_text(told)
    play = Play(paths, accounts=tmp_path / "accounts.toml", futures=True)
    play.until(1)
    for market in play.service.markets.values():
        market.account(play.account).margin.leverage = 1
    taken = {"timeInForce": "IOC", "newOrderRespType": "RESULT"}
    assert play.place(SYMBOL, "BUY", "0.20", "100.50", **taken)["status"] == "FILLED"
    assert play.place(OTHER, "BUY", "0.20", "100.50", **taken) == -2019
    assert play.place(OTHER, "SELL", "0.09", "99.50", **taken)["status"] == "FILLED"
    play.until(2)
    status = play.ask(account_queries.account_status)
    amounts = [(row["symbol"], row["positionAmt"]) for row in status["positions"]]
    assert amounts == [(SYMBOL, "0.20000000"), (OTHER, "-0.09000000")]
    rows = play.ask(account_queries.position_risk)
    for name, total in (
        ("unRealizedProfit", status["totalUnrealizedProfit"]),
        ("initialMargin", status["totalInitialMargin"]),
    ):
        assert sum(units_of(row[name]) for row in rows) == units_of(total) != 0
    wallet, available = (
        units_of(status[name]) for name in ("totalWalletBalance", "availableBalance")
    )
    fees = sum(
        trade.commission
        for market in play.service.markets.values()
        for trade in market.account(play.account).trades
    )
    assert wallet == 30 * UNITS - fees
    profit, margin = (
        units_of(status[name]) for name in ("totalUnrealizedProfit", "totalInitialMargin")
    )
    assert available == wallet + profit - margin
    updates = [each["a"] for each in play.user_heard if each["e"] == "ACCOUNT_UPDATE"]
    assert [each["P"][0]["s"] for each in updates] == [SYMBOL, OTHER]
    assert units_of(updates[-1]["B"][0]["wb"]) == wallet
    assert {row["symbol"] for row in play.ask(account_queries.income)} == {SYMBOL, OTHER}


def units_of(text):
    """Signed text in units."""
    return -units(text[1:]) if text.startswith("-") else units(text)


def test_orders_trades_and_balances_of_all_symbols_survive_a_kill(paths, tmp_path):
    """Numbers go on in each; another set of recordings refuses the folder."""
    told = {"accounts": accounts(tmp_path), "state": tmp_path / "state"}
    play = Play(paths, **told)
    play.until(1)
    for symbol in (SYMBOL, OTHER):
        play.place(symbol, "BUY", "0.06", "99.95")
        play.place(symbol, "BUY", "0.06", "99.50")
    play.until(4)
    held = {asset: play.held(asset) for asset in ("USDT", "PLAY", "TOYS")}
    for store in play.built.stores:
        store.close()
    again = Play(paths, **told)
    assert {asset: again.held(asset) for asset in held} == held
    assert again.service.now_ns >= START + 2 * SECOND
    assert [row["orderId"] for row in again.ask(queries.open_orders)] == [2, 2]
    assert again.place(OTHER, "SELL", "0.06", "100.20")["orderId"] == 3
    with pytest.raises(SimulationError, match="belongs to"):
        build(Wanted(feeds=paths[::-1], speed=1.0, **told))
    single = {"state": tmp_path / "single"}
    build(Wanted(feeds=paths[:1], speed=1.0, **single))
    with pytest.raises(SimulationError, match="of one symbol"):
        build(Wanted(feeds=paths, speed=1.0, **single))


def test_what_cannot_be_served_together_is_one_line(paths, tmp_path):
    """One symbol twice, no common span, two wallets on futures."""
    late = write(tmp_path, 60, base="LATE", symbol="LATE-USDT")
    dear = write(tmp_path, 60, base="DEAR", quote="USDC", symbol="DEAR-USDC")
    moved = days_of(Wanted(feeds=(paths[0], late), speed=1.0))
    assert [day.last_ns for day in moved] == [moved[1].last_ns] * 2
    for feeds, more, word in (
        ((paths[0], paths[0]), {}, "found PLAYUSDT twice"),
        ((paths[0], dear), {"futures": True}, "one quote asset, found USDC, USDT"),
    ):
        with pytest.raises(SimulationError, match=word) as refused:
            days_of(Wanted(feeds=feeds, speed=1.0, **more))
        assert "\n" not in str(refused.value)


def test_each_key_of_an_account_has_a_listen_key_of_its_own(paths):
    """So a lockstep counts the events of each; asked again, it is the same one."""
    play = Play(paths, futures=True)
    keys = [play.ask(queries.listen_key, apiKey=key)["listenKey"] for key in ("one", "two", "one")]
    assert keys[0] == keys[2] != keys[1]
    owner = play.account.key
    assert play.service.listen_keys == {keys[0]: (owner, "one"), keys[1]: (owner, "two")}
