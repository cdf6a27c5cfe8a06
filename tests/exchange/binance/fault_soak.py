"""Faults at random, one upon another, while a trader quotes: afterwards everything still agrees."""

import random
from collections import Counter

from exchange.binance.settings import Road
from market.layout import BUY, SELL
from protocol.orders import Approved
from tests.exchange.binance.fault_table import (
    EVENTS,
    FAR,
    LOTS,
    REQUESTS,
    WORLD,
    violations,
)
from tests.exchange.binance.trader import Trader

ASKED = ("", "order", "order.place", "order.cancel", "order.status", "myTrades", "openOrders")
PRICES = {BUY: (FAR, 9_988, 9_992, 9_995, 9_999), SELL: (10_050, 10_012, 10_008, 10_005, 10_001)}
OPEN_MAX = 6
STEPS_BETWEEN = (2, 14)
MEND_AFTER = 6
"""Steps after which a symbol that was changed trades again."""


class Soak:
    """One long life, or many, under fire.

    Args:
        theatre: the exchange and how to break it.
        seed: of every choice.
        faults: how many.
        road: of the orders.
        kills: so many of the faults, at random places, are kills of this life.
    """

    def __init__(self, theatre, seed, faults, road=Road.REST, kills=0):
        self.theatre, self.rng, self.left = theatre, random.Random(seed), faults
        self.weights = {"exchange killed": 0.2}
        self.kills = kills
        self.trader = Trader(theatre.stage, theatre.session, theatre.token(), theatre.speed, road)
        self.struck = Counter()
        self.mend_in = 0

    async def run(self):
        """Quote and be struck until no fault is left; return what does not hold."""
        trader = self.trader
        trader.others = await self.theatre.begin()
        await trader.open()
        wait = 0
        while self.left:
            await trader.step()
            if trader.quotable():
                await self.quote()
            wait -= 1
            self.mend_in -= 1
            if self.mend_in == 0:
                await self.theatre.mend()
            if wait <= 0:
                wait = self.rng.randint(*STEPS_BETWEEN)
                await self.strike()
        await self.theatre.mend()
        await trader.until(trader.quotable)
        for order_id in trader.intents:
            await trader.cancel(order_id)
        await trader.until(lambda: all(trader.ended(each) for each in trader.intents))
        await trader.venue.close()
        await self.theatre.ask("/clock", offset_ms=0)
        open_ends = [each for each in trader.intents if not trader.ended(each)]
        return [f"5: order {each} has no end" for each in open_ends] + await violations(
            self.theatre.stage, trader
        )

    async def quote(self):
        """Take back an order now and then, and put new ones out."""
        trader, rng = self.trader, self.rng
        live = [each for each in trader.intents if not trader.ended(each)]
        if live and rng.random() < 0.4:
            await trader.cancel(rng.choice(live))
        for side in (BUY, SELL):
            if len(live) >= OPEN_MAX or rng.random() < 0.5:
                continue
            judged = trader.desk.judged(side, rng.choice(PRICES[side]), LOTS)
            if isinstance(judged, Approved):
                trader.note(judged)
                if rng.random() < 0.97:  # else it is killed between intent and sending
                    await trader.send(judged.order.order_id)
                else:
                    await self.live_again()

    async def live_again(self):
        """Be killed, and begin anew from the journal, once the symbol trades."""
        await self.trader.kill()
        await self.theatre.mend()
        await self.trader.open()

    async def strike(self):
        """Break one thing."""
        names = [*REQUESTS, *EVENTS, *WORLD]
        weights = [self.weights.get(name, 1.0) for name in names]
        fault = self.rng.choices(names, weights)[0]
        if self.rng.random() < self.kills / self.left:
            fault = "killed"
            self.kills -= 1
        self.left -= 1
        self.struck[fault] += 1
        if fault in REQUESTS:
            told = {**REQUESTS[fault], "request": self.rng.choice(ASKED)}
            await self.theatre.ask("/faults", **told, skip=self.rng.randint(0, 2))
        elif fault in EVENTS:
            await self.theatre.ask("/faults", **EVENTS[fault], key="test")
        elif fault == "killed":
            await self.live_again()
        elif fault == "clock off":
            await self.theatre.ask("/clock", offset_ms=self.rng.choice((-7_000, 0, 7_000)))
        else:
            await self.theatre.strike(fault, self.trader)
            self.mend_in = MEND_AFTER
