"""The parameter sets of a sweep: every combination of a grid, or a seeded draw from ranges.

Ranges that nobody gave are derived from the starting set, with the scales of the optimizer's
search space (`agents/optimizer/space.py`) and the same two outer bounds: the smallest legal order
and the position that the risk limit allows.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from agents.backtest.ranges import (
    DIGITS,
    NAMES,
    SETS_MAX,
    Range,
    SweepError,
    read_grid,
    read_range,
    rounded,
    text_of,
)
from agents.optimizer.space import Dimension, Scale, Space
from agents.session import Session
from exchange.errors import RecordingError
from market.breach import position_cap_lots
from market.layout import STEP_ASK, STEP_BID, VIEW_READY
from market.quotes import smallest_lots
from market.tape import Tape
from protocol.messages import QuoteParameters

FACTOR = 3
"""A range that nobody gave reaches from a third of the starting value to three times it."""
ROUNDS_MAX = 200
"""Draws are repeated for what is illegal or known already, within this bound."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a sweep tries.

    Attributes:
        kind: single, grid or random.
        sets: distinct; the starting set is the first one of a random sweep.
        left_out: combinations that are illegal (base_quantity x levels above max_position).
        ranges: by name, as text, what was searched.
    """

    kind: str
    sets: tuple[QuoteParameters, ...]
    left_out: int
    ranges: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the market bounds quantities by: a lot, the smallest order, the largest position."""

    lot: Decimal
    smallest: Decimal
    cap: Decimal


def bounds_of(session: Session, tape: Tape) -> Bounds:
    """Return the bounds at the first step on which the session could quote.

    Raises:
        RecordingError: the market was never ready to be quoted on.
    """
    first = tape.step_at(session.first_ns)
    ready = np.flatnonzero(tape.views[first:, VIEW_READY] > 0.5)
    if ready.size == 0:
        raise RecordingError("the market was never ready to be quoted on; use more hours")
    step = tape.steps[first + int(ready[0])]
    half_ticks = int(step[STEP_BID] + step[STEP_ASK])
    lot = Decimal(session.meta.lot)
    # One percent of air: the order must still be legal when the price has fallen.
    smallest = smallest_lots(max(1, int(half_ticks * 0.495)), session.setup.scale)
    cap = position_cap_lots(half_ticks, session.setup.limits, session.setup.scale)
    return Bounds(lot, lot * int(smallest), lot * max(1, int(cap)))


def notes(parameters: QuoteParameters, session: Session, tape: Tape) -> list[str]:
    """Return a line for each quantity of a set that the market or the risk limit overrules."""
    try:
        bounds = bounds_of(session, tape)
    except RecordingError:
        return []  # no mid, no smallest order; the figures say that nothing was quoted
    base = session.meta.base
    lines = []
    if parameters.base_quantity < bounds.smallest:
        lines.append(
            f"base_quantity {text_of(parameters.base_quantity)} is below the smallest legal order, "
            f"about {bounds.smallest:f} {base} at this price: such an order is never sent"
        )
    if parameters.max_position > bounds.cap:
        lines.append(
            f"max_position {text_of(parameters.max_position)} is held at {bounds.cap:f} {base} by "
            f"risk.max_position_size ({session.settings.risk.max_position_size:g} of the capital)"
        )
    return lines


def single(baseline: QuoteParameters) -> Candidates:
    """Return the sweep of one."""
    return Candidates("single", (baseline,), 0, {})


def grid(text: str, baseline: QuoteParameters, lot: Decimal) -> Candidates:
    """Return every legal combination; what the grid does not name stays at the baseline.

    Raises:
        SweepError: see `read_grid`; also too many combinations, or none that is legal.
    """
    values = read_grid(text, lot)
    held = baseline.model_dump()
    columns = [values.get(name, [Decimal(repr(held[name]))]) for name in NAMES]
    count = math.prod(len(column) for column in columns)
    if count > SETS_MAX:
        raise SweepError(
            f"--grid makes {count:,} sets, at most {SETS_MAX:,} are tried; give fewer points, "
            "or try some of them with --random"
        )
    legal = [_parameters(row) for row in itertools.product(*columns) if _fits(row)]
    if not legal:
        raise SweepError(
            f"--grid: none of its {count:,} sets is legal: base_quantity x levels must be at most "
            "max_position"
        )
    ranges = {name: " ".join(text_of(float(v)) for v in column) for name, column in values.items()}
    return Candidates("grid", tuple(legal), count - len(legal), ranges)


