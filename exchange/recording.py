"""Reads and writes recordings: one `.npz` a market day (DESIGN.md 4).

Member `data` has hftbacktest's 64-byte event layout, so its data sets open here and ours open
there. Member `meta` is JSON: the instrument, where the data came from, what was counted, and the
SHA-256 of `data`. Inside the house an event is a row of integers (`market/layout.py`); this file
is the border between the two. Nothing here judges a market: that is `audit.py`.
"""

import dataclasses
import hashlib
import io
import json
import zipfile
import zlib
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from exchange.archive import demand_archive
from exchange.errors import RecordingError
from market.decode import (
    BUY_BIT,
    EXCH_BIT,
    GOOD,
    GRID_TOLERANCE,
    KIND_MASK,
    LOCAL_BIT,
    SELL_BIT,
    WRONG_KIND,
    WRONG_PRICE,
    decode_records,
)
from market.layout import (
    BUY,
    EVENT_COLUMNS,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    EVENT_SIDE,
    RECORDING_DTYPE,
    SCALE_COLUMNS,
    SCALE_FEE_IN_BASE,
    SCALE_LOT,
    SCALE_MAKER_FEE,
    SCALE_MIN_LOTS,
    SCALE_MIN_NOTIONAL,
    SCALE_SPOT,
    SCALE_TAKER_FEE,
    SCALE_TICK_LOT,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
    SELL,
    UNITS,
)
from market.types import F8, I8

# hftbacktest's flags of `ev`; the low byte is the kind.
EXCH_EVENT = 1 << EXCH_BIT
LOCAL_EVENT = 1 << LOCAL_BIT
BUY_EVENT = 1 << BUY_BIT
SELL_EVENT = 1 << SELL_BIT
DEPTH_EVENT = 1
TRADE_EVENT = 2
DEPTH_CLEAR_EVENT = 3
DEPTH_SNAPSHOT_EVENT = 4

FORMAT = 1
ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the same bytes whenever a recording is written
COMPRESSION = 4  # zlib level: half the time of the default for 3 % more bytes

Data: TypeAlias = npt.NDArray[np.void]
Raw: TypeAlias = npt.NDArray[np.uint64]
DecimalText: TypeAlias = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]*)(\.[0-9]+)?$")]
FundingRow: TypeAlias = Annotated[tuple[int, int], Field(strict=False)]


class Counts(BaseModel):
    """What an importer counted in the raw data; a recording keeps level changes, not messages."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    depth_messages: int = 0  # diffs in the raw data, those before the snapshot included
    level_changes: int = 0  # level changes in them
    depth_dropped: int = 0  # diffs that a snapshot had made obsolete
    levels_dropped: int = 0  # level changes in those
    snapshots: int = 0
    snapshots_ignored: int = 0  # taken while the book was whole already
    snapshot_levels: int = 0
    clears: int = 0  # times that the book was begun anew after a lost connection
    trades: int = 0
    trades_ignored: int = 0  # prints that no market order made
    trade_ids_missing: int = 0
    aggressors_inferred: int = 0
    aggressors_guessed: int = 0
    tickers: int = 0
    other: int = 0  # messages of other streams
    orders_ignored: int = 0  # order events that contradict an earlier one
    gaps: int = 0
    off_grid: int = 0  # level changes far from the market whose price is no whole tick: left out
    rounded: int = 0  # quantities that were no whole lots
    clock_raised: int = 0  # messages whose exchange time ran backwards within their stream


class Meta(BaseModel):
    """What a recording knows about itself. Prices and quantities are decimal text."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    format: int = FORMAT
    venue: str
    symbol: str = Field(description="BASE-QUOTE")
    base: str
    quote: str
    tick: DecimalText
    lot: DecimalText = Field(description="base asset; contracts when inverse")
    min_notional: DecimalText = Field(default="0", description="quote asset")
    min_lots: int = Field(default=1, ge=1)
    maker_fee_bps: float = Field(default=0.0, description="cost positive, rebate negative")
    taker_fee_bps: float = 0.0
    funding: Annotated[tuple[FundingRow, ...], Field(strict=False)] = Field(
        default=(), description="time ns, rate in 1e-8 of the notional; positive: longs pay"
    )
    fee_in_base: bool = Field(default=False, description="a buy's commission is base asset")
    spot: bool = True
    inverse: bool = Field(default=False, description="quantities are contracts of quote value")
    contract_size: DecimalText = Field(default="1", description="quote asset a contract")
    span_ns: Annotated[tuple[int, int], Field(strict=False)] = (0, 0)
    clock_offset_ns: int = Field(default=0, description="added to every local time")
    exchange_clock: bool = Field(default=True, description="false: exchange times are local ones")
    source: str = ""
    counts: Counts = Counts()
    notes: dict[str, JsonValue] = {}
    sha256: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Recording:
    """A market day: what it is, and its events i8[n, EVENT_COLUMNS] in both clocks' order."""

    meta: Meta
    events: I8


