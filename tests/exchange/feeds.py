"""Small feeds, written by hand, and the way to the real ones."""

import gzip
import json
import os
from pathlib import Path

import pytest

FEEDS = Path(os.environ.get("COUNTERPOINT_FEEDS") or Path(__file__).parents[3] / "shared/feeds")
NEXO = "binance-spot-nexousdt-20240723"
START_NS = 1_700_000_000_000_000_000


def real_feed(name):
    folder = FEEDS / name
    if not folder.is_dir():
        pytest.skip(f"the recording {name} is not on this machine (set COUNTERPOINT_FEEDS)")
    return folder


def frame(local_ns, body, *, stream=None):
    if stream is None:
        return f"{local_ns} {json.dumps(body)}"
    return f"{local_ns} {json.dumps({'stream': stream, 'data': body})}"


def milliseconds(local_ns):
    return local_ns // 1_000_000


def diff(at_ms, first, last, bids=(), asks=(), *, symbol="ABCUSDT", previous=None, lag_ms=5):
    """One depth diff received `at_ms` after the start, stamped `lag_ms` before."""
    local_ns = START_NS + at_ms * 1_000_000
    stamp = milliseconds(local_ns) - lag_ms
    body = {"e": "depthUpdate", "E": stamp, "s": symbol, "U": first, "u": last}
    if previous is not None:
        body |= {"T": stamp, "pu": previous}
    body |= {"b": [list(level) for level in bids], "a": [list(level) for level in asks]}
    return frame(local_ns, body, stream=f"{symbol.lower()}@depth")


def trade(at_ms, number, price, quantity, *, sold=False, symbol="ABCUSDT", lag_ms=5, **more):
    local_ns = START_NS + at_ms * 1_000_000
    stamp = milliseconds(local_ns) - lag_ms
    body = {
        "e": "trade", "E": stamp, "T": stamp, "s": symbol, "t": number, "p": price,
        "q": quantity, "m": sold, **more,
    }  # fmt: skip
    return frame(local_ns, body, stream=f"{symbol.lower()}@trade")


def snapshot(at_ms, number, bids, asks):
    local_ns = START_NS + at_ms * 1_000_000
    return frame(local_ns, {"lastUpdateId": number, "bids": bids, "asks": asks})


def spot_day():
    """Two early diffs, the snapshot, three more diffs and two trades, as a spot recorder saw it."""
    return [
        diff(0, 99, 100, bids=[("10.00", "9.0")]),  # contained in the snapshot: dropped
        diff(100, 101, 103, asks=[("10.02", "4.0")]),
        snapshot(
            150, 102, [["10.00", "5.0"], ["9.99", "7.0"]], [["10.01", "3.0"], ["10.02", "6.0"]]
        ),
        trade(190, 7, "10.01", "1.0"),
        diff(200, 104, 104, asks=[("10.01", "2.0")]),
        trade(290, 8, "10.00", "5.0", sold=True),
        diff(300, 105, 106, bids=[("10.00", "0.0"), ("9.98", "1.5")]),
        diff(400, 107, 107, asks=[("10.01", "0.0")]),
    ]


def write(path, lines):
    text = "".join(line + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path
