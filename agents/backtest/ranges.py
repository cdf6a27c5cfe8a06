"""Reads what a sweep should try from text: `levels=1,2,3`, `spread_percentage=0.05:0.3:6`.

Text becomes values here, each of them exactly a number that its printed text reads back as, so
that a row of a sweep can be run alone from what was printed. Which sets are made of the values is
`candidates.py`.
"""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from difflib import get_close_matches

NAMES = ("spread_percentage", "levels", "base_quantity", "max_position")
HIGHEST = {
    "spread_percentage": Decimal(10),
    "levels": Decimal(50),
    "base_quantity": Decimal(90_000_000_000),
    "max_position": Decimal(90_000_000_000),
}
"""Largest legal value of each; the smallest is above 0, and 1 for levels."""
SETS_MAX = 100_000
DIGITS = Context(prec=4, rounding=ROUND_HALF_EVEN)
"""Figures of a made spread: enough to tell two ladders apart, few enough to type."""


class SweepError(Exception):
    """A sweep that cannot be made of what was asked for; the line says what is allowed."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Range:
    """Values from low to high, both reachable."""

    low: Decimal
    high: Decimal


def known(name: str, where: str) -> str:
    """Return a parameter's name as it is written everywhere.

    Raises:
        SweepError: there is no such parameter; the nearest one is named.
    """
    plain = name.strip().replace("-", "_")
    if plain in NAMES:
        return plain
    near = get_close_matches(plain, NAMES, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else f"allowed are {', '.join(NAMES)}"
    raise SweepError(f"{where}: no parameter is called {name.strip()!r}; {hint}")


def number(text: str, name: str, where: str) -> Decimal:
    """Return a legal value of a parameter.

    Raises:
        SweepError: it is no number, out of range, or not whole where it must be.
    """
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        value = Decimal("nan")
    top = HIGHEST[name]
    if not (value.is_finite() and 0 < value <= top):
        raise SweepError(f"{where}: {name} must be in (0, {top:,}], found {text.strip()!r}")
    if name == "levels" and value != value.to_integral_value():
        raise SweepError(f"{where}: levels must be whole, found {text.strip()}")
    return value


def read_range(text: str) -> tuple[str, Range]:
    """Return name and range of one `--range name=low:high`."""
    where = "--range"
    name, sign, rest = text.partition("=")
    low, colon, high = rest.partition(":")
    if not sign or not colon:
        raise SweepError(f"{where} takes name=low:high, found {text!r}")
    called = known(name, where)
    found = Range(number(low, called, where), number(high, called, where))
    if found.low > found.high:
        raise SweepError(f"{where}: {called}={rest} is empty: its low end is above its high end")
    return called, found


def read_grid(text: str, lot: Decimal) -> dict[str, list[Decimal]]:
    """Return the values of every parameter that a grid names, in the order given.

    A part is `name=low:high:count` or `name=value,value,...`; parts are separated by commas. Made
    values are rounded: spreads to four figures, quantities to whole lots; given ones stay.

    Raises:
        SweepError: an unknown or doubled name, an empty range, too few points, a value that is
            illegal.
    """
    where = "--grid"
    parts: dict[str, list[str]] = {}
    name = ""
    for piece in text.split(","):
        left, sign, right = piece.partition("=")
        if sign:
            name = known(left, where)
            if name in parts:
                raise SweepError(f"{where}: {name} is given twice; put its values in one list")
            parts[name] = []
        elif not name:
            raise SweepError(
                f"{where} takes name=low:high:count or name=value,value, found {text!r}"
            )
        parts[name].append(right if sign else piece)
    found: dict[str, list[Decimal]] = {}
    for called, pieces in parts.items():
        values = [value for piece in pieces for value in _values(piece, called, lot)]
        found[called] = list(dict.fromkeys(values))
    return found


def _values(piece: str, name: str, lot: Decimal) -> list[Decimal]:
    where = "--grid"
    ends = piece.split(":")
    if len(ends) == 1:
        return [number(piece, name, where)]
    if len(ends) != 3:
        raise SweepError(f"{where}: a range is low:high:count, found {name}={piece}")
    low, high = number(ends[0], name, where), number(ends[1], name, where)
    if low > high:
        raise SweepError(f"{where}: {name}={piece} is empty: its low end is above its high end")
    text = ends[2].strip()
    if not text.isdecimal() or int(text) < 2:
        raise SweepError(f"{where}: {name}={piece} needs a whole count of at least 2 points")
    count = int(text)
    if count > SETS_MAX:
        raise SweepError(f"{where}: {name}={piece} has {count:,} points, at most {SETS_MAX:,}")
    made = [low + (high - low) * index / (count - 1) for index in range(count)]
    return [rounded(value, name, lot, low, high) for value in made]


def rounded(value: Decimal, name: str, lot: Decimal, low: Decimal, high: Decimal) -> Decimal:
    """Return a made value as it will be printed, within [low, high].

    Raises:
        SweepError: levels between whole numbers, or a range without a whole lot in it.
    """
    if name == "levels":
        if abs(value - value.to_integral_value()) > Decimal("1e-9"):
            raise SweepError(f"--grid: levels must be whole, found {value:.4g} in its range")
        return value.to_integral_value()
    if name == "spread_percentage":
        return min(max(DIGITS.plus(value), low), high)
    return lot * lots_within(value, lot, low, high, name)


def lots_within(value: Decimal, lot: Decimal, low: Decimal, high: Decimal, name: str) -> int:
    """Return the whole lots nearest to a quantity that lie within [low, high].

    Raises:
        SweepError: there are none.
    """
    least = max(1, int((low / lot).to_integral_value(ROUND_CEILING)))
    most = int((high / lot).to_integral_value(ROUND_FLOOR))
    if least > most:
        raise SweepError(
            f"{name}: there is no whole lot ({lot} of base asset) in {low:f}:{high:f}; widen it"
        )
    return min(max(int((value / lot).to_integral_value(ROUND_HALF_EVEN)), least), most)


def text_of(value: float) -> str:
    """Return the shortest plain text that reads back as exactly this number."""
    text = f"{Decimal(repr(float(value))):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
