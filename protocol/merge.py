"""Deterministic arithmetic on parameter sets: the grid, the digest, the step, the merges.

Every language that speaks the protocol must find the same integers here, so all of it is decimal:
a float enters as the shortest decimal text that reads back as it, and is rounded half-even to the
1e-8 grid. Nothing here knows votes, logs or clocks.

Merges work on four coordinates: spread, levels, base x levels, max_position. Each set is clipped to
one step around the incumbent, coordinate by coordinate, by one fraction for all, which keeps
base x levels <= max_position; what follows is monotone in each coordinate and so keeps it too.
`docs/vectors/merge.json` holds cases with their results for other languages.
"""

import hashlib
import math
from collections.abc import Iterable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

from protocol.messages import Mode, QuoteParameters, Round

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
    return _fit(incumbent, _clipped(proposed, _bounds(incumbent, fraction)), fraction)


def weight_units(confidence: float, *, wins: int, outcomes: int, seats: int) -> int:
    """Return w = confidence x (wins + 1) / (outcomes + 2) / seats in 1e-8, rounded down.

    Args:
        confidence: in [0, 1].
        wins, outcomes: of the seat's own applied sets, 0 <= wins <= outcomes.
        seats: how many there are, >= 1; so no weight exceeds 1 / seats, nor all together 1.
    """
    if not (0.0 <= confidence <= 1.0 and 0 <= wins <= outcomes and seats >= 1):
        found = f"{confidence}, {wins}, {outcomes}, {seats}"
        raise ValueError(f"no weight follows from confidence, wins, outcomes, seats {found}")
    exact = _EXACT.multiply(Decimal(repr(confidence)), Decimal(UNITS * (wins + 1)))
    return int(exact.to_integral_value(ROUND_FLOOR, _EXACT)) // ((outcomes + 2) * seats)


def peer_merge(
    incumbent: QuoteParameters,
    sets: Iterable[tuple[QuoteParameters, int]],
    *,
    seats: int,
    fraction: float,
) -> QuoteParameters:
    """Return incumbent + sum of w_i x clip(x_i - incumbent, +-fraction of it), on the grid.

    The sum is rounded towards the incumbent, so nobody moves a coordinate further than his weight
    times the step; levels are rounded half down. The order of `sets` is irrelevant.

    Args:
        incumbent: valid on the grid.
        sets: each with its weight in 1e-8, as `weight_units` gives it.
        seats: how many weights there may be; none may exceed 1 / seats.
        fraction: of the step, in [0, 1].

    Raises:
        ValueError: weights above their bounds, or an incumbent that is not valid on the grid.
    """
    incumbent = on_grid(incumbent)
    bounds = _bounds(incumbent, fraction)
    held = _coordinates(incumbent)
    moved = [0, 0, 0, 0]
    most, total = UNITS // seats, 0
    for each, weight in sets:
        if not 0 <= weight <= most:
            raise ValueError(f"a weight must be in [0, {most}] units of 1e-8, found {weight}")
        total += weight
        for place, figure in enumerate(_clipped(each, bounds)):
            moved[place] += weight * (figure - held[place])
    if total > UNITS:
        raise ValueError(f"weights must sum to at most {UNITS} units of 1e-8, found {total}")
    spread, _, quantity, position = (
        figure + _towards_zero(change) for figure, change in zip(held, moved, strict=True)
    )
    # Half down: the least whole number that is not more than a half below.
    levels = held[1] - (UNITS - 2 * moved[1]) // (2 * UNITS)
    return _fit(incumbent, (spread, levels, quantity, position), fraction)


def median_merge(
    incumbent: QuoteParameters, sets: Iterable[QuoteParameters], *, seats: int, fraction: float
) -> QuoteParameters:
    """Return the median of each coordinate over all seats, the lower one of an even count.

    Seats without a set count as the incumbent. While less than half of the seats lie, each
    coordinate lies between those of the honest sets and the incumbent (base x levels to within
    one unit a level). The order of `sets` is irrelevant.

    Args:
        incumbent: valid on the grid.
        sets: at most one of each seat.
        seats: how many there are, >= 1.
        fraction: of the step, in [0, 1]; what lies beyond counts as its end.

    Raises:
        ValueError: more sets than seats, or an incumbent that is not valid on the grid.
    """
    incumbent = on_grid(incumbent)
    bounds = _bounds(incumbent, fraction)
    rows = [_clipped(each, bounds) for each in sets]
    if len(rows) > seats:
        raise ValueError(f"at most one set a seat, found {len(rows)} of {seats} seats")
    rows += [_coordinates(incumbent)] * (seats - len(rows))
    middle = (seats - 1) // 2
    spread, levels, total, position = (sorted(column)[middle] for column in zip(*rows, strict=True))
    return _fit(incumbent, (spread, levels, total, position), fraction)


def candidate_of(word: Round, mode: Mode, *, seats: int, fraction: float) -> QuoteParameters | None:
    """Return what follows from a round's sets under a mode; None when nothing does.

    This is what every peer and voter recomputes. In master-slave it is the only set; the
    supervisor of the hierarchical mode asks nobody.

    Raises:
        ValueError: the round contradicts itself: weights, number of sets, incumbent.
    """
    sources = [each.src for each in word.sets]
    if len(set(sources)) < len(sources):
        raise ValueError("at most one set a seat, found two of one")
    if mode is Mode.PEER:
        weighted = [(each.params, each.weight) for each in word.sets]
        return peer_merge(word.incumbent, weighted, seats=seats, fraction=fraction)
    if mode is Mode.CONSENSUS:
        plain = [each.params for each in word.sets]
        return median_merge(word.incumbent, plain, seats=seats, fraction=fraction)
    if mode is Mode.MASTER_SLAVE and len(word.sets) == 1:
        return word.sets[0].params
    return None


def _clipped(
    proposed: QuoteParameters, bounds: Sequence[tuple[int, int]]
) -> tuple[int, int, int, int]:
    """Return the coordinates of a valid set, each moved into its bounds."""
    spread, levels, total, position = _coordinates(proposed)
    # Rounding to the grid can lift fifty small quantities over the position that they fit into.
    total = min(total, position)
    spread, levels = _clip(spread, bounds[0]), _clip(levels, bounds[1])
    return spread, levels, _clip(total, bounds[2]), _clip(position, bounds[3])


def _fit(
    incumbent: QuoteParameters, figures: tuple[int, int, int, int], fraction: float
) -> QuoteParameters:
    """Return the valid set of coordinates that lie inside the step around `incumbent`."""
    spread, levels, total, position = figures
    totals = _bounds(incumbent, fraction)[2]
    position = _exact_floor(position)
    total = min(total, position)
    direction = 1 if levels <= incumbent.levels else -1
    for count in range(levels, incumbent.levels + direction, direction):
        base = _exact_floor(max(total // count, -(-totals[0] // count)))
        if base >= 1 and totals[0] <= base * count <= min(totals[1], position):
            return _parameters(spread, count, base, position)
    # So coarse a grid that nothing between fits: keep the incumbent's ladder, which always does.
    held = quantise(incumbent)[2]
    return _parameters(spread, incumbent.levels, held, max(position, held * incumbent.levels))


def _towards_zero(change: int) -> int:
    """Return a sum of 1e-8 weights times units as units."""
    return change // UNITS if change >= 0 else -(-change // UNITS)


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
