"""Minimal recordings on which hftbacktest's rules show, lived through by the peer and by us.

    python -m bench.peer_cases

Each is a handful of events around one rule: which books, clears and clocks do what. Both of the
peer's books (vector and map) run each; where they disagree with one another, the table says which
one compatibility mode follows and which is wrong. Exit code 0 when each case is as stated.
"""

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.engine_equality import differing, request, tape_of, terms_of
from bench.engine_feeds import BUSY, Feed
from bench.peer import Peer, environment
from exchange.recording import encode
from market.compat import compat_events, compat_one, compat_road
from market.layout import (
    BUY,
    EVENT_COLUMNS,
    KIND_CLEAR,
    KIND_DEPTH,
    KIND_SNAPSHOT,
    KIND_TRADE,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
    SELL,
)
from market.types import F8, I8

MS = 1_000_000
BOTH = SEEN_EXCHANGE | SEEN_LOCAL
MIDDLE = 1000
DIALS = np.array(
    [0.4, 5.0, 7.0, 1000.0, 1.0, 0.0]
)  # bids at 998, 997, ...; asks at 1002, 1003, ...

BOOKS = ("vector", "map")

Line = tuple[int, int, int, int, int]  # (ms, kind, side, ticks, lots)


@dataclass(frozen=True, slots=True)
class Case:
    """One rule, the events that show it, and how each of the peer's books compares with us."""

    rule: str
    lines: tuple[Line, ...]
    books: tuple[str, ...] = BOOKS  # that agree with compatibility mode
    seen: int = BOTH  # of the lines


OPENING: tuple[Line, ...] = (
    *((0, KIND_SNAPSHOT, BUY, MIDDLE - k, 10 * k) for k in range(1, 13)),
    *((0, KIND_SNAPSHOT, SELL, MIDDLE + k, 10 * k) for k in range(1, 13)),
)

CASES = (
    Case("a print through an order fills it whole", ((550, KIND_TRADE, SELL, MIDDLE - 4, 1),)),
    Case(
        "a print at the price fills only beyond the queue",
        (
            (450, KIND_TRADE, SELL, MIDDLE - 2, 20),
            (460, KIND_DEPTH, BUY, MIDDLE - 2, 20),
            (550, KIND_TRADE, SELL, MIDDLE - 2, 1),
        ),
    ),
    Case(
        "an emptied level with nothing before it gives 0/0 and an empty queue",
        (
            (450, KIND_DEPTH, BUY, MIDDLE - 2, 0),
            (460, KIND_DEPTH, BUY, MIDDLE - 2, 0),
            (470, KIND_DEPTH, BUY, MIDDLE - 2, 9),
            (550, KIND_TRADE, SELL, MIDDLE - 2, 1),
        ),
    ),
    Case(
        "a better ask meets bids, a crossed book lets go of the older quotes",
        (
            (450, KIND_DEPTH, SELL, MIDDLE - 3, 4),
            (620, KIND_DEPTH, SELL, MIDDLE - 3, 0),
            (630, KIND_DEPTH, BUY, MIDDLE - 3, 5),
            (640, KIND_DEPTH, SELL, MIDDLE - 1, 5),
        ),
    ),
    Case(
        "a cleared book fills nobody and is no queue event",
        (
            (450, KIND_CLEAR, 0, 0, 0),
            (550, KIND_TRADE, SELL, MIDDLE - 2, 1),
            (650, KIND_SNAPSHOT, BUY, MIDDLE - 2, 5),
            (650, KIND_SNAPSHOT, SELL, MIDDLE + 2, 5),
            (750, KIND_TRADE, SELL, MIDDLE - 3, 1),
        ),
    ),
    Case(
        "a bid side cleared down to a price: the next level is never found",
        (
            (450, KIND_CLEAR, BUY, MIDDLE - 3, 0),
            (550, KIND_TRADE, BUY, MIDDLE + 4, 1),
            (650, KIND_DEPTH, SELL, MIDDLE - 4, 5),
        ),
    ),
    Case(
        "an ask side cleared up to a price: the vector book clears nothing",
        (
            (450, KIND_CLEAR, SELL, MIDDLE + 3, 0),
            (650, KIND_DEPTH, SELL, MIDDLE + 1, 1),
            (850, KIND_TRADE, BUY, MIDDLE + 2, 1),
        ),
        books=("map",),
    ),
    Case(
        "what only the exchange shows fills, and moves no quote",
        ((450, KIND_DEPTH, SELL, MIDDLE - 4, 4), (550, KIND_TRADE, SELL, MIDDLE - 5, 1)),
        seen=SEEN_EXCHANGE,
    ),
    Case(
        "what only we see moves quotes, and fills nobody",
        ((450, KIND_DEPTH, SELL, MIDDLE - 4, 4), (550, KIND_TRADE, SELL, MIDDLE - 5, 1)),
        seen=SEEN_LOCAL,
    ),
    Case(
        "a print on the arrival's own instant comes before the order",
        ((405, KIND_TRADE, SELL, MIDDLE - 6, 1), (505, KIND_TRADE, BUY, MIDDLE + 6, 1)),
    ),
)


