"""Price bars: imports those of Bittrex and of Lean archives, saves and loads them.

A bar is stamped with its beginning; its close is known a period later. Where nobody traded there
is no bar: times say so, nothing is filled in. A file is an `.npz` with members `bars` (the rows)
and `meta` (JSON); it is no recording, since a bar has no book.
"""

import dataclasses
import json
import re
import zipfile
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from exchange.archive import demand_archive
from exchange.errors import FeedDamagedError, FeedError, FeedFormatError, FeedSymbolError
from exchange.importers.reading import files_of, open_packed
from market.types import F8, I8

SECOND_NS = 10**9
MILLISECOND_NS = 10**6
BITTREX = re.compile(r"([A-Z0-9]+)_([A-Z0-9]+)-(\d+)\.json")
LEAN = re.compile(r"([a-z0-9]+?)(usd|eur|usdt|btc)_(\d{8})_(trade|quote)\.zip")
OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)
COLUMNS = 5


class BarsMeta(BaseModel):
    """What bars know about themselves."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    venue: str
    symbol: str = Field(description="BASE-QUOTE")
    period_ns: int = Field(gt=0)
    source: str = ""
    doubles: int = Field(default=0, ge=0, description="rows of one time: the last was kept")


@dataclasses.dataclass(frozen=True, slots=True)
class Bars:
    """Bars of one symbol in time order.

    Attributes:
        meta: what they are.
        times_ns: i8[n], beginnings, strictly rising.
        figures: f8[n, COLUMNS]: open, high, low, close in quote, volume in base (0: not known).
    """

    meta: BarsMeta
    times_ns: I8
    figures: F8


def looks_like_bars(paths: Sequence[Path]) -> bool:
    """Return whether every data file has the name of a file of bars."""
    try:
        files = files_of(paths)
    except FeedError:
        return False
    return all(kind_of(path) is not None for path in files)


def kind_of(path: Path) -> re.Match[str] | None:
    """Return the match of a file's name with those that bars have."""
    name = path.name.removesuffix(".gz")
    return BITTREX.fullmatch(name) or LEAN.fullmatch(name)


def import_bars(paths: Sequence[Path], *, symbol: str | None = None) -> Bars:
    """Read one symbol's bars from files or folders of them.

    Args:
        paths: `BTC_ETH-5.json[.gz]` of Bittrex, `btcusd_20180404_trade.zip` of Lean; of a folder
            with several symbols name one.
        symbol: BASE-QUOTE; others are left out.

    Raises:
        FeedError: one line that says what, where, and what to do.
    """
    files = [path for path in files_of(paths) if kind_of(path) is not None]
    if not files:
        raise FeedFormatError(
            f"{paths[0]}: no bars; allowed are BTC_ETH-5.json[.gz] and btcusd_20180404_trade.zip"
        )
    held = {path: symbol_of(path) for path in files}
    found = sorted(set(held.values()))
    if symbol is None and len(found) > 1:
        raise FeedSymbolError(f"{paths[0]}: holds {', '.join(found)}; choose one with --symbol")
    wanted = symbol or found[0]
    chosen = [path for path in files if held[path] == wanted]
    if not chosen:
        raise FeedSymbolError(f"{paths[0]}: no {wanted} in it; it holds {', '.join(found)}")
    if any(LEAN.fullmatch(path.name) for path in chosen):
        return lean(chosen, wanted)
    if len(chosen) > 1:
        names = ", ".join(path.name for path in chosen)
        raise FeedError(f"{wanted} has several files: {names}; give one")
    return bittrex(chosen[0], wanted)


def symbol_of(path: Path) -> str:
    """Return BASE-QUOTE of a file's name; Bittrex puts the quote first."""
    found = kind_of(path)
    assert found is not None, path
    if found.re is BITTREX:
        return f"{found[2]}-{found[1]}"
    return f"{found[1]}-{found[2]}".upper()


def bittrex(path: Path, symbol: str) -> Bars:
    """Read Bittrex's JSON list of O, H, L, C, V and T (UTC)."""
    found = kind_of(path)
    assert found is not None, path
    try:
        with open_packed(path) as file:
            rows = json.loads(file.read())
        times = [stamp_ns(row["T"]) for row in rows]
        figures = np.array([[row[name] for name in "OHLCV"] for row in rows], dtype=np.float64)
    except (EOFError, OSError) as error:
        raise FeedDamagedError(f"{path}: cut off or damaged ({error}); fetch it again") from None
    except (ValueError, KeyError, TypeError) as error:
        raise FeedFormatError(
            f"{path}: no list of bars with O, H, L, C, V and T: {type(error).__name__}: {error}"
        ) from None
    period_ns = int(found[3]) * 60 * SECOND_NS
    return bars_of(path, "bittrex", symbol, period_ns, times, figures)


