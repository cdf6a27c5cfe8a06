"""One symbol as it is served: the orders in it, its public side, its delays, its fundings."""

from dataclasses import dataclass

from exchange.simulated.accounts import Account
from exchange.simulated.clock import Delays
from exchange.simulated.house import House
from exchange.simulated.instrument import Instrument, half_even, text
from exchange.simulated.public import PublicMarket
from market.layout import BUY, EVENT_EXCH_NS, EVENT_LOCAL_NS, NEVER, SELL
from market.types import I8


@dataclass(slots=True)
class Market:
    """A symbol.

    Attributes:
        delays: how long requests and answers are on their way.
        funding: (time ns, rate 1e-8) of a perpetual contract, in order.
        feed_delay_ns: how long the last public event had been on its way.
        funded: fundings that were settled.
    """

    house: House
    public: PublicMarket
    delays: Delays
    funding: tuple[tuple[int, int], ...] = ()
    feed_delay_ns: int = 0
    funded: int = 0

    @property
    def instrument(self) -> Instrument:
        """The symbol's steps, filters and status now."""
        return self.house.instrument

    @property
    def funding_ns(self) -> int:
        """When the next funding is due."""
        return self.funding[self.funded][0] if self.funded < len(self.funding) else NEVER

    def account(self, account: Account) -> Account:
        """Return a client's account in this symbol."""
        return self.house.account_of(account.key)

    def delays_at(self, now_ns: int) -> I8:
        """Return the delays that hold at a feed time, i8[DELAY_COLUMNS]."""
        seen = self.public.last_event()
        if seen is not None:
            self.feed_delay_ns = int(seen[EVENT_LOCAL_NS] - seen[EVENT_EXCH_NS])
        return self.delays.at(now_ns, self.feed_delay_ns)

    def mark_price(self) -> str:
        """Return the middle of the recorded quotes as text."""
        return text(half_even(self.house.mark_half_ticks, self.instrument.tick, 2))

    def look(self) -> None:
        """Let the house know the last price and, of futures, the middle of the quotes."""
        self.house.last_ticks = self.public.trades.last_ticks
        if self.house.is_futures:
            quotes = [self.public.levels(side, 1) for side in (BUY, SELL)]
            if all(quotes):
                self.house.mark_half_ticks = sum(levels[0][0] for levels in quotes)

    def fund(self) -> None:
        """Settle the next funding."""
        due_ns, rate = self.funding[self.funded]
        self.funded += 1
        self.house.fund(due_ns, rate)

    def resume(self, now_ns: int) -> None:
        """Go on at a feed time after a restart."""
        self.skip(now_ns)
        self.house.resume(now_ns)
        self.funded = sum(due_ns <= now_ns for due_ns, _ in self.funding)

    def skip(self, now_ns: int) -> None:
        """Let the public side come to a feed time while nobody listens."""
        for _ in self.public.advance(now_ns):
            pass
