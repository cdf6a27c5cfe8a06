"""How much of each limit is used, and what fills were worth a while later. Pure."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import numpy as np

from desk.report.figures import HORIZONS_S
from desk.wording import Row
from market.metrics import markout_figures

POSITION: Final = "max_position_size"
SIDES: Final = {"buy": 1, "sell": -1}


def gauges(status: Mapping[str, Any], pnl: Mapping[str, Any], limits: Mapping[str, float]) -> Row:
    """Return the share of each limit that is used, 1: it binds, by the limit's name.

    Args:
        status: what the executor says of itself; `used` holds what it judges by.
        pnl: its profit report: position, open orders, mark and the limit on the position.
        limits: as the run began; empty before they are stored.
    """
    used: dict[str, Any] = {}
    bound = Decimal(pnl.get("position_limit") or 0)
    if bound:
        held, buys, sells = (Decimal(pnl[name]) for name in ("position", "open_buy", "open_sell"))
        reached = max(abs(held + buys), abs(held - sells)) * Decimal(pnl["mark"])
        used[POSITION] = round(float(reached / bound), 6)
    told = status.get("used")
    used |= told if isinstance(told, dict) else {}
    return {name: {"share": share, "limit": limits.get(name)} for name, share in used.items()}


def markouts(fills: Sequence[Row], marks: Sequence[Row]) -> list[Row]:
    """Return mean markouts of fills: the last mid known at a horizon against the price.

    Mids are known at the fills and at decisions, as in a report.

    Args:
        fills: rows with time_ns, side, price and mark, 1e-8 units.
        marks: of decisions, rows with time_ns and mark, from the first of the fills on.
    """
    times = np.array([row["time_ns"] for row in fills], dtype=np.int64)
    known = sorted((row["time_ns"], row["mark"]) for row in (*fills, *marks))
    found = markout_figures(
        times,
        np.array([SIDES[row["side"]] for row in fills], dtype=np.int64),
        np.array([row["price"] for row in fills], dtype=np.int64),
        np.array([time_ns for time_ns, _ in known], dtype=np.int64),
        np.array([mark for _, mark in known], dtype=np.float64),
        HORIZONS_S,
    )
    return [
        {
            "horizon_s": horizon,
            "bps": None if metric.value is None else round(metric.value, 6),
            "fills": metric.count,
        }
        for horizon, metric in zip(HORIZONS_S, found.values(), strict=True)
    ]
