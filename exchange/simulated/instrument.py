"""The one symbol that is served: its steps, its filters, and figures as decimal text.

Money and quantities are whole 1e-8 of their asset ("units"); a price is whole ticks, and as units
of quote for one base. Text has eight decimals, as Binance's has.
"""

import dataclasses
from decimal import Decimal
from typing import Any

from exchange.recording import Meta, scale_of, units
from exchange.simulated.refusals import filtered
from market.layout import (
    SCALE_FEE_IN_BASE,
    SCALE_LOT,
    SCALE_MAKER_FEE,
    SCALE_MIN_NOTIONAL,
    SCALE_TAKER_FEE,
    SCALE_TICK_LOT,
    UNITS,
)
from market.types import I8

TRADING = "TRADING"
CANCEL_ONLY = "CANCEL_ONLY"
DAY_ENDED = "END_OF_DAY"
CONTRACT_CLOSED = "CLOSE"
STATUSES = (TRADING, "BREAK", "HALT", CANCEL_ONLY, DAY_ENDED)
CONTRACT_STATUSES = (TRADING, "PENDING_TRADING", "PRE_SETTLE", "SETTLING", CONTRACT_CLOSED)
"""Of a USD-M contract that does not expire."""
MAX_ORDERS = 200
MAX_AMENDS = 10
MAX_QUANTITY = 9_000_000_000 * UNITS
MAX_PRICE = 9_000_000 * UNITS
MAX_NOTIONAL = 90_000_000 * UNITS
MULTIPLIER = 5
"""A price may be so many times the last one, or its so-manieth part."""
STP_MODES = ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT")
DEFAULT_STP = "EXPIRE_MAKER"
ORDER_TYPES = ("LIMIT", "LIMIT_MAKER", "MARKET")


def text(amount: int) -> str:
    """Return units as decimal text with eight places."""
    sign, amount = ("-", -amount) if amount < 0 else ("", amount)
    return f"{sign}{amount // UNITS}.{amount % UNITS:08d}"


def half_even(amount: int, rate: int, divisor: int = UNITS) -> int:
    """Return amount x rate / divisor rounded half-even, as `market.wide.divide` does."""
    quotient, rest = divmod(abs(amount) * abs(rate), divisor)
    if 2 * rest > divisor or (2 * rest == divisor and quotient % 2 == 1):
        quotient += 1
    return -quotient if (amount < 0) != (rate < 0) else quotient


@dataclasses.dataclass(frozen=True, slots=True)
class Filters:
    """What an order must keep to, in units; may change while the exchange runs."""

    tick: int
    step: int
    min_quantity: int
    min_notional: int
    max_position: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Instrument:
    """A symbol as it is served.

    Attributes:
        symbol: as Binance writes it.
        tick: price of one tick, units.
        lot: base units of one lot.
        tick_lot: quote units of one tick on one lot.
        maker_fee, taker_fee: 1e-8 of the notional; negative is a rebate.
        fee_in_base: whether a buy's commission is taken from the base asset.
    """

    symbol: str
    base: str
    quote: str
    tick: int
    lot: int
    tick_lot: int
    maker_fee: int
    taker_fee: int
    fee_in_base: bool
    filters: Filters
    status: str = TRADING

    def price(self, ticks: int) -> str:
        """Return a price as text."""
        return text(ticks * self.tick)

    def quantity(self, lots: int) -> str:
        """Return a quantity as text."""
        return text(lots * self.lot)

    def notional(self, ticks: int, lots: int) -> int:
        """Return what lots cost at a price, quote units."""
        return ticks * lots * self.tick_lot

    def changed(self, **values: Any) -> "Instrument":
        """Return the symbol with other filters (by their names) or another status."""
        status = values.pop("status", self.status)
        filters = dataclasses.replace(self.filters, **values)
        return dataclasses.replace(self, status=status, filters=filters)

    def demand_price(self, price: int, last_ticks: int) -> int:
        """Return a price in ticks.

        Raises:
            Refusal: a filter is broken.
        """
        if not 0 < price <= MAX_PRICE or price % self.filters.tick or price % self.tick:
            raise filtered("PRICE_FILTER")
        last = last_ticks * self.tick
        if last and not last <= price * MULTIPLIER <= last * MULTIPLIER * MULTIPLIER:
            raise filtered("PERCENT_PRICE_BY_SIDE")
        return price // self.tick

    def demand_quantity(self, quantity: int, kind: str = "LOT_SIZE") -> int:
        """Return a quantity in lots.

        Raises:
            Refusal: a filter is broken.
        """
        known = self.filters
        if not known.min_quantity <= quantity <= MAX_QUANTITY:
            raise filtered(kind)
        if quantity % known.step or quantity % self.lot:
            raise filtered(kind)
        return quantity // self.lot

    def demand_notional(self, notional: int) -> None:
        """Raise Refusal for an order worth too little or too much."""
        if not self.filters.min_notional <= notional <= MAX_NOTIONAL:
            raise filtered("NOTIONAL")


