"""Faults at random, one upon another, while a trader quotes: afterwards everything still agrees."""

import random
from collections import Counter

from market.layout import BUY, SELL
from protocol.orders import Approved
from tests.exchange.binance.agreement import funded, violations
from tests.exchange.binance.fault_table import (
    EVENTS,
    FAR,
    LOTS,
    REQUESTS,
    WORLD,
)

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
        kills: so many of the faults, at random places, are kills of this life.
    """

    def __init__(self, theatre, seed, faults, kills=0):
        self.theatre, self.rng, self.left = theatre, random.Random(seed), faults
        self.weights = {"exchange killed": 0.2}
        self.kills = kills
        self.names = [
            name for name in (*REQUESTS, *EVENTS, *WORLD) if name not in theatre.ground.missing
        ]
        self.trader = None
        self.struck = Counter()
        self.mend_in = 0

    async def run(self):
        """Quote and be struck until no fault is left; return what does not hold."""
        trader = self.trader = await self.theatre.trader()
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
        broken = [] if await funded(trader) else ["1: a funding is not booked"]
        await trader.venue.close()
        await self.theatre.ask("/clock", offset_ms=0)
        broken += [
            f"5: order {each} has no end" for each in trader.intents if not trader.ended(each)
        ]
        return broken + await violations(trader)

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
        weights = [self.weights.get(name, 1.0) for name in self.names]
        fault = self.rng.choices(self.names, weights)[0]
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
