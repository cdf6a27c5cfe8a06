"""The picture of one backtest: profit and its parts, position, and mid with fills, over time."""

import numpy as np

from agents.backtest.document import Chosen, assumptions
from agents.cli.picture import Line, Marks, Panel, plot, time_axis
from agents.cli.table import parameters_line
from market.layout import BUY, SCALE_LOT, SCALE_TICK_LOT, UNITS
from market.replay_step import (
    EQUITY_EXCESS,
    EQUITY_HALF_TICKS,
    EQUITY_NOW_NS,
    EQUITY_POSITION_LOTS,
    FILLED_EXCH_NS,
    FILLED_FEE,
    FILLED_HALF_TICKS,
    FILLED_LOTS,
    FILLED_PRICE_TICKS,
    FILLED_SIDE,
    FILLED_VISIBLE_NS,
)
from market.types import F8, I8

NET, SELLS, SPREAD, INVENTORY, QUIET = range(5)
"""Colours."""
SECOND_NS = 1e9


def running(times_ns: I8, filled: I8, amounts: F8) -> F8:
    """Return the sum of the fills' amounts known by each time."""
    known = np.searchsorted(filled[:, FILLED_VISIBLE_NS], times_ns, side="right")
    sums: F8 = np.concatenate(([0.0], np.cumsum(amounts)))[known]
    return sums


def draw(chosen: Chosen) -> str:
    """Return the SVG of a record; the parts of the first panel add up to its net."""
    session, record = chosen.session, chosen.record
    meta, scale = session.meta, session.setup.scale
    equity = record.equity[record.equity[:, EQUITY_HALF_TICKS] > 0]
    filled = record.filled
    times_ns = equity[:, EQUITY_NOW_NS]
    x = times_ns / SECOND_NS
    tick_lot = float(scale[SCALE_TICK_LOT]) / UNITS
    opening = float(equity[0, EQUITY_EXCESS]) if len(equity) else 0.0
    net = np.asarray(equity[:, EQUITY_EXCESS] - opening, dtype=np.float64) / UNITS
    away = 0.5 * filled[:, FILLED_HALF_TICKS] - filled[:, FILLED_PRICE_TICKS]
    spread = running(times_ns, filled, filled[:, FILLED_SIDE] * away * filled[:, FILLED_LOTS])
    spread = spread * tick_lot
    fees = running(times_ns, filled, -filled[:, FILLED_FEE] / UNITS)
    held = np.asarray(equity[:, EQUITY_POSITION_LOTS], dtype=np.float64)
    tick = float(meta.tick)
    buys = filled[filled[:, FILLED_SIDE] == BUY]
    sells = filled[filled[:, FILLED_SIDE] != BUY]
    rest = "moves of mid, funding" if len(session.setup.funding) else "moves of mid"
    money = [
        Line("net of holding", x, net, NET),
        Line("spread captured", x, spread, SPREAD, thin=True),
        Line("fees", x, fees, QUIET, thin=True),
        Line(rest, x, net - spread - fees, INVENTORY, thin=True),
    ]
    fills = [
        Marks(
            name, rows[:, FILLED_EXCH_NS] / SECOND_NS, rows[:, FILLED_PRICE_TICKS] * tick, tone, up
        )
        for name, rows, tone, up in (("buys", buys, NET, True), ("sells", sells, SELLS, False))
    ]
    half_ticks = np.asarray(equity[:, EQUITY_HALF_TICKS], dtype=np.float64)
    mid = Line("mid", x, 0.5 * half_ticks * tick, QUIET)
    position = Line("position", x, held * (int(scale[SCALE_LOT]) / UNITS), INVENTORY)
    told = assumptions(session)
    hours = (session.last_ns - session.first_ns) / 3.6e12
    return plot(
        [
            Panel(f"profit, {meta.quote}", tuple(money), height=170),
            Panel(f"position, {meta.base}", (position,), height=90),
            Panel(f"mid and fills, {meta.quote}", (mid, *fills), zero=False, height=190),
        ],
        time_axis(session.first_ns, session.last_ns),
        title=f"{meta.symbol} on {meta.venue}, {hours:.1f} h, backtest",
        subtitle=f"{parameters_line(chosen.parameters.model_dump())}; maker fee "
        f"{meta.maker_fee_bps:g} bps; fills {told['fill_model']}; {told['own_orders']}",
    )
