"""How long what we send and hear is on its way, step by step.

A model says a delay for each time; `DelayLine` makes a tape's rows of it, in which nothing
overtakes what was sent before it: orders, cancels and reports each arrive in the order of sending.
The delay of a time depends on that time and the seed alone, so that a recording that is cut or
read in pieces has the same delays. `feed_delay.py` does the same for the public feed, and
`latency_text.py` reads both from the command line.
"""

import math
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from market.layout import DELAY_CANCEL_NS, DELAY_COLUMNS, DELAY_ORDER_NS, DELAY_RESPONSE_NS
from market.types import F8, I8

U8: TypeAlias = npt.NDArray[np.uint64]
QUANTILE_99 = 2.3263478740408408  # of the normal distribution
LONG_AGO_NS = -(1 << 62)


class Latency(Protocol):
    """A model of delays; the same times give the same delays, whatever was asked before."""

    def draw(self, now_ns: I8, feed_ns: I8) -> I8:
        """Return i8[n, DELAY_COLUMNS] of delays; negative ones count as 0.

        Args:
            now_ns: i8[n], times of sending, or for reports times of happening.
            feed_ns: i8[n], how long the last event seen by then had been on its way.
        """
        ...

    def text(self) -> str:
        """Return what tells this model from any other, for people and for keys."""
        ...


def mixed(seed: int, salt: int, times_ns: I8) -> U8:
    """Return u8[n], bits that look random and depend on the arguments alone.

    Source: the finaliser of splitmix64 (Steele, Lea, Flood 2014), over the sum of its inputs.
    """
    start = (seed * 0x9E3779B97F4A7C15 + salt * 0xD1B54A32D192ED03) % (1 << 64)
    bits = times_ns.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(start)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: U8 = bits ^ (bits >> np.uint64(31))
    return result


def lognormal(median_ns: int, p99_ns: int, bits: U8) -> I8:
    """Return i8[n] of delays with that median and 99th percentile."""
    # Loaded only here: a fifth of a second of each process that starts again.
    from scipy.special import ndtri

    uniform: F8 = ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    sigma = math.log(p99_ns / median_ns) / QUANTILE_99
    delays: I8 = np.rint(median_ns * np.exp(sigma * ndtri(uniform))).astype(np.int64)
    return delays


@dataclass(frozen=True, slots=True)
class ConstantLatency:
    """Always the same delays, >= 0."""

    order_ns: int = 0
    cancel_ns: int = 0
    response_ns: int = 0

    def draw(self, now_ns: I8, feed_ns: I8) -> I8:  # noqa: ARG002 - the same at all times
        """Return the same row for each time."""
        rows = np.zeros((len(now_ns), DELAY_COLUMNS), dtype=np.int64)
        rows[:, DELAY_ORDER_NS] = self.order_ns
        rows[:, DELAY_CANCEL_NS] = self.cancel_ns
        rows[:, DELAY_RESPONSE_NS] = self.response_ns
        return rows

    def text(self) -> str:
        """Return the three delays."""
        return f"{self.order_ns}ns,{self.cancel_ns}ns,{self.response_ns}ns"


@dataclass(frozen=True, slots=True)
class SampledLatency:
    """Log-normal delays, each drawn for itself; 0 < median <= 99th percentile."""

    median_ns: int
    p99_ns: int
    seed: int = 1

    def draw(self, now_ns: I8, feed_ns: I8) -> I8:  # noqa: ARG002 - told by the time alone
        """Return rows drawn for these times."""
        rows = np.zeros((len(now_ns), DELAY_COLUMNS), dtype=np.int64)
        for column in range(DELAY_COLUMNS):
            bits = mixed(self.seed, column, now_ns)
            rows[:, column] = lognormal(self.median_ns, self.p99_ns, bits)
        return rows

    def text(self) -> str:
        """Return median, 99th percentile and seed."""
        return f"sampled:{self.median_ns}ns,{self.p99_ns}ns,{self.seed}"


