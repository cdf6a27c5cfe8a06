"""Deterministic arithmetic on parameter sets: the grid, the digest, the length of a step.

Every language that speaks the protocol must find the same integers here, so all of it is decimal:
a float enters as the shortest decimal text that reads back as it, and is rounded half-even to the
1e-8 grid. Nothing here knows modes, votes or clocks.
"""

import hashlib
import math
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

from protocol.messages import QuoteParameters

GRID = Decimal("1e-8")
UNITS = 100_000_000
# 1.8e308 on a grid of 1e-8 has 317 digits; nothing is ever rounded to precision.
_EXACT = Context(prec=800, rounding=ROUND_HALF_EVEN, Emin=-999_999, Emax=999_999)
LEVELS_MIN = 1
LEVELS_MAX = 50
SPREAD_UNITS_MAX = 10 * UNITS


def quantise(params: QuoteParameters) -> tuple[int, int, int, int]:
    """Return spread, levels, base_quantity and max_position as integers of 1e-8."""
    return (
        _units(params.spread_percentage),
        params.levels * UNITS,
        _units(params.base_quantity),
        _units(params.max_position),
    )


def digest(params: QuoteParameters) -> str:
    """Return the SHA-256, 64 hex digits, of the four integers as text, separated by commas."""
    text = ",".join(str(part) for part in quantise(params))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def on_grid(params: QuoteParameters) -> QuoteParameters:
    """Return the set that `params` is on the grid: same digest, still valid.

    Raises:
        ValueError: a coordinate rounds to nothing, or rounding breaks the position bound.
    """
    spread, levels, base, position = quantise(params)
    return _parameters(spread, levels // UNITS, base, position)


def within_step(
    incumbent: QuoteParameters, proposed: QuoteParameters, fraction: float
) -> str | None:
    """Return None when `proposed` is one step from `incumbent`, else a line that says why not.

    A step moves spread, levels, base x levels and max_position each by at most `fraction` (finite,
    >= 0) of the incumbent's figure; levels may always move by one. Compared on the 1e-8 grid.
    """
    bounds = _bounds(incumbent, fraction)
    for name, figure, (low, high) in zip(NAMES, _coordinates(proposed), bounds, strict=True):
        if not low <= figure <= high:
            allowed = f"[{_text(name, low)}, {_text(name, high)}]"
            return f"{name} must be in {allowed} to be one step, found {_text(name, figure)}"
    return None


def clip_step(
    incumbent: QuoteParameters, proposed: QuoteParameters, fraction: float
) -> QuoteParameters:
    """Return the valid set near `proposed`, coordinate by coordinate, that is one step away.

    `within_step(incumbent, result, fraction)` is None. base_quantity is floor(total / levels), the
    total never exceeds max_position; where no whole unit a level fits the step, levels move
    towards the incumbent's.

    Raises:
        ValueError: the incumbent is not valid on the 1e-8 grid.
    """
    incumbent = on_grid(incumbent)
    spreads, ladder, totals, positions = _bounds(incumbent, fraction)
    spread, levels, total, position = _coordinates(proposed)
    spread, levels = _clip(spread, spreads), _clip(levels, ladder)
    position = _exact_floor(_clip(position, positions))
    total = min(_clip(total, totals), position)
    direction = 1 if levels <= incumbent.levels else -1
    for count in range(levels, incumbent.levels + direction, direction):
        base = _exact_floor(max(total // count, -(-totals[0] // count)))
        if base >= 1 and totals[0] <= base * count <= min(totals[1], position):
            return _parameters(spread, count, base, position)
    # So coarse a grid that nothing between fits: keep the incumbent's ladder, which always does.
    held = quantise(incumbent)[2]
    return _parameters(spread, incumbent.levels, held, max(position, held * incumbent.levels))


NAMES = ("spread_percentage", "levels", "base_quantity x levels", "max_position")


def _coordinates(params: QuoteParameters) -> tuple[int, int, int, int]:
    """Return spread units, levels, units of base x levels, position units."""
    spread, _, base, position = quantise(params)
    return spread, params.levels, base * params.levels, position


def _bounds(incumbent: QuoteParameters, fraction: float) -> tuple[tuple[int, int], ...]:
    """Return the lowest and highest figure of each coordinate, both allowed."""
    share = Decimal(repr(fraction))
    if not (share.is_finite() and share >= 0):
        raise ValueError(f"fraction of a step must be finite and at least 0, found {fraction}")
    spread, levels, total, position = _coordinates(incumbent)
    step = max(1, int(_EXACT.multiply(share, Decimal(levels))))
    return (
        (_low(spread, share), min(_high(spread, share), SPREAD_UNITS_MAX)),
        (max(LEVELS_MIN, levels - step), min(LEVELS_MAX, levels + step)),
        (_low(total, share), _high(total, share)),
        (_low(position, share), _high(position, share)),
    )


def _low(figure: int, share: Decimal) -> int:
    exact = _EXACT.multiply(Decimal(figure), _EXACT.subtract(Decimal(1), share))
    return max(1, int(exact.to_integral_value(ROUND_CEILING, _EXACT)))


def _high(figure: int, share: Decimal) -> int:
    exact = _EXACT.multiply(Decimal(figure), _EXACT.add(Decimal(1), share))
    return int(exact.to_integral_value(ROUND_FLOOR, _EXACT))


def _clip(figure: int, bounds: tuple[int, int]) -> int:
    return min(max(figure, bounds[0]), bounds[1])


def _units(value: float) -> int:
    return int(_EXACT.quantize(Decimal(repr(value)), GRID).scaleb(8, _EXACT))


def _float(units: int) -> float:
    return float(Decimal(units).scaleb(-8, _EXACT))


def _exact_floor(units: int) -> int:
    """Return the largest figure <= units that a float carries; beyond 2^53 not every one is."""
    value = _float(units)
    while _units(value) > units:
        value = math.nextafter(value, 0.0)
    return _units(value)


def _text(name: str, figure: int) -> str:
    return str(figure) if name == "levels" else f"{Decimal(figure).scaleb(-8, _EXACT):f}"


def _parameters(spread: int, levels: int, base: int, position: int) -> QuoteParameters:
    return QuoteParameters(
        spread_percentage=_float(spread),
        levels=levels,
        base_quantity=_float(base),
        max_position=_float(position),
    )
