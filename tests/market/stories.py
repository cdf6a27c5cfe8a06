"""Random recordings with random orders, for every law of the exchange's side.

Most of what happens is a market with a spread of two ticks around 100, so that orders rest long
enough for their lines to matter; the rest crosses. A story comes from one seed: drawn move by
move, its lists would be small and alike, and three in four planted faults went unseen.
"""

from dataclasses import dataclass

import numpy as np
from hypothesis import Phase, settings
from hypothesis import strategies as st

from market.layout import (
    BUY,
    DELAY_CANCEL_NS,
    DELAY_ORDER_NS,
    DELAY_RESPONSE_NS,
    KIND_CLEAR,
    KIND_DEPTH,
    KIND_SNAPSHOT,
    KIND_TRADE,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
    SELL,
)
from market.queueing import MODEL_NAMES, fill_model
from tests.examples import examples
from tests.market.exchange_side import FIRST, Slow, Taped, constant, scale_of, table

KINDS = (KIND_TRADE, KIND_DEPTH, KIND_SNAPSHOT, KIND_CLEAR)
KIND_SHARES = (0.33, 0.6, 0.05, 0.02)
OFFSETS = (1, 2, 3, 0, -1)  # ticks from 100, away from the other side
OFFSET_SHARES = (0.45, 0.3, 0.15, 0.06, 0.04)
SEEN = (SEEN_EXCHANGE | SEEN_LOCAL, SEEN_EXCHANGE, SEEN_LOCAL)
SEEN_SHARES = (0.85, 0.1, 0.05)
MOVES = 60
STEPS = 300


def law(count):
    """The settings of a law; a seed cannot shrink."""
    return settings(
        max_examples=examples(count), deadline=None, phases=(Phase.reuse, Phase.generate)
    )


@dataclass
class Story:
    """A recording, what is sent and when, and how the machines are set."""

    seed: int
    events: np.ndarray
    born: np.ndarray
    commands: list  # (time, ("place", id, side, price, lots, luck) | ("cancel", id))
    end: int
    latency: list  # (order, response, cancel), step by step and again from the beginning
    cuts: tuple
    model: str
    power: float
    least: int

    @property
    def delays(self):
        """A row a step, so that no arrival overtakes an earlier one."""
        return monotone(self.latency)

    def machine(self, kind, **told):
        """Return one that has lived through it."""
        told = {"delays": self.delays, "born": self.born, **told}
        if kind is Slow:
            told |= {"name": self.model, "power": self.power, "least": self.least}
        else:
            told |= {"model": fill_model(self.model, power=self.power)}
            told |= {"scale": scale_of(self.least)}
        if kind is Taped:
            told.setdefault("cuts", self.cuts)
        return kind(self.events, **told)

    def told(self, kind, *, watch=None, **told):
        """Let a machine live through the story, and look after each command."""
        machine = self.machine(kind, **told)
        for now, (deed, order_id, *rest) in self.commands:
            machine.advance(now)
            if watch:
                watch(machine)
            if deed == "place":
                side, price, lots, luck = rest
                machine.submit(order_id, side, price, lots, now, taker=luck == 0)
            else:
                machine.cancel(order_id, now)
        machine.advance(self.end)
        if watch:
            watch(machine)
        return machine


def monotone(rows):
    """Delays of every step, so that no arrival overtakes an earlier one."""
    steps = np.arange(STEPS)
    told = np.array(rows, dtype=np.int64)[steps % len(rows)]
    out = constant(steps=STEPS)
    for column, place in ((DELAY_ORDER_NS, 0), (DELAY_CANCEL_NS, 2)):
        out[:, column] = np.maximum.accumulate(steps + told[:, place]) - steps
    out[:, DELAY_RESPONSE_NS] = told[:, 1]
    return out


def event_of(rng, number, now):
    """Return a random (event row, number of the event that its order was born at)."""
    kind = int(rng.choice(KINDS, p=KIND_SHARES))
    side = int(rng.choice((BUY, SELL)))
    offset = int(rng.choice(OFFSETS, p=OFFSET_SHARES))
    price = 100 + offset * (side if kind == KIND_TRADE else -side)
    lots = int(rng.integers(0, 6 if kind == KIND_TRADE else 13))
    if kind in {KIND_TRADE, KIND_CLEAR} and rng.random() < 0.15:
        side = 0
    seen = int(rng.choice(SEEN, p=SEEN_SHARES))
    born = number if rng.random() < 0.4 else int(rng.integers(0, number + 1))
    return [kind, side, seen, now, now + 1, price, lots], born


def story_of(seed, *, models=MODEL_NAMES, steady=False):
    """Return the story of a seed; an order's id is its number."""
    rng = np.random.default_rng(seed)
    events, born, commands, now, orders = [], [], [], FIRST + 10, 0
    for _ in range(int(rng.integers(MOVES // 2, 2 * MOVES))):
        now += int(rng.integers(0, 3))
        luck = rng.random()
        if luck < 0.75:
            row, since = event_of(rng, len(events), now)
            events.append(row)
            born.append(since)
        elif luck < 0.92 or orders == 0:
            orders += 1
            side = int(rng.choice((BUY, SELL)))
            price = 100 - side * int(rng.choice(OFFSETS, p=OFFSET_SHARES))
            lots, taker = int(rng.integers(1, 7)), int(rng.integers(0, 10))
            commands.append((now, ("place", orders, side, price, lots, taker)))
        else:
            commands.append((now, ("cancel", orders - int(rng.integers(0, min(orders, 6))))))
    slow = rng.choice([2, 13])  # within a step or two, or far beyond it
    rows = 1 if steady else int(rng.integers(1, 8))
    latency = [tuple(int(each) for each in rng.integers(0, slow, 3)) for _ in range(rows)]
    cuts = tuple(int(cut) for cut in rng.integers(1, 1 + len(events), int(rng.integers(0, 9))))
    return Story(
        seed,
        table(events),
        np.array(born, dtype=np.int32),
        commands,
        now + 20,
        latency,
        cuts,
        str(rng.choice(models)),
        float(rng.choice([0.5, 1.0, 3.0, 8.0])),
        int(rng.integers(1, 3)),
    )


def stories(**told):
    """A story; delays reach far beyond the step of one."""
    return st.integers(0, 2**32).map(lambda seed: story_of(seed, **told))


def mirrored(story):
    """The same with sides swapped and prices reflected at 100."""
    events = story.events.copy()
    events[:, 1] *= -1
    events[:, 5] = 200 - events[:, 5]
    commands = [
        (now, (deed, who, -rest[0], 200 - rest[1], *rest[2:]) if rest else (deed, who))
        for now, (deed, who, *rest) in story.commands
    ]
    return Story(**{**vars(story), "events": events, "commands": commands})
