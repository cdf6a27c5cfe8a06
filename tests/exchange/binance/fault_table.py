"""Every fault at every step of the order path: one cell each, and what must hold in all of them.

A cell walks the whole path of an order (intended, sent, open, partly filled, filled, cancelled)
over a real exchange, and once, at its step, something breaks. Afterwards quoting must be possible
again within ten seconds, and invariants 1 to 6, 18, 20 and 21 of the project's list hold.
"""

import asyncio
import time
from dataclasses import dataclass, field

from exchange.binance.settings import Road
from market.layout import (
    BUY,
    REPORT_ACCEPTED,
    REPORT_CANCEL_REJECTED,
    REPORT_CANCELLED,
    REPORT_FILL,
    REPORT_REFUSED,
    REPORT_REJECTED,
    REPORT_TRADE_ID,
    SELL,
)
from tests.exchange.binance.trader import LIMIT_S, Trader
from tests.exchange.simulated.client import Client
from tests.exchange.simulated.market import SYMBOL

FAR, BID, ASK, LOTS = 9_950, 9_995, 10_005, 12
STEPS = {
    "before intent": "",
    "after intent": "order.place",
    "after send": "order.status",
    "after answer": "",
    "after part fill": "",
    "after fill": "",
    "before cancel": "order.cancel",
    "cancel sent": "order.status",
    "after cancel": "",
}
"""Steps of the order path, and which request a fault of requests strikes there; empty: the next."""
REQUESTS = {
    "5xx before": {"kind": "error_before"},
    "5xx after": {"kind": "error_after", "status": 504},
    "dropped before": {"kind": "drop_before"},
    "dropped after": {"kind": "drop_after"},
    "late request": {"kind": "delay_before", "seconds": 0.8},
    "late answer": {"kind": "delay_after", "seconds": 0.8},
    "429": {"kind": "too_many", "seconds": 0.3},
    "418": {"kind": "banned", "seconds": 0.3},
}
UNHEARD = ("5xx after", "dropped after", "late request")
REQUESTS |= {f"{name}, unheard": REQUESTS[name] for name in UNHEARD}
"""The same, and the stream does not tell either: only a question can find out."""
EVENTS = {
    "event twice": {"kind": "user_duplicate", "count": 3},
    "event swapped": {"kind": "user_reorder"},
    "event lost": {"kind": "user_withhold", "count": 2},
    "event late": {"kind": "user_delay", "seconds": 0.4},
}
WORLD = (
    "market cut",
    "user cut",
    "all cut",
    "farewell",
    "diff lost",
    "clock off",
    "break",
    "cancel only",
    "tick changed",
    "killed",
    "exchange killed",
)
FAULTS = (*REQUESTS, *EVENTS, *WORLD)
QUICK = ("5xx after, unheard", "all cut", "killed")
"""Faults whose cells run whenever continuous integration does."""


@dataclass
class Cell:
    """What became of one cell.

    Attributes:
        broken: what did not hold; empty when it is green.
        resumed_s: from the end of the fault until two quotes stood again.
        wall_s: all of it.
    """

    fault: str
    step: str
    broken: list = field(default_factory=list)
    resumed_s: float = 0.0
    wall_s: float = 0.0


