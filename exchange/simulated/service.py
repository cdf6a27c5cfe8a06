"""The running exchange: feed time moves the core and the public market, requests wait for answers.

Everything here runs in one event loop; between two awaits nothing else happens.
"""

import asyncio
import heapq
from collections.abc import Callable, Sequence
from typing import Any

from exchange.simulated.accounts import Account
from exchange.simulated.clock import FeedClock
from exchange.simulated.commands import Cancel, CancelAll, CancelReplace, Command, Ns, Outcome
from exchange.simulated.core import Core
from exchange.simulated.dialect import Dialect
from exchange.simulated.faults import Faults
from exchange.simulated.hub import Hub
from exchange.simulated.market import Market
from exchange.simulated.public import PublicMarket
from exchange.simulated.rates import ORDERS, Rates
from exchange.simulated.refusals import Refusal
from market.layout import NEVER

TICK_NS = 5_000_000
"""The feed is looked at so often, wall time."""
KEPT_NS = 10**9
"""How far the feed has come is kept so often, feed time."""


class Service:
    """An exchange that clients can talk to.

    Args:
        core: accounts and orders.
        markets: the symbols, in the order of the core's houses.
        hub: who listens.
        clock: feed time; None: it moves step by step (`lockstep.py`).
        rates: how often clients may ask.
        faults: what goes wrong.
        wall: (time since the epoch, a clock that does not jump), ns.
        start_ns: feed time at the beginning.
        tick: told now and then how far the feed has come.
    """

    def __init__(
        self,
        core: Core,
        markets: Sequence[Market],
        hub: Hub,
        *,
        clock: FeedClock | None,
        rates: Rates,
        faults: Faults,
        wall: Callable[[], tuple[int, int]],
        start_ns: int,
        tick: Callable[[int], None] | None = None,
    ) -> None:
        self._countdowns: dict[tuple[str, str], tuple[int, Account]] = {}
        self.core = core
        self.markets = {market.instrument.symbol: market for market in markets}
        self.first = markets[0]
        self.hub = hub
        self.clock = clock
        self.rates = rates
        self.faults = faults
        self.accounts = {
            key: account
            for account in self.first.house.accounts
            for key in (account.key, *account.more_keys)
        }
        self.listen_keys: dict[str, tuple[str, str]] | None = None
        """Of the account, and of the key that asked, by listen key."""
        self.offset_ns = 0
        """Added to the server's wall time: a fault."""
        self.now_ns = start_ns
        self.arrived = asyncio.Event()
        """Set whenever a request about orders has come in; lockstep waits for it."""
        self._wall = wall
        self._ticket = 0
        self._made = 0
        self._inbox: list[tuple[Account, int, Command]] = []
        self._answers: dict[int, tuple[str, asyncio.Future[Any]]] = {}
        self._held: list[tuple[int, int, Outcome]] = []
        self._numbered = 0
        self._tick = tick
        self._ticked_ns = start_ns
        self.over = asyncio.Event()
        """Set once a feed has ended and all markets are closed; never in lockstep."""

    @property
    def is_futures(self) -> bool:
        """Whether it is an exchange of USD-M futures."""
        return self.first.house.is_futures

    @property
    def words(self) -> Dialect:
        """How this exchange tells of orders, trades and accounts."""
        return self.first.house.words

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
        orders = sum(market.house.next_order_id for market in self.markets.values())
        return f"sim-{orders}-{self._made}"

    async def order(self, account: Account, command: Command, key: str) -> Any:
        """Send a request about orders on its way and return its answer.

        Args:
            account: who asks.
            command: what is asked, in its symbol.
            key: of the account, with which it is asked.

        Raises:
            Refusal: that is the answer.
        """
        self._ticket += 1
        ticket = self._ticket
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[ticket] = key, future
        market = self.markets[command.symbol]
        account = market.account(account)
        if self.clock is None:
            self._inbox.append((account, ticket, command))
        else:
            self.live_until(self.feed_now())
            self._send(account, ticket, command)
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
            self._send(account, ticket, command)

    def _send(self, account: Account, ticket: int, command: Command) -> None:
        delays = self.markets[account.symbol].delays_at(self.now_ns)
        self.core.receive(account, ticket, command, now_ns=self.now_ns, delays=delays)

    def live_until(self, now_ns: int) -> None:
        """Move feed time on: orders, fills, public events, and what has become visible by then."""
        self.now_ns = now_ns
        if not self.over.is_set():
            self._publish(now_ns)
        markets = self.markets.values()
        for market in markets:
            market.look()
        while (due_ns := min(market.funding_ns for market in markets)) <= now_ns:
            self._advance(due_ns)
            next(market for market in markets if market.funding_ns == due_ns).fund()
        self._advance(now_ns)
        for house in self.core.houses:
            for account in house.filled:
                self.rates.add(account.key, ORDERS, -1, self.wall_s())
            house.filled.clear()
        while self._held and self._held[0][0] <= now_ns:
            self._release(heapq.heappop(self._held)[2])
        if self.clock is not None and self.ended and not self.over.is_set():
            self.over.set()
            for house in self.core.houses:
                house.close()
            self._advance(now_ns)
        if self._tick is not None and now_ns - self._ticked_ns >= KEPT_NS:
            self._ticked_ns = now_ns
            self._tick(now_ns)

    @property
    def ended(self) -> bool:
        """Whether a recording has come to its end, and with it the span that all cover."""
        return any(market.public.next_ns is None for market in self.markets.values())

    def _publish(self, now_ns: int) -> None:
        """Tell what becomes public up to a time, of all symbols in the order of its time."""
        while True:
            publics = sorted((market.public for market in self.markets.values()), key=_next_event)
            if _next_event(publics[0]) > now_ns:
                return
            for event in publics[0].advance(min([now_ns, *map(_next_event, publics[1:])])):
                self.hub.publish(event, publics[0])

    def count_down(self, account: Account, milliseconds: int) -> None:
        """Cancel an account's orders in its symbol after so long, wall time; 0 takes that back."""
        which = account.symbol, account.key
        self._countdowns.pop(which, None)
        if milliseconds:
            self._countdowns[which] = self._wall()[1] + milliseconds * 10**6, account

    def countdowns(self, symbol: str) -> dict[str, int]:
        """Return the milliseconds that are left of every countdown in a symbol, by account."""
        now_ns = self._wall()[1]
        return {
            key: (due_ns - now_ns) // 10**6
            for (where, key), (due_ns, _) in self._countdowns.items()
            if where == symbol
        }

    def _strike(self) -> None:
        """Let the countdowns that have run out cancel."""
        now_ns = self._wall()[1]
        for which, (due_ns, account) in list(self._countdowns.items()):
            if due_ns <= now_ns:
                del self._countdowns[which]
                self._ticket += 1
                told = CancelAll(self.made_id(), brief=True, symbol=account.symbol)
                self._send(account, self._ticket, told)

    def _advance(self, now_ns: int) -> None:
        """Let the core live up to a time; what came of it is held until it is visible."""
        delays = (market.delays_at(self.now_ns) for market in self.markets.values())
        for outcome in self.core.advance(now_ns, *delays):
            self._numbered += 1
            heapq.heappush(self._held, (outcome.visible_ns, self._numbered, outcome))

    def resume(self, now_ns: int) -> None:
        """Go on at a feed time after a restart: open orders rest again, behind their levels."""
        for market in self.markets.values():
            market.resume(now_ns)
        self.now_ns = now_ns

    async def run(self) -> None:
        """Let the feed run with the wall clock until cancelled."""
        assert self.clock is not None
        while True:
            self.live_until(self.feed_now())
            self._strike()
            await asyncio.sleep(TICK_NS / 1e9)

    def _release(self, outcome: Outcome) -> None:
        """Let an outcome reach who it is for."""
        if outcome.ticket is None:
            assert isinstance(outcome.told, dict)
            self.hub.user(outcome.account, outcome.told)
            return
        key, future = self._answers.pop(outcome.ticket, (outcome.account, None))
        self.hub.count(key).answers += 1
        if future is not None and not future.done():
            future.set_result(outcome.told)


def _next_event(public: PublicMarket) -> int:
    return NEVER if public.next_ns is None else public.next_ns


def _precedence(waiting: tuple[Account, int, Command]) -> tuple[int, int, str, str, str, int]:
    """Return the order in which requests of one step are taken: it depends on no network."""
    account, ticket, command = waiting
    cancels = isinstance(command, Cancel | CancelAll)
    if isinstance(command, CancelReplace):
        command = command.place
    name = "" if isinstance(command, CancelAll) else command.client_id or ""
    return (0 if cancels else 1), len(name), name, account.symbol, account.key, ticket
