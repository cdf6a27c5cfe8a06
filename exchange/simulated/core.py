"""The exchange without sockets: requests come in with a time, outcomes go out with one.

Requests are on their way for a while and arrive one after the other, cancels first at one instant.
Between two arrivals the recorded market does what it did to everyone's resting orders. Time and
delays are arguments; the same requests at the same times give the same outcomes.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from exchange.simulated.accounts import Account
from exchange.simulated.commands import (
    Amend,
    Cancel,
    CancelAll,
    CancelReplace,
    Command,
    Modify,
    Outcome,
    Place,
    Rank,
)
from exchange.simulated.house import House, live_together
from exchange.simulated.orders import (
    amend_order,
    cancel_all,
    cancel_order,
    cancel_replace,
    place_order,
)
from exchange.simulated.refusals import Refusal
from exchange.simulated.usdm.amending import modify_order
from market.layout import DELAY_CANCEL_NS, DELAY_ORDER_NS, DELAY_RESPONSE_NS
from market.types import I8

LONG_AGO_NS = -(1 << 62)


@dataclass(order=True, slots=True)
class Arrival:
    """A request on its way."""

    due_ns: int
    rank: Rank
    number: tuple[int, int]  # counted; the cancel that rides with an order has the order's
    account: Account
    ticket: int
    command: Command


class Core:
    """The exchange: the house of each symbol, and what is on its way to them."""

    def __init__(self, *houses: House) -> None:
        self.houses = houses
        self._by_symbol = {house.instrument.symbol: house for house in houses}
        self._arrivals: list[Arrival] = []
        self._number = 0
        self._last: dict[tuple[str, str, Rank], int] = {}

    @property
    def waiting(self) -> int:
        """How many requests are on their way."""
        return len(self._arrivals)

    def receive(
        self, account: Account, ticket: int, command: Command, *, now_ns: int, delays: I8
    ) -> None:
        """Send a request on its way; those of one kind in one symbol do not overtake each other.

        Args:
            account: who asks, in the symbol that it is about.
            ticket: comes back with the answer.
            command: what is asked.
            now_ns: feed time of sending.
            delays: i8[DELAY_COLUMNS].
        """
        rank = Rank.CANCEL if isinstance(command, Cancel | CancelAll) else Rank.ORDER
        delay_ns = int(delays[DELAY_CANCEL_NS if rank is Rank.CANCEL else DELAY_ORDER_NS])
        road = account.symbol, account.key, rank
        due_ns = max(self._last.get(road, LONG_AGO_NS), now_ns + delay_ns)
        order = self._order_on_its_way(account, command)
        self._number += 1
        number = (self._number, 0)
        if order is not None and due_ns <= order.due_ns:
            due_ns, rank, number = order.due_ns, Rank.ORDER, (order.number[0], self._number)
        else:
            self._last[road] = due_ns
        heapq.heappush(self._arrivals, Arrival(due_ns, rank, number, account, ticket, command))

    def advance(self, now_ns: int, *delays: I8) -> list[Outcome]:
        """Live up to a time and return what came of it, in order within a symbol.

        Args:
            now_ns: feed time, exchange clock.
            delays: i8[DELAY_COLUMNS] of each symbol; how long answers and events are on their
                way now.
        """
        for house, row in zip(self.houses, delays, strict=True):
            house.response_ns = int(row[DELAY_RESPONSE_NS])
        while self._arrivals and self._arrivals[0].due_ns <= now_ns:
            arrival = heapq.heappop(self._arrivals)
            live_together(self.houses, arrival.due_ns)
            house = self._by_symbol[arrival.account.symbol]
            house.arrive(arrival.account)
            told: Any
            try:
                told = HANDLERS[type(arrival.command)](house, arrival.account, arrival.command)
            except Refusal as refusal:
                told = house.words.refused(refusal)
            house.answer(arrival.account, arrival.ticket, told)
        live_together(self.houses, now_ns)
        return [outcome for house in self.houses for outcome in house.collect()]

    def _order_on_its_way(self, account: Account, command: Command) -> Arrival | None:
        """Return the new order, not arrived yet, that a cancel is meant for."""
        if not isinstance(command, Cancel) or command.client_id is None:
            return None
        for arrival in self._arrivals:
            placed = arrival.command
            if arrival.account is not account or not isinstance(placed, Place):
                continue
            if placed.client_id == command.client_id:
                return arrival
        return None


HANDLERS: dict[type, Callable[..., Any]] = {
    Place: place_order,
    Cancel: cancel_order,
    CancelAll: cancel_all,
    CancelReplace: cancel_replace,
    Amend: amend_order,
    Modify: modify_order,
}
