"""Records a public market without a key until it is asked to end: what `counterpoint record` does.

A thin shell: the market (`binance.public`), the recorder's thread (`recording_sink`), a report now
and then. The feed that is recorded has two clocks: the exchange's stamps, and ours.
"""

import asyncio
import re
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import numpy as np
import structlog

from exchange.binance.instrument import meta_of
from exchange.binance.public import PublicMarket
from exchange.binance.rows import Event
from exchange.binance.settings import BinanceSettings
from exchange.errors import RecordingError
from exchange.recorder import HOUR_NS, ROWS_MAX, SECOND_NS, Recorder
from exchange.recording_folder import FolderSource
from exchange.recording_fundings import Funding
from exchange.recording_sink import RecordingSink, RecordingState
from exchange.segments import ROW_BYTES
from market.layout import EVENT_KIND, KIND_CLEAR
from market.types import I8

WAIT_S = 0.1
REPORT_S = 60.0
PERIOD = re.compile(r"([1-9][0-9]*)(m|h|d)")
SIZE = re.compile(r"([1-9][0-9]*)MB")
PERIOD_NS = {"m": 60 * SECOND_NS, "h": HOUR_NS, "d": 24 * HOUR_NS}
NEVER_NS = 1 << 62

Done = TypeVar("Done")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a new segment begins: at each multiple of a time, or when one holds so many rows."""

    every_ns: int = HOUR_NS
    rows: int = ROWS_MAX


def rotation_of(text: str) -> Rotation:
    """Return the rotation that `1h`, `15m`, `1d` or `256MB` stands for.

    Raises:
        RecordingError: it is none of these.
    """
    if found := PERIOD.fullmatch(text):
        return Rotation(every_ns=int(found[1]) * PERIOD_NS[found[2]])
    if found := SIZE.fullmatch(text):
        return Rotation(NEVER_NS, int(found[1]) * 10**6 // ROW_BYTES)
    raise RecordingError(f"rotation is a time (15m, 1h, 1d) or a size (256MB), found {text!r}")


@dataclass(frozen=True, slots=True)
class Wish:
    """What to record.

    Attributes:
        market: where and what, without a key.
        folder: where to.
        rotation: when a segment is sealed.
        maker_fee, taker_fee: parts of the notional, noted in the recording.
        seconds: how long by the wall; None: until asked to end.
    """

    market: BinanceSettings
    folder: Path
    rotation: Rotation = Rotation()
    maker_fee: Fraction = Fraction(1, 1000)
    taker_fee: Fraction = Fraction(1, 1000)
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a recording ended.

    Attributes:
        fundings: of the contract, within what was recorded.
        state: of the recording, everything sealed.
        recorder: closed; its sealed segments and their audits are there.
        losses: times that the stream was lost.
    """

    state: RecordingState
    recorder: Recorder
    losses: int
    fundings: tuple[Funding, ...] = ()


def rows_of(events: list[Event]) -> I8:
    """Return events as i8[n, EVENT_COLUMNS]."""
    return np.array(events, dtype=np.int64)


async def record(wish: Wish, stop: asyncio.Event, begun: Callable[[Recorder], None]) -> Ended:
    """Record until `stop` is set; return how it ended.

    Args:
        wish: what, and where to.
        stop: set by whoever wants it to end.
        begun: called when the first rows are on the disk.

    Raises:
        VenueError: the exchange cannot be reached at the start, or the symbol has changed.
        RecordingError: the folder cannot be used.
    """
    market = PublicMarket(wish.market)
    sink: RecordingSink | None = None
    try:
        book = await market.open()
        meta = meta_of(
            market.known,
            maker_fee=wish.maker_fee,
            taker_fee=wish.taker_fee,
            spot=not wish.market.place.futures,
        ).model_copy(update={"source": f"recorded from {wish.market.place.streams}"})
        recorder = Recorder(
            wish.folder, meta, rotate_ns=wish.rotation.every_ns, rotate_rows=wish.rotation.rows
        )
        sink = RecordingSink(recorder)
        rows = rows_of(book)
        sink.add(rows[rows[:, EVENT_KIND] != KIND_CLEAR])  # nothing was lost: it begins here
        begun(recorder)
        await _follow(market, sink, stop, wish.seconds)
    finally:
        await market.close()
        if sink is not None:
            state = await asyncio.to_thread(sink.close)
    fundings = await asyncio.to_thread(fundings_of, wish.folder)
    return Ended(state, recorder, market.losses, fundings)


def fundings_of(folder: Path) -> tuple[Funding, ...]:
    """Return the fundings that a folder holds; none when it cannot be read."""
    try:
        with FolderSource(folder) as source:
            return source.meta.funding
    except RecordingError:
        return ()


async def _follow(
    market: PublicMarket, sink: RecordingSink, stop: asyncio.Event, seconds: float | None
) -> None:
    began_s = told_s = time.monotonic()
    funded: tuple[Funding, ...] = ()
    stopping = asyncio.create_task(stop.wait())
    try:
        while not stop.is_set():
            if market.lost:
                sink.add(rows_of(market.break_off()))
                book = await _unless(stopping, market.rebuild())
                if book is None:
                    return
                sink.add(rows_of(book))
            if rows := market.take():
                sink.add(rows_of(rows))
            if (fundings := market.final_fundings()) != funded:
                sink.fund(fundings)
                funded = fundings
            now_s = time.monotonic()
            if seconds is not None and now_s - began_s >= seconds:
                return
            if now_s - told_s >= REPORT_S:
                told_s = now_s
                _report(sink.state(), market.losses)
            await _unless(stopping, market.wait(WAIT_S))
    finally:
        stopping.cancel()


async def _unless(stopping: "asyncio.Task[bool]", work: Coroutine[None, None, Done]) -> Done | None:
    """Await some work; give it up, and return None, when it is time to end."""
    task = asyncio.create_task(work)
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return None


def _report(state: RecordingState, losses: int) -> None:
    """Tell how it goes: the audit of gaps as the recording grows."""
    log.info(
        "recording",
        events=state.taken,
        held=state.held,
        skipped=state.skipped,
        streams_lost=losses,
        silences=state.silences,
        longest_silence_s=round(state.longest_silence_ns / SECOND_NS, 1),
        sealed=state.sealed,
        doubtful=state.doubtful,
        failing=state.failing,
    )
