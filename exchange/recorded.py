"""A recording as a venue, in this process: its clock is the recording's guard grid.

The public side is the tape, observed block by block and always up to a known time; the exchange
side is `market.fills`. After a restart `rebuild` sends the journaled intents through the exchange
side again, at the times at which they were sent, so that it stands exactly where it stood.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from exchange.errors import VenueError
from exchange.own_side import NO_REPORTS, OwnSide
from exchange.port import MarketStep, VenueAccount
from market.account import Setup
from market.layout import ACTION_CANCEL, STEP_NOW_NS
from market.strategy import half_ticks_of
from market.tape import Tape, TapeBuilder
from market.types import I8
from protocol.orders import Approved, demand_approved

__all__ = ["BLOCK_STEPS", "INTENT_COLUMNS", "NO_REPORTS", "Intents", "RecordedVenue"]

BLOCK_STEPS = 600
"""Guard steps observed at once; a row still depends on nothing later than its own time."""

# --- one journaled intent: i8[n, INTENT_COLUMNS] --------------------------------------------
INTENT_KIND = 0  # ACTION_PLACE or ACTION_CANCEL
INTENT_ORDER_ID = 1
INTENT_SIDE = 2
INTENT_PRICE_TICKS = 3
INTENT_LOTS = 4
INTENT_LEVEL = 5
INTENT_TAKER = 6
INTENT_COLUMNS = 7


@dataclass(frozen=True, slots=True)
class Intents:
    """What was sent at one step, in order."""

    now_ns: int
    rows: I8


class RecordedVenue:
    """The `Venue` over a recording.

    Args:
        builder: at the recording's beginning; it is advanced here and nowhere else.
        setup: scale, fill model and opening balances are used.
        first_ns: first step yielded; what lies before it only builds the book.
        last_ns: last step yielded; the recording may end before it.
    """

    def __init__(self, builder: TapeBuilder, setup: Setup, *, first_ns: int, last_ns: int) -> None:
        self._builder = builder
        self._tape = builder.advance(first_ns)
        self._next = self._tape.step_at(first_ns)
        grid_ns = builder.first_ns + (builder.count - 1) * builder.interval_ns
        self._last_ns = min(last_ns, grid_ns)
        self._now_ns = first_ns - builder.interval_ns
        self._ours = OwnSide(
            (self._tape.base, self._tape.width),
            model=setup.model,
            scale=setup.scale,
            opening=setup.opening,
            tiers=setup.tiers,
            funding=setup.funding,
        )
        if self._next > 0:  # without an order of ours it only builds the book
            self._advance(self._next - 1)

    @property
    def first_step(self) -> int:
        """The number of the next step on the tape."""
        return self._next

    def tape(self) -> Tape:
        """Return the tape as it is known now."""
        return self._tape.until(self._now_ns)

    @property
    def last_ns(self) -> int:
        """The time of the last step."""
        return self._last_ns

    def now_ns(self) -> int:
        """Return the time of the last step yielded."""
        return self._now_ns

    async def events(self) -> AsyncIterator[MarketStep]:
        """Yield the remaining steps of the span."""
        while (step := self.step()) is not None:
            yield step

    def step(self) -> MarketStep | None:
        """Live through one guard step; None after the last one."""
        index = self._next
        tape = self._tape
        if index >= tape.steps.shape[0]:
            ahead_ns = self._now_ns + BLOCK_STEPS * self._builder.interval_ns
            tape = self._tape = self._builder.advance(min(ahead_ns, self._last_ns))
            if index >= tape.steps.shape[0]:
                return None
        now_ns = int(tape.steps[index, STEP_NOW_NS])
        if now_ns > self._last_ns:
            return None
        reports = self._live(index)
        return MarketStep(now_ns, tape.steps[index], tape.views[index], tape.plans[index], reports)

    async def place(self, order: Approved) -> None:
        """Send an order; it reaches the exchange side one order delay later."""
        wanted = demand_approved(order)
        self._submit(
            wanted.order_id, wanted.side, wanted.price_ticks, wanted.lots, int(wanted.taker)
        )

    async def cancel(self, order_id: int) -> None:
        """Send a cancel; it reaches the exchange side one order delay later."""
        self._cancel(order_id)

    async def account(self) -> VenueAccount:
        """Return balances after every fill so far, visible or not, and our open orders."""
        return self._ours.account()

    def rebuild(self, intents: Iterable[Intents], until_ns: int) -> None:
        """Bring a fresh venue to the end of the step at `until_ns`, all its intents sent.

        Args:
            intents: those journaled for times up to `until_ns`, oldest first.
            until_ns: time of a step.

        Raises:
            VenueError: an intent lies outside the span that is rebuilt.
        """
        self._tape = self._builder.advance(until_ns)
        for sent in intents:
            if not self._now_ns <= sent.now_ns <= until_ns:
                raise VenueError(
                    f"journaled intents must lie in [{self._now_ns}, {until_ns}], found "
                    f"{sent.now_ns}: the journal belongs to another recording"
                )
            self._live_through(sent.now_ns)
            for row in sent.rows.tolist():
                if row[INTENT_KIND] == ACTION_CANCEL:
                    self._cancel(row[INTENT_ORDER_ID])
                else:
                    side, price, lots = row[INTENT_SIDE : INTENT_LOTS + 1]
                    self._submit(row[INTENT_ORDER_ID], side, price, lots, row[INTENT_TAKER])
        self._live_through(until_ns)

    def _live_through(self, now_ns: int) -> None:
        """Live through every step up to one; its delays are its own."""
        last = min(self._tape.step_at(now_ns), len(self._tape.steps) - 1)
        while self._next <= last:
            self._live(self._next)

    def _advance(self, index: int) -> int:
        """Advance the exchange side to the time of a step, which is returned."""
        now_ns = int(self._tape.steps[index, STEP_NOW_NS])
        delays = self._tape.stream.delays[index]
        self._ours.advance(self._builder.events, self._builder.born, delays, now_ns)
        self._ours.charge(half_ticks_of(self._tape.steps[index]), delays, now_ns)
        return now_ns

    def _live(self, index: int) -> I8:
        """Live through a step; return a copy of the reports that became visible."""
        self._now_ns = now_ns = self._advance(index)
        self._next = index + 1
        return self._ours.reports(now_ns)

    def _submit(self, order_id: int, side: int, price: int, lots: int, taker: int) -> None:
        step = self._next - 1
        delays = self._tape.stream.delays[step]
        self._ours.submit(
            order_id, side, price, lots, taker, now_ns=self._now_ns, delays=delays, step=step
        )

    def _cancel(self, order_id: int) -> None:
        delays = self._tape.stream.delays[self._next - 1]
        self._ours.cancel(order_id, now_ns=self._now_ns, delays=delays)
