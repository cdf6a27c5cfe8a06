"""What the choices of a study earned afterwards, window after window, beside the first set.

Both are replayed from each decision's coming into force to the next one's, flat at its beginning;
nothing of it was looked at when the choice was made. Bands are of a block bootstrap: an hour's
profits stay together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.optimizer.study import Window
from agents.session import Session, parameter_row
from market.layout import STEP_NOW_NS
from market.replay import replay
from market.replay_step import REPLAY_FILLS, REPLAY_NET
from market.tape import Tape
from market.types import F8, I8

SLICE_S = 600.0
BLOCK = 6
"""Slices that stay together."""
DRAWS = 2000
SHARE = 0.95
LEAST = 2 * BLOCK
"""Slices below which no interval is given."""


@dataclass(frozen=True, slots=True)
class Walked:
    """Slices in order; money in quote asset, against holding the target and not quoting.

    Attributes:
        ends_ns: i8[t], venue time at the end of each slice.
        net: f8[2, t], of the sets in force, and of the first set throughout.
        fills: i8[2], of both.
    """

    ends_ns: I8
    net: F8
    fills: I8


def walked(session: Session, tape: Tape, windows: Sequence[Window]) -> Walked:
    """Replay what came into force after each window until the next one's did."""
    latency_ns = session.settings.optimizer.tuning_latency_ns
    starts = [each.kept.now_ns + latency_ns for each in windows]
    ends = [*starts[1:], session.last_ns + 1]
    times, nets = [np.zeros(0, dtype=np.int64)], [np.zeros((2, 0))]
    fills = np.zeros(2, dtype=np.int64)
    for window, start_ns, end_ns in zip(windows, starts, ends, strict=True):
        first, last = tape.step_at(start_ns), tape.step_at(end_ns)
        span_s = (last - first) * tape.interval_ns / 1e9
        slices = round(span_s / SLICE_S)
        if slices < 1:
            continue
        sets = np.array([parameter_row(window.after), parameter_row(session.baseline)])
        figures = replay(tape, sets, session.setup, first_step=first, last_step=last, slices=slices)
        edges = first + (last - first) * np.arange(1, slices + 1) // slices
        times.append(tape.steps[edges - 1, STEP_NOW_NS])
        nets.append(figures[:, :, REPLAY_NET])
        fills += figures[:, :, REPLAY_FILLS].sum(1).astype(np.int64)
    return Walked(np.concatenate(times), np.concatenate(nets, axis=1), fills)


def resampled(net: F8, rng: np.random.Generator) -> F8:
    """Return f8[DRAWS, t] profits of f8[t]: blocks of it, wrapped around, in a new order."""
    count = net.shape[-1]
    blocks = -(-count // BLOCK)
    starts = rng.integers(count, size=(DRAWS, blocks, 1))
    rows = ((starts + np.arange(BLOCK)) % count).reshape(DRAWS, -1)[:, :count]
    drawn: F8 = net[rows]
    return drawn


def interval(net: F8, rng: np.random.Generator) -> tuple[float, float] | None:
    """Return the interval of the sum of f8[t]; None where there are too few."""
    if len(net) < LEAST:
        return None
    low, high = np.quantile(resampled(net, rng).sum(1), ((1 - SHARE) / 2, (1 + SHARE) / 2))
    return float(low), float(high)


def bands(net: F8, rng: np.random.Generator) -> F8:
    """Return f8[2, t], low and high of the running sums that f8[t] might as well have had."""
    sums = np.cumsum(resampled(net, rng), axis=1)
    found: F8 = np.quantile(sums, ((1 - SHARE) / 2, (1 + SHARE) / 2), axis=0)
    return found


def told(found: Walked, seed: int) -> dict[str, Any]:
    """Return the sums of a walk with their intervals."""
    rng = np.random.default_rng([seed, len(found.ends_ns)])
    parts = {
        "tuned": found.net[0],
        "first_set": found.net[1],
        "tuned_less_first_set": found.net[0] - found.net[1],
    }
    return {
        "hours": len(found.ends_ns) * SLICE_S / 3600.0,
        "fills": found.fills.tolist(),
        "interval_share": SHARE,
        **{
            name: {"net_profit": float(net.sum()), "interval": interval(net, rng)}
            for name, net in parts.items()
        },
    }
