"""Ticks and lots of a history: what the arithmetic of the market counts in."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from desk.report.columns import Columns
from desk.report.history import History
from desk.rows import UNITS, units
from market.layout import (
    SCALE_COLUMNS,
    SCALE_LOT,
    SCALE_TICK_LOT,
    TRIP_CLOSE_NS,
    TRIP_CLOSE_TICKS,
    TRIP_COLUMNS,
    TRIP_OPEN_NS,
    TRIP_OPEN_TICKS,
    TRIP_PROFIT,
    TRIP_SIGNED_LOTS,
)
from market.types import F8, I8

HALF_UNITS = 2


@dataclass(frozen=True, slots=True)
class Instrument:
    """What an executor traded.

    Attributes:
        tick_units, lot_units: one tick and one lot, 1e-8.
        capital_units: quote.
        max_position_units: largest of the sets that were in force, base.
        risk_fraction: stop distance of R-multiples.
    """

    symbol: str
    base: str
    quote: str
    tick_units: int
    lot_units: int
    capital_units: int
    max_position_units: int
    risk_fraction: float

    @classmethod
    def of(cls, history: History) -> Self:
        """Return that of a history."""
        told = history.opening
        sets: list[Any] = [told["parameters"]]
        sets += [body["params"] for _, kind, _, body in history.events if kind == "applied"
                 and "params" in body]  # fmt: skip
        return cls(
            symbol=str(told["symbol"]),
            base=str(told["base"]),
            quote=str(told["quote"]),
            tick_units=units(str(told["tick"])),
            lot_units=units(str(told["lot"])),
            capital_units=round(float(told["capital"]) * UNITS),
            max_position_units=round(max(float(each["max_position"]) for each in sets) * UNITS),
            risk_fraction=float(told["limits"]["stop_loss_threshold"]),
        )

    @property
    def tick_lot_units(self) -> int:
        """Quote units of one tick on one lot."""
        return self.tick_units * self.lot_units // UNITS

    @property
    def scale(self) -> I8:
        """i8[SCALE_COLUMNS]: tick-lot and lot alone."""
        found = np.zeros(SCALE_COLUMNS, dtype=np.int64)
        found[SCALE_TICK_LOT], found[SCALE_LOT] = self.tick_lot_units, self.lot_units
        return found

    def ticks(self, prices: I8) -> I8:
        """Return whole ticks of prices in 1e-8."""
        return prices // self.tick_units

    def half_ticks(self, mids: I8) -> I8:
        """Return whole halves of ticks of mids in 1e-8, to the nearest: an odd tick has none."""
        return (HALF_UNITS * mids + self.tick_units // 2) // self.tick_units

    def mids(self, mids: I8) -> F8:
        """Return ticks of mids; may end in a half."""
        return self.half_ticks(mids) / float(HALF_UNITS)

    def lots(self, quantities: I8) -> I8:
        """Return whole lots of quantities in 1e-8, either sign."""
        return quantities // self.lot_units

    def notionals(self, fills: Columns) -> I8:
        """Return quote units of fills, exact."""
        return self.ticks(fills["price"]) * self.lots(fills["quantity"]) * self.tick_lot_units

    def trips(self, trips: Columns) -> I8:
        """Return i8[n, TRIP_COLUMNS] of round trips."""
        found = np.zeros((len(trips["profit"]), TRIP_COLUMNS), dtype=np.int64)
        found[:, TRIP_OPEN_NS] = trips["opened_ns"]
        found[:, TRIP_CLOSE_NS] = trips["closed_ns"]
        found[:, TRIP_SIGNED_LOTS] = self.lots(trips["quantity"])
        found[:, TRIP_OPEN_TICKS] = self.ticks(trips["open_price"])
        found[:, TRIP_CLOSE_TICKS] = self.ticks(trips["close_price"])
        found[:, TRIP_PROFIT] = trips["profit"]
        return found
