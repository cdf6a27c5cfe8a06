"""A replay's orders, sent over sockets in lockstep: the same market, the same fills."""

import json

import pytest

from agents.session import parameter_row
from exchange.importers.detect import import_feed
from exchange.recording import load, save
from exchange.simulated.instrument import text
from market.layout import (
    ACTION_CANCEL,
    BUY,
    STEP_ASK,
    STEP_BID,
    STEP_LAST,
    STEP_NOW_NS,
)
from market.replay import replay_one
from market.replay_step import (
    FILLED_EXCH_NS,
    FILLED_LOTS,
    FILLED_MAKER,
    FILLED_ORDER_ID,
    FILLED_PRICE_TICKS,
    FILLED_SIDE,
    PLACED_CODE,
    PLACED_KIND,
    PLACED_LOTS,
    PLACED_NOW_NS,
    PLACED_ORDER_ID,
    PLACED_PRICE_TICKS,
    PLACED_SIDE,
)
from tests.agents.executor.market import recording, session_for
from tests.exchange.feeds import NEXO, real_feed
from tests.exchange.simulated.books import Book
from tests.exchange.simulated.client import Client
from tests.exchange.simulated.market import serving

MS = 10**6
HEARD = (
    FILLED_ORDER_ID, FILLED_SIDE, FILLED_PRICE_TICKS, FILLED_LOTS, FILLED_MAKER, FILLED_EXCH_NS,
)  # fmt: skip
ACCOUNTS = """
[[account]]
name = "test"
key = "test"
secret = "test"
balances = {{ {quote} = "{quote_units}", {base} = "{base_units}" }}
"""


class Trader:
    """Sends what the replay sent, at the same steps, and compares the market step by step."""

    def __init__(self, client, session, tape, record, meta):
        self.client, self.session, self.tape, self.meta = client, session, tape, meta
        self.waiting = [row for row in record.placed.tolist() if row[PLACED_CODE] == 0]
        self.book, self.market, self.read, self.last = Book(), [], 0, 0.0
        self.book.start({"lastUpdateId": 0, "bids": [], "asks": []})
        self.sent = []
        self.symbol = f"{meta.base}{meta.quote}"
        self.seen = []

    async def live(self, steps):
        """Live through the day."""
        client = self.client
        async for message in steps:
            told = json.loads(message.data)
            now_ns = told.get("step", self.session.last_ns + 1)
            if now_ns > self.session.last_ns:
                return
            await client.until(lambda told=told: len(self.market) == told["market"])
            await client.until(lambda told=told: len(client.heard) == told["user"])
            await client.until(
                lambda told=told: sum(each.done() for each in self.sent) == told["answers"]
            )
            self.take_market()
            self.seen.append((now_ns, self.best("b"), self.best("a"), self.last))
            while self.waiting and self.waiting[0][PLACED_NOW_NS] == now_ns:
                self.sent.append(self.send(self.waiting.pop(0)))
            await steps.send_str(json.dumps({"done": now_ns, "requests": len(self.sent)}))

    def take_market(self):
        """Take in what the streams said."""
        for told in self.market[self.read :]:
            if told["e"] == "trade":
                self.last = float(told["p"])
            else:
                self.book.hear(told)
        self.read = len(self.market)

    def best(self, side):
        """The best price of a side, 0 when it is empty."""
        prices = [float(price) for price in self.book.sides[side]]
        return (max(prices) if side == "b" else min(prices)) if prices else 0.0

    def send(self, row):
        """Send one place or cancel."""
        name = f"cp-{row[PLACED_ORDER_ID]}"
        if row[PLACED_KIND] == ACTION_CANCEL:
            return self.client.send("order.cancel", symbol=self.symbol, origClientOrderId=name)
        ticks, lots = float(self.meta.tick), float(self.meta.lot)
        return self.client.send(
            "order.place", symbol=self.symbol, side="BUY" if row[PLACED_SIDE] == BUY else "SELL",
            type="LIMIT_MAKER", price=f"{row[PLACED_PRICE_TICKS] * ticks:.8f}",
            quantity=f"{row[PLACED_LOTS] * lots:.8f}", newClientOrderId=name,
        )  # fmt: skip

    def fills(self):
        """Every fill that was heard, as the replay writes it."""
        ticks, lots = float(self.meta.tick), float(self.meta.lot)
        return [
            (
                int(e["c"][3:]), BUY if e["S"] == "BUY" else -BUY, round(float(e["L"]) / ticks),
                round(float(e["l"]) / lots), int(e["m"]), e["T"],
            )
            for e in self.client.heard
            if e.get("x") == "TRADE"
        ]  # fmt: skip


async def same_day(path, folder, session, latency):
    """Send a replay's orders over sockets; compare market and fills; return how many there were."""
    meta = load(path).meta
    tape = session.tape_builder().advance(session.last_ns)
    first, count = tape.step_at(session.first_ns), len(tape.steps)
    row = parameter_row(session.baseline)
    record = replay_one(tape, row, session.setup, first_step=first, last_step=count)
    quote_units, base_units, _ = (text(int(units)) for units in session.setup.opening)
    accounts = folder / "accounts.toml"
    known = {"quote": meta.quote, "base": meta.base}
    accounts.write_text(ACCOUNTS.format(quote_units=quote_units, base_units=base_units, **known))
    lockstep = ("--speed", "lockstep", "--latency", latency, "--accounts", accounts)
    with serving("--feed", path, *lockstep) as server:
        async with Client(server) as client:
            await client.open_api()
            trader = Trader(client, session, tape, record, meta)
            symbol = trader.symbol.lower()
            streams = (f"{symbol}@depth@100ms", f"{symbol}@trade")
            market = await client.follow(streams, trader.market)
            steps = await client.session.ws_connect(f"{server.control}/lockstep?key=test")
            await trader.live(steps)
            await steps.close()
            await market.close()
    assert not trader.waiting
    columns = (STEP_NOW_NS, STEP_BID, STEP_ASK, STEP_LAST)
    tick = float(meta.tick)
    expected = [tuple(int(each[column]) for column in columns) for each in tape.steps]
    seen = [(now, *(round(price / tick) for price in prices)) for now, *prices in trader.seen]
    assert seen == expected
    filled = [tuple(each[column] for column in HEARD) for each in record.filled.tolist()]
    assert trader.fills() == [(*each[:-1], each[-1] // MS) for each in filled]
    return len(filled)


@pytest.mark.parametrize(
    "latency", ["5ms", pytest.param("sampled:80ms,2500ms", marks=pytest.mark.slow)]
)
async def test_half_an_hour_over_sockets_is_the_replay(tmp_path, latency):
    """Book and last trade at every step, and every fill: price, lots, side, maker, time in ms."""
    path = recording(tmp_path)
    session = session_for(path, executor={"latency": latency}, feed={"hours": 0.5})
    assert await same_day(path, tmp_path, session, latency) > 5


@pytest.mark.slow
@pytest.mark.parametrize("latency", ["5ms", "measured:1.0"])
async def test_a_real_day_over_sockets_is_the_replay(tmp_path, latency):
    """24 hours of NEXOUSDT, its own feed delay among the latencies."""
    path = tmp_path / "nexo.npz"
    made = import_feed([real_feed(NEXO)])
    save(path, made.recording, made.data)
    session = session_for(path, executor={"latency": latency})
    assert await same_day(path, tmp_path, session, latency) > 100
