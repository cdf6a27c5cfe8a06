"""A judge of orders that shares no line with the gate: balances, limits, states in plain Python.

`Judge.approve` is told of each order that the gate let pass, `Judge.mark` of each look at the
market; what breaks a limit is a `LimitBrokenError`.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from market.breach import HALTED, REDUCING
from market.layout import BUY, NO_ASK, NO_BID, SELL
from risk.limits import Limits

SECOND = 10**9
DAY_NS = 86_400 * SECOND
UNITS = 10**8
CAPITAL = 100_000 * UNITS
TICK_LOT = 10**6
MIN_LOTS = 2
REDUCES = ("position_slack", "stop_loss_threshold")
"""What leaves orders that shrink the position."""


class LimitBrokenError(AssertionError):
    """A limit was broken."""


@dataclass
class Judge:
    """What is known of the account without asking any kernel; money in 1e-8, sizes in lots."""

    limits: Limits
    spot: bool
    quote: int
    base: int
    target: int
    orders: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    """By id: side, price in ticks, lots that remain."""
    portfolio: int = 1 << 40
    carried: int = 1 << 40
    tokens: float = 0.0
    token_ns: int = 0
    held: list[tuple[int, int]] = field(default_factory=list)
    """Open lots, oldest first: signed, price."""
    quarters: dict[int, int] = field(default_factory=dict)
    day: int = -1
    day_opening: int = 0
    peak: int | None = None
    fallen_ns: int = 0
    must: str = ""

    @property
    def position(self) -> int:
        """Signed lots over the target."""
        return self.base - self.target

    def open_lots(self, side: int) -> int:
        """Lots of our open orders of a side."""
        return sum(lots for its, _, lots in self.orders.values() if its == side)

    def fill(self, order_id: int, lots: int) -> None:
        """Book a fill at the order's own price."""
        side, price, left = self.orders[order_id]
        self.quote -= side * price * lots * TICK_LOT
        self.base += side * lots
        if left == lots:
            del self.orders[order_id]
        else:
            self.orders[order_id] = (side, price, left - lots)
        rest = side * lots
        while rest and self.held and self.held[0][0] * rest < 0:
            first, bought = self.held.pop(0)
            closed = min(abs(first), abs(rest))
            rest -= side * closed
            if abs(first) > closed:
                self.held.insert(0, (first + side * closed, bought))
        if rest:
            self.held.append((rest, price))
        self.fits()

    def fits(self) -> None:
        """Check that filling every open order at once leaves no balance below zero."""
        if not self.spot:
            return
        buys = sum(p * lots for side, p, lots in self.orders.values() if side == BUY) * TICK_LOT
        if buys > self.quote or self.open_lots(SELL) > self.base:
            raise LimitBrokenError("free_balance")

    def mark(self, now_ns: int, half: int, ratio: float, silent_ns: int) -> None:
        """Judge losses, volatility and silence; `must` names what forbids growth now."""
        told = self.limits
        equity = self.quote + self.base * half * TICK_LOT // 2
        day, quarter = now_ns // DAY_NS, now_ns // (900 * SECOND)
        if day != self.day:
            self.day, self.day_opening = day, equity
        self.quarters.setdefault(quarter, equity)
        old = [q for q in self.quarters if q <= quarter - 96]
        for stale in sorted(old)[:-1]:
            del self.quarters[stale]
        before = self.quarters[min(self.quarters)]
        self.peak = max(equity if self.peak is None else self.peak, equity)
        fallen = self.peak - equity >= told.peak_drawdown_limit * CAPITAL
        if self.fallen_ns and now_ns >= self.fallen_ns + told.drawdown_rest_ns:
            self.peak, self.fallen_ns, fallen = equity, 0, False
        elif fallen and not self.fallen_ns:
            self.fallen_ns = now_ns
        self.must = ""
        worth = abs(self.position) * half * TICK_LOT / 2
        cost = sum(lots * price for lots, price in self.held) * TICK_LOT
        lost = cost - self.position * half * TICK_LOT / 2
        legal = abs(self.position) >= MIN_LOTS
        slack = (1 + told.position_slack) * told.max_position_size * CAPITAL
        for name, holds in (
            ("position_slack", legal and worth > slack * (1 + 1e-9)),
            ("stop_loss_threshold",
             legal and lost > told.stop_loss_threshold * abs(cost) * (1 + 1e-9)),
            ("price_age_limit", silent_ns > told.price_age_ns),
            ("volatility_cutoff", not ratio <= told.volatility_cutoff),
            ("rolling_loss", before - equity >= told.daily_loss_limit * CAPITAL),
            ("daily_loss", self.day_opening - equity >= told.daily_loss_limit * CAPITAL),
            ("peak_drawdown_limit", fallen),
        ):  # fmt: skip
            self.must = name if holds else self.must

    def demand(self, state: int) -> None:
        """Check that the state is at least as grave as what holds asks for."""
        if self.must and state < (REDUCING if self.must in REDUCES else HALTED):
            raise LimitBrokenError(self.must)

    def stressed(self, lots: int, half: int) -> bool:
        """Return whether the worst scenario would take too much of so many lots."""
        told = self.limits
        lost = lots * half * TICK_LOT / 2 * told.stressed_move
        return 0 < told.stressed_loss_limit * CAPITAL * (1 + 1e-12) < lost

    def approve(self, order: Any, now_ns: int, market: tuple[int, int, int, int]) -> None:
        """Check an order that the gate let pass, then enter it."""
        bid, ask, last, heard_ns = market
        told, side, price, lots = self.limits, order.side, order.price_ticks, order.lots
        if not NO_BID < bid < ask < NO_ASK:
            raise LimitBrokenError("two_sided_book")
        half = bid + ask
        shrinks = side * self.position < 0 and lots + self.open_lots(side) <= abs(self.position)
        reached = side * self.position + self.open_lots(side) + lots
        cap = math.floor(told.max_position_size * CAPITAL / (half * TICK_LOT / 2))
        gap = max(self.tokens, 0) + (now_ns - self.token_ns) / 1e9 * told.order_rate_max
        self.tokens, self.token_ns = min(float(told.order_burst_max), gap), now_ns
        maker = not order.taker
        reducing = self.must in REDUCES
        others = [p for its, p, _ in self.orders.values() if its != side]
        for name, broken in (
            ("price_age_limit", now_ns - heard_ns > told.price_age_ns),
            (self.must, self.must and maker and not (reducing and shrinks)),
            ("risk_state", order.taker and not shrinks),
            ("order_lots_max", maker and lots > told.order_lots_max),
            ("minimum_order", lots < MIN_LOTS or price <= 0),
            ("price_collar", abs(price - half / 2) > told.price_collar * half / 2 + 1e-6),
            ("last_trade_collar",
             maker and last > 0 and abs(price - last) > told.price_collar * last + 1e-6),
            ("max_order_size", maker and price * lots * TICK_LOT > told.max_order_size * CAPITAL),
            ("order_rate_max", maker and self.tokens < 1 - 1e-6),
            ("open_orders_max", len(self.orders) >= told.open_orders_max),
            ("own_order", any(side * (price - other) >= 0 for other in others)),
            ("max_position_size", not shrinks and reached > cap),
            ("carried", not shrinks and reached > self.carried),
            ("correlation_limits", not shrinks and reached > self.portfolio),
            ("stressed_loss_limit", not shrinks and self.stressed(reached, half)),
        ):  # fmt: skip
            if broken:
                raise LimitBrokenError(name)
        self.tokens -= float(maker)
        self.orders[order.order_id] = (side, price, lots)
        self.fits()
