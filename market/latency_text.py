"""Latency models as a person writes them, on the command line and in settings.

0                       none
5ms                     orders, cancels and reports alike
5ms,7ms                 orders and cancels, reports
5ms,4ms,7ms             orders, cancels, reports
sampled:5ms,40ms        log-normal: median, 99th percentile; a third number is the seed
measured:1.0            the feed's own delay at that time, times a factor
given:FILE              drawn from the delays in a file, nanoseconds, one a line
table:FILE              round trips, `sent,arrived,answered` in nanoseconds, one a line
"""

import re
from pathlib import Path

import numpy as np

from market.feed_delay import ConstantFeed, FeedDelay, SampledFeed
from market.latency import (
    ConstantLatency,
    GivenLatency,
    Latency,
    MeasuredLatency,
    SampledLatency,
    TableLatency,
)
from market.types import I8

UNITS_NS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}
DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|ms|s)")
MAX_NS = 3600 * 10**9


class LatencyError(ValueError):
    """A latency that cannot be read; its text is one line."""


def duration_ns(text: str) -> int:
    """Return a duration such as `5ms` or `0` in nanoseconds.

    Raises:
        LatencyError: it is no number with a unit, or more than an hour.
    """
    if text.strip() == "0":
        return 0
    match = DURATION.fullmatch(text.strip())
    if match is None:
        raise LatencyError(f"a duration is a number with ns, us, ms or s, found {text!r}")
    value = round(float(match[1]) * UNITS_NS[match[2]])
    if value > MAX_NS:
        raise LatencyError(f"a delay must be at most an hour, found {text!r}")
    return value


def sampled(text: str) -> tuple[int, int, int]:
    """Return (median, 99th percentile, seed) of `5ms,40ms` or `5ms,40ms,7`.

    Raises:
        LatencyError: another number of parts, or the percentile below the median.
    """
    parts = text.split(",")
    if len(parts) not in (2, 3) or (len(parts) == 3 and not parts[2].strip().isdigit()):
        raise LatencyError(f"sampled: needs a median, a 99th percentile and a seed, found {text!r}")
    median_ns, p99_ns = (duration_ns(part) for part in parts[:2])
    if not 0 < median_ns <= p99_ns:
        raise LatencyError(f"sampled: needs 0 < median <= 99th percentile, found {text!r}")
    return median_ns, p99_ns, int(parts[2]) if len(parts) == 3 else 1


def rows_of(path: Path, columns: int) -> I8:
    """Return i8[n, columns] from a file of integers, one row a line.

    Raises:
        LatencyError: it cannot be read, or has other columns, or none.
    """
    try:
        lines = path.read_text(encoding="utf-8").split()
        rows = np.array([[int(cell) for cell in line.split(",")] for line in lines], np.int64)
    except OSError as error:
        raise LatencyError(f"{path}: {error.strerror}") from None
    except (ValueError, OverflowError):
        raise LatencyError(f"{path}: needs {columns} whole numbers a line") from None
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise LatencyError(f"{path}: needs {columns} whole numbers a line, and one line at least")
    return rows


def given(path: Path) -> GivenLatency:
    """Return the model of a file of delays.

    Raises:
        LatencyError: it cannot be read, or holds a delay below 0 or above an hour.
    """
    samples = rows_of(path, 1)[:, 0]
    if not ((samples >= 0) & (samples <= MAX_NS)).all():
        raise LatencyError(f"{path}: a delay must be in [0, {MAX_NS}] ns")
    return GivenLatency(tuple(samples.tolist()))


def table(path: Path) -> TableLatency:
    """Return the model of a file of round trips.

    Raises:
        LatencyError: it cannot be read, or is not in the order of time.
    """
    rows = rows_of(path, 3)
    if not ((np.diff(rows, axis=1) >= 0).all() and (np.diff(rows[:, :2], axis=0) > 0).all()):
        raise LatencyError(f"{path}: needs sent <= arrived <= answered, and lines in order of time")
    return TableLatency(tuple((int(a), int(b), int(c)) for a, b, c in rows))


def measured(text: str) -> MeasuredLatency:
    """Return the model of a factor.

    Raises:
        LatencyError: it is no number in [0, 100].
    """
    factor = float(text) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else -1.0
    if not 0 <= factor <= 100:
        raise LatencyError(f"measured: needs a factor in [0, 100], found {text!r}")
    return MeasuredLatency(factor)


def constant(text: str) -> ConstantLatency:
    """Return the model of one, two or three delays.

    Raises:
        LatencyError: one cannot be read, or there are more.
    """
    parts = [duration_ns(part) for part in text.split(",")]
    if len(parts) > 3:
        raise LatencyError("there are at most three delays")
    order_ns, response_ns = parts[0], parts[-1]
    return ConstantLatency(order_ns, parts[1] if len(parts) == 3 else order_ns, response_ns)


def parse_latency(text: str) -> Latency:
    """Return the model that a text describes; see this module's own text for the forms.

    Raises:
        LatencyError: in one line, what was found and what is allowed.
    """
    kind, colon, rest = text.strip().partition(":")
    try:
        if colon and kind == "sampled":
            return SampledLatency(*sampled(rest))
        if colon and kind == "measured":
            return measured(rest)
        if colon and kind == "given":
            return given(Path(rest))
        if colon and kind == "table":
            return table(Path(rest))
        return constant(text)
    except LatencyError as error:
        raise LatencyError(
            f"latency {text!r}: {error}; write for example 5ms, sampled:5ms,40ms or measured:1.0"
        ) from None


def parse_feed(text: str) -> FeedDelay | None:
    """Return the feed's delay of `recorded` (None), `5ms` or `sampled:5ms,40ms`.

    Raises:
        LatencyError: in one line, what was found and what is allowed.
    """
    if text.strip() in ("recorded", "measured"):
        return None
    kind, colon, rest = text.strip().partition(":")
    try:
        if colon and kind == "sampled":
            return SampledFeed(*sampled(rest))
        return ConstantFeed(duration_ns(text))
    except LatencyError as error:
        raise LatencyError(
            f"feed delay {text!r}: {error}; write recorded, 5ms or sampled:5ms,40ms"
        ) from None
