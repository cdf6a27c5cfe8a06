"""A market that a child could foretell, and the exchange that serves it as a process of its own.

Bids rest from 99.90 down, asks from 100.10 up, ten lots each. Every second somebody sells five lots
through the bids and half a second later buys five through the asks; so an order between 99.86 and
100.14 fills within a second or two, one further out never.
"""

import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np

from exchange.recording import Meta, Recording, save
from market.layout import BUY, KIND_DEPTH, KIND_SNAPSHOT, KIND_TRADE, SELL

SECOND = 10**9
START = 1_700_000_000 * SECOND
BID, ASK = 9_990, 10_010
SYMBOL, OTHER = "PLAYUSDT", "TOYSUSDT"
ROOT = Path(__file__).parents[3]
READY_S = 60.0


def rows(seconds):
    """The events of the market."""
    made = []

    def add(kind, side, at_ns, price, lots):
        made.append([kind, side, 3, at_ns, at_ns, price, lots])

    for step in range(12):
        add(KIND_SNAPSHOT, BUY, START, BID - step, 10)
        add(KIND_SNAPSHOT, SELL, START, ASK + step, 10)
    for second in range(1, seconds):
        now = START + second * SECOND
        add(KIND_TRADE, SELL, now, BID - 4, 5)
        add(KIND_TRADE, BUY, now + SECOND // 2, ASK + 4, 5)
        far = second % 3
        add(KIND_DEPTH, BUY, now + 3 * SECOND // 4, BID - 10, 10 + far)
        add(KIND_DEPTH, SELL, now + 3 * SECOND // 4, ASK + 10, 10 + far)
    return np.array(made, dtype=np.int64)


def recording(seconds=600, **change):
    """The market as a recording."""
    facts = {
        "venue": "binance-spot", "symbol": "PLAY-USDT", "base": "PLAY", "quote": "USDT",
        "tick": "0.01", "lot": "0.01", "min_notional": "5", "maker_fee_bps": 1.0,
        "taker_fee_bps": 2.0, "fee_in_base": True, "source": "a play",
    }  # fmt: skip
    events = rows(seconds)
    span = (int(events[0, 4]), int(events[-1, 4]))
    return Recording(Meta(**{**facts, "span_ns": span, **change}), events)


def write(folder, seconds=600, **change):
    """Save the market; return its path."""
    path = folder / f"{change.get('base', 'play').lower()}.npz"
    save(path, recording(seconds, **change))
    return path


def write_two(folder, seconds=600):
    """Save the market twice, under two names on one quote asset; return the paths."""
    other = {"symbol": "TOYS-USDT", "base": "TOYS"}
    return write(folder, seconds), write(folder, seconds, **other)


class Server:
    """An exchange in a process of its own."""

    def __init__(self, process, ready):
        self.process = process
        self.url = ready["url"]
        self.control = ready.get("control")
        self.symbols = ready.get("symbols", [ready["symbol"]])

    @property
    def sockets(self):
        """The address of the WebSockets."""
        return self.url.replace("http", "ws")

    def ask(self, path, body=None, method=None):
        """Ask the control port."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.control + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


@contextlib.contextmanager
def serving(*arguments, port=0, errors=None):
    """Start an exchange; end it afterwards. What it says of errors goes into a file, or through."""
    with subprocess.Popen(
        [
            sys.executable, "-m", "exchange.simulated", "--port", str(port), "--control", "0",
            *map(str, arguments),
        ],
        stdout=subprocess.PIPE,
        stderr=errors,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        try:
            line = process.stdout.readline()
            assert line, "the exchange did not start"
            yield Server(process, json.loads(line))
        finally:
            process.kill()
            process.wait()
