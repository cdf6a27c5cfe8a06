"""Opens event files of hftbacktest (.npz with `data` only): the same records, but no meta.

Tick and lot are given, or inferred from the figures; the order of events and their flags stay as
they are, and `feed check` says whether they are right.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from exchange.errors import FeedError, FeedFormatError
from exchange.importers.assembly import Assembled, Source, counts_of, described, given_step
from exchange.importers.grid import finest_lot, infer_lot, infer_tick
from exchange.importers.instruments import Options, file_symbol
from exchange.importers.reading import Progress, quiet
from exchange.recording import Recording, decode, read_members
from market.decode import KIND_MASK
from market.layout import (
    EVENT_LOCAL_NS,
    KIND_DEPTH,
    KIND_TRADE,
)


def import_hftbacktest(
    files: Sequence[Path], options: Options, progress: Progress = quiet
) -> Assembled:
    """Give one .npz its meta.

    Raises:
        FeedError: several files, no symbol to be had, or figures off the grid.
    """
    if len(files) != 1:
        raise FeedError(f"{files[1]}: one .npz at a time; {files[0]} was given before it")
    path = files[0]
    symbol = options.symbol or file_symbol(path)
    if symbol is None:
        raise FeedError(f"{path}: which instrument is this? give --symbol BASE-QUOTE")
    progress(f"reading {path.name}", 0.0)
    data, _ = read_members(path)
    if data.shape[0] == 0:
        raise FeedError(f"{path}: holds no event")
    kind = (data["ev"] & np.uint64(KIND_MASK)).astype(np.int64)
    traded = kind == KIND_TRADE
    shown = traded | (kind == KIND_DEPTH)
    price = np.where(shown, data["px"], 0.0)
    if not np.isfinite(price).all():
        raise FeedFormatError(f"{path}: a price is not finite")
    tick = given_step(options.tick) or infer_tick(price, traded)
    lot = given_step(options.lot) or infer_lot(np.where(shown, data["qty"], 0.0), price, traded)
    used, coarser = finest_lot(tick, lot)
    if coarser:
        raise FeedFormatError(
            f"{path}: tick {tick} x lot {lot} is finer than 1e-8; its quantities seem to be no "
            f"whole lots: give --lot (at least {used})"
        )
    events = decode(data, tick=tick, lot=lot)
    local = events[:, EVENT_LOCAL_NS]
    meta = described(
        Source(options.venue or "unknown", symbol, path.name), options, tick=tick, lot=lot
    ).model_copy(
        update={"span_ns": (int(local.min()), int(local.max())), "counts": counts_of(events)}
    )
    return Assembled(Recording(meta, events), data)