class Walk:
    """One cell as it goes.

    Args:
        theatre: the exchange and how to break it.
        trader: in its first life.
    """

    def __init__(self, theatre, trader, cell):
        self.theatre, self.trader, self.cell = theatre, trader, cell
        self.struck = False

    async def run(self):
        """Walk the path, then mend the world, quote again, and look at what is left."""
        began_s = time.monotonic()
        await self.trader.open()
        await self.path()
        if not self.struck:
            self.cell.broken.append("the fault never struck")
        await self.resume()
        await self.rest()
        self.cell.wall_s = time.monotonic() - began_s

    async def path(self):
        """From the intent to the end of an order that rests, and of two that fill."""
        trader = self.trader
        await self.at("before intent")
        far = await trader.intend(BUY, FAR, LOTS)
        await self.at("after intent")
        if self.cell.step == "after send":
            await self.doubt("order.place")
        await trader.send(far)
        await asyncio.sleep(0.003)  # the request is on its way
        await self.at("after send")
        await self.wait(lambda: trader.desk.kinds(far), "the order was answered")
        await self.at("after answer")
        near = []
        for side, price in ((BUY, BID), (SELL, ASK)):
            near.append(await trader.intend(side, price, LOTS))
            await trader.send(near[-1])
        await trader.until(lambda: all(trader.filled(each) or trader.ended(each) for each in near))
        await self.at("after part fill")
        await self.wait(lambda: all(trader.ended(each) for each in near), "the quotes ended")
        await self.at("after fill")
        await self.at("before cancel")
        if self.cell.step == "cancel sent":
            await self.doubt("order.cancel")
        await trader.cancel(far)
        await asyncio.sleep(0.003)
        await self.at("cancel sent")
        await self.wait(lambda: trader.ended(far), "the order ended")
        await self.at("after cancel")

    async def wait(self, true, what):
        """Step until something is true; at the latest once the world is mended."""
        if await self.trader.until(true, 3.0):
            return
        await self.mend()
        if not await self.trader.until(true):
            self.cell.broken.append(f"20: {what} not within {LIMIT_S:.0f} s")

    async def at(self, step):
        """Break something when this is the step of the cell."""
        if step != self.cell.step:
            return
        self.struck = True
        fault, key = self.cell.fault, {"key": "test"}
        if fault in REQUESTS:
            told = {**REQUESTS[fault], "request": STEPS[step]}
            await self.theatre.ask("/faults", **told)
            if fault.endswith("unheard"):
                await self.theatre.ask("/faults", kind="user_withhold", **key)
        elif fault in EVENTS:
            await self.theatre.ask("/faults", **EVENTS[fault], **key)
        else:
            await self.theatre.strike(fault, self.trader)

    async def doubt(self, request):
        """Let the answer to a request be lost, so that a question follows."""
        if self.cell.fault in REQUESTS:
            await self.theatre.ask("/faults", kind="drop_after", request=request)

    async def mend(self):
        """Take every fault away."""
        await self.theatre.mend()

    async def resume(self):
        """Quote again; two quotes must stand or have filled."""
        trader = self.trader
        await self.mend()
        began_s = time.monotonic()
        while True:
            await trader.until(trader.quotable)
            quotes = []
            for side, price in ((BUY, BID), (SELL, ASK)):
                quotes.append(await trader.intend(side, price, LOTS))
                await trader.send(quotes[-1])
            await trader.until(lambda: all(trader.desk.kinds(each) for each in quotes))  # noqa: B023
            stood = [REPORT_ACCEPTED in trader.desk.kinds(each) for each in quotes]
            self.cell.resumed_s = time.monotonic() - began_s
            if all(stood) or self.cell.resumed_s > LIMIT_S:
                break
        if not all(stood) or self.cell.resumed_s > LIMIT_S:
            self.cell.broken.append(f"20: no quotes {self.cell.resumed_s:.1f} s after the fault")
        await trader.until(lambda: all(trader.ended(each) for each in quotes))

    async def rest(self):
        """Take everything back, end, look; then live once more: nothing may come of itself."""
        trader = self.trader
        await trader.until(lambda: all(trader.ended(each) for each in trader.intents), 5.0)
        for order_id in trader.intents:
            await trader.cancel(order_id)
        await trader.until(lambda: all(trader.ended(each) for each in trader.intents))
        self.cell.broken += [
            f"5: order {order_id} has no end"
            for order_id in trader.intents
            if not trader.ended(order_id)
        ]
        await trader.venue.close()
        await self.theatre.ask("/clock", offset_ms=0)
        self.cell.broken += await violations(self.theatre.stage, trader)
        await trader.open()
        await trader.venue.close()
        self.cell.broken += await violations(self.theatre.stage, trader)


