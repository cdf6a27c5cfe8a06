"""Imports LOBSTER: one message file and one order book file of a stock's trading day.

Message columns: seconds after midnight, type, order id, size, price x 10000, direction. Book
columns: ask price, ask size, bid price, bid size of each level after that message. Types: 1 new,
2 part cancelled, 3 deleted, 4 visible execution, 5 hidden execution, 6 cross trade, 7 halt. The
direction is the resting order's, so the aggressor is the other side. Midnight is New York's.

The book is known only as deep as the file shows it: a level that leaves the window leaves the
recording, and comes back when it is shown again. There is one clock; local times equal it.
"""

import dataclasses
import datetime as dt
import re
import zoneinfo
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from exchange.errors import FeedDamagedError, FeedError, FeedFormatError, FeedSequenceError
from exchange.importers.assembly import Assembled, Collector, Source, assemble
from exchange.importers.grid import smallest_step
from exchange.importers.instruments import Options, demand_symbol
from exchange.importers.reading import Progress, numbered_lines, open_packed, quiet
from exchange.recording import Counts
from market.layout import BUY, KIND_DEPTH, KIND_SNAPSHOT, KIND_TRADE, SELL
from market.types import I8

NAME = re.compile(r"^(?P<symbol>[^_]+)_(?P<date>\d{4}-\d{2}-\d{2})_.*(?P<table>message|orderbook)_")
PRICE_UNIT = 10_000
NOTHING = 9_999_999_999  # price of a level that is not there; negative on the bid side
VISIBLE, HIDDEN, CROSS = 4, 5, 6
TYPES = range(1, 8)
ZONE = "America/New_York"

Levels = dict[int, int]


def midnight_ns(date: str) -> int:
    """Return New York's midnight of a date, nanoseconds since the epoch."""
    try:
        zone = zoneinfo.ZoneInfo(ZONE)
    except zoneinfo.ZoneInfoNotFoundError:
        raise FeedError(
            f"time zone {ZONE} is not on this machine; install the package tzdata"
        ) from None
    moment = dt.datetime.combine(dt.date.fromisoformat(date), dt.time(), tzinfo=zone)
    return int(moment.timestamp()) * 1_000_000_000


def seconds_ns(text: str) -> int:
    """Return decimal seconds as exact nanoseconds."""
    whole, _, fraction = text.partition(".")
    return int(whole) * 1_000_000_000 + int(fraction[:9].ljust(9, "0"))


def read_book(path: Path) -> I8:
    """Return i8[n, 4 x levels] of an order book file.

    Raises:
        FeedError: cut off, or a row is no such row.
    """
    try:
        with open_packed(path) as file:
            book = np.loadtxt(file, np.int64, delimiter=",", ndmin=2)
    except EOFError:
        raise FeedDamagedError(f"{path}: cut off: the packed file ends early") from None
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise FeedFormatError(f"{path}: no order book rows: {reason}") from None
    if book.shape[1] % 4 or book.shape[0] == 0:
        raise FeedFormatError(f"{path}: allowed are 4 columns a level, found {book.shape[1]}")
    return book


def side_of(row: list[int], first: int) -> Levels:
    """Return the levels of one side of a row: asks begin at column 0, bids at column 2."""
    prices, sizes = row[first::4], row[first + 1 :: 4]
    pairs = zip(prices, sizes, strict=True)
    return {price: size for price, size in pairs if 0 < price < NOTHING and size > 0}


def changes(before: Levels, after: Levels) -> list[tuple[float, float]]:
    """Return (price, new size) of every level that differs; size 0 where it left."""
    moved = [(price, size) for price, size in after.items() if before.get(price) != size]
    moved += [(price, 0) for price in before if price not in after]
    return [(price / PRICE_UNIT, float(size)) for price, size in moved]


