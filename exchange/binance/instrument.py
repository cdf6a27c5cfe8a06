"""One symbol as `exchangeInfo` tells it: its steps and filters, what an order must keep to.

Prices and quantities cross this border as decimal text, made exactly from ticks and lots; inside
they are integers. An order that breaks a filter is refused here, before it is sent.
"""

from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from fractions import Fraction
from typing import Any

from exchange.errors import VenueError
from exchange.recording import Meta, ratio, units
from market.layout import BUY, UNITS


class Trading(StrEnum):
    """What a symbol's status lets one do."""

    OPEN = "open"
    CANCEL_ONLY = "cancel only"
    HALTED = "halted"
    DELISTED = "delisted"


STATUS = {"TRADING": Trading.OPEN, "CANCEL_ONLY": Trading.CANCEL_ONLY}
"""Binance's words; any other (BREAK, HALT, END_OF_DAY, ...) is a halt."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """A symbol.

    Attributes:
        tick, lot: price and quantity step, decimal text without trailing zeros.
        ticks_min, ticks_max: allowed prices; 0 for none.
        lots_min, lots_max: allowed quantities.
        notional_min, notional_max: worth of an order, quote units; 0 for none.
        bid_band, ask_band: lowest and highest price of a side, as parts of the reference price;
            zeros for none.
        orders_max: our open orders; 0 for none.
        position_max: base units that may be held, open buys included; 0 for none.
        weight_limits: (kind, interval, limit) of the whole account.
    """

    symbol: str
    base: str
    quote: str
    trading: Trading
    tick: str
    lot: str
    ticks_min: int
    ticks_max: int
    lots_min: int
    lots_max: int
    notional_min: int
    notional_max: int
    bid_band: tuple[Fraction, Fraction]
    ask_band: tuple[Fraction, Fraction]
    orders_max: int
    position_max: int

    def price(self, ticks: int) -> str:
        """Return a price as text."""
        return format(Decimal(self.tick) * ticks, "f")

    def quantity(self, lots: int) -> str:
        """Return a quantity as text."""
        return format(Decimal(self.lot) * lots, "f")

    def ticks(self, text: str) -> int:
        """Return a price of ours in ticks; VenueError when it is off the grid."""
        return _demand(text, self.tick)

    def lots(self, text: str) -> int:
        """Return a quantity of ours in lots; VenueError when it is off the grid."""
        return _demand(text, self.lot)


@dataclass(frozen=True, slots=True)
class Grid:
    """The steps of a symbol as integers, for the many figures of a stream."""

    tick: tuple[int, int]
    lot: tuple[int, int]

    @classmethod
    def of(cls, instrument: Instrument) -> "Grid":
        """Return the grid of a symbol."""
        return cls(ratio(instrument.tick), ratio(instrument.lot))

    def level(self, price: str, quantity: str) -> tuple[int, int] | None:
        """Return (ticks, lots); None when the price is off the grid: an old, finer order.

        A quantity off the grid is rounded down, as an importer does.
        """
        ticks, rest = steps_of(price, self.tick)
        if rest:
            return None
        return ticks, steps_of(quantity, self.lot)[0]


def steps_of(text: str, step: tuple[int, int]) -> tuple[int, int]:
    """Return decimal text as (whole steps, what is left over); the step is `recording.ratio`'s."""
    whole, _, part = text.partition(".")
    places: int = 10 ** len(part)
    return divmod(int(whole + part) * step[1], step[0] * places)


def _demand(text: str, step: str) -> int:
    count, rest = steps_of(text, ratio(step))
    if rest:
        raise VenueError(f"a figure of ours must be a multiple of {step}, found {text}")
    return count


def instrument_of(info: dict[str, Any], symbol: str) -> Instrument | None:
    """Return a symbol of an `exchangeInfo` answer; None when it is not listed there.

    Raises:
        VenueError: a filter that is needed is missing or no number.
    """
    listed = [each for each in info.get("symbols", ()) if each.get("symbol") == symbol]
    if not listed:
        return None
    found = listed[0]
    try:
        filters = {each["filterType"]: each for each in found["filters"]}
        return _read(found, filters)
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise VenueError(f"exchangeInfo of {symbol} cannot be read: {error!r}") from None