@dataclass(frozen=True, slots=True)
class GivenLatency:
    """Delays picked at random among given ones (ns, >= 0, at least one)."""

    samples_ns: tuple[int, ...]
    seed: int = 1

    def draw(self, now_ns: I8, feed_ns: I8) -> I8:  # noqa: ARG002 - told by the time alone
        """Return rows picked for these times."""
        samples = np.array(self.samples_ns, dtype=np.int64)
        rows = np.zeros((len(now_ns), DELAY_COLUMNS), dtype=np.int64)
        for column in range(DELAY_COLUMNS):
            picks = mixed(self.seed, column, now_ns) % np.uint64(samples.size)
            rows[:, column] = samples[picks.astype(np.int64)]
        return rows

    def text(self) -> str:
        """Return every sample: two models with the same text are the same."""
        return f"given:{self.seed}:{','.join(map(str, self.samples_ns))}"


@dataclass(frozen=True, slots=True)
class MeasuredLatency:
    """What the recording's feed needed just then, times a factor >= 0."""

    factor: float = 1.0

    def draw(self, now_ns: I8, feed_ns: I8) -> I8:
        """Return the feed's delays, scaled; a clock that runs ahead counts as no delay."""
        rows = np.zeros((len(now_ns), DELAY_COLUMNS), dtype=np.int64)
        rows[:] = np.rint(self.factor * np.maximum(0, feed_ns)).astype(np.int64)[:, None]
        return rows

    def text(self) -> str:
        """Return the factor."""
        return f"measured:{self.factor!r}"


@dataclass(frozen=True, slots=True)
class TableLatency:
    """Round trips that were measured, interpolated between their times of sending.

    Each is (sent, arrived, answered) in ns, in the order of sending; before the first and after
    the last the nearest one counts. A report is on its way as long as the answer then was.
    """

    trips_ns: tuple[tuple[int, int, int], ...]

    def draw(self, now_ns: I8, feed_ns: I8) -> I8:  # noqa: ARG002 - told by the table alone
        """Return rows read off the table."""
        trips = np.array(self.trips_ns, dtype=np.int64).reshape(-1, 3)
        origin = trips[0, 0]  # differences of nanoseconds since 1970 are exact in a double
        there = np.interp(now_ns - origin, trips[:, 0] - origin, trips[:, 1] - trips[:, 0])
        back = np.interp(now_ns - origin, trips[:, 1] - origin, trips[:, 2] - trips[:, 1])
        rows = np.zeros((len(now_ns), DELAY_COLUMNS), dtype=np.int64)
        rows[:, DELAY_ORDER_NS] = rows[:, DELAY_CANCEL_NS] = np.rint(there).astype(np.int64)
        rows[:, DELAY_RESPONSE_NS] = np.rint(back).astype(np.int64)
        return rows

    def text(self) -> str:
        """Return every round trip."""
        return "table:" + ";".join(",".join(map(str, trip)) for trip in self.trips_ns)


NO_LATENCY = ConstantLatency()


class DelayLine:
    """The delays of one tape as it grows."""

    def __init__(self, latency: Latency) -> None:
        self._latency = latency
        self._last: I8 = np.full(DELAY_COLUMNS, LONG_AGO_NS, dtype=np.int64)

    def extend(self, now_ns: I8, feed_ns: I8) -> I8:
        """Return i8[n, DELAY_COLUMNS] for the next steps: each as drawn, or later if overtaken."""
        if len(now_ns) == 0:
            return np.zeros((0, DELAY_COLUMNS), dtype=np.int64)
        arrivals = now_ns[:, None] + np.maximum(0, self._latency.draw(now_ns, feed_ns))
        arrivals[0] = np.maximum(arrivals[0], self._last)
        arrivals = np.maximum.accumulate(arrivals, axis=0)
        self._last = arrivals[-1]
        delays: I8 = arrivals - now_ns[:, None]
        return delays
