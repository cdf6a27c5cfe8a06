"""The recordings that engines are compared on, as records for the peer and as events for us."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.peer import cache_folder
from exchange.importers.detect import import_feed
from exchange.recording import decode, encode
from market.compat import dials_of
from market.layout import (
    EVENT_EXCH_NS,
    EVENT_LOCAL_NS,
    EVENT_SEEN,
    PARAMETER_BASE_QUANTITY,
    PARAMETER_COLUMNS,
    PARAMETER_LEVELS,
    PARAMETER_MAX_POSITION,
    PARAMETER_SPREAD,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
)
from market.synthetic_busy import busy_records
from market.types import F8, I8

CANDIDATES_MOST = 256
SKEW = 1.0  # half spreads by which a full position moves the reservation price


@dataclass(frozen=True, slots=True)
class Market:
    """One recording, and the range of candidates that trade it. Quantities are lots."""

    name: str
    folder: str | None  # below the folder of feeds; None: the synthetic one
    tick: str
    lot: str
    maker_fee: float
    crosses: bool  # whether its book crosses: then the peer's book goes its own way
    interval_ticks: int  # of the lattice
    spread: tuple[float, float]  # percent
    levels: tuple[int, int]
    lots: tuple[int, int]
    fills_least: int  # that a candidate must have for the comparison to mean something

    @property
    def lots_a_unit(self) -> int:
        """Return 10^k, one over the lot."""
        return round(1 / float(self.lot))


BUSY = Market(
    name="synthetic 10 M",
    folder=None,
    tick="0.1",
    lot="0.001",
    maker_fee=0.0002,
    crosses=False,
    interval_ticks=5,
    spread=(0.006, 0.02),
    levels=(10, 20),
    lots=(1, 20),
    fills_least=1000,
)
RECORDED = (
    Market(
        name="USD-M BTCUSDT 2024-07-18",
        folder="binance-usdm-btcusdt-20240718",
        tick="0.1",
        lot="0.001",
        maker_fee=0.0002,
        crosses=True,
        interval_ticks=3,
        spread=(0.0005, 0.012),
        levels=(3, 20),
        lots=(1, 20),
        fills_least=1,
    ),
    Market(
        name="USD-M BTCUSDT 2024-08-08",
        folder="binance-usdm-btcusdt-20240808",
        tick="0.1",
        lot="0.001",
        maker_fee=0.0002,
        crosses=True,
        interval_ticks=3,
        spread=(0.0005, 0.012),
        levels=(3, 20),
        lots=(1, 20),
        fills_least=1,
    ),
    Market(
        name="spot NEXOUSDT",
        folder="binance-spot-nexousdt-20240723",
        tick="0.001",
        lot="0.01",
        maker_fee=0.001,
        crosses=True,
        interval_ticks=1,
        spread=(0.05, 0.35),
        levels=(3, 15),
        lots=(500, 5000),
        fills_least=100,
    ),
)


@dataclass(frozen=True, slots=True)
class Feed:
    """A market's records in a file that the peer can read, and its events."""

    market: Market
    path: Path
    events: I8

    @property
    def start_ns(self) -> int:
        """Return the time of the first event on either clock: the peer's clock begins there."""
        seen = self.events[:, EVENT_SEEN]
        first = int(np.argmax(seen & SEEN_LOCAL != 0))
        exchange = int(np.argmax(seen & SEEN_EXCHANGE != 0))
        return int(min(self.events[first, EVENT_LOCAL_NS], self.events[exchange, EVENT_EXCH_NS]))


def parameters_of(market: Market, count: int, *, levels: int | None = None) -> F8:
    """Return f8[n, PARAMETER_COLUMNS]: candidates that differ in every dial, seeded.

    The first ones are the same whatever the number asked for, at most CANDIDATES_MOST.
    """
    rng = np.random.default_rng(11)
    most = CANDIDATES_MOST
    rows = np.zeros((most, PARAMETER_COLUMNS))
    low, high = np.log(market.spread)
    rows[:, PARAMETER_SPREAD] = np.exp(rng.uniform(low, high, most))
    rows[:, PARAMETER_LEVELS] = rng.integers(market.levels[0], market.levels[1] + 1, most)
    if levels is not None:
        rows[:, PARAMETER_LEVELS] = levels
    lots = rng.integers(market.lots[0], market.lots[1] + 1, most)
    rows[:, PARAMETER_BASE_QUANTITY] = lots / market.lots_a_unit
    rows[:, PARAMETER_MAX_POSITION] = lots * rng.integers(20, 100, most) / market.lots_a_unit
    return rows[:count]


def dials(market: Market, count: int, *, levels: int | None = None) -> F8:
    """Return f8[n, DIAL_COLUMNS] of `parameters_of`."""
    return dials_of(
        parameters_of(market, count, levels=levels),
        lots_a_unit=market.lots_a_unit,
        interval_ticks=market.interval_ticks,
        skew=SKEW,
    )


def make_feed(market: Market, folder: Path, feeds: Path) -> Feed:
    """Write a market's records below `folder` and return it.

    Raises:
        FileNotFoundError: the recording is not below `feeds`.
    """
    if market.folder is None:
        data = busy_records()
    else:
        source = feeds / market.folder
        if not source.is_dir():
            raise FileNotFoundError(source)
        made = import_feed([source])
        meta = made.recording.meta
        if (meta.tick, meta.lot) != (market.tick, market.lot):
            raise RuntimeError(f"{source}: tick {meta.tick} and lot {meta.lot} were not expected")
        data = encode(made.recording.events, tick=meta.tick, lot=meta.lot)
    path = folder / f"{(market.folder or 'busy')}.npy"
    np.save(path, data)
    events = decode(data, tick=market.tick, lot=market.lot)
    print(f"{market.name}: {len(events):,} events", file=sys.stderr)
    return Feed(market, path, events)


def scratch() -> Path:
    """Return the folder that big files are made in; it is not the tree."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    return folder
