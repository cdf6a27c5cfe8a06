"""Records a day over sockets, holds it to its source, and kills the recorder again and again.

    python -m bench.recorder [--feed DAY] [--hours 24] [--speed 600] [--kills 20] [--futures]

The real `counterpoint replay-exchange` serves, the real `counterpoint record` records. The bar:
no stream is lost and no event missing, every trade is the source's, the book is the source's at
every minute, a kill loses at most the last second, and handing over takes a venue less than 50 us
at the median. With --futures the market is a perpetual contract of USD-M futures, funded every ten
minutes, and every funding is the source's as well: time and rate.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from exchange.book_levels import Levels
from exchange.importers.synthetic import synthetic_recording
from exchange.recorder import Recorder
from exchange.recording import Meta, Recording, load, save
from exchange.recording_folder import load_recording
from exchange.recording_sink import RecordingSink
from exchange.segments import is_segment_folder
from market.layout import (
    BUY,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    EVENT_SIDE,
    KIND_TRADE,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
    SELL,
)
from market.types import I8

MINUTE_US = 60 * 10**6
LOCAL_WAIT_S = 30.0
ANSWER_S = 90.0
"""Longest wait for an answer: a machine that does other things may stand still for a minute."""
CLI = [sys.executable, "-m", "agents.cli.main"]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a recording stands to the day that it was recorded from.

    Attributes:
        trades: compared, from the first that was recorded on.
        trades_equal: whether side, price and quantity of all are equal, in order.
        trades_late: whose exchange time was raised.
        raised_ms_max: by how much at most.
        books: compared, a minute of the exchange's clock each.
        books_equal: of these, equal in every level that the recorder could know.
        levels: compared in all.
        hours: of the exchange's clock that were compared.
    """

    trades: int
    trades_equal: bool
    trades_late: int
    raised_ms_max: float
    books: int
    books_equal: int
    levels: int
    hours: float


def exchange_side(events: I8) -> I8:
    """Return what the exchange's clock shows, times in microseconds as on the wire."""
    rows = events[(events[:, EVENT_SEEN] & SEEN_EXCHANGE) != 0].copy()
    rows[:, EVENT_EXCH_NS] //= 1_000
    return rows


def agreement(source: Recording, found: Recording) -> Agreement:
    """Hold a recording without a loss to its source."""
    theirs, ours = exchange_side(source.events), exchange_side(found.events)
    columns = [EVENT_SIDE, EVENT_PRICE_TICKS, EVENT_LOTS]
    mine = ours[ours[:, EVENT_KIND] == KIND_TRADE]
    whole = theirs[theirs[:, EVENT_KIND] == KIND_TRADE]
    first = start_of(whole[:, columns], mine[:, columns])
    other = whole[first : first + len(mine)]
    equal = first >= 0 and len(other) == len(mine)
    equal = equal and bool((other[:, columns] == mine[:, columns]).all())
    raised = mine[:, EVENT_EXCH_NS] - other[:, EVENT_EXCH_NS] if equal else np.zeros(1, np.int64)
    depth = ours[ours[:, EVENT_KIND] != KIND_TRADE]
    begins = int(np.flatnonzero(np.diff(depth[:, EVENT_EXCH_NS]) > 0)[0]) + 1
    known = depth[:begins]  # the snapshot: what is beyond its ends nobody was told
    ends = [known[known[:, EVENT_SIDE] == side, EVENT_PRICE_TICKS] for side in (BUY, SELL)]
    span = int(ends[0].min()), int(ends[1].max())
    times = np.arange(
        depth[begins, EVENT_EXCH_NS] // MINUTE_US * MINUTE_US + MINUTE_US,
        depth[-1, EVENT_EXCH_NS],
        MINUTE_US,
    )
    books = list(zip(books_at(theirs, times, span), books_at(ours, times, span), strict=True))
    return Agreement(
        trades=len(mine),
        trades_equal=equal,
        trades_late=int((raised > 0).sum()),
        raised_ms_max=round(float(raised.max(initial=0)) / 1e3, 3),
        books=len(books),
        books_equal=sum(one == two for one, two in books),
        levels=sum(len(one[BUY]) + len(one[SELL]) for one, _ in books),
        hours=round(float(times[-1] - times[0]) / 3.6e9, 2) if len(times) else 0.0,
    )


def start_of(whole: I8, part: I8) -> int:
    """Return where a part begins in the whole; -1 when it is nowhere."""
    head = part[:50]
    for first in range(len(whole) - len(part) + 1):
        if (whole[first : first + len(head)] == head).all():
            return first
    return -1


