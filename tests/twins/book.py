"""The book again, slow and plain: one dictionary a side."""

from dataclasses import dataclass, field

from market import layout


@dataclass
class Book:
    """Lots by price, every price allowed."""

    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)

    def side(self, side):
        """Return one side."""
        return self.bids if side == layout.BUY else self.asks

    @property
    def bid(self):
        """The best bid."""
        return max(self.bids, default=layout.NO_BID)

    @property
    def ask(self):
        """The best ask."""
        return min(self.asks, default=layout.NO_ASK)

    def apply(self, kind, side, price, lots):
        """Take in one depth, snapshot or clear event; return what the price held."""
        if kind == layout.KIND_CLEAR:
            if side == 0:
                self.bids.clear()
                self.asks.clear()
            elif side == layout.BUY:
                self.bids = {at: held for at, held in self.bids.items() if at < price}
            elif price > 0:
                self.asks = {at: held for at, held in self.asks.items() if at > price}
            else:
                self.asks.clear()
            return 0
        held = self.side(side).pop(price, 0)
        if lots > 0:
            self.side(side)[price] = lots
        return held
