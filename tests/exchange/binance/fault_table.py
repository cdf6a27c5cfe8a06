"""Every fault at every step of the order path: one cell each, and what must hold in all of them.

A cell walks the whole path of an order (intended, sent, open, partly filled, filled, cancelled)
over a real exchange, and once, at its step, something breaks. Afterwards quoting must be possible
again within ten seconds, and what `agreement` looks at must hold.
"""

import asyncio
import itertools
import time
from dataclasses import dataclass, field

from market.layout import BUY, REPORT_ACCEPTED, SELL
from tests.exchange.binance.agreement import funded, violations
from tests.exchange.binance.trader import LIMIT_S

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
    "funding unheard": {"kind": "user_withhold", "count": 3, "event": "ACCOUNT_UPDATE"},
}
WORLD = (
    "market cut",
    "user cut",
    "all cut",
    "farewell",
    "user ended",
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


def cells_of(ground, faults=FAULTS, steps=tuple(STEPS)):
    """Return (fault, step) of every cell that a ground can have."""
    return [each for each in itertools.product(faults, steps) if each[0] not in ground.missing]


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
        if not await funded(trader):
            self.cell.broken.append(f"1: a funding is not booked within {LIMIT_S:.0f} s")
        await trader.venue.close()
        await self.theatre.ask("/clock", offset_ms=0)
        self.cell.broken += await violations(trader)
        await trader.open()
        await trader.venue.close()
        self.cell.broken += await violations(trader)


async def run_cell(theatre, fault, step):
    """Run one cell; whatever goes wrong in it is in the cell."""
    cell = Cell(fault, step)
    trader = await theatre.trader()
    try:
        await Walk(theatre, trader, cell).run()
    except Exception as error:  # noqa: BLE001 - it belongs into the table
        cell.broken.append(f"{type(error).__name__}: {error}")
        await theatre.mend()
        await theatre.ask("/clock", offset_ms=0)
        await trader.venue.close()
    return cell