def instrument_of(meta: Meta) -> Instrument:
    """Return the symbol of a recording.

    Raises:
        RecordingError: an inverse contract, or steps finer than 1e-8.
    """
    scale: I8 = scale_of(meta)
    tick, lot = units(meta.tick), units(meta.lot)
    return Instrument(
        symbol=f"{meta.base}{meta.quote}".upper(),
        base=meta.base.upper(),
        quote=meta.quote.upper(),
        tick=tick,
        lot=int(scale[SCALE_LOT]),
        tick_lot=int(scale[SCALE_TICK_LOT]),
        maker_fee=int(scale[SCALE_MAKER_FEE]),
        taker_fee=int(scale[SCALE_TAKER_FEE]),
        fee_in_base=bool(scale[SCALE_FEE_IN_BASE]),
        filters=Filters(
            tick=tick,
            step=lot,
            min_quantity=lot * meta.min_lots,
            min_notional=int(scale[SCALE_MIN_NOTIONAL]),
        ),
    )


def filter_rows(instrument: Instrument) -> list[dict[str, Any]]:
    """Return the filters as `exchangeInfo` lists them."""
    known = instrument.filters
    multipliers = {"Up": text(MULTIPLIER * UNITS), "Down": text(UNITS // MULTIPLIER)}
    percent = {
        f"{side}Multiplier{way}": multipliers[way] for side in ("bid", "ask") for way in multipliers
    }
    rows: list[dict[str, Any]] = [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": text(known.tick),
            "maxPrice": text(MAX_PRICE),
            "tickSize": text(known.tick),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": text(known.min_quantity),
            "maxQty": text(MAX_QUANTITY),
            "stepSize": text(known.step),
        },
        {"filterType": "ICEBERG_PARTS", "limit": 10},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": text(0),
            "maxQty": text(MAX_QUANTITY),
            "stepSize": text(0),
        },
        {"filterType": "PERCENT_PRICE_BY_SIDE", **percent, "avgPriceMins": 5},
        {
            "filterType": "NOTIONAL",
            "minNotional": text(known.min_notional),
            "applyMinToMarket": True,
            "maxNotional": text(MAX_NOTIONAL),
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": MAX_ORDERS},
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": MAX_AMENDS},
    ]
    if known.max_position is not None:
        rows.append({"filterType": "MAX_POSITION", "maxPosition": text(known.max_position)})
    return rows


def symbol_row(instrument: Instrument) -> dict[str, Any]:
    """Return the symbol as `exchangeInfo` describes it."""
    return {
        "symbol": instrument.symbol,
        "status": instrument.status,
        "baseAsset": instrument.base,
        "baseAssetPrecision": 8,
        "quoteAsset": instrument.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": list(ORDER_TYPES),
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": filter_rows(instrument),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": DEFAULT_STP,
        "allowedSelfTradePreventionModes": list(STP_MODES),
    }


def parse_units(value: str) -> int | None:
    """Return decimal text in units; None when it has more than eight places."""
    scaled = Decimal(value) * UNITS
    return int(scaled) if scaled == scaled.to_integral_value() else None
