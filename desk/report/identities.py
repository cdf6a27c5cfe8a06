"""The identities that hold in every honest account, checked on what the store holds.

Each compares two figures that come by different roads: the ledger's own against the raw fills.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from desk.report.figures import profit_of
from desk.report.history import PARTS, History
from desk.report.instrument import Instrument
from desk.rows import UNITS, decimal
from market.fifo import (
    RETOLD_COLUMNS,
    RETOLD_FEE,
    RETOLD_FEE_BASE,
    RETOLD_LOTS,
    RETOLD_PRICE_TICKS,
    RETOLD_SIDE,
    RETOLD_TIME_NS,
    retell,
)
from market.layout import (
    LEDGER_COLUMNS,
    LEDGER_OPEN_LOTS,
    LEDGER_POSITION_COST,
    LEDGER_TRIPS,
    LOT_FEE,
    LOTS_MAX,
    TRIP_PROFIT,
)
from market.ledger import new_lots, value
from market.lots import LOTS_COUNT, LOTS_FEE, LOTS_FIRST
from market.types import I8


@dataclass(frozen=True, slots=True)
class Identity:
    """Two figures that must be one.

    Attributes:
        said: what is compared, for a person.
        left, right: 1e-8 units, or counts.
        slack: how far they may be apart; 0: not at all.
        unit: asset, or empty for a count.
        why: what the slack is for.
    """

    said: str
    left: int
    right: int
    slack: int
    unit: str
    why: str = ""

    @property
    def holds(self) -> bool:
        """Whether they are one."""
        return abs(self.left - self.right) <= self.slack

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values, amounts as decimal text."""
        told = decimal if self.unit else str
        return {
            "said": self.said,
            "left": told(self.left),
            "right": told(self.right),
            "difference": told(self.left - self.right),
            "slack": told(self.slack),
            "unit": self.unit,
            "why": self.why,
            "holds": self.holds,
        }


def identities(history: History, instrument: Instrument) -> list[Identity]:
    """Return every identity that the span lets check."""
    cycles, quote = history.cycles, instrument.quote
    parts = np.sum([cycles[name] for name in PARTS], axis=0)
    profit = cycles["equity"] - cycles["opening"]
    apart = np.abs(profit - parts)
    worst = int(np.argmax(apart)) if apart.any() else len(apart) - 1
    found = [
        Identity(
            "equity - opening = spread + fees + inventory + funding, "
            f"at each of {len(profit):,} marks (the worst or the last shown)",
            int(profit[worst]), int(parts[worst]), 0, quote,
        ),
        Identity(
            "fills in the store = fills in the ledger",
            len(history.fills["price"]), int(cycles["fills"][-1] - cycles["fills"][0]), 0, "",
        ),
        Identity(
            "round trips in the store = round trips in the ledger",
            len(history.trips["profit"]),
            int(cycles["round_trips"][-1] - cycles["round_trips"][0]), 0, "",
        ),
        Identity(
            "sum of price x quantity of the fills = turnover in the ledger",
            int(np.sum(instrument.notionals(history.fills))),
            int(cycles["turnover"][-1] - cycles["turnover"][0]), 0, quote,
        ),
        Identity(
            "fees of the fills = fees in the ledger",
            int(np.sum(history.fills["fee"])), -profit_of(history)["fees"], 0, quote,
        ),
        Identity(
            "fundings reported = funding in the ledger",
            history.fundings, profit_of(history)["funding"], 0, quote,
        ),
    ]  # fmt: skip
    taken = base_fees(history)
    found.append(_position(history, instrument, taken))
    if history.is_whole:
        found += _retold(history, instrument, taken)
    return found