class Day:
    """Reads one day's messages beside its book."""

    def __init__(self, book: I8, opening_ns: int) -> None:
        self.book = book
        self.opening_ns = opening_ns
        self.out = Collector()
        self.count = dict.fromkeys(Counts.model_fields, 0)
        self.bids: Levels = {}
        self.asks: Levels = {}
        self.last_ns = 0
        prices = book[:, 0::2]
        shown = np.unique(prices[(prices > 0) & (prices < NOTHING)])
        self.tick = smallest_step(shown / PRICE_UNIT, mantissas={1, 2, 5, 25})
        self.tick_units = max(1, round(float(self.tick) * PRICE_UNIT))

    def message(self, row: int, fields: list[str]) -> None:
        """Take one message and the book after it."""
        time_s, kind_text, _, size_text, price_text, direction = fields
        now_ns = self.opening_ns + seconds_ns(time_s)
        kind, size, price = int(kind_text), int(size_text), int(price_text)
        if kind not in TYPES or direction not in {"1", "-1"}:
            raise ValueError(f"type {kind} or direction {direction}")
        if now_ns < self.last_ns:
            raise FeedSequenceError(f"time runs back by {(self.last_ns - now_ns) / 1e6:.3f} ms")
        self.last_ns = now_ns
        if kind in {VISIBLE, HIDDEN, CROSS}:
            # A hidden order may trade between ticks: no order of ours could stand there.
            if kind == CROSS or price % self.tick_units:
                self.count["trades_ignored"] += 1
            else:
                self.count["trades"] += 1
                self.out.one(
                    KIND_TRADE, now_ns, now_ns,
                    side=SELL if direction == "1" else BUY,
                    price=price / PRICE_UNIT, quantity=float(size),
                )  # fmt: skip
        else:
            self.count["other"] += kind > HIDDEN
        levels = self.book[row].tolist()
        asks, bids = side_of(levels, 0), side_of(levels, 2)
        bid_changes, ask_changes = changes(self.bids, bids), changes(self.asks, asks)
        self.bids, self.asks = bids, asks
        if not (bid_changes or ask_changes):
            return
        if row == 0:
            self.count["snapshots"] = 1
            self.count["snapshot_levels"] = len(bid_changes) + len(ask_changes)
        else:
            self.count["depth_messages"] += 1
            self.count["level_changes"] += len(bid_changes) + len(ask_changes)
        opening = KIND_SNAPSHOT if row == 0 else KIND_DEPTH
        self.out.book(opening, now_ns, now_ns, bid_changes, ask_changes)


def pair_of(files: Sequence[Path]) -> tuple[Path, Path, str, str]:
    """Return message file, book file, symbol and date of one day.

    Raises:
        FeedError: not exactly one of each, or of two days.
    """
    found: dict[str, tuple[Path, str, str]] = {}
    for path in files:
        match = NAME.match(path.name)
        if match is None or match["table"] in found:
            raise FeedError(
                f"{path}: allowed are one SYMBOL_DATE_..._message_N.csv and its orderbook file"
            )
        found[match["table"]] = (path, match["symbol"], match["date"])
    if len(found) != 2 or found["message"][1:] != found["orderbook"][1:]:
        names = ", ".join(path.name for path in files)
        raise FeedError(f"{names}: give the message file and the orderbook file of one day")
    return found["message"][0], found["orderbook"][0], *found["message"][1:]


def import_lobster(
    files: Sequence[Path], options: Options, progress: Progress = quiet
) -> Assembled:
    """Read one day as a recording; the symbol is STOCK-USD.

    Raises:
        FeedError: damaged, of another stock, or the two files do not belong together.
    """
    messages, book_file, symbol, date = pair_of(files)
    if options.symbol is not None:
        demand_symbol(symbol, re.sub(r"[-/]?USD$", "", options.symbol), str(messages))
    day = Day(read_book(book_file), midnight_ns(date))
    rows = 0
    for number, text in numbered_lines(messages, progress):
        where = f"{messages}:{number}"
        rows = number
        if number > day.book.shape[0]:
            continue
        try:
            day.message(number - 1, text.decode("ascii").split(",")[:6])
        except (ValueError, UnicodeDecodeError) as error:
            raise FeedFormatError(f"{where}: no LOBSTER message ({error}): {text[:60]!r}") from None
        except FeedSequenceError as error:
            raise FeedSequenceError(f"{where}: {error}; rows must stand in order of time") from None
    if rows != day.book.shape[0]:
        raise FeedSequenceError(
            f"{messages}: {rows} messages but {day.book.shape[0]} book rows; one of the files "
            "is cut off or they are of different days"
        )
    made = assemble(
        day.out,
        source=Source("lobster", f"{symbol}-USD", f"{messages.name}, {book_file.name}"),
        counts=Counts(**day.count),
        options=dataclasses.replace(options, symbol=None),
        defaults=Options(tick=day.tick, lot="1"),
    )
    return made.noted({"local_clock": False})
