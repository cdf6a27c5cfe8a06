"""Pages of a journal for whoever catches up: as many rows as fit into one word."""

import json
from collections.abc import Iterable

from protocol.journal import Row
from protocol.messages import JournalRow

PAGE_BYTES = 48_000
"""Room for rows in a page; a body may have 65,536 bytes."""
PAGE_ROWS = 512


def page(rows: Iterable[Row]) -> tuple[JournalRow, ...]:
    """Return the first rows that fit, oldest first; nothing when there is none."""
    chosen: list[JournalRow] = []
    left = PAGE_BYTES
    for row in rows:
        left -= len(json.dumps(row.body)) + 100
        if chosen and (left < 0 or len(chosen) == PAGE_ROWS):
            break
        chosen.append(JournalRow(seq=row.seq, time_ns=row.time_ns, kind=row.kind, body=row.body))
    return tuple(chosen)
