"""Imports Tardis CSV: `incremental_book_L2` and `trades`, times in microseconds.

Rows of one local time are one message. Rows marked `is_snapshot` begin the book anew: what was
there before is cleared. Rows before the first snapshot say nothing and are dropped.
"""

import csv
import heapq
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from exchange.errors import FeedError, FeedFormatError, FeedSequenceError
from exchange.importers.assembly import UNKNOWN_NS, Assembled, Collector, Source, assemble
from exchange.importers.instruments import Options, demand_symbol
from exchange.importers.reading import Progress, head, numbered_lines, quiet
from exchange.recording import Counts
from market.layout import BUY, KIND_CLEAR, KIND_DEPTH, KIND_SNAPSHOT, KIND_TRADE, SELL

MICROSECOND_NS = 1000
COMMON = ("exchange", "symbol", "timestamp", "local_timestamp")
BOOK_COLUMNS = (*COMMON, "is_snapshot", "side", "price", "amount")
TRADE_COLUMNS = (*COMMON, "id", "side", "price", "amount")
VENUES = {
    "binance": "binance-spot",
    "binance-futures": "binance-usdm",
    "binance-delivery": "binance-coinm",
}


class Row(NamedTuple):
    """One row of either table."""

    local_ns: int
    is_trade: int
    exch_ns: int
    snapshot: bool
    side: str
    price: float
    amount: float


class Names:
    """The one venue and symbol of a set of files, from the first row on."""

    def __init__(self, wanted: str | None) -> None:
        self.wanted = wanted
        self.exchange = ""
        self.symbol = ""

    def demand(self, exchange: str, symbol: str, where: str) -> None:
        """Refuse a row of another venue or symbol."""
        if symbol != self.symbol:
            demand_symbol(symbol, self.symbol or self.wanted, where)
            self.symbol = symbol
        if exchange != self.exchange:
            if self.exchange:
                raise FeedError(
                    f"{where}: holds {exchange}, wanted {self.exchange}; give one venue's files"
                )
            self.exchange = exchange


def columns_of(path: Path) -> tuple[str, ...]:
    """Return the header of a file."""
    lines = head(path, 1)
    return tuple(lines[0].decode("utf-8", "replace").split(",")) if lines else ()


def rows_of(paths: Sequence[Path], names: Names, progress: Progress) -> Iterator[Row]:
    """Yield the rows of one table's files in the order given.

    Raises:
        FeedError: a row is no such row, or local time runs back.
    """
    last_ns = 0
    for path in paths:
        lines = numbered_lines(path, progress)
        header = next(lines)[1].decode().split(",")
        trades = "is_snapshot" not in header
        where = f"{path}:1"
        for number, text in lines:
            where = f"{path}:{number}"
            fields = next(csv.reader([text.decode("utf-8", "replace")]), [])
            try:
                exchange, symbol, stamp, local, mark, side, price, amount = fields
                exch_ns = int(stamp) * MICROSECOND_NS if stamp and stamp != "0" else UNKNOWN_NS
                snapshot = {"true": True, "false": False}[mark] if not trades else False
                row = Row(
                    int(local) * MICROSECOND_NS, int(trades), exch_ns, snapshot, side,
                    float(price), float(amount),
                )  # fmt: skip
            except (ValueError, KeyError) as error:
                raise FeedFormatError(
                    f"{where}: no Tardis row ({error}); allowed are columns {','.join(header)}, "
                    f"found {text[:80]!r}"
                ) from None
            names.demand(exchange, symbol, where)
            if row.local_ns < last_ns:
                raise FeedSequenceError(
                    f"{where}: local time runs back by {(last_ns - row.local_ns) / 1e6:.3f} ms; "
                    "rows must stand in the order they were received"
                )
            last_ns = row.local_ns
            yield row


class Builder:
    """Turns messages in the order of their local times into collected ones."""

    def __init__(self) -> None:
        self.out = Collector()
        self.count = dict.fromkeys(Counts.model_fields, 0)
        self.in_snapshot = False

    def trade(self, row: Row) -> None:
        """Take a trade; one whose taker is unknown is left out."""
        side = {"buy": BUY, "sell": SELL}.get(row.side, 0)
        if side == 0:
            self.count["trades_ignored"] += 1
            return
        self.count["trades"] += 1
        exch_ns = row.local_ns if row.exch_ns == UNKNOWN_NS else row.exch_ns
        self.out.one(
            KIND_TRADE, exch_ns, row.local_ns, side=side, price=row.price, quantity=row.amount
        )

    def book(self, rows: list[Row]) -> None:
        """Take one message's rows of the book: all of a snapshot, or all of a diff."""
        first = rows[0]
        bids = [(row.price, row.amount) for row in rows if row.side == "bid"]
        asks = [(row.price, row.amount) for row in rows if row.side == "ask"]
        if len(bids) + len(asks) != len(rows):
            wrong = next(row.side for row in rows if row.side not in {"bid", "ask"})
            raise FeedFormatError(f"side of a level is bid or ask, found {wrong!r}")
        if first.snapshot:
            if not self.in_snapshot and self.count["snapshots"]:
                self.count["clears"] += 1
                self.out.one(
                    KIND_CLEAR, first.exch_ns, first.local_ns, side=0, price=0.0, quantity=0.0
                )
            self.count["snapshots"] += not self.in_snapshot
            self.count["snapshot_levels"] += len(rows)
        else:
            self.count["depth_messages"] += 1
            self.count["level_changes"] += len(rows)
            if not self.count["snapshots"]:
                self.count["depth_dropped"] += 1
                self.count["levels_dropped"] += len(rows)
                return
        self.in_snapshot = first.snapshot
        kind = KIND_SNAPSHOT if first.snapshot else KIND_DEPTH
        self.out.book(kind, first.exch_ns, first.local_ns, bids, asks)


def import_tardis(files: Sequence[Path], options: Options, progress: Progress = quiet) -> Assembled:
    """Read one symbol's tables as one recording.

    Raises:
        FeedError: damaged, of another symbol or venue, or without a snapshot.
    """
    tables: dict[tuple[str, ...], list[Path]] = {BOOK_COLUMNS: [], TRADE_COLUMNS: []}
    for path in files:
        columns = columns_of(path)
        if columns not in tables:
            raise FeedFormatError(
                f"{path}:1: allowed are the columns of incremental_book_L2 or trades, found "
                f"{','.join(columns)[:80]}"
            )
        tables[columns].append(path)
    if not tables[BOOK_COLUMNS]:
        raise FeedError(f"{files[0]}: trades only; add the incremental_book_L2 file")
    names, builder = Names(options.symbol), Builder()
    streams = [rows_of(paths, names, progress) for paths in tables.values() if paths]
    # At one local time trades come first: they cause the levels' change.
    merged = heapq.merge(*streams, key=lambda row: (row.local_ns, -row.is_trade))
    for (_, is_trade, _), group in groupby(merged, key=itemgetter(0, 1, 3)):
        if is_trade:
            for row in group:
                builder.trade(row)
        else:
            builder.book(list(group))
    where = ", ".join(path.name for path in files)
    if not builder.count["snapshots"]:
        raise FeedError(f"{where}: no row with is_snapshot true; start from a file that has some")
    return assemble(
        builder.out,
        source=Source(VENUES.get(names.exchange, names.exchange), names.symbol, where),
        counts=Counts(**builder.count),
        options=options,
        inverse=names.exchange == "binance-delivery",
    )
