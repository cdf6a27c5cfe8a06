"""Random recordings with random orders, for every law of the exchange's side."""

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
from tests.market.exchange_side import FIRST, Slow, Taped, constant, scale_of, table

SIDE = st.sampled_from([BUY, SELL])
PRICE = st.integers(98, 102)
EVENT = st.tuples(
    st.just("event"),
    st.sampled_from([KIND_TRADE] * 4 + [KIND_DEPTH] * 6 + [KIND_SNAPSHOT, KIND_CLEAR]),
    st.sampled_from([BUY, BUY, SELL, SELL, 0]),
    PRICE,
    st.integers(0, 9),
    st.sampled_from([3, 3, 3, SEEN_EXCHANGE, SEEN_LOCAL]),
    st.integers(0, 60),
    st.integers(0, 3),
)
PLACE = st.tuples(
    st.just("place"), SIDE, PRICE, st.integers(1, 9), st.integers(0, 9), st.integers(0, 3)
)
CANCEL = st.tuples(st.just("cancel"), st.integers(0, 11), st.integers(0, 3))
MOVES = st.lists(st.one_of(EVENT, EVENT, PLACE, CANCEL), min_size=20, max_size=60)
DELAYS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 6), st.integers(0, 12)), min_size=1, max_size=8
)
LEAST = st.integers(1, 3)
STEPS = 250
# A story of sixty moves would shrink for minutes, and reads well enough as it is.
SHORT = (Phase.explicit, Phase.reuse, Phase.generate)


def law(examples):
    """The settings of a law."""
    return settings(max_examples=examples, deadline=None, phases=SHORT)


@dataclass
class Story:
    """A recording, what is sent and when, and how the machines are set."""

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


def laid_out(moves):
    """Return (events, born, commands, end) of moves; an order's id is its number."""
    events, born, commands, now, orders = [], [], [], FIRST + 10, 0
    for move in moves:
        now += move[-1]
        if move[0] == "event":
            _, kind, asked, price, lots, seen, since, _ = move
            side = asked if asked or kind in {KIND_TRADE, KIND_CLEAR} else BUY
            grown = kind != KIND_TRADE and since % 3 == 0
            born.append(len(events) if grown else min(since, len(events)))
            events.append([kind, side, seen, now, now + 1, price, lots])
        elif move[0] == "place":
            orders += 1
            commands.append((now, ("place", orders, *move[1:-1])))
        elif orders:
            commands.append((now, ("cancel", move[1] % orders + 1)))
    return table(events), np.array(born, dtype=np.int32), commands, now + 20


@st.composite
def stories(draw, *, models=MODEL_NAMES, delays=DELAYS, least=LEAST):
    """A story; delays reach far beyond the step of one."""
    events, born, commands, end = laid_out(draw(MOVES))
    return Story(
        events,
        born,
        commands,
        end,
        draw(delays),
        tuple(draw(st.lists(st.integers(1, 60), max_size=4))),
        draw(st.sampled_from(models)),
        draw(st.sampled_from([0.5, 1.0, 3.0])),
        draw(least),
    )


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
