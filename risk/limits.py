"""The limits of one account as a frozen value, and which of them could never bind.

What a limit means is in `market/breach.py`, `market/states.py` and `market/carry.py`, whose kernels
the gate and every replay ask; here they have names, ranges and a row of figures for those kernels.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from market.breach import (
    LIMIT_AGE_NS,
    LIMIT_BURST_NS,
    LIMIT_CAPITAL,
    LIMIT_CLOSE_S,
    LIMIT_COLLAR,
    LIMIT_COLUMNS,
    LIMIT_COOLDOWN_NS,
    LIMIT_DAILY_LOSS,
    LIMIT_DRAWDOWN,
    LIMIT_FLOW,
    LIMIT_IMPACT,
    LIMIT_LOSS_CLOSES,
    LIMIT_LOSS_OPERATOR,
    LIMIT_MOVE,
    LIMIT_NOTIONAL,
    LIMIT_OPEN_ORDERS,
    LIMIT_ORDER_LOTS,
    LIMIT_ORDER_NS,
    LIMIT_POSITION,
    LIMIT_REST_NS,
    LIMIT_SLACK,
    LIMIT_STOP_LOSS,
    LIMIT_STRESS,
    LIMIT_VALUE,
    LIMIT_VALUE_S,
    LIMIT_VOLATILITY,
    limit_settings,
)
from market.layout import LEVELS_MAX, SCALE_SPOT
from market.quotes import LOTS_HUGE
from market.types import F8, I8

NAMES = {
    LIMIT_POSITION: "max_position_size",
    LIMIT_STOP_LOSS: "stop_loss_threshold",
    LIMIT_DAILY_LOSS: "daily_loss_limit",
    LIMIT_DRAWDOWN: "peak_drawdown_limit",
    LIMIT_VOLATILITY: "volatility_cutoff",
    LIMIT_COLLAR: "price_collar",
    LIMIT_ORDER_LOTS: "order_lots_max",
    LIMIT_NOTIONAL: "max_order_size",
    LIMIT_OPEN_ORDERS: "open_orders_max",
    LIMIT_ORDER_NS: "order_rate_max",
    LIMIT_AGE_NS: "price_age_limit",
    LIMIT_VALUE: "value_at_risk_limit",
    LIMIT_FLOW: "participation_limit",
    LIMIT_IMPACT: "flatten_cost_limit",
    LIMIT_COOLDOWN_NS: "cooldown",
    LIMIT_STRESS: "stressed_loss_limit",
}
"""The names that operators know, by column of the row."""
ORDERS_AT_ONCE = 2 * LEVELS_MAX
"""Most places of one guard step: every level of both sides anew."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be risked. Fractions are of the capital unless said; 0 is off where it is allowed.

    Attributes:
        capital_units: quote asset in 1e-8, > 0.
        max_position_size: largest position, in (0, 1].
        stop_loss_threshold: loss of the open position, fraction of its cost, in (0, 1].
        daily_loss_limit: loss since the UTC day's opening, and in any 24 hours, in (0, 1].
        peak_drawdown_limit: fall from the peak, in (0, 1].
        volatility_cutoff: volatility over its slow average, >= 0; 0 is off.
        price_collar: largest distance of an order from mid, and from the last trade, in (0, 1].
        order_lots_max: largest order, >= 1.
        open_orders_max: orders open at once, >= 1.
        cooldown_ns: rest after a stop loss, >= 0.
        max_order_size: largest order, in [0, 2].
        price_age_ns: oldest news of the market, >= 0.
        order_rate_max: orders a second in the long run, >= 0.
        order_burst_max: orders at once, >= 1.
        value_at_risk_limit: loss at 99 % over the horizon, in [0, 1].
        value_at_risk_s: that horizon, seconds, > 0.
        participation_limit: share of recent flow in which a position is closed, in [0, 1].
        liquidation_s: seconds in which that must be possible, > 0.
        flatten_cost_limit: cost of closing it at once, fraction of its worth, in [0, 1].
        loss_operator: whether only an operator ends the halt of a daily loss.
        drawdown_rest_ns: rest after a drawdown, >= 0; 0: only an operator ends the halt.
        position_slack: share by which a move of price may carry a position beyond its limit
            before it is reduced, >= 0.
        stressed_loss_limit: loss of a position by the worst scenario, in [0, 1].
        stressed_move: adverse move of that scenario, fraction of the price, in (0, 1].
        loss_closes: whether a loss that halts closes the position, too.
    """

    capital_units: int
    max_position_size: float = 0.01
    stop_loss_threshold: float = 0.02
    daily_loss_limit: float = 0.05
    peak_drawdown_limit: float = 0.10
    volatility_cutoff: float = 5.0
    price_collar: float = 0.05
    order_lots_max: int = LOTS_HUGE
    open_orders_max: int = 200
    cooldown_ns: int = 600 * 10**9
    max_order_size: float = 0.0
    price_age_ns: int = 0
    order_rate_max: float = 0.0
    order_burst_max: int = 1
    value_at_risk_limit: float = 0.0
    value_at_risk_s: float = 3_600.0
    participation_limit: float = 0.0
    liquidation_s: float = 86_400.0
    flatten_cost_limit: float = 0.0
    loss_operator: bool = False
    drawdown_rest_ns: int = 0
    position_slack: float = 0.1
    stressed_loss_limit: float = 0.0
    stressed_move: float = 0.2
    loss_closes: bool = False

    def __post_init__(self) -> None:
        """Refuse a limit out of range: it would let everything pass, or nothing."""
        for name in (
            "max_position_size",
            "stop_loss_threshold",
            "daily_loss_limit",
            "peak_drawdown_limit",
            "price_collar",
            "stressed_move",
        ):
            _demand(name, getattr(self, name), low=0.0, high=1.0, above=True)
        for name in (
            "value_at_risk_limit",
            "participation_limit",
            "flatten_cost_limit",
            "stressed_loss_limit",
        ):
            _demand(name, getattr(self, name), low=0.0, high=1.0)
        _demand("max_order_size", self.max_order_size, low=0.0, high=2.0)
        for name in (
            "volatility_cutoff",
            "order_rate_max",
            "price_age_ns",
            "cooldown_ns",
            "drawdown_rest_ns",
            "position_slack",
        ):
            _demand(name, getattr(self, name), low=0.0, high=math.inf)
        for name in ("value_at_risk_s", "liquidation_s"):
            _demand(name, getattr(self, name), low=0.0, high=math.inf, above=True)
        for name in ("capital_units", "order_lots_max", "open_orders_max", "order_burst_max"):
            _demand(name, getattr(self, name), low=1.0, high=math.inf)

    @classmethod
    def of_row(cls, row: F8) -> Self:
        """Read the limits back from f8[LIMIT_COLUMNS]."""
        if row.shape != (LIMIT_COLUMNS,) or not np.isfinite(row).all():
            raise ValueError(f"limits are {LIMIT_COLUMNS} finite figures, found {row}")
        order_ns = float(row[LIMIT_ORDER_NS])
        return cls(
            capital_units=int(row[LIMIT_CAPITAL]),
            max_position_size=float(row[LIMIT_POSITION]),
            stop_loss_threshold=float(row[LIMIT_STOP_LOSS]),
            daily_loss_limit=float(row[LIMIT_DAILY_LOSS]),
            peak_drawdown_limit=float(row[LIMIT_DRAWDOWN]),
            volatility_cutoff=float(row[LIMIT_VOLATILITY]),
            price_collar=float(row[LIMIT_COLLAR]),
            order_lots_max=int(row[LIMIT_ORDER_LOTS]),
            open_orders_max=int(row[LIMIT_OPEN_ORDERS]),
            cooldown_ns=int(row[LIMIT_COOLDOWN_NS]),
            max_order_size=float(row[LIMIT_NOTIONAL]),
            price_age_ns=int(row[LIMIT_AGE_NS]),
            order_rate_max=1e9 / order_ns if order_ns > 0 else 0.0,
            order_burst_max=1 + round(row[LIMIT_BURST_NS] / order_ns) if order_ns > 0 else 1,
            value_at_risk_limit=float(row[LIMIT_VALUE]),
            value_at_risk_s=float(row[LIMIT_VALUE_S]),
            participation_limit=float(row[LIMIT_FLOW]),
            liquidation_s=float(row[LIMIT_CLOSE_S]),
            flatten_cost_limit=float(row[LIMIT_IMPACT]),
            loss_operator=bool(row[LIMIT_LOSS_OPERATOR]),
            drawdown_rest_ns=int(row[LIMIT_REST_NS]),
            position_slack=float(row[LIMIT_SLACK]),
            stressed_loss_limit=float(row[LIMIT_STRESS]),
            stressed_move=float(row[LIMIT_MOVE]),
            loss_closes=bool(row[LIMIT_LOSS_CLOSES]),
        )

    def row(self) -> F8:
        """Return f8[LIMIT_COLUMNS], as kernels take it."""
        return limit_settings(
            capital_units=self.capital_units,
            max_position_fraction=self.max_position_size,
            stop_loss_fraction=self.stop_loss_threshold,
            daily_loss_fraction=self.daily_loss_limit,
            drawdown_fraction=self.peak_drawdown_limit,
            volatility_cutoff=self.volatility_cutoff,
            collar_fraction=self.price_collar,
            order_lots_max=self.order_lots_max,
            open_orders_max=self.open_orders_max,
            cooldown_ns=self.cooldown_ns,
            notional_fraction=self.max_order_size,
            age_ns=self.price_age_ns,
            orders_per_second=self.order_rate_max,
            orders_burst=self.order_burst_max,
            value_fraction=self.value_at_risk_limit,
            value_s=self.value_at_risk_s,
            flow_share=self.participation_limit,
            close_s=self.liquidation_s,
            impact_fraction=self.flatten_cost_limit,
            loss_operator=self.loss_operator,
            rest_ns=self.drawdown_rest_ns,
            slack=self.position_slack,
            stress_fraction=self.stressed_loss_limit,
            stress_move=self.stressed_move,
            loss_closes=self.loss_closes,
        )

    def idle(
        self,
        scale: I8,
        *,
        position_cap_lots: int,
        liquid_cap_lots: int = 0,
        interval_s: float = 1.0,
    ) -> dict[str, str]:
        """Return, by name, the limits that could never bind, each with the reason.

        Losses are judged by one move of the price with the largest position and, on spot, the
        target inventory of the same size: repeated losses may still add up to more.

        Args:
            scale: i8[SCALE_COLUMNS].
            position_cap_lots: largest position in lots at the present price.
            liquid_cap_lots: what the present market can take back; 0 when that is not known.
            interval_s: the guard's, seconds.
        """
        idle = self._off()
        exposed = self.max_position_size * (2.0 if scale[SCALE_SPOT] != 0 else 1.0)
        twice = "twice the largest position is smaller"
        if self.order_lots_max >= 2 * position_cap_lots:
            idle["order_lots_max"] = twice
        if self.max_order_size >= 2 * self.max_position_size:
            idle["max_order_size"] = twice
        if self.open_orders_max >= 2 * ORDERS_AT_ONCE:
            idle["open_orders_max"] = f"{LEVELS_MAX} levels twice over on both sides are fewer"
        often = self.order_rate_max * interval_s >= ORDERS_AT_ONCE
        if often and self.order_burst_max >= ORDERS_AT_ONCE:
            idle["order_rate_max"] = f"a guard step of {interval_s:g} s places fewer"
        for name, share in (
            ("daily_loss_limit", self.daily_loss_limit),
            ("peak_drawdown_limit", self.peak_drawdown_limit),
        ):
            if scale[SCALE_SPOT] != 0 and share > exposed:
                idle[name] = f"one move cannot reach it: {exposed:.4g} of the capital can be held"
        if self.value_at_risk_limit >= self.max_position_size and scale[SCALE_SPOT] != 0:
            idle["value_at_risk_limit"] = "the largest position is worth no more"
        if self.stressed_loss_limit >= self.stressed_move * self.max_position_size:
            idle["stressed_loss_limit"] = "the worst scenario takes no more of the largest position"
        if liquid_cap_lots >= position_cap_lots > 0:
            why = "the present market takes back more than the largest position"
            for name in ("participation_limit", "flatten_cost_limit"):
                idle.setdefault(name, why)
        return idle

    def _off(self) -> dict[str, str]:
        """Return the limits that are switched off."""
        named = {
            "volatility_cutoff": self.volatility_cutoff,
            "max_order_size": self.max_order_size,
            "price_age_limit": self.price_age_ns,
            "order_rate_max": self.order_rate_max,
            "value_at_risk_limit": self.value_at_risk_limit,
            "participation_limit": self.participation_limit,
            "flatten_cost_limit": self.flatten_cost_limit,
            "stressed_loss_limit": self.stressed_loss_limit,
        }
        return {name: "it is off (0)" for name, figure in named.items() if figure == 0}


def _demand(name: str, figure: float, *, low: float, high: float, above: bool = False) -> None:
    """Refuse a figure out of range; `above`: the lowest is out of it. NaN always is."""
    fits = low < figure <= high if above else low <= figure <= high
    if not fits or not math.isfinite(figure):
        if high == math.inf:
            allowed = f"{'above' if above else 'at least'} {low:g}"
        else:
            allowed = f"in {'(' if above else '['}{low:g}, {high:g}]"
        raise ValueError(f"{name} must be {allowed}, found {figure}")
