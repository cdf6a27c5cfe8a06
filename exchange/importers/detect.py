"""Tells a feed's format from its files and calls the importer of that format."""

import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import assert_never

from exchange.errors import FeedFormatError
from exchange.importers.assembly import Assembled
from exchange.importers.binance import import_binance
from exchange.importers.bitstamp import import_bitstamp
from exchange.importers.hftbacktest import import_hftbacktest
from exchange.importers.instruments import NOTHING_GIVEN, Options
from exchange.importers.lobster import NAME, import_lobster
from exchange.importers.reading import Progress, files_of, head, quiet
from exchange.importers.tardis import BOOK_COLUMNS, TRADE_COLUMNS, import_tardis


class Format(StrEnum):
    """What a feed can look like."""

    BINANCE = "binance"
    TARDIS = "tardis"
    LOBSTER = "lobster"
    BITSTAMP = "bitstamp"
    HFTBACKTEST = "hftbacktest"


_BINANCE = re.compile(rb"^\d{16,19} [{\[]")
_BITSTAMP = re.compile(rb"^\d{13} (order_|trade)")
_TARDIS = {",".join(BOOK_COLUMNS).encode(), ",".join(TRADE_COLUMNS).encode()}


def format_of(files: Sequence[Path]) -> Format:
    """Return the format of the first file that shows one.

    Raises:
        FeedFormatError: none does; it says which formats there are.
    """
    for path in files:
        if path.suffix == ".npz":
            return Format.HFTBACKTEST
        if NAME.match(path.name):
            return Format.LOBSTER
        first = next(iter(head(path, 1)), b"")
        if _BINANCE.match(first):
            return Format.BINANCE
        if _BITSTAMP.match(first):
            return Format.BITSTAMP
        if first in _TARDIS:
            return Format.TARDIS
    raise FeedFormatError(
        f"{files[0]}: no format of ours; allowed are {', '.join(Format)} (force one with --format)"
    )


def importer_of(name: Format) -> Callable[[Sequence[Path], Options, Progress], Assembled]:
    """Return the importer of a format."""
    match name:
        case Format.BINANCE:
            return import_binance
        case Format.TARDIS:
            return import_tardis
        case Format.LOBSTER:
            return import_lobster
        case Format.BITSTAMP:
            return import_bitstamp
        case Format.HFTBACKTEST:
            return import_hftbacktest
        case _:
            assert_never(name)


def import_feed(
    paths: Sequence[Path],
    *,
    name: Format | None = None,
    options: Options = NOTHING_GIVEN,
    progress: Progress = quiet,
) -> Assembled:
    """Read files or folders of raw market data as one recording.

    Args:
        paths: files, or folders that hold nothing else; read in the order of their names.
        name: their format; None: told from the first lines.
        options: what goes before the data's own figures.
        progress: told how far it is.

    Raises:
        FeedError: one line that says what, where, and what to do.
    """
    files = files_of(paths)
    return importer_of(name or format_of(files))(files, options, progress)
