"""The running exchange: feed time moves the core and the public market, requests wait for answers.

Everything here runs in one event loop; between two awaits nothing else happens.
"""

import asyncio
import heapq
from collections.abc import Callable
from typing import Any

from exchange.simulated.accounts import Account
from exchange.simulated.clock import Delays, FeedClock
from exchange.simulated.commands import Cancel, CancelAll, CancelReplace, Command, Ns, Outcome
from exchange.simulated.core import Core
from exchange.simulated.faults import Faults
from exchange.simulated.hub import Hub
from exchange.simulated.public import PublicMarket
from exchange.simulated.rates import ORDERS, Rates
from exchange.simulated.refusals import Refusal
from market.layout import BUY, EVENT_EXCH_NS, EVENT_LOCAL_NS, SELL

TICK_NS = 5_000_000
"""The feed is looked at so often, wall time."""
KEPT_NS = 10**9
"""How far the feed has come is kept so often, feed time."""


class Service:
    """An exchange that clients can talk to.

    Args:
        core: accounts and orders.
        public: the market.
        hub: who listens.
        delays: how long requests and answers are on their way.
        clock: feed time; None: it moves step by step (`lockstep.py`).
        rates: how often clients may ask.
        faults: what goes wrong.
        wall: (time since the epoch, a clock that does not jump), ns.
        start_ns: feed time at the beginning.
        tick: told now and then how far the feed has come.
        funding: (time ns, rate 1e-8) of a perpetual contract, in order.
    """

    def __init__(
        self,
        core: Core,
        public: PublicMarket,
        hub: Hub,
        *,
        delays: Delays,
        clock: FeedClock | None,
        rates: Rates,
        faults: Faults,
        wall: Callable[[], tuple[int, int]],
        start_ns: int,
        tick: Callable[[int], None] | None = None,
        funding: tuple[tuple[int, int], ...] = (),
    ) -> None:
        self.funding = funding
        self._countdowns: dict[str, tuple[int, Account]] = {}
        self.core = core
        self.public = public
        self.hub = hub
        self.clock = clock
        self.rates = rates
        self.faults = faults
        self.accounts = {
            key: account
            for account in core.house.accounts
            for key in (account.key, *account.more_keys)
        }
        self.listen_keys: dict[str, str] | None = None
        self.offset_ns = 0
        """Added to the server's wall time: a fault."""
        self.now_ns = start_ns
        self.feed_delay_ns = 0
        self.arrived = asyncio.Event()
        """Set whenever a request about orders has come in; lockstep waits for it."""
        self._wall = wall
        self._delays = delays
        self._ticket = 0
        self._made = 0
        self._inbox: list[tuple[Account, int, Command]] = []
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._held: list[tuple[int, int, Outcome]] = []
        self._numbered = 0
        self._tick = tick
        self._ticked_ns = start_ns
        self._funded = 0
        self.over = asyncio.Event()
        """Set once the feed has ended and its market is closed; never in lockstep."""

    @property
    def house(self) -> Any:
        """The accounts in their market."""
        return self.core.house

    def wall_ns(self) -> int:
        """Return the server's time, ns since the epoch."""
        return self._wall()[0] + self.offset_ns

    def wall_s(self) -> float:
        """Return wall time for windows, s."""
        return self._wall()[0] / 1e9

    def event_time(self) -> Ns:
        """Return feed time as events tell it."""
        return Ns(self.now_ns)

    def made_id(self) -> str:
        """Return a client id for an order or cancel that brings none."""
        self._made += 1
        return f"sim-{self.house.next_order_id}-{self._made}"

    async def order(self, account: Account, command: Command) -> Any:
        """Send a request about orders on its way and return its answer.

        Raises:
            Refusal: that is the answer.
        """
        self._ticket += 1
        ticket = self._ticket
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[ticket] = future
        if self.clock is None:
            self._inbox.append((account, ticket, command))
        else:
            self.live_until(self.feed_now())
            self.core.receive(account, ticket, command, now_ns=self.now_ns, delays=self._row())
            self.live_until(self.now_ns)
        answer = await future
        if isinstance(answer, Refusal):
            raise answer
        return answer

    def feed_now(self) -> int:
        """Return feed time now; it never runs backwards."""
        if self.clock is None:
            return self.now_ns
        return max(self.now_ns, self.clock.now_ns(self._wall()[1]))

    def send_inbox(self) -> None:
        """Send what came in during a step on its way: cancels first, then by the client's id."""
        inbox, self._inbox = self._inbox, []
        for account, ticket, command in sorted(inbox, key=_precedence):
            self.core.receive(account, ticket, command, now_ns=self.now_ns, delays=self._row())

    def live_until(self, now_ns: int) -> None:
        """Move feed time on: orders, fills, public events, and what has become visible by then."""
        self.now_ns = now_ns
        for event in self.public.advance(now_ns):
            self.hub.publish(event)
        house = self.house
        house.last_ticks = self.public.trades.last_ticks
        if house.is_futures:
            self._mark(now_ns)
        self._advance(now_ns)
        for account in house.filled:
            self.rates.add(account.key, ORDERS, -1, self.wall_s())
        house.filled.clear()
        while self._held and self._held[0][0] <= now_ns:
            self._release(heapq.heappop(self._held)[2])
        if self.clock is not None and self.public.next_ns is None and not self.over.is_set():
            self.over.set()
            house.close()
            self._advance(now_ns)
        if self._tick is not None and now_ns - self._ticked_ns >= KEPT_NS:
            self._ticked_ns = now_ns
            self._tick(now_ns)

    def count_down(self, account: Account, milliseconds: int) -> None:
        """Cancel all orders of an account after so long, wall time; 0 takes that back."""
        self._countdowns.pop(account.key, None)
        if milliseconds:
            self._countdowns[account.key] = self._wall()[1] + milliseconds * 10**6, account

    def countdowns(self) -> dict[str, int]:
        """Return the milliseconds that are left of every countdown, by account."""
        now_ns = self._wall()[1]
        return {key: (due_ns - now_ns) // 10**6 for key, (due_ns, _) in self._countdowns.items()}

    def _strike(self) -> None:
        """Let the countdowns that have run out cancel."""
        now_ns = self._wall()[1]
        for key, (due_ns, account) in list(self._countdowns.items()):
            if due_ns <= now_ns:
                del self._countdowns[key]
                self._ticket += 1
                told = CancelAll(self.made_id(), brief=True)
                row = self._row()
                self.core.receive(account, self._ticket, told, now_ns=self.now_ns, delays=row)

    def _mark(self, now_ns: int) -> None:
        """Mark positions at the middle of the quotes, and settle the fundings that are due."""
        quotes = [self.public.levels(side, 1) for side in (BUY, SELL)]
        if all(quotes):
            self.house.mark_half_ticks = sum(levels[0][0] for levels in quotes)
        while self._funded < len(self.funding) and self.funding[self._funded][0] <= now_ns:
            due_ns, rate = self.funding[self._funded]
            self._funded += 1
            self._advance(due_ns)
            self.house.fund(due_ns, rate)

    def _advance(self, now_ns: int) -> None:
        """Let the core live up to a time; what came of it is held until it is visible."""
        for outcome in self.core.advance(now_ns, self._row()):
            self._numbered += 1
            heapq.heappush(self._held, (outcome.visible_ns, self._numbered, outcome))

    def resume(self, now_ns: int) -> None:
        """Go on at a feed time after a restart: open orders rest again, behind their levels."""
        for _ in self.public.advance(now_ns):
            pass
        self.house.resume(now_ns)
        self._funded = sum(due_ns <= now_ns for due_ns, _ in self.funding)
        self.now_ns = now_ns

    async def run(self) -> None:
        """Let the feed run with the wall clock until cancelled."""
        assert self.clock is not None
        while True:
            self.live_until(self.feed_now())
            self._strike()
            await asyncio.sleep(TICK_NS / 1e9)

    def change_symbol(self, **values: Any) -> None:
        """Change the symbol's filters or status from now on."""
        self.house.instrument = self.house.instrument.changed(**values)

    def _row(self) -> Any:
        """Return the delays that hold now."""
        seen = self.public.last_event()
        if seen is not None:
            self.feed_delay_ns = int(seen[EVENT_LOCAL_NS] - seen[EVENT_EXCH_NS])
        return self._delays.at(self.now_ns, self.feed_delay_ns)

    def _release(self, outcome: Outcome) -> None:
        """Let an outcome reach who it is for."""
        if outcome.ticket is None:
            assert isinstance(outcome.told, dict)
            self.hub.user(outcome.account, outcome.told)
            return
        self.hub.count(outcome.account).answers += 1
        future = self._answers.pop(outcome.ticket, None)
        if future is not None and not future.done():
            future.set_result(outcome.told)


def _precedence(waiting: tuple[Account, int, Command]) -> tuple[int, int, str, int]:
    """Return the order in which requests of one step are taken: it depends on no network."""
    _, ticket, command = waiting
    cancels = isinstance(command, Cancel | CancelAll)
    if isinstance(command, CancelReplace):
        command = command.place
    name = "" if isinstance(command, CancelAll) else command.client_id or ""
    return (0 if cancels else 1), len(name), name, ticket
