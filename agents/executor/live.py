"""Opens a session at a venue: the first time by a warm-up, later from what the journal knows.

    fresh      survey -> connect -> warm-up, nothing quoted -> facts into the journal -> its steps
    restarted  facts and frozen state -> features from the recording -> connect and reconcile

Every public event goes into the run's recording from the beginning.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import structlog

from agents.basis import Basis, basis_of
from agents.executor import records
from agents.executor.journaled_orders import record_of
from agents.executor.recovery import HEARD_SEQ, RecoveryError, fold_all, must_belong
from agents.executor.state import State, new_state, thaw
from agents.executor.venue_choice import TradedVenue, ids, patience_ns, trading_settings, venue_of
from agents.facts import RECORDING_NAME, Facts, write_facts
from agents.session import Session, observer_of, session_at
from agents.settings import Settings
from exchange.binance.instrument import meta_of
from exchange.binance.settings import BinanceSettings, Opening, Pace, Record, StartRefusedError
from exchange.binance.survey import Listing, survey
from exchange.errors import AdviceError, RecordingError, VenueError
from exchange.paper import PaperVenue
from exchange.port import MarketStep
from exchange.recorder import Recorder
from exchange.recording import Meta, scale_of
from exchange.recording_folder import load_recording
from exchange.recording_sink import RecordingSink
from market.layout import EVENT_EXCH_NS, EVENT_LOCAL_NS, SCALE_LOT
from market.own import OWN_METER_NEXT_ID
from market.tape_growing import NO_EVENTS
from market.types import I8
from protocol.journal import Journal
from protocol.tasks import end_all

FACTS = "facts"
"""Name of what the warm-up told, in the journal."""
SEGMENTS_RECALLED = (3, 12, 48, 192)
"""Segments of the recording that are tried, until they hold enough: each start begins one."""
RECALLED_NS = 2 * 3_600 * 10**9
"""Of the recording, for the features of a restarted executor."""
RETRY_S = 1.0
LOOK_S = 0.2
STRANGE_NS = 3_600 * 10**9

log = structlog.get_logger()
Asked = Callable[[], bool]


@dataclass(slots=True)
class Live:
    """A session at a venue, ready to be lived.

    Attributes:
        steps: that lie ahead.
        backlog: of the warm-up, to be lived first.
        heard_seq: last row of `heard` that the state contains.
    """

    state: State
    connection: "Connection"
    steps: AsyncIterator[MarketStep]
    backlog: deque[MarketStep] = field(default_factory=deque)
    heard_seq: int = 0


class Connection:
    """A venue that is open, and the recording of what it sees.

    Args:
        venue: not open yet.
        folder: for the recording.
        meta: of the instrument.
    """

    def __init__(self, venue: TradedVenue, folder: Path, meta: Meta) -> None:
        self.venue = venue
        self._folder = folder
        self.meta = meta
        self._sink: RecordingSink | None = None
        self._kept: list[I8] | None = []

    async def open(self) -> Opening:
        """Connect, reconcile and begin to record; errors: the venue's `open`, `Recorder`."""
        opening = await self.venue.open()
        try:
            self._sink = RecordingSink(Recorder(self._folder / RECORDING_NAME, self.meta))
        except BaseException:
            await self.venue.close()
            raise
        self.venue.record(self._add)
        if isinstance(self.venue, PaperVenue):
            self.venue.record_fundings(self._sink.fund)
        return opening

    def events(self) -> I8:
        """Return every event so far."""
        assert self._kept is not None, "the warm-up is over"
        self._kept = [timed(np.concatenate([NO_EVENTS, *self._kept]))]
        return self._kept[0]

    def forget(self) -> None:
        """Keep events no longer in memory: the warm-up is over."""
        self._kept = None

    async def close(self) -> None:
        """Cancel what rests, disconnect, and seal the recording."""
        await self.venue.close()
        if self._sink is not None:
            ended = await asyncio.to_thread(self._sink.close)
            if ended.skipped or ended.failures:
                log.warning("recording_has_holes", skipped=ended.skipped, failures=ended.failures)

    def _add(self, events: I8) -> None:
        assert self._sink is not None, "a recording has begun"
        self._sink.add(events)
        if self._kept is not None:
            self._kept.append(events.copy())