def draw(
    count: int, given: Sequence[str], baseline: QuoteParameters, bounds: Bounds, seed: int
) -> Candidates:
    """Return the baseline and `count` distinct legal sets drawn from the ranges.

    Args:
        given: texts of `--range`.
        seed: of the draw; the same seed gives the same sets.

    Raises:
        SweepError: a bad range, too many sets, or ranges in which fewer sets exist.
    """
    if not 1 <= count <= SETS_MAX:
        raise SweepError(f"--random takes 1 to {SETS_MAX:,} sets, found {count:,}")
    ranges = _derived(baseline, bounds)
    for text in given:
        name, found = read_range(text)
        ranges[name] = found
    space = Space(tuple(_dimension(name, ranges[name]) for name in NAMES))
    generator = np.random.default_rng(seed)
    rows: dict[tuple[Decimal, ...], None] = {}
    left_out = 0
    for _ in range(ROUNDS_MAX):
        wanted = count - len(rows)
        if wanted <= 0:
            break
        for values in space.decode(generator.random((2 * wanted, len(NAMES)))):
            row = _made(values, ranges, bounds.lot)
            if not _fits(row):
                left_out += 1
            elif len(rows) < count:
                rows.setdefault(row)
    if len(rows) < count:
        raise SweepError(
            f"--random {count:,}: the ranges hold only {len(rows):,} legal sets "
            "(base_quantity x levels at most max_position); widen them or ask for fewer"
        )
    sets = dict.fromkeys([_key(baseline), *(_key(_parameters(row)) for row in rows)])
    texts = {
        name: f"{text_of(float(each.low))}:{text_of(float(each.high))}"
        for name, each in ranges.items()
    }
    return Candidates("random", tuple(_parameters(row) for row in sets), left_out, texts)


def _derived(baseline: QuoteParameters, bounds: Bounds) -> dict[str, Range]:
    spread, levels, base, position = _key(baseline)
    smallest = min(bounds.smallest, base)
    cap = max(bounds.cap, smallest)
    ends = {
        "spread_percentage": (spread / FACTOR, min(Decimal(10), spread * FACTOR)),
        "levels": (Decimal(1), min(Decimal(50), levels * 2)),
        "base_quantity": (max(smallest, base / FACTOR), min(cap, base * FACTOR)),
        "max_position": (max(smallest, position / FACTOR), min(cap, position * FACTOR)),
    }
    return {name: _rounded_range(name, *found, bounds.lot) for name, found in ends.items()}


def _rounded_range(name: str, low: Decimal, high: Decimal, lot: Decimal) -> Range:
    if name == "levels":
        return Range(low, high)
    if name == "spread_percentage":
        return Range(DIGITS.plus(low), DIGITS.plus(high))
    least = max(1, math.ceil(low / lot))
    return Range(lot * least, lot * max(least, math.floor(high / lot)))


def _dimension(name: str, found: Range) -> Dimension:
    scale = Scale.INTEGER if name == "levels" else Scale.LOG
    return Dimension(name, float(found.low), float(found.high), scale)


def _made(
    values: Sequence[float], ranges: Mapping[str, Range], lot: Decimal
) -> tuple[Decimal, ...]:
    return tuple(
        rounded(Decimal(repr(float(value))), name, lot, ranges[name].low, ranges[name].high)
        for name, value in zip(NAMES, values, strict=True)
    )


def _fits(row: Sequence[Decimal]) -> bool:
    return row[2] * row[1] <= row[3]


def _key(parameters: QuoteParameters) -> tuple[Decimal, ...]:
    held = parameters.model_dump()
    return tuple(Decimal(repr(held[name])) for name in NAMES)


def _parameters(row: Sequence[Decimal]) -> QuoteParameters:
    return QuoteParameters(
        spread_percentage=float(row[0]),
        levels=int(row[1]),
        base_quantity=float(row[2]),
        max_position=float(row[3]),
    )
