"""Infers tick and lot from decimal figures, and puts figures on the grid.

A resting order may be older than the venue's present tick or lot, so the steps are taken from
trades and from levels near them; what lies far away and off the grid can be left out.
"""

import math
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from exchange.errors import FeedFormatError
from exchange.recording import to_steps
from market.layout import UNITS
from market.types import F8, I8

B1 = npt.NDArray[np.bool_]

PLACES_MAX = 10
NEAR_SHARE = 0.002  # levels this close to the range of trades decide the steps
FAR_SHARE = 0.05  # levels beyond this and off the grid are left out
ENOUGH = 50  # fewer different figures than this have a common divisor by chance
STEP_MANTISSAS = {1, 2, 5, 25}


def decimal_text(value: Decimal) -> str:
    """Return a decimal without exponent and without trailing zeros."""
    text = format(value.normalize(), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def decimal_places(values: F8) -> int:
    """Return the fewest decimal places (at most 10) that hold all `values` exactly."""
    for places in range(PLACES_MAX):
        scaled = values * 10.0**places
        allowed = np.maximum(1e-7, np.abs(scaled) * 4 * np.finfo(np.float64).eps)
        if (np.abs(scaled - np.rint(scaled)) <= allowed).all():
            return places
    return PLACES_MAX


def smallest_step(values: F8, *, mantissas: set[int]) -> str:
    """Return the decimal step of `values`: their common divisor, rounded down to a usual one.

    Args:
        values: positive figures; zeros are ignored.
        mantissas: which leading digits a step may have, besides a power of ten.
    """
    different = np.unique(values[values > 0])
    if different.size == 0:
        return "1"
    places = decimal_places(different)
    whole = np.rint(different * 10.0**places).astype(np.int64)
    divisor = int(np.gcd.reduce(whole))
    power = 10 ** int(math.log10(divisor)) if divisor else 1
    while power > divisor:
        power //= 10
    if different.size < ENOUGH:
        # Round figures in a short recording say little: no step above the last decimal place.
        divisor = 1
    elif divisor // _trailing(divisor) not in mantissas:
        divisor = power
    return decimal_text(Decimal(divisor).scaleb(-places))


def _trailing(number: int) -> int:
    power = 1
    while number % (power * 10) == 0:
        power *= 10
    return power


def near_market(price: F8, traded: B1, share: float) -> B1:
    """Return which prices lie within `share` of the range of traded ones (all, when none)."""
    if not traded.any():
        return np.ones(price.shape[0], np.bool_)
    lowest, highest = price[traded].min(), price[traded].max()
    near: B1 = (price >= lowest * (1 - share)) & (price <= highest * (1 + share))
    return near


def infer_tick(price: F8, traded: B1) -> str:
    """Return the tick of a market: f8[n] prices and which of them were traded."""
    return smallest_step(price[near_market(price, traded, NEAR_SHARE)], mantissas=STEP_MANTISSAS)


def infer_lot(quantity: F8, price: F8, traded: B1) -> str:
    """Return the lot of a market: a power of ten."""
    return smallest_step(quantity[near_market(price, traded, NEAR_SHARE)], mantissas={1})


def finest_lot(tick: str, lot: str) -> tuple[str, bool]:
    """Return the lot to use, and whether it is coarser than `lot`.

    One tick on one lot must be a whole number of 1e-8 quote units, or money could not be counted.
    """
    money = Decimal(tick) * Decimal(lot) * UNITS
    if money == money.to_integral_value():
        return lot, False
    coarse = Decimal(1).scaleb(Decimal(lot).adjusted())
    while Decimal(tick) * coarse * UNITS % 1 != 0 or coarse < Decimal(lot):
        coarse *= 10
    return decimal_text(coarse), True


def prices_on_grid(price: F8, tick: str, traded: B1) -> tuple[I8, B1]:
    """Return prices in ticks and which rows to keep: far ones off the grid are left out.

    Raises:
        FeedFormatError: a price near the market is no whole tick.
    """
    ticks, whole = to_steps(price, tick)
    wrong = ~whole & near_market(price, traded, FAR_SHARE)
    if wrong.any():
        raise FeedFormatError(
            f"price {price[int(np.argmax(wrong))]:.12g} is no multiple of the tick {tick} "
            f"({int(wrong.sum())} such rows); give the right --tick"
        )
    return ticks, whole


def quantities_on_grid(quantity: F8, lot: str, exact: B1) -> tuple[I8, int]:
    """Return quantities in lots and how many were rounded; what is there never becomes nothing.

    Args:
        quantity: f8[n].
        lot: decimal text.
        exact: rows that must be whole lots.

    Raises:
        FeedFormatError: one of those is not.
    """
    lots, whole = to_steps(quantity, lot)
    wrong = ~whole & exact
    if wrong.any():
        raise FeedFormatError(
            f"quantity {quantity[int(np.argmax(wrong))]:.12g} is no multiple of the lot {lot} "
            f"({int(wrong.sum())} such rows); give the right --lot"
        )
    lots = np.where((quantity > 0) & (lots == 0), 1, lots)
    return lots, int((~whole).sum())