def base_fees(history: History) -> I8:
    """Return the base units that each fill's commission took, zeros where it was paid in quote.

    The journal has commissions at their worth in quote. Where the fills alone do not add up to the
    position, buys paid in base: the worth over the mid.
    """
    fills = history.fills
    none = np.zeros(len(fills["fee"]), dtype=np.int64)
    moved = int(history.cycles["position"][-1] - history.cycles["position"][0])
    if int(np.sum(fills["side"] * fills["quantity"])) == moved:
        return none
    bought = (fills["side"] == 1) & (fills["mark"] > 0)
    rate = fills["fee"] * float(UNITS) / np.where(bought, fills["mark"], 1)
    return np.where(bought, np.rint(rate), 0.0).astype(np.int64)


def _position(history: History, instrument: Instrument, taken: I8) -> Identity:
    fills, position = history.fills, history.cycles["position"]
    slack, why = 0, ""
    less = ""
    if taken.any():
        paid = taken[taken != 0]
        slack = instrument.lot_units + int(np.sum(1 + UNITS // fills["mark"][taken != 0]))
        less = f" - {decimal(int(np.sum(paid)))} of commissions in {instrument.base}"
        why = "the position is counted in whole lots; commissions in base are known by their worth"
    return Identity(
        f"sum of fills{less} = change of position",
        int(np.sum(fills["side"] * fills["quantity"]) - np.sum(taken)),
        int(position[-1] - position[0]), slack, instrument.base, why,
    )  # fmt: skip


def _retold(history: History, instrument: Instrument, taken: I8) -> list[Identity]:
    """Match the fills anew, first in, first out, and compare with the journal's round trips."""
    fills = history.fills
    rows = np.zeros((len(taken), RETOLD_COLUMNS), dtype=np.int64)
    rows[:, RETOLD_TIME_NS] = fills["exchange_ns"]
    rows[:, RETOLD_SIDE] = fills["side"]
    rows[:, RETOLD_PRICE_TICKS] = instrument.ticks(fills["price"])
    rows[:, RETOLD_LOTS] = instrument.lots(fills["quantity"])
    rows[:, RETOLD_FEE] = fills["fee"]
    rows[:, RETOLD_FEE_BASE] = taken
    ledger, (ring, meter) = np.zeros(LEDGER_COLUMNS, dtype=np.int64), new_lots()
    trips = instrument.trips(history.trips)
    matched = np.zeros((2 * len(taken) + LOTS_MAX, trips.shape[1]), dtype=np.int64)
    retell(rows, ledger, ring, meter, matched, instrument.scale)
    count = int(ledger[LEDGER_TRIPS])
    profits = int(np.sum(matched[:count, TRIP_PROFIT]))
    told = int(np.sum(trips[:, TRIP_PROFIT]))
    slack, why = 0, ""
    if taken.any():
        prices = fills["price"]
        room = int(np.sum(np.abs(taken))) + 2 * instrument.lot_units
        slack = room * int(np.max(prices)) // UNITS + len(taken)
        why = "commissions in base leave the lots at another price than they were paid at"
    quote = instrument.quote
    open_fees = sum(
        int(ring[(int(meter[LOTS_FIRST]) + place) % LOTS_MAX, LOT_FEE])
        for place in range(int(meter[LOTS_COUNT]))
    ) + int(meter[LOTS_FEE])
    half = int(instrument.half_ticks(history.cycles["mark"][-1:])[0])
    held = int(ledger[LEDGER_OPEN_LOTS]) * instrument.lot_units
    worth = value(held, half, instrument.scale) - int(ledger[LEDGER_POSITION_COST]) - open_fees
    profit = profit_of(history)
    net = Identity(
        "profit of the fills matched first in, first out + open lots at mid + funding = net of "
        "holding",
        profits + worth + profit["funding"], profit["net"], max(slack, 2), quote,
        why or "worths are rounded to a unit",
    )  # fmt: skip
    if "funding" in history.outcomes:
        return [net]  # the ledger's round trips carry their share of each funding
    return [
        Identity(
            "profit of the round trips = the same of the fills matched anew, first in, first out "
            f"({len(trips):,} and {count:,})",
            told, profits, slack, quote, why,
        ),
        net,
    ]  # fmt: skip