def stamp_ns(text: str) -> int:
    """Return nanoseconds of `2017-11-19T05:15:00`, UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND_NS


def lean(paths: Sequence[Path], symbol: str) -> Bars:
    """Read Lean's minute archives: trade bars where there are some, else mids of quote bars."""
    kinds = {path: LEAN.fullmatch(path.name) for path in paths}
    trades = [path for path, found in kinds.items() if found is not None and found[4] == "trade"]
    times: list[int] = []
    parts: list[F8] = []
    for path in trades or paths:
        found = kinds[path]
        assert found is not None, path
        table = lean_table(path, 6 if trades else 11)
        day = stamp_ns(f"{found[3][:4]}-{found[3][4:6]}-{found[3][6:]}T00:00:00")
        times += [day + int(ms) * MILLISECOND_NS for ms in table[:, 0]]
        if trades:
            parts.append(table[:, 1:6])
        else:
            mids = (table[:, 1:5] + table[:, 6:10]) / 2.0
            parts.append(np.column_stack([mids, np.zeros(len(mids))]))
    return bars_of(paths[0], "coinbase", symbol, 60 * SECOND_NS, times, np.vstack(parts))


def lean_table(path: Path, columns: int) -> F8:
    """Return the rows of an archive's one CSV."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
            lines = file.read().decode("ascii").split()
        table = np.array([line.split(",") for line in lines], dtype=np.float64)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, IndexError) as error:
        raise FeedDamagedError(f"{path}: damaged ({error}); fetch it again") from None
    except ValueError as error:
        raise FeedFormatError(f"{path}: no table of numbers: {error}") from None
    if table.ndim != 2 or table.shape[1] != columns:
        raise FeedFormatError(f"{path}: is {table.shape}, allowed are rows of {columns} numbers")
    return table


def bars_of(
    path: Path, venue: str, symbol: str, period_ns: int, times: Sequence[int], figures: F8
) -> Bars:
    """Return bars in time order, the last of those with one time; refuse impossible ones."""
    stamps = np.array(times, dtype=np.int64)
    if len(stamps) == 0:
        raise FeedFormatError(f"{path}: holds no bar")
    prices = figures[:, : CLOSE + 1]
    low, high = figures[:, LOW, None], figures[:, HIGH, None]
    sound = np.isfinite(figures).all(axis=1) & (prices > 0).all(axis=1) & (figures[:, VOLUME] >= 0)
    sound &= ((prices >= low) & (prices <= high)).all(axis=1)
    if not sound.all():
        row = int(np.argmin(sound))
        raise FeedFormatError(
            f"{path}: bar {row + 1} is impossible: open, high, low, close, volume "
            f"{', '.join(f'{figure:g}' for figure in figures[row])}"
        )
    order = np.argsort(stamps, kind="stable")
    stamps, figures = stamps[order], figures[order]
    last = np.append(stamps[1:] != stamps[:-1], True)
    meta = BarsMeta(
        venue=venue,
        symbol=symbol,
        period_ns=period_ns,
        source=path.name,
        doubles=int((~last).sum()),
    )
    return Bars(meta, stamps[last], np.ascontiguousarray(figures[last]))


def save_bars(path: Path, bars: Bars) -> None:
    """Write bars as an `.npz`; the same bars give the same figures, not the same bytes."""
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            bars=bars.figures,
            times_ns=bars.times_ns,
            meta=np.array(bars.meta.model_dump_json()),
        )


def load_bars(path: Path) -> Bars | None:
    """Read bars back; None when an archive holds none.

    Raises:
        FeedDamagedError: it does not unpack, or its members contradict one another.
    """
    try:
        demand_archive(path)
        members: Any
        with path.open("rb") as file, np.load(file, allow_pickle=False) as members:
            if "times_ns" not in members.files:
                return None
            meta = BarsMeta.model_validate_json(str(members["meta"]))
            times, figures = members["times_ns"], members["bars"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, ValidationError) as error:
        line = str(error).splitlines()[0]
        raise FeedDamagedError(f"{path}: bars that cannot be read: {line}") from None
    if times.dtype != np.int64 or figures.shape != (len(times), COLUMNS):
        raise FeedDamagedError(f"{path}: {times.shape} times do not go with {figures.shape} bars")
    return Bars(meta, times, figures)