async def open_live(
    settings: Settings, journal: Journal, folder: Path, environ: Mapping[str, str], ending: Asked
) -> Live | None:
    """Open the session; None when it was asked to end meanwhile. Close its connection at the end.

    Args:
        settings: resolved.
        journal: of the run.
        folder: for facts and recording.
        environ: where secrets are.
        ending: asked now and then.

    Raises:
        StartRefusedError: the account or the symbol is not what it should be.
        VenueError: the exchange cannot be reached at a first start.
        RecoveryError: the journal belongs to another run.
        SettingsError, SecretError, AdviceError: see `trading_settings`, `basis_of`.
    """
    trading = trading_settings(settings, environ)
    told = journal.get(FACTS)
    if told is not None:
        facts = Facts.model_validate_json(told)
        return await _go_on(settings, journal, folder, trading, facts, ending)
    listing = await survey(trading)
    meta = meta_from(listing, settings)
    observer = observer_of(settings, scale_of(meta))
    venue = venue_of(settings, trading, observer, Record(highest_id=ids()))
    connection = Connection(venue, folder, meta)
    opening = await connection.open()
    try:
        return await _begin(settings, journal, folder, connection, opening, ending)
    except BaseException:
        await connection.close()
        raise


def meta_from(listing: Listing, settings: Settings) -> Meta:
    """Return what a recording of a listed symbol says of it."""
    return meta_of(
        listing.known,
        maker_fee=listing.maker_fee,
        taker_fee=listing.taker_fee,
        spot=not settings.venue.futures,
    )


# --- a first start -----------------------------------------------------------------------------


async def _begin(
    settings: Settings,
    journal: Journal,
    folder: Path,
    connection: Connection,
    opening: Opening,
    ending: Asked,
) -> Live | None:
    venue, meta = connection.venue, connection.meta
    steps = venue.events()
    seen: deque[MarketStep] = deque()
    basis = await warm_up(settings, meta, connection, (steps, seen), ending)
    if basis is None:
        await connection.close()
        return None
    basis = fitted(settings, meta, basis, opening)
    facts = Facts(
        meta=meta,
        first_ns=seen[0].now_ns,
        parameters=basis.baseline,
        quote_units=basis.quote_units,
        target_units=basis.target_units,
        first_id=venue.highest_id + 1,
        last_trade_id=opening.last_trade_id,
    )
    session = session_at(settings, facts, folder)
    journal.append((), state={FACTS: facts.model_dump_json()})
    must_belong(journal, session)
    write_facts(folder, facts)
    log.info("session_opened", symbol=meta.symbol, first_ns=facts.first_ns)
    return Live(fresh_state(session, facts), connection, steps, seen)


async def warm_up(
    settings: Settings,
    meta: Meta,
    connection: Connection,
    lived: tuple[AsyncIterator[MarketStep], deque[MarketStep]],
    ending: Asked,
) -> Basis | None:
    """Watch the market without quoting; return what it tells, None when it was asked to end.

    Raises:
        AdviceError: there was no market to judge, much longer than configured.
        VenueError: the feed ended, or is of another time than the clock.
    """
    steps, seen = lived
    warmup_ns = settings.executor.warmup_s * 10**9
    log.info("warming_up", seconds=settings.executor.warmup_s)
    next_ns = 0
    while not ending():
        coming = asyncio.ensure_future(first_of(steps))
        while not (coming.done() or ending()):
            await asyncio.wait({coming}, timeout=LOOK_S)
        if not coming.done():
            await end_all([coming])
            return None
        step = coming.result()
        if step is None:
            raise VenueError("the feed ended within the warm-up; lower executor.warmup_s")
        seen.append(step)
        until_ns = seen[0].now_ns + warmup_ns
        if step.now_ns < max(until_ns, next_ns):
            continue
        if connection.venue.settings.pace is Pace.WALL:
            demand_present(connection.events(), step.now_ns)
        try:
            basis = basis_of(settings, meta, connection.events(), step.now_ns)
        except AdviceError:
            if step.now_ns > until_ns + patience_ns(settings):
                raise
            next_ns = step.now_ns + settings.executor.cycle_ns
            continue
        connection.forget()
        return basis
    return None


def timed(events: I8) -> I8:
    """Give what came before a replayed feed told its time that of its first message, in place."""
    late = events[:, EVENT_LOCAL_NS] > 0
    if late.any():
        first = events[int(late.argmax())]
        events[~late, EVENT_LOCAL_NS] = first[EVENT_LOCAL_NS]
        unknown = ~late & (events[:, EVENT_EXCH_NS] <= 0)
        events[unknown, EVENT_EXCH_NS] = first[EVENT_EXCH_NS]
    return events


async def first_of(steps: AsyncIterator[MarketStep]) -> MarketStep | None:
    """Return the next step, None after the last one."""
    return await anext(steps, None)


