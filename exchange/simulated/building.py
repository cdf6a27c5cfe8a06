"""From what was asked for to an exchange that is ready to run."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from exchange.errors import SimulationError
from exchange.importers.synthetic import synthetic_recording
from exchange.order_ids import read_births
from exchange.recording import Recording, scale_of
from exchange.recording_folder import load_recording
from exchange.simulated import wire
from exchange.simulated.accounts import Account
from exchange.simulated.accounts_file import default_account, on_margin, read_accounts
from exchange.simulated.clock import Delays, FeedClock
from exchange.simulated.core import Core
from exchange.simulated.faults import Faults
from exchange.simulated.house import House, keep_nothing, note_nothing, share_accounts
from exchange.simulated.hub import Hub
from exchange.simulated.instrument import Instrument, instrument_of
from exchange.simulated.lockstep import Lockstep
from exchange.simulated.market import Market
from exchange.simulated.public import PublicMarket
from exchange.simulated.rates import Rates, standard_rates, usdm_rates
from exchange.simulated.recorded_side import RecordedSide
from exchange.simulated.service import Service
from exchange.simulated.store import NAME as STATE_NAME
from exchange.simulated.store import Store
from exchange.simulated.usdm import wire as usdm_wire
from market.book import window_for
from market.latency_text import LatencyError, parse_latency
from market.layout import BUY, SELL
from market.queueing import FIFO, MODEL_KIND, fill_model
from market.tape import NO_IDS, grid_of

LOCKSTEP = "lockstep"
NO_BASE = 1 << 60
"""A price at which the default balances hold no base asset."""
UNLIMITED = 1e5
"""In lockstep wall time says nothing about how often a client asks."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for.

    Attributes:
        feeds: recordings, each of another symbol; none: an artificial day.
        seed, hours: of the artificial day.
        speed: feed seconds a second; None: lockstep.
        step_ms: guard interval, the step of lockstep.
        state: folder that keeps orders and trades; None: nothing is kept.
        listen_keys: whether the old user stream is served too.
        futures: whether it is an exchange of USD-M futures.
        clients: that lockstep waits for before its first step.
    """

    feeds: tuple[Path, ...]
    speed: float | None
    seed: int = 1
    hours: float = 24.0
    accounts: Path | None = None
    latency: str = "0"
    fill_model: str = "power:4"
    maker_fee_bps: float | None = None
    taker_fee_bps: float | None = None
    step_ms: int = 1000
    state: Path | None = None
    listen_keys: bool = False
    futures: bool = False
    clients: int = 1


@dataclass(frozen=True, slots=True)
class Built:
    """An exchange ready to run; a store for each symbol, where anything is kept."""

    service: Service
    lockstep: Lockstep | None
    stores: tuple[Store, ...]


def wall() -> tuple[int, int]:
    """Return (time since the epoch, a clock that does not jump), ns."""
    return time.time_ns(), time.monotonic_ns()


def recording_of(wanted: Wanted, feed: Path | None) -> Recording:
    """Return a recording, or the artificial day, with the fees that were asked for.

    Raises:
        ExchangeError: it cannot be read or made.
    """
    if feed is None:
        recording = synthetic_recording(seed=wanted.seed, hours=wanted.hours)
    else:
        recording = load_recording(feed)
    fees = {"maker_fee_bps": wanted.maker_fee_bps, "taker_fee_bps": wanted.taker_fee_bps}
    change: dict[str, object] = {n: value for n, value in fees.items() if value is not None}
    if wanted.futures:  # any recording may be served as that of a perpetual contract
        change |= {"spot": False, "fee_in_base": False}
    return Recording(recording.meta.model_copy(update=change), recording.events)


@dataclass(frozen=True, slots=True)
class Day:
    """A recording made ready to be served."""

    recording: Recording
    instrument: Instrument
    window: tuple[int, int]
    first_ns: int
    last_ns: int
    futures: bool = False
    feed: Path | None = None

    def public(self) -> PublicMarket:
        """Return the public market at its beginning."""
        told = (self.recording.events, self.window, self.instrument)
        return PublicMarket(*told, futures=self.futures)


def days_of(wanted: Wanted) -> list[Day]:
    """Return the recordings that were asked for, over the span that all cover.

    Raises:
        ExchangeError: one cannot be read or is too short, two are of one symbol, they do not
            overlap, or contracts have several margin assets.
    """
    days = [day_of(wanted, feed) for feed in wanted.feeds or (None,)]
    symbols = [day.instrument.symbol for day in days]
    twice = sorted({each for each in symbols if symbols.count(each) > 1})
    if twice:
        raise SimulationError(f"each --feed must be of another symbol, found {twice[0]} twice")
    quotes = sorted({day.instrument.quote for day in days})
    if wanted.futures and len(quotes) > 1:
        raise SimulationError(
            f"contracts on one wallet need one quote asset, found {', '.join(quotes)}"
        )
    first_ns, last_ns = max(day.first_ns for day in days), min(day.last_ns for day in days)
    if last_ns < first_ns:
        spans = ", ".join(
            f"{day.instrument.symbol} {utc(day.first_ns)} to {utc(day.last_ns)}" for day in days
        )
        raise SimulationError(f"the recordings must overlap, found {spans}")
    return [replace(day, first_ns=first_ns, last_ns=last_ns) for day in days]


def utc(at_ns: int) -> str:
    """Return a time as text, to the second."""
    return str(np.datetime64(at_ns, "ns").astype("datetime64[s]"))


def day_of(wanted: Wanted, feed: Path | None) -> Day:
    """Return a recording, ready to be served.

    Raises:
        ExchangeError: it cannot be read, or is too short.
    """
    recording = recording_of(wanted, feed)
    first_ns, last_ns = grid_of(recording.events, wanted.step_ms * 10**6)
    if last_ns < first_ns:
        raise SimulationError(
            f"{recording.meta.source}: shorter than a step of {wanted.step_ms} ms"
        )
    window = window_for(recording.events)
    instrument = instrument_of(recording.meta)
    return Day(recording, instrument, window, first_ns, last_ns, wanted.futures, feed)


def accounts_of(wanted: Wanted, day: Day) -> list[Account]:
    """Return who may trade; default balances are worth the same in both assets at the start."""
    opening = day.public()
    for _ in opening.advance(day.first_ns):
        pass
    quotes = [at for side in (BUY, SELL) for at, _ in opening.levels(side, 1)]
    price_ticks = sum(quotes) // max(1, len(quotes))
    if wanted.futures:
        price_ticks = NO_BASE
    if wanted.accounts is not None:
        found = read_accounts(wanted.accounts, day.instrument, price_ticks)
    else:
        found = [default_account(day.instrument, price_ticks)]
    if wanted.futures:
        return [on_margin(account, day.instrument, day.first_ns) for account in found]
    return found


def side_of(wanted: Wanted, day: Day) -> Callable[[], RecordedSide]:
    """Return what makes an account's side of the recorded market.

    Raises:
        ExchangeError: there is no such fill model, or it needs order ids that are not there.
    """
    meta, events = day.recording.meta, day.recording.events
    try:
        model = fill_model(wanted.fill_model, unit=float(meta.lot))
    except ValueError as error:
        raise SimulationError(str(error)) from None
    by_order = model[MODEL_KIND] == FIFO and day.feed is not None
    born = read_births(day.feed) if by_order and day.feed is not None else NO_IDS
    scale = scale_of(meta)
    return lambda: RecordedSide(events, born, day.window, model, scale)


def market_in(wanted: Wanted, day: Day, store: Store | None) -> Market:
    """Return a symbol at its beginning.

    Raises:
        ExchangeError: fill model, accounts or latency are not what they must be.
    """
    house = House(
        day.instrument,
        accounts_of(wanted, day),
        side_of(wanted, day),
        keep=keep_nothing if store is None else store.keep,
        note=note_nothing if store is None else store.note,
        words=usdm_wire if wanted.futures else wire,
    )
    try:
        delays = Delays(parse_latency(wanted.latency))
    except LatencyError as error:
        raise SimulationError(f"--latency: {error}") from None
    funding = day.recording.meta.funding if wanted.futures else ()
    return Market(house, day.public(), delays, funding)


def stores_of(wanted: Wanted, days: list[Day]) -> tuple[Store, ...]:
    """Return what keeps each symbol's orders and trades; of several, each in a folder of its own.

    Raises:
        SimulationError: the folder cannot be used, or belongs to other recordings.
    """
    if wanted.state is None:
        return ()
    kind = " of futures" if wanted.futures else ""
    named = [
        f"{day.instrument.symbol}{kind} {day.recording.meta.sha256 or day.recording.meta.source}"
        for day in days
    ]
    if len(days) == 1:
        return (Store(wanted.state, named[0]),)
    if (wanted.state / STATE_NAME).exists():
        raise SimulationError(
            f"{wanted.state}: belongs to an exchange of one symbol; give another --state folder"
        )
    return tuple(
        Store(wanted.state / day.instrument.symbol, " beside ".join([own, *named]))
        for day, own in zip(days, named, strict=True)
    )


def build(wanted: Wanted) -> Built:
    """Return an exchange that stands at the beginning of its feeds, or where it was killed.

    Raises:
        ExchangeError: something that was asked for cannot be.
    """
    days = days_of(wanted)
    stores = stores_of(wanted, days)
    kept = [each.feed_ns for each in stores if each.feed_ns is not None]
    start_ns = max(kept, default=days[0].first_ns)
    markets = [
        market_in(wanted, day, store)
        for day, store in zip(days, stores or [None] * len(days), strict=True)
    ]
    houses = [market.house for market in markets]
    if len(houses) > 1:
        share_accounts(houses)
        for market in markets:
            market.skip(start_ns - wanted.step_ms * 10**6)
    for store, house in zip(stores, houses, strict=bool(stores)):
        store.restore(house, house.instrument)
    faults, speed = Faults(), wanted.speed
    limits = usdm_rates if wanted.futures else standard_rates
    service = Service(
        Core(*houses),
        markets,
        Hub(faults),
        clock=None if speed is None else FeedClock(start_ns, wall()[1], speed),
        rates=Rates(limits(UNLIMITED if speed is None else max(1.0, speed))),
        faults=faults,
        wall=wall,
        start_ns=0 if speed is None else start_ns,
        tick=stores[0].tick if stores else None,
    )
    for house in houses:
        for side in house.sides.values():  # books stand and kernels are loaded before anyone asks
            side.advance(start_ns)
    if wanted.listen_keys or wanted.futures:
        service.listen_keys = {}
    if kept:
        service.resume(start_ns)
    return Built(service, lockstep_of(wanted, days[0], service, kept), stores)


def lockstep_of(wanted: Wanted, day: Day, service: Service, kept: list[int]) -> Lockstep | None:
    """Return what walks the grid; None when feed time runs with the wall clock."""
    if wanted.speed is not None:
        return None
    interval_ns = wanted.step_ms * 10**6
    first_ns = day.first_ns
    if kept:
        first_ns = max(kept) // interval_ns * interval_ns + interval_ns
    return Lockstep(
        service,
        first_ns=first_ns,
        last_ns=day.last_ns,
        interval_ns=interval_ns,
        clients=wanted.clients,
    )