def books_at(
    events: I8, times_us: I8, span: tuple[int, int]
) -> Iterator[dict[int, dict[int, int]]]:
    """Yield the levels within some prices as they stood at the end of each time."""
    book, first = Levels(), 0
    events = events.copy()
    events[:, EVENT_SEEN] = SEEN_LOCAL | SEEN_EXCHANGE
    for end in np.searchsorted(events[:, EVENT_EXCH_NS], times_us, side="right"):
        book.apply(events[first:end])
        first = end
        yield {
            side: {at: lots for at, lots in levels.items() if span[0] <= at <= span[1]}
            for side, levels in book.sides.items()
        }


def perpetual(day: Recording, *, every_s: int = 600) -> Recording:
    """Return a market as a perpetual contract that is funded again and again."""
    first_ns, last_ns = (at // 10**9 * 10**9 for at in day.meta.span_ns)
    times = range(first_ns + every_s * 10**9, last_ns, every_s * 10**9)
    rates = tuple((at, (-1) ** number * 10_000 + number) for number, at in enumerate(times))
    change = {"spot": False, "fee_in_base": False, "funding": rates}
    return Recording(day.meta.model_copy(update=change), day.events)


def fundings_agree(source: Meta, found: Meta, *, speed: float) -> bool:
    """Return whether a recording has the fundings of its source, but for those of its last moment.

    Args:
        source, found: of both.
        speed: feed seconds a wall second: what was told within the last three may be missing.
    """
    first_ns, last_ns = found.span_ns
    due = {row for row in source.funding if first_ns <= row[0] <= last_ns}
    sure = {row for row in due if row[0] <= last_ns - 3e9 * speed}
    return sure <= set(found.funding) <= due


@contextlib.contextmanager
def served(feed: Path, speed: float, *, futures: bool = False) -> Iterator[dict[str, Any]]:
    """Serve a recording in a process; yield where."""
    command = [*CLI, "replay-exchange", "--feed", str(feed), "--port", "0", "--control", "0"]
    command += ["--futures"] if futures else []
    with subprocess.Popen(
        [*command, "--speed", f"{speed:g}"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        try:
            assert server.stdout is not None
            said = json.loads(server.stdout.readline())
            yield said | {"pid": server.pid, "futures": futures}
        finally:
            server.kill()


@contextlib.contextmanager
def recorded(at: dict[str, Any], folder: Path, speed: float) -> "Iterator[subprocess.Popen[bytes]]":
    """Record in a process of its own; yield it once its first rows are there."""
    command = [*CLI, "record", "--symbol", at["symbol"], "--url", at["url"], "--json"]
    command += ["--venue", "binance-futures"] if at["futures"] else []
    with subprocess.Popen(
        [*command, "--out", str(folder), "--speed", f"{speed:g}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            end = time.monotonic() + LOCAL_WAIT_S
            while not (folder.is_dir() and is_segment_folder(folder)):
                assert process.poll() is None, "the recorder ended"
                assert time.monotonic() < end, "the recorder did not begin"
                time.sleep(0.02)
            yield process
        finally:
            process.kill()


def feed_ns(at: dict[str, Any]) -> int | None:
    """Return the feed's time; None when it has ended."""
    try:
        with urllib.request.urlopen(f"{at['control']}/status", timeout=ANSWER_S) as answer:  # noqa: S310
            told = json.loads(answer.read())
    except OSError:
        return None
    return None if told["ended"] else int(told["feed_ns"])


def record_day(
    feed: Path, folder: Path, *, speed: float, seconds: float = 1e9, futures: bool = False
) -> dict[str, Any]:
    """Record a served feed until it ends, or for so long; return what the recorder said."""
    with served(feed, speed, futures=futures) as at, recorded(at, folder, speed) as process:
        end = time.monotonic() + seconds
        while time.monotonic() < end and feed_ns(at) is not None:
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=120)
    told: dict[str, Any] = json.loads(said)
    return told | {"exit_code": process.returncode}


def killed(
    feed: Path, folder: Path, *, speed: float, after_s: float, futures: bool = False
) -> float:
    """Kill a recorder after some time; return how many seconds before it the recording ends."""
    with served(feed, speed, futures=futures) as at, recorded(at, folder, speed) as process:
        time.sleep(after_s)
        before = feed_ns(at)
        process.kill()
        process.wait()
        assert before is not None, "the feed ended first"
    found = exchange_side(load_recording(folder).events)
    source = exchange_side(load(feed).events)
    last_us = int(found[-1, EVENT_EXCH_NS])
    missing = source[
        (source[:, EVENT_EXCH_NS] > last_us) & (source[:, EVENT_EXCH_NS] <= before // 1000)
    ]
    if len(missing) == 0:
        return 0.0
    return float(before / 1e3 - missing[0, EVENT_EXCH_NS]) / 1e6 / speed


async def handing_over(recording: Recording, folder: Path) -> dict[str, float]:
    """Hand a busy market over message by message; return what that costs whoever trades.

    The loop's own lateness is measured meanwhile, rotation and sealing included.
    """
    events = recording.events
    bounds = np.flatnonzero(np.diff(events[:, EVENT_EXCH_NS])) + 1
    sink = RecordingSink(Recorder(folder, recording.meta, rotate_rows=200_000))
    costs, late = [], []
    began = due = time.perf_counter()
    for number, part in enumerate(np.split(events, bounds)):
        before = time.perf_counter_ns()
        sink.add(part)
        costs.append(time.perf_counter_ns() - before)
        if number % 50 == 0:
            due = max(due + 0.01, time.perf_counter())
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            late.append(time.perf_counter() - due)
    lasted = time.perf_counter() - began
    state = sink.close()
    return {
        "messages": len(costs),
        "events_per_s": round(len(events) / lasted),
        "hand_over_us_p50": round(float(np.percentile(costs, 50)) / 1e3, 2),
        "hand_over_us_p99": round(float(np.percentile(costs, 99)) / 1e3, 2),
        "loop_late_ms_p99": round(float(np.percentile(late, 99)) * 1e3, 2),
        "loop_late_ms_max": round(float(max(late)) * 1e3, 2),
        "sealed": state.sealed,
        "skipped": state.skipped,
    }


def main() -> int:
    """Print a table and one JSON line; return 0 when the bar holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feed", type=Path)
    parser.add_argument("--hours", type=float, default=24.0, help="of the artificial day")
    parser.add_argument("--speed", type=float, default=600.0)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--futures", action="store_true", help="a perpetual contract")
    told = parser.parse_args()
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        feed = told.feed or folder / "day.npz"
        if told.feed is None:
            day = synthetic_recording(seed=1, hours=told.hours)
            save(feed, perpetual(day) if told.futures else day)
        market = {"futures": told.futures}
        said = record_day(feed, folder / "day", speed=told.speed, **market)
        found, source = load_recording(folder / "day"), load(feed)
        agreed = agreement(source, found)
        lost = [
            killed(
                feed,
                folder / f"kill{each}",
                speed=60,
                after_s=float(rng.uniform(0.5, 4)),
                **market,
            )
            for each in range(told.kills)
        ]
        busy = synthetic_recording(seed=1, hours=0.1, setting="busy")
        cost = asyncio.run(handing_over(busy, folder / "busy"))
    figures: dict[str, Any] = {
        "recorded_events": len(found.events),
        "losses": said["losses"],
        "clock_raised": said["clock_raised"],
        "fundings": len(found.meta.funding),
        "files": len(said["files"]),
        "files_passed": sum(each["passed"] for each in said["files"]),
        **{name: getattr(agreed, name) for name in Agreement.__slots__},
        "kills": len(lost),
        "kill_lost_s_max": round(max(lost, default=0.0), 3),
        "kill_lost_s_mean": round(float(np.mean(lost or [0.0])), 3),
        **cost,
    }
    bars = {
        "no stream was lost": said["losses"] == 0,  # by a machine that stood still, as a rule
        "no event is missing": said["skipped"] == 0 and cost["skipped"] == 0,
        "every trade is the source's": agreed.trades > 0 and agreed.trades_equal,
        "every book is the source's": agreed.books > 0 and agreed.books_equal == agreed.books,
        "every funding is the source's": bool(found.meta.funding) == bool(source.meta.funding)
        and fundings_agree(source.meta, found.meta, speed=told.speed),
        "every sealed file passes": figures["files"] == figures["files_passed"] > 0,
        "a kill loses a second": figures["kill_lost_s_max"] <= 1.0,
        "handing over costs nothing": cost["hand_over_us_p50"] < 50,
    }
    for name, value in figures.items():
        print(f"{name:<22}{value}")
    for name, holds in bars.items():
        print(f"{'holds' if holds else 'FAILS':<7}{name}")
    print(json.dumps({"bench": "recorder", **figures, "holds": all(bars.values())}))
    return 0 if all(bars.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
