"""The one door to a market: what any venue shows and accepts. Nothing here trades.

A venue yields one `MarketStep` a guard step: the public market as the local clock has seen it, and
the reports about our own orders that have become visible. It accepts approved orders and cancels
of ours, tells what it holds for us, and owns the clock. Everything else about a venue is its own.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from market.types import F8, I8
from protocol.orders import Approved


@dataclass(frozen=True, slots=True)
class MarketStep:
    """One guard step as it came to be known here.

    Attributes:
        now_ns: venue time of the step.
        step_row: i8[STEP_COLUMNS].
        view_row: f8[VIEW_COLUMNS].
        plan_row: f8[PLAN_COLUMNS].
        reports: i8[n, REPORT_COLUMNS], what became visible since the last step, in order.
    """

    now_ns: int
    step_row: I8
    view_row: F8
    plan_row: F8
    reports: I8


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """One of our orders as the venue has it, one on its way to it included."""

    order_id: int
    side: int
    price_ticks: int
    remaining_lots: int


@dataclass(frozen=True, slots=True)
class VenueAccount:
    """What the venue holds for us now; money in 1e-8 of its asset."""

    quote_units: int
    base_units: int
    fills: int
    orders: tuple[OpenOrder, ...]


class Venue(Protocol):
    """A market that can be traded. Orders go through `risk.gate` first: only it makes `Approved`.

    A refusal of the market itself is a report, never an exception.

    Raises:
        VenueError: from any method, when the venue did not do what is promised here.
    """

    def events(self) -> AsyncIterator[MarketStep]:
        """Yield the steps that lie ahead, each once; end with the market's data."""
        ...

    async def place(self, order: Approved) -> None:
        """Send an order now. Ids of one account rise; an id that was sent already is an error."""
        ...

    async def cancel(self, order_id: int) -> None:
        """Send a cancel now. That of an order that is gone is answered by a report."""
        ...

    async def account(self) -> VenueAccount:
        """Return balances and open orders as the venue has them now, ahead of the reports."""
        ...

    def now_ns(self) -> int:
        """Return venue time: that of the last step, or of the beginning before the first."""
        ...