def demand_present(events: I8, now_ns: int) -> None:
    """Refuse a replayed feed that is taken for the present.

    Raises:
        VenueError: what to set.
    """
    if len(events) and abs(int(events[-1, EVENT_EXCH_NS]) - now_ns) > STRANGE_NS:
        raise StartRefusedError(
            "the exchange's events are of another time than our clock: it replays a feed; give "
            "--pace feed and --speed as it was started with"
        )


def fitted(settings: Settings, meta: Meta, basis: Basis, opening: Opening) -> Basis:
    """Return the basis that the account's balances allow: a target that is not configured yields.

    Raises:
        StartRefusedError: the account holds too little.
    """
    lot = int(scale_of(meta)[SCALE_LOT])
    target_units, quote_units = basis.target_units, basis.quote_units
    if settings.account.target_base is None and target_units > opening.base_units:
        held = opening.base_units // lot * lot
        quote_units += round((target_units - held) * (quote_units_per_base(settings, basis)))
        log.warning("target_lowered", wanted=target_units / 1e8, held=held / 1e8)
        target_units = held
    for name, need, have in (
        (meta.base, target_units, opening.base_units),
        (meta.quote, quote_units, opening.quote_units),
    ):
        if need > have:
            raise StartRefusedError(
                f"the account holds {have / 1e8:.8f} {name}, account.capital and "
                f"account.target_base need {need / 1e8:.8f}; lower them or fund the account"
            )
    return Basis(basis.baseline, quote_units, target_units)


def quote_units_per_base(settings: Settings, basis: Basis) -> float:
    """Return the price that a basis was made at, quote units for a base unit."""
    capital_units = round(settings.account.capital * 1e8)
    return (capital_units - basis.quote_units) / basis.target_units


def fresh_state(session: Session, facts: Facts) -> State:
    """Return the state before the first step."""
    state = new_state(session, live=True)
    state.account.own_meter[OWN_METER_NEXT_ID] = facts.first_id
    return state


# --- a restart ---------------------------------------------------------------------------------


async def _go_on(
    settings: Settings,
    journal: Journal,
    folder: Path,
    trading: BinanceSettings,
    facts: Facts,
    ending: Asked,
) -> Live | None:
    session = session_at(settings, facts, folder)
    must_belong(journal, session)
    write_facts(folder, facts)
    frozen = journal.get(records.STATE)
    state = fresh_state(session, facts)
    if frozen is not None:
        state = thaw(session, frozen, live=True)
    heard_seq = fold_all(journal, state, int(journal.get(HEARD_SEQ, 0)))
    past = recalled(folder)
    while not ending():
        try:
            listing = await survey(trading)
            demand_unchanged(facts.meta, meta_from(listing, settings))
            record = record_of(
                journal,
                state,
                trading,
                opening_trade_id=facts.last_trade_id,
                offset_ns=listing.offset_ns,
            )
            record = replace(record, since_ns=facts.first_ns, now_ns=state.now_ns)
            venue = venue_of(settings, trading, session.observer, record)
            venue.recall(past)
            connection = Connection(venue, folder, facts.meta)
            await connection.open()
        except StartRefusedError:
            raise
        except VenueError as error:
            log.warning("venue_not_reached", reason=str(error), again_in_s=RETRY_S)
            await asyncio.sleep(RETRY_S)
            continue
        connection.forget()
        log.info("recovered", now_ns=state.now_ns, orders=len(record.orders))
        return Live(state, connection, venue.events(), heard_seq=heard_seq)
    return None


def recalled(folder: Path) -> I8:
    """Return the newest events of the run's recording; none when it cannot be read."""
    events = NO_EVENTS
    try:
        for newest in SEGMENTS_RECALLED:
            before, events = events, load_recording(folder / RECORDING_NAME, newest=newest).events
            whole = len(events) == len(before)
            if whole or np.ptp(events[:, EVENT_LOCAL_NS]) >= RECALLED_NS:
                break
    except RecordingError as error:
        log.warning("recording_not_recalled", reason=str(error))
    return events


def demand_unchanged(before: Meta, now: Meta) -> None:
    """Refuse to go on with an instrument that is not what it was.

    Raises:
        RecoveryError: what changed.
    """
    told, found = before.model_dump(), now.model_dump()
    changes = [
        f"{name} {told[name]} -> {found[name]}" for name in told if told[name] != found[name]
    ]
    if changes:
        raise RecoveryError(
            f"the instrument changed since the run began ({', '.join(changes)}); begin a new run"
        )
