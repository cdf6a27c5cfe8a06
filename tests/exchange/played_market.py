"""A public market played from events in a time of its own: for tests of whoever lives on one."""

import numpy as np

from exchange.binance.client import environment_of
from exchange.binance.instrument import Instrument, Trading, plain
from exchange.binance.rows import lost_event
from exchange.binance.settings import BinanceSettings
from exchange.recording import units
from market.layout import EVENT_KIND, EVENT_LOCAL_NS, KIND_CLEAR

LATE_NS = 7_000_000


def instrument_of_meta(meta):
    """Return the symbol of a recording as an exchange lists it."""
    zero = (0, 0)
    return Instrument(
        symbol=meta.symbol.replace("-", ""),
        base=meta.base,
        quote=meta.quote,
        trading=Trading.OPEN,
        tick=plain(meta.tick),
        lot=plain(meta.lot),
        ticks_min=1,
        ticks_max=0,
        lots_min=meta.min_lots,
        lots_max=0,
        notional_min=units(meta.min_notional),
        notional_max=0,
        bid_band=zero,
        ask_band=zero,
        orders_max=0,
        position_max=0,
    )


class PlayedMarket:
    """Plays events by their local times; its clock runs by being waited for.

    Args:
        recording: what is played.
        interval_ns: guard interval of whoever lives on it.
        late_ns: how long after its local time an event is handed over.
        cuts_ns: times at which the stream is lost, for three seconds each.
        skip: events before the opening.
    """

    def __init__(self, recording, *, interval_ns=10**9, late_ns=0, cuts_ns=(), skip=0):
        place = environment_of("http://127.0.0.1:1", futures=not recording.meta.spot)
        self.settings = BinanceSettings(place, recording.meta.symbol, interval_ns=interval_ns)
        self._fundings = recording.meta.funding
        self.known = instrument_of_meta(recording.meta)
        self.floor_ns = self.losses = 0
        self.lost = ""
        self._events = recording.events
        self._late_ns = late_ns
        self._cuts = list(cuts_ns)
        self._next = skip
        self._time_ns = 0

    async def open(self):
        """Hand over the first message."""
        self._time_ns = int(self._events[self._next, EVENT_LOCAL_NS])
        return self._until(self._time_ns)

    async def close(self):
        """Do nothing."""

    def now_ns(self):
        """Return the played time."""
        return self._time_ns

    def take(self):
        """Hand over what is due; what comes after the cut is lost."""
        if self._cuts and self._time_ns >= self._cuts[0]:
            self._cuts.pop(0)
            self.lost = "cut"
        return self._until(self._time_ns - self._late_ns)

    def fundings(self, now_ns):
        """Tell the fundings of the recording until a time."""
        return tuple(row for row in self._fundings if row[0] <= now_ns)

    def wait_s(self, until_ns):
        """Return the seconds of played time."""
        return max(0.0, (until_ns - self._time_ns) / 1e9)

    async def wait(self, seconds):
        """Let time pass."""
        self._time_ns += max(1, round(seconds * 1e9))

    def break_off(self):
        """Say that the stream is lost now."""
        self.losses += 1
        return [lost_event(self._time_ns, self._time_ns)]

    async def rebuild(self):
        """Come back three seconds later, with the book that the events make until then."""
        from exchange.book_levels import Levels

        for _ in range(30):
            self._time_ns += 10**8
        self._until(self._time_ns - self._late_ns)
        book = Levels()
        book.apply(self._events[: self._next])
        self.lost = ""
        clear = lost_event(self._time_ns, self._time_ns)
        return [clear, *map(tuple, book.snapshot(self._time_ns, self._time_ns).tolist())]

    def _until(self, now_ns):
        first = self._next
        times = self._events[:, EVENT_LOCAL_NS]
        self._next = max(first, int(np.searchsorted(times, now_ns, side="right")))
        rows = self._events[first : self._next]
        if first == 0:
            rows = rows[rows[:, EVENT_KIND] != KIND_CLEAR]
        return [tuple(row) for row in rows.tolist()]
