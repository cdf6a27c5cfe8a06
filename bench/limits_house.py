"""A market that falls silent, rallies and falls, and an executor that crosses its limits in it.

An hour of made minutes, played as a full book: calm, a rally by 4 % a minute, calm, a fall. Each
limit has a setting under which it fires here; the base has none of them.
"""

from pathlib import Path
from typing import Any

import numpy as np

from exchange.importers.bars import Bars, BarsMeta
from exchange.importers.bars_played import played_recording
from exchange.recording import save
from market.types import F8

START_NS = 1_735_689_600 * 10**9
MINUTE_NS = 60 * 10**9
MINUTES = 45
CALM = 15
"""Minutes until the rally, and from its end to the fall."""
WILD = 5
STEP = 0.04
CAPITAL = 1_000.0
LATENCY = "measured:1.0"
BASE: dict[str, Any] = {
    "max_position_size": 1.0, "stop_loss_threshold": 1.0, "daily_loss_limit": 1.0,
    "peak_drawdown_limit": 1.0, "volatility_cutoff": 0.0, "price_collar": 1.0,
    "price_age_s": 0.0, "max_order_size": 2.0, "open_orders_max": 256, "order_rate_max": 0.0,
    "value_at_risk_limit": 0.0, "participation_limit": 0.0, "flatten_cost_limit": 0.0,
    "stressed_loss_limit": 0.0, "cooldown_s": 30,
}  # fmt: skip
"""No limit fires under these."""
PLACES: dict[str, dict[str, Any]] = {
    "peak_drawdown_limit": {"peak_drawdown_limit": 0.002},
    "daily_loss_limit": {"daily_loss_limit": 0.002},
    "volatility_cutoff": {"volatility_cutoff": 1.1},
    "price_age_s": {"price_age_s": 0.5},
    "stop_loss_threshold": {"stop_loss_threshold": 0.002},
    "max_position_size": {"max_position_size": 0.1},
    "value_at_risk_limit": {"value_at_risk_limit": 0.001},
    "participation_limit": {"participation_limit": 0.00001},
    "flatten_cost_limit": {"flatten_cost_limit": 0.00005},
    "stressed_loss_limit": {"stressed_loss_limit": 0.02},
    "max_order_size": {"max_order_size": 0.03},
    "price_collar": {"price_collar": 0.0002},
    "open_orders_max": {"open_orders_max": 2},
    "order_rate_max": {"order_rate_max": 0.02, "order_burst_max": 2},
}
"""What is set for each limit of `risk limits` to fire."""
SECTIONS: dict[str, Any] = {
    "account": {"capital": CAPITAL, "target_base": 4.0},
    "executor": {"probe": 1.0, "latency": LATENCY},
    "parameters": {
        "spread_percentage": 0.1, "levels": 3, "base_quantity": 0.5, "max_position": 3.0,
    },
}  # fmt: skip


def made_bars() -> Bars:
    """Return the minutes."""
    rng = np.random.default_rng(11)
    moves = rng.normal(0.0, 3e-4, MINUTES)
    moves[CALM : CALM + WILD] = STEP
    moves[2 * CALM + WILD : 2 * CALM + 2 * WILD] = -STEP
    closes: F8 = 100.0 * np.exp(np.cumsum(moves))
    opens = np.append(100.0, closes[:-1])
    reach = np.abs(rng.normal(0.0, 2e-4, (2, MINUTES)))
    figures = np.column_stack(
        [
            opens,
            np.maximum(opens, closes) * (1.0 + reach[0]),
            np.minimum(opens, closes) * (1.0 - reach[1]),
            closes,
            rng.lognormal(5.0, 0.3, MINUTES),
        ]
    )
    meta = BarsMeta(venue="made", symbol="MADE-USDT", period_ns=MINUTE_NS, source="limits")
    return Bars(meta, START_NS + MINUTE_NS * np.arange(MINUTES), figures)


def made_feed(path: Path) -> Path:
    """Write the recording of the minutes."""
    save(path, played_recording(made_bars(), seed=1, hours=1.0))
    return path
