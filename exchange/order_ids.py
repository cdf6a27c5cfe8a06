"""From the order ids of a recording to the births that a tape of single orders needs."""

import hashlib
from pathlib import Path

import numpy as np

from exchange.errors import RecordingError
from exchange.recording import decode, demand_digest, meta_of, read_members
from market.births import births
from market.feed_delay import FeedDelay, delay_feed
from market.layout import EVENT_COLUMNS
from market.tape import cut
from market.types import I4


def read_births(path: Path, *, feed: FeedDelay | None = None, until_ns: int | None = None) -> I4:
    """Return i4[n]: the event at which the order of each event of a tape came to its place.

    The recording lies in memory whole while they are told; `feed` and `until_ns` are those of the
    tape (`tapes.open_tape`), for its events are numbered after both.

    Raises:
        RecordingError: no such file, damaged, or without order ids.
    """
    data, found = read_members(path)
    meta = meta_of(path, found)
    order_ids = data["order_id"].copy()
    if not order_ids.any():
        raise RecordingError(
            f"{path}: no order ids in it, and fifo follows each order by its id; give a recording "
            "of an order log (Bitstamp's), or --fills power:4, the nearest to it"
        )
    demand_digest(path, meta, hashlib.sha256(data.data).hexdigest())
    events = decode(data, tick=meta.tick, lot=meta.lot)
    del data
    if feed is not None:
        delay_feed(events, feed)
    if until_ns is not None:
        # The ids go with their rows: one more column, cut as they are.
        whole = np.column_stack((events, order_ids.view(np.int64)))
        events = cut(whole, until_ns)
        order_ids = events[:, EVENT_COLUMNS].view(np.uint64)
        events = np.ascontiguousarray(events[:, :EVENT_COLUMNS])
    born = births(events, order_ids)
    if born.size == 0:
        raise RecordingError(
            f"{path}: no order ids in the hours that are used; give others, or --fills power:4"
        )
    return born
