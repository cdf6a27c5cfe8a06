"""The guard again, slow and plain: lists of orders, one rule after the other."""

from dataclasses import dataclass, field

from market import layout
from tests.twins.quotes import Scale


@dataclass
class Own:
    """One of our orders."""

    order_id: int
    side: int
    price: int
    lots: int
    level: int
    cancelling: bool = False


@dataclass
class Market:
    """What the guard sees of a step."""

    bid: int
    ask: int
    ready: bool
    sigma: float


@dataclass
class Guard:
    """The guard's memory and settings."""

    scale: Scale
    pull_sigma: float
    pull_ticks: float
    tolerance: int
    cycle_s: float
    half_ticks: int = 0
    max_lots: int = 0
    highest_bid: int = layout.NO_ASK
    lowest_ask: int = layout.NO_BID
    pulled: set[int] = field(default_factory=set)

    def pull(self, market):
        """Pull the side that the market ran over since the ladder was made."""
        if not self.pull_sigma or not self.half_ticks:
            return
        bound = max(self.pull_ticks, self.pull_sigma * market.sigma * self.cycle_s**0.5)
        moved = (market.bid + market.ask - self.half_ticks) / 2
        if moved < -bound:
            self.pulled.add(layout.BUY)
        if moved > bound:
            self.pulled.add(layout.SELL)

    def price(self, side, price, market):
        """Return the wanted price, kept off the touch and off what was rejected."""
        if side == layout.BUY:
            return min(price, market.ask - 1, self.highest_bid)
        return max(price, market.bid + 1, self.lowest_ask)

    def act(self, market, ladder, own, position, free, halted=False):
        """Return the actions: ("cancel", id) and ("place", side, price, lots, level).

        `ladder` is {side: {level: (price, lots)}}, `free` is {BUY: quote units, SELL: base units}.
        """
        two_sided = market.bid != layout.NO_BID and market.ask != layout.NO_ASK
        quoting = two_sided and market.bid < market.ask and market.ready and not halted
        if quoting:
            self.pull(market)
        sides = [s for s in (layout.BUY, layout.SELL) if quoting and s not in self.pulled]
        kept, missing = [], {}
        for side in sides:
            for level, (price, lots) in sorted(ladder[side].items()):
                at = self.price(side, price, market)
                for same in (True, False):
                    for order in own:
                        fits = order.side == side and not order.cancelling and order not in kept
                        near = abs(order.price - at) <= self.tolerance
                        if (
                            fits
                            and near
                            and order.lots <= lots
                            and (order.level == level or not same)
                        ):
                            kept.append(order)
                            lots -= order.lots  # noqa: PLW2901 - what the level still misses
                missing[side, level] = (at, lots)
        actions = [
            ("cancel", order.order_id)
            for order in own
            if order not in kept and not order.cancelling
        ]
        placed = []
        for side in sides:
            room = self.max_lots - side * position
            room -= sum(order.lots for order in own if order.side == side)
            left = free[side]
            for (where, level), (price, lots) in sorted(missing.items(), key=lambda x: x[0][1]):
                if where != side or len(own) + len(placed) >= layout.ORDERS_MAX:
                    continue
                lots = min(lots, room)  # noqa: PLW2901 - cut to what may be sent
                unit = self.scale.cost(price, 1) if side == layout.BUY else self.scale.lot
                if self.scale.spot:
                    lots = min(lots, left // unit)  # noqa: PLW2901
                others = [o.price for o in own if o.side == -side]
                others += [p for s, p, _, _ in placed if s == -side]
                meets = any(side * (price - other) >= 0 for other in others)
                if lots <= 0 or price <= 0 or not self.scale.legal(price, lots) or meets:
                    continue
                placed.append((side, price, lots, level))
                room -= lots
                cost = self.scale.cost(price, lots)
                left -= cost if side == layout.BUY else lots * self.scale.lot
        return actions + [("place", *place) for place in placed]