def _read(found: dict[str, Any], filters: dict[str, dict[str, Any]]) -> Instrument:
    prices, sizes = filters["PRICE_FILTER"], filters["LOT_SIZE"]
    tick, lot = plain(prices["tickSize"]), plain(sizes["stepSize"])
    worth = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    least = worth.get("minNotional", worth.get("notional", "0"))
    sided = filters.get("PERCENT_PRICE_BY_SIDE")
    both = filters.get("PERCENT_PRICE", {})
    down, up = both.get("multiplierDown", "0"), both.get("multiplierUp", "0")
    if sided is not None:
        bids = _band(sided["bidMultiplierDown"], sided["bidMultiplierUp"])
        asks = _band(sided["askMultiplierDown"], sided["askMultiplierUp"])
    else:
        bids = asks = _band(down, up)
    held = filters.get("MAX_POSITION", {})
    count = filters.get("MAX_NUM_ORDERS", {})
    return Instrument(
        symbol=found["symbol"],
        base=found["baseAsset"],
        quote=found["quoteAsset"],
        trading=STATUS.get(found.get("status", found.get("contractStatus", "")), Trading.HALTED),
        tick=tick,
        lot=lot,
        ticks_min=-(-Fraction(prices["minPrice"]) // Fraction(tick)),
        ticks_max=Fraction(prices["maxPrice"]) // Fraction(tick),
        lots_min=max(1, -(-Fraction(sizes["minQty"]) // Fraction(lot))),
        lots_max=Fraction(sizes["maxQty"]) // Fraction(lot),
        notional_min=int(Fraction(least) * UNITS),
        notional_max=int(Fraction(worth.get("maxNotional", "0")) * UNITS),
        bid_band=bids,
        ask_band=asks,
        orders_max=int(count.get("maxNumOrders", count.get("limit", 0))),
        position_max=int(Fraction(held.get("maxPosition", "0")) * UNITS),
    )


def _band(down: str, up: str) -> tuple[Fraction, Fraction]:
    return Fraction(down), Fraction(up)


def plain(text: str) -> str:
    """Return decimal text without trailing zeros."""
    value = Decimal(text)
    return format(value.normalize(), "f") if value else "0"


def broken_filter(
    known: Instrument, side: int, ticks: int, lots: int, *, reference_ticks: int, open_orders: int
) -> str:
    """Return the filter that an order would break, as Binance names it; empty for none.

    Args:
        known: the symbol.
        side: BUY or SELL.
        ticks: its price.
        lots: its quantity.
        reference_ticks: the price that the exchange measures by (its last trade); 0 before any.
        open_orders: ours that are open now.
    """
    if ticks <= 0 or ticks < known.ticks_min or (known.ticks_max and ticks > known.ticks_max):
        return "PRICE_FILTER"
    if not known.lots_min <= lots <= (known.lots_max or lots):
        return "LOT_SIZE"
    worth = Fraction(known.tick) * Fraction(known.lot) * ticks * lots * UNITS
    if worth < known.notional_min or (known.notional_max and worth > known.notional_max):
        return "NOTIONAL"
    low, high = known.bid_band if side == BUY else known.ask_band
    if reference_ticks and (
        (low and ticks < low * reference_ticks) or (high and ticks > high * reference_ticks)
    ):
        return "PERCENT_PRICE_BY_SIDE"
    if known.orders_max and open_orders >= known.orders_max:
        return "MAX_NUM_ORDERS"
    return ""


def changed(before: Instrument, after: Instrument) -> tuple[str, ...]:
    """Return how a symbol differs from before, its status left out: `tick 0.01 -> 0.001`."""
    return tuple(
        f"{each.name} {getattr(before, each.name)} -> {getattr(after, each.name)}"
        for each in fields(Instrument)
        if each.name != "trading" and getattr(before, each.name) != getattr(after, each.name)
    )


def meta_of(known: Instrument, *, maker_fee: Fraction, taker_fee: Fraction, spot: bool) -> Meta:
    """Return what a session, or a recording of this symbol, must know of it.

    Args:
        known: the symbol.
        maker_fee: part of the notional.
        taker_fee: the same.
        spot: whether a buy's commission comes out of the base asset.
    """
    worth = Decimal(known.notional_min) / UNITS
    meta = Meta(
        venue="binance" if spot else "binanceusdm",
        symbol=f"{known.base}-{known.quote}",
        base=known.base,
        quote=known.quote,
        tick=known.tick,
        lot=known.lot,
        min_notional=plain(format(worth, "f")),
        min_lots=known.lots_min,
        maker_fee_bps=float(maker_fee * 10_000),
        taker_fee_bps=float(taker_fee * 10_000),
        fee_in_base=spot,
        spot=spot,
    )
    assert units(meta.min_notional) == known.notional_min, "the smallest worth is whole units"
    return meta