def ratio(step: str) -> tuple[int, int]:
    """Return a decimal step as two integers (numerator, power of ten below it).

    Raises:
        RecordingError: it is no positive decimal of at most 12 places.
    """
    try:
        value = Decimal(step)
    except InvalidOperation:
        value = Decimal(0)
    if not (value.is_finite() and value > 0):
        raise RecordingError(f"a tick or lot must be a positive decimal, found {step!r}")
    _, digits, exponent = value.normalize().as_tuple()
    places = -int(exponent)
    number = int("".join(map(str, digits)))
    if places < 0:
        number, places = number * 10**-places, 0
    if places > 12:
        raise RecordingError(f"a tick or lot has at most 12 decimal places, found {step}")
    return number, int(10**places)


def to_steps(values: F8, step: str) -> tuple[I8, npt.NDArray[np.bool_]]:
    """Return `values` in whole steps, and where they are whole to 1e-6 of a step."""
    number, power = ratio(step)
    scaled = values * power / number
    whole = np.rint(scaled)
    # A double holds 16 digits: beyond 1e10 steps its own rounding is more than 1e-6 of one.
    allowed = np.maximum(GRID_TOLERANCE, np.abs(scaled) * 4 * np.finfo(np.float64).eps)
    return whole.astype(np.int64), np.abs(scaled - whole) <= allowed


def from_steps(steps: I8, step: str) -> F8:
    """Return the double nearest to each decimal number `steps * step`."""
    number, power = ratio(step)
    result: F8 = (steps * number).astype(np.float64) / power  # both exact: one rounding
    return result


def decode(data: Data, *, tick: str, lot: str) -> I8:
    """Return `data` as i8[n, EVENT_COLUMNS], exactly.

    Raises:
        RecordingError: a price or quantity is off the grid, or a kind is unknown.
    """
    events = np.empty((data.shape[0], EVENT_COLUMNS), np.int64)
    decode_into(data, events, tick=tick, lot=lot, first=0)
    return events


def decode_into(data: Data, events: I8, *, tick: str, lot: str, first: int) -> None:
    """Write the events of contiguous records; the first one has number `first`.

    Raises:
        RecordingError: as `decode`.
    """
    plain = data.view(np.uint8).reshape(data.shape[0], RECORDING_DTYPE.itemsize)
    words, numbers = plain.view(np.int64), plain.view(np.float64)
    tick_steps, lot_steps = ratio(tick), ratio(lot)
    code, where = decode_records(
        words,
        numbers,
        float(tick_steps[0]),
        float(tick_steps[1]),
        float(lot_steps[0]),
        float(lot_steps[1]),
        events,
    )
    if code == WRONG_KIND:
        kind = int(data["ev"][where]) & KIND_MASK
        raise RecordingError(
            f"event {first + where} has kind {kind}; allowed are 1 depth, 2 trade, 3 clear, "
            "4 snapshot; give a level-2 recording"
        )
    if code != GOOD:
        wrong = code == WRONG_PRICE
        name, column, step = ("price", "px", tick) if wrong else ("quantity", "qty", lot)
        raise RecordingError(
            f"{name} {data[column][where]:.12g} of event {first + where} is no multiple of {step}; "
            f"give the right one with --{'tick' if wrong else 'lot'}"
        )


