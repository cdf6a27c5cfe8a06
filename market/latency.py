"""How long what we send and hear is on its way, step by step.

A model says a delay for each time; `DelayLine` makes a tape's rows of it, in which nothing
overtakes what was sent before it: orders, cancels and reports each arrive in the order of sending.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from market.layout import DELAY_CANCEL_NS, DELAY_COLUMNS, DELAY_ORDER_NS, DELAY_RESPONSE_NS
from market.types import I8


class Latency(Protocol):
    """A model of delays; the same times give the same delays, whatever was asked before."""

    def draw(self, now_ns: I8, feed_ns: I8) -> I8:
        """Return i8[n, DELAY_COLUMNS] of delays >= 0.

        Args:
            now_ns: i8[n], times of sending, or for reports times of happening.
            feed_ns: i8[n], how long the last event seen by then had been on its way.
        """
        ...


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


NO_LATENCY = ConstantLatency()


def delays_of(latency: ConstantLatency) -> I8:
    """Return i8[DELAY_COLUMNS], the same at all times."""
    row: I8 = latency.draw(np.zeros(1, np.int64), np.zeros(1, np.int64))[0]
    return row


class DelayLine:
    """The delays of one tape as it grows."""

    def __init__(self, latency: Latency) -> None:
        self._latency = latency
        self._last: I8 = np.full(DELAY_COLUMNS, -(1 << 62), dtype=np.int64)

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
