"""Makes a recording of an artificial day (`market/synthetic.py`, `market/synthetic_busy.py`)."""

from typing import Any

import numpy as np

from exchange.errors import FeedError
from exchange.importers.assembly import counts_of
from exchange.recording import Meta, Recording, decode
from market.climates import MECHANISMS, climate_day
from market.synthetic import synthetic_day
from market.synthetic_busy import EVENTS, SECONDS, busy_records
from market.types import I8

BUSY = "busy"
CLIMATES = {f"climates-{name}": name for name in MECHANISMS}
"""Settings whose character changes by the hour, and their mechanisms."""
BUSY_HOURS_MAX = 4.0  # 20 M events, 1.3 GB of records


def synthetic_recording(
    *,
    seed: int,
    hours: float = 24.0,
    setting: str = "default",
    maker_fee_bps: float = 0.0,
    taker_fee_bps: float = 4.0,
    informed_share: float | None = None,
) -> Recording:
    """Return a synthetic day; the same arguments give the same bytes.

    The setting `busy` is the market that engines are timed on.

    Raises:
        FeedError: an argument is out of range; it names allowed and found.
    """
    if setting == BUSY:
        return busy_recording(seed, hours, maker_fee_bps, taker_fee_bps)
    if setting in CLIMATES:
        return climate_recording(setting, seed, hours, maker_fee_bps, taker_fee_bps)
    try:
        events, made = synthetic_day(
            seed=seed,
            hours=hours,
            setting=setting,
            maker_fee_bps=maker_fee_bps,
            taker_fee_bps=taker_fee_bps,
            informed_share=informed_share,
        )
    except ValueError as error:
        raise FeedError(f"synthetic day: {error}") from None
    return recording_of(events, made)


def climate_recording(
    setting: str,
    seed: int,
    hours: float,
    maker_fee_bps: float = 0.0,
    taker_fee_bps: float = 4.0,
    *,
    only: str | None = None,
) -> Recording:
    """Return a day of changing climates, or of one climate `only`.

    Raises:
        FeedError: as `synthetic_recording`.
    """
    mechanism = CLIMATES[setting]
    try:
        events, made = climate_day(seed=seed, hours=hours, mechanism=mechanism, only=only)
    except ValueError as error:
        raise FeedError(f"synthetic day: {error}") from None
    fees = {"maker_fee_bps": float(maker_fee_bps), "taker_fee_bps": float(taker_fee_bps)}
    return recording_of(events, made | fees)


def recording_of(events: I8, made: dict[str, Any]) -> Recording:
    """Return a recording of made events; what its fields do not know becomes notes."""
    known = {name: made[name] for name in Meta.model_fields if name in made}
    notes = {name: made[name] for name in made if name not in known}
    known["counts"] = counts_of(events)
    return Recording(Meta(**known, notes=notes), events)


def called(recording: Recording, symbol: str) -> Recording:
    """Return a recording under another symbol: one seed under two names is a correlated pair.

    Raises:
        FeedError: the symbol is not BASE-QUOTE.
    """
    base, _, quote = symbol.partition("-")
    if not (base.isalnum() and quote.isalnum() and symbol.isupper()):
        raise FeedError(f"--symbol is like BTC-USDT, found {symbol}")
    names = {"symbol": symbol, "base": base, "quote": quote}
    return Recording(recording.meta.model_copy(update=names), recording.events)


def busy_recording(
    seed: int, hours: float, maker_fee_bps: float, taker_fee_bps: float
) -> Recording:
    """Return the busy market; 10 M events are 1.98 hours.

    Raises:
        FeedError: it is too long, or shorter than a second.
    """
    if not 1.0 / 3600.0 <= hours <= BUSY_HOURS_MAX:
        raise FeedError(
            f"synthetic day: a busy one lasts a second to {BUSY_HOURS_MAX:g} hours, found "
            f"{hours:g}; 10,000,000 events are {SECONDS / 3600:.2f} hours"
        )
    seconds = hours * 3600.0
    count = max(1, round(EVENTS * seconds / SECONDS))
    try:
        data = busy_records(seed=seed, events=count, seconds=seconds)
    except ValueError as error:
        raise FeedError(f"synthetic day: {error}") from None
    events = decode(data, tick="0.1", lot="0.001")
    local = np.asarray(data["local_ts"])
    meta = Meta(
        venue="synthetic",
        symbol="BUSY-USDT",
        base="BUSY",
        quote="USDT",
        tick="0.1",
        lot="0.001",
        min_notional="100",
        maker_fee_bps=maker_fee_bps,
        taker_fee_bps=taker_fee_bps,
        spot=False,
        span_ns=(int(local[0]), int(local[-1])),
        source=f"busy_records(seed={seed}, events={count}, seconds={seconds:g})",
        counts=counts_of(events),
        notes={"seed": seed, "setting": BUSY},
    )
    return Recording(meta, events)