def encode(events: I8, *, tick: str, lot: str, order_ids: Raw | None = None) -> Data:
    """Return i8[n, EVENT_COLUMNS] as records of RECORDING_DTYPE; `decode` undoes it exactly."""
    data = np.zeros(events.shape[0], RECORDING_DTYPE)
    flags = events[:, EVENT_KIND].astype(np.uint64)
    for column, value, flag in (
        (events[:, EVENT_SIDE], BUY, BUY_EVENT),
        (events[:, EVENT_SIDE], SELL, SELL_EVENT),
    ):
        flags |= np.where(column == value, np.uint64(flag), np.uint64(0))
    seen = events[:, EVENT_SEEN]
    flags |= np.where(seen & SEEN_EXCHANGE, np.uint64(EXCH_EVENT), np.uint64(0))
    flags |= np.where(seen & SEEN_LOCAL, np.uint64(LOCAL_EVENT), np.uint64(0))
    data["ev"] = flags
    data["exch_ts"] = events[:, EVENT_EXCH_NS]
    data["local_ts"] = events[:, EVENT_LOCAL_NS]
    data["px"] = from_steps(events[:, EVENT_PRICE_TICKS], tick)
    data["qty"] = from_steps(events[:, EVENT_LOTS], lot)
    if order_ids is not None:
        data["order_id"] = order_ids
    return data


def save(path: Path, recording: Recording, data: Data | None = None) -> Meta:
    """Write a recording; the same recording gives the same bytes. Return the meta as written.

    Args:
        path: where to; written beside it first, then renamed, so no half file remains.
        recording: its `meta.sha256` is filled in here.
        data: the records, when they hold order ids; else made from the events.

    Raises:
        RecordingError: the file cannot be written.
    """
    meta = recording.meta
    if data is None:
        data = encode(recording.events, tick=meta.tick, lot=meta.lot)
    meta = meta.model_copy(update={"sha256": hashlib.sha256(data.tobytes()).hexdigest()})
    text = json.dumps(meta.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    beside = path.with_name(path.name + ".partial")
    try:
        with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION) as file:
            for name, array in (("data", data), ("meta", np.array(text.encode()))):
                member = zipfile.ZipInfo(f"{name}.npy", ZIP_TIME)
                member.compress_type = zipfile.ZIP_DEFLATED
                buffer = io.BytesIO()
                np.lib.format.write_array(buffer, array, allow_pickle=False)
                file.writestr(member, buffer.getbuffer(), compresslevel=COMPRESSION)
        beside.replace(path)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be written: {error.strerror or error}") from None
    return meta


def read_members(path: Path) -> tuple[Data, dict[str, Any] | None]:
    """Return the records of a `.npz`, and its meta as parsed JSON (None when it has none).

    Raises:
        RecordingError: no such file, cut off, or not a recording.
    """
    try:
        demand_archive(path)
        with path.open("rb") as file:  # np.load leaves its own open when it fails
            members = np.load(file, allow_pickle=False)
            if not isinstance(members, np.lib.npyio.NpzFile) or "data" not in members:
                raise RecordingError(
                    f"{path}: no member `data` in it; a recording is an .npz with one; "
                    "make it with `counterpoint feed import`"
                )
            with members:
                data, raw = members["data"], members.get("meta")
        if data.dtype.names != RECORDING_DTYPE.names or data.ndim != 1:
            raise RecordingError(
                f"{path}: `data` has columns {data.dtype.names or data.shape}; allowed are "
                f"{', '.join(RECORDING_DTYPE.names or ())}"
            )
        meta = None if raw is None else json.loads(bytes(raw.astype("S").tobytes()).rstrip(b"\0"))
    except FileNotFoundError:
        raise RecordingError(
            f"{path}: no such file; `counterpoint feed import` makes one"
        ) from None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RecordingError(
            f"{path}: damaged or no recording ({reason}); import it again"
        ) from None
    return cast("Data", np.ascontiguousarray(data.astype(RECORDING_DTYPE, copy=False))), meta


