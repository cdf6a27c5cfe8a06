"""The limits of one account as a frozen value, and which of them could never bind.

What a limit means is in `market/breach.py`, whose kernel the gate and every replay ask; here they
have names, ranges and a row of figures for that kernel.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from market.breach import (
    LIMIT_CAPITAL,
    LIMIT_COLLAR,
    LIMIT_COLUMNS,
    LIMIT_COOLDOWN_NS,
    LIMIT_DAILY_LOSS,
    LIMIT_DRAWDOWN,
    LIMIT_OPEN_ORDERS,
    LIMIT_ORDER_LOTS,
    LIMIT_POSITION,
    LIMIT_STOP_LOSS,
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
    LIMIT_OPEN_ORDERS: "open_orders_max",
    LIMIT_COOLDOWN_NS: "cooldown",
}
"""The names that operators know, by column of the row."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be risked. Fractions are of the capital unless said.

    Attributes:
        capital_units: quote asset in 1e-8, > 0.
        max_position_size: largest position, in (0, 1].
        stop_loss_threshold: loss of the open position, fraction of its cost, in (0, 1].
        daily_loss_limit: loss since the UTC day's opening, in (0, 1].
        peak_drawdown_limit: fall from the peak, in (0, 1].
        volatility_cutoff: volatility over its slow average, >= 0; 0 is off.
        price_collar: largest distance of an order from mid, fraction of mid, in (0, 1].
        order_lots_max: largest order, >= 1.
        open_orders_max: orders open at once, >= 1.
        cooldown_ns: rest after a stop loss, >= 0.
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

    def __post_init__(self) -> None:
        """Refuse a limit out of range: it would let everything pass, or nothing."""
        shares = {
            "max_position_size": self.max_position_size,
            "stop_loss_threshold": self.stop_loss_threshold,
            "daily_loss_limit": self.daily_loss_limit,
            "peak_drawdown_limit": self.peak_drawdown_limit,
            "price_collar": self.price_collar,
        }
        for name, share in shares.items():
            if not 0.0 < share <= 1.0:
                raise ValueError(f"{name} must be in (0, 1], found {share}")
        if not 0.0 <= self.volatility_cutoff < math.inf:
            raise ValueError(f"volatility_cutoff must be >= 0, found {self.volatility_cutoff}")
        wholes = {
            "capital_units": self.capital_units,
            "order_lots_max": self.order_lots_max,
            "open_orders_max": self.open_orders_max,
        }
        for name, figure in wholes.items():
            if figure < 1:
                raise ValueError(f"{name} must be at least 1, found {figure}")
        if self.cooldown_ns < 0:
            raise ValueError(f"cooldown_ns must be at least 0, found {self.cooldown_ns}")

    @classmethod
    def of_row(cls, row: F8) -> Self:
        """Read the limits back from f8[LIMIT_COLUMNS]."""
        if row.shape != (LIMIT_COLUMNS,) or not np.isfinite(row).all():
            raise ValueError(f"limits are {LIMIT_COLUMNS} finite figures, found {row}")
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
        )

    def idle(self, scale: I8, *, position_cap_lots: int) -> dict[str, str]:
        """Return, by name, the limits that could never bind, each with the reason.

        Losses are judged by one move of the price with the largest position and, on spot, the
        target inventory of the same size: repeated losses may still add up to more.

        Args:
            scale: i8[SCALE_COLUMNS].
            position_cap_lots: largest position in lots at the present price.
        """
        idle = {}
        exposed = self.max_position_size * (2.0 if scale[SCALE_SPOT] != 0 else 1.0)
        if self.volatility_cutoff == 0.0:
            idle["volatility_cutoff"] = "it is off (0)"
        if self.order_lots_max >= 2 * position_cap_lots:
            idle["order_lots_max"] = "twice the largest position is smaller"
        if self.open_orders_max >= 2 * LEVELS_MAX * 2:
            idle["open_orders_max"] = f"{LEVELS_MAX} levels twice over on both sides are fewer"
        for name, share in (
            ("daily_loss_limit", self.daily_loss_limit),
            ("peak_drawdown_limit", self.peak_drawdown_limit),
        ):
            if scale[SCALE_SPOT] != 0 and share > exposed:
                idle[name] = f"one move cannot reach it: {exposed:.4g} of the capital can be held"
        return idle
