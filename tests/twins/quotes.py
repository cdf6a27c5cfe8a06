"""The ladder again, slow and plain: exact fractions, one quote at a time."""

import math
from dataclasses import dataclass
from fractions import Fraction

from market import layout


@dataclass(frozen=True)
class Scale:
    """The figures of SCALE_* that a ladder needs, by name."""

    tick_lot: int
    lot: int
    min_lots: int
    min_notional: int
    fee: int
    spot: bool

    @classmethod
    def of(cls, row):
        """Read i8[SCALE_COLUMNS]."""
        return cls(
            tick_lot=int(row[layout.SCALE_TICK_LOT]),
            lot=int(row[layout.SCALE_LOT]),
            min_lots=int(row[layout.SCALE_MIN_LOTS]),
            min_notional=int(row[layout.SCALE_MIN_NOTIONAL]),
            fee=int(row[layout.SCALE_MAKER_FEE]),
            spot=bool(row[layout.SCALE_SPOT]),
        )

    def legal(self, price, lots):
        """Tell whether an order is large enough."""
        worth = price * lots * self.tick_lot
        return lots >= max(1, self.min_lots) and worth >= self.min_notional

    def cost(self, price, lots):
        """Return the quote units that a buy ties up."""
        notional = price * lots * self.tick_lot
        return notional + math.ceil(Fraction(notional * max(0, self.fee), layout.UNITS))


def ladder(mid, shift, width, step, levels, lots, rooms, balances, touch, scale):
    """Return [bids, asks] as lists of (price, lots), innermost first."""
    money, base = balances
    room_bid, room_ask = rooms
    if scale.spot:
        room_ask = min(room_ask, base // scale.lot)
    bids, asks = [], []
    for level in range(levels):
        offset = width * (1 + level * step)
        price = min(math.floor(mid + shift - offset), touch[1] - 1)
        wanted = min(lots, room_bid)
        if price > 0 and wanted > 0:
            if scale.spot:
                wanted = min(wanted, money // scale.cost(price, 1))
            if scale.legal(price, wanted):
                bids.append((price, wanted))
                room_bid -= wanted
                money -= scale.cost(price, wanted)
        price = max(math.ceil(mid + shift + offset), touch[0] + 1)
        wanted = min(lots, room_ask)
        if scale.legal(price, wanted):
            asks.append((price, wanted))
            room_ask -= wanted
    return [bids, asks]
