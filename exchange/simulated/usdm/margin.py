"""A one-way position on cross margin: what it cost, what it earned, what it ties up.

Balances are kept as on spot: buying moves quote into base, and base may be negative. What a
client sees as its wallet is the quote and the signed cost of the open position together. Money is
whole 1e-8 of the quote asset; every rounding is half-even. Nothing is ever liquidated.
"""

from dataclasses import dataclass, field

from exchange.simulated.instrument import Instrument, half_even
from market.layout import UNITS

LEVERAGE = 20
LEVERAGE_MAX = 125


@dataclass(frozen=True, slots=True)
class Funding:
    """One funding of a position: what it received, negative when it paid."""

    time_ns: int
    units: int
    number: int


@dataclass(slots=True)
class Margin:
    """What an account has beyond balances.

    Attributes:
        leverage: of the symbol.
        entry: signed cost of the open position, quote units.
        funding: all that was paid and received.
        told: (wallet, position, entry) as its owner was told last.
    """

    leverage: int = LEVERAGE
    entry: int = 0
    funding: list[Funding] = field(default_factory=list)
    told: tuple[int, int, int] | None = None


def booked(entry: int, held: int, side: int, lots: int, worth: int) -> tuple[int, int]:
    """Return (cost of the position after a fill, profit that the fill realises), quote units.

    A fill against the position closes first, at the position's average cost.

    Args:
        entry: signed cost before.
        held: signed lots before.
        side: of the fill.
        lots: of the fill.
        worth: of the fill, quote units.
    """
    if held * side >= 0:
        return entry + side * worth, 0
    closed = min(lots, abs(held))
    cost = half_even(entry, closed, abs(held))
    proceeds = half_even(worth, closed, lots)
    return entry - cost + side * (worth - proceeds), -side * proceeds - cost


def worth_at(lots: int, mark_half_ticks: int, instrument: Instrument) -> int:
    """Return what signed lots are worth at twice a price, quote units."""
    return half_even(lots * instrument.tick_lot, mark_half_ticks, 2)


def funding_of(lots: int, mark_half_ticks: int, rate: int, instrument: Instrument) -> int:
    """Return what a position receives at a funding; longs pay a positive rate (1e-8)."""
    return -half_even(lots * instrument.tick_lot * mark_half_ticks, rate, 2 * UNITS)


def initial_margin(position: int, buys: int, sells: int, leverage: int) -> int:
    """Return what a position and its open orders tie up: the worse side filled, one-way mode.

    Args:
        position: signed worth at the mark, quote units.
        buys, sells: worth of the open orders at their own prices.
        leverage: rounded up against the client.
    """
    return -(-max(abs(position + buys), abs(position - sells)) // leverage)