async def violations(stage, trader):
    """Return what does not hold between the journal and the exchange.

    Args:
        stage: of the exchange.
        trader: ended, so that nothing moves.
    """
    async with Client(stage) as client:
        _, account = await client.ask("GET", "account")
        orders = await pages(client, "allOrders", "orderId")
        trades = await pages(client, "myTrades", "id")
    prefix = f"cp-{trader.token}-"
    ours = [row for row in orders if row["clientOrderId"].startswith(prefix)]
    numbers = {row["orderId"]: int(row["clientOrderId"][len(prefix) :]) for row in ours}
    mine = [row for row in trades if row["orderId"] in numbers]
    found = []
    taken = sorted(int(row[REPORT_TRADE_ID]) for row in trader.rows(REPORT_FILL))
    if taken != sorted(row["id"] for row in mine):
        found.append(f"1: took {len(taken)} fills, the exchange has {len(mine)}")
    held = {row["asset"]: units(row["free"]) + units(row["locked"]) for row in account["balances"]}
    quote, base = (int(each) for each in trader.desk.account.ledger[:2])
    others = trader.others
    if (held["USDT"] - others[0], held["PLAY"] - others[1]) != (quote, base):
        found.append(f"2: the ledger has {quote} {base}, the exchange {held} with {others}")
    found += [f"3: {number} has no intent" for number in numbers.values()
              if number not in trader.intents]  # fmt: skip
    found += [f"3: {row['clientOrderId']} is open" for row in ours if row["status"] in OPEN]
    if len(set(numbers.values())) != len(numbers):
        found.append("4: an intent made two orders")
    found += [f"5: {row['clientOrderId']} executed too much" for row in ours
              if units(row["executedQty"]) > units(row["origQty"])]  # fmt: skip
    found += [f"5: {order_id} was told as {kinds}" for order_id in trader.intents
              if not in_order(kinds := trader.desk.kinds(order_id))]  # fmt: skip
    found += [f"4: {order_id} was told as refused, and was taken" for order_id in numbers.values()
              if {REPORT_REFUSED, REPORT_REJECTED} & set(trader.desk.kinds(order_id))]  # fmt: skip
    found += [f"18: {order_id} went out while nothing may" for order_id in numbers.values()
              if order_id in trader.intents and trader.intents[order_id].barred]  # fmt: skip
    sides = {(row["time"], row["price"], row["isBuyer"]) for row in mine}
    found += ["21: own orders met" for at, price, buys in sides if (at, price, not buys) in sides]
    foreign = [row["status"] for row in orders if row["clientOrderId"] == "foreign"]
    if foreign != ["NEW"]:
        found.append(f"3: the order of another is {foreign}")
    return found


OPEN = ("NEW", "PARTIALLY_FILLED")
LATE = REPORT_CANCEL_REJECTED


async def pages(client, path, number):
    """Return all rows of a list."""
    rows = []
    while True:
        which = {
            "orderId" if number == "orderId" else "fromId": rows[-1][number] + 1 if rows else 0
        }
        _, page = await client.ask("GET", path, symbol=SYMBOL, limit=1000, **which)
        rows.extend(page)
        if len(page) < 1000:
            return rows


def units(text):
    """Return decimal text in 1e-8."""
    whole, _, part = text.partition(".")
    return int(whole + part.ljust(8, "0"))


def in_order(kinds):
    """Return whether an order was told of from acceptance over fills to at most one end."""
    ends = [kind for kind in kinds if kind not in (REPORT_ACCEPTED, REPORT_FILL, LATE)]
    told = [kind for kind in kinds if kind != LATE]
    if not told or len(ends) > 1 or (ends and told[-1] != ends[0]):
        return False
    if REPORT_FILL in told or REPORT_CANCELLED in told:
        return told[0] == REPORT_ACCEPTED and told.count(REPORT_ACCEPTED) == 1
    return True


async def run_cell(theatre, fault, step, road=Road.REST):
    """Run one cell; whatever goes wrong in it is in the cell."""
    cell = Cell(fault, step)
    trader = Trader(theatre.stage, theatre.session, theatre.token(), theatre.speed, road)
    trader.others = await theatre.begin()
    try:
        await Walk(theatre, trader, cell).run()
    except Exception as error:  # noqa: BLE001 - it belongs into the table
        cell.broken.append(f"{type(error).__name__}: {error}")
        await theatre.mend()
        await theatre.ask("/clock", offset_ms=0)
        await trader.venue.close()
    return cell