def events_of(case: Case) -> I8:
    """Return i8[n, EVENT_COLUMNS]: the opening, a quiet market, and the case's own lines."""
    quiet = [(50 + 100 * k, KIND_DEPTH, BUY, MIDDLE - 30, 1 + k % 2) for k in range(12)]
    lines = [(*line, BOTH) for line in (*OPENING, *quiet)]
    lines += [(*line, case.seen) for line in case.lines]
    lines.sort(key=lambda line: line[0])
    events = np.zeros((len(lines), EVENT_COLUMNS), np.int64)
    for index, (at_ms, kind, side, ticks, lots, seen) in enumerate(lines):
        now_ns = (1_000_000 + at_ms) * MS
        events[index] = (kind, side, seen, now_ns, now_ns + MS, ticks, lots)
    return events


def live(case: Case, peer: Peer, folder: Path) -> dict[str, bool]:
    """Return, for each of the peer's books, whether it is compatibility mode on this case."""
    events = events_of(case)
    path, out = folder / "case.npy", folder / "rows.npy"
    np.save(path, encode(events, tick=BUSY.tick, lot=BUSY.lot))
    feed = Feed(BUSY, path, events)
    peer.ask({"feed": str(path)})
    found = dict.fromkeys(BOOKS, True)
    for queue in ("risk_averse", "power_prob"):
        terms = terms_of(feed, queue)
        tape = tape_of(feed, 100, terms)
        ours = compat_one(compat_road(tape, terms, events=events), DIALS, terms)
        slow = compat_events(events, tape, DIALS, terms)
        if ours.tobytes() != slow.tobytes():
            raise RuntimeError(f"{case.rule}: event by event and on the tape differ")
        for book in BOOKS:
            run = request(feed, tape, DIALS, terms, queue)
            peer.ask({"run": run | {"book": book, "told": True, "out": str(out)}})
            theirs: F8 = np.load(out)
            steps = min(len(theirs), len(ours))
            wrong = differing(ours[:steps], theirs[:steps], BUSY.lots_a_unit)
            found[book] = found[book] and not wrong.any()
    return found


def main() -> int:
    """Run every case; print a table and one JSON line."""
    peer = Peer(environment())
    good = True
    told = {}
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            found = live(case, peer, Path(folder))
            as_stated = found == {book: book in case.books for book in found}
            good = good and as_stated
            told[case.rule] = found
            words = ", ".join(
                f"{b} book {'equal' if same else 'differs'}" for b, same in found.items()
            )
            print(f"{case.rule:<72}{words}{'' if as_stated else '   NOT AS STATED'}", flush=True)
    peer.close()
    print(json.dumps({"bench": "peer_cases", "cases": told, "holds": good}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