def meta_of(path: Path, found: dict[str, Any] | None) -> Meta:
    """Return the checked meta of a recording.

    Raises:
        RecordingError: it has none, or one that this program does not understand.
    """
    if found is None:
        raise RecordingError(
            f"{path}: has no meta (instrument and counts); add it with `counterpoint feed import "
            f"{path} --symbol BASE-QUOTE --tick TICK --lot LOT --out FILE`"
        )
    try:
        meta = Meta.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "meta"
        raise RecordingError(f"{path}: meta is wrong at {place}: {first['msg']}") from None
    if meta.format != FORMAT:
        raise RecordingError(f"{path}: format {meta.format}, this program reads {FORMAT}")
    return meta


def demand_digest(path: Path, meta: Meta, digest: str) -> None:
    """Raise RecordingError when the data are not those that the meta was written for."""
    if digest != meta.sha256:
        raise RecordingError(
            f"{path}: data has sha256 {digest[:12]}, its meta says {meta.sha256[:12] or 'none'}; "
            "the file was changed or damaged; import it again"
        )


def load(path: Path) -> Recording:
    """Read a recording and verify its SHA-256.

    Raises:
        RecordingError: damaged, changed since it was made, or without `meta`.
    """
    data, found = read_members(path)
    meta = meta_of(path, found)
    demand_digest(path, meta, hashlib.sha256(data.data).hexdigest())
    return Recording(meta, decode(data, tick=meta.tick, lot=meta.lot))


def units(text: str) -> int:
    """Return a decimal amount in 1e-8 units; it must be a whole number of them."""
    value = Decimal(text) * UNITS
    if value != value.to_integral_value():
        raise RecordingError(f"amounts are whole multiples of 1e-8, found {text}")
    return int(value)


def scale_of(meta: Meta) -> I8:
    """Return i8[SCALE_COLUMNS]: the instrument and its costs, as kernels take them.

    Raises:
        RecordingError: an inverse contract, or steps too fine for money in 1e-8.
    """
    if meta.inverse:
        raise RecordingError(
            f"{meta.symbol} is an inverse contract: it can be imported, checked and described; "
            "trade a linear symbol"
        )
    tick_lot = Decimal(meta.tick) * Decimal(meta.lot) * UNITS
    if tick_lot != tick_lot.to_integral_value() or tick_lot < 1:
        raise RecordingError(
            f"tick {meta.tick} x lot {meta.lot} is no whole multiple of 1e-8 {meta.quote}; "
            "import with a larger --lot"
        )
    scale = np.zeros(SCALE_COLUMNS, np.int64)
    scale[SCALE_TICK_LOT] = int(tick_lot)
    scale[SCALE_LOT] = units(meta.lot)
    scale[SCALE_MIN_LOTS] = meta.min_lots
    scale[SCALE_MIN_NOTIONAL] = units(meta.min_notional)
    scale[SCALE_MAKER_FEE] = round(meta.maker_fee_bps * UNITS / 10_000)
    scale[SCALE_TAKER_FEE] = round(meta.taker_fee_bps * UNITS / 10_000)
    scale[SCALE_FEE_IN_BASE] = int(meta.fee_in_base)
    scale[SCALE_SPOT] = int(meta.spot)
    return scale
