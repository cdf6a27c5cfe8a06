"""Random order flow against the gate, beside a judge that shares no line with it.

One step is one thing that happens: the market moves, jumps, falls silent, crosses or empties; an
order is tried, filled, cancelled, rejected; all are filled at once; a parameter set is tried; hours
pass. The judge keeps its own balances and orders in plain Python and knows the strict limits; what
the gate lets pass against them, or a state that does not come, is a `LimitBrokenError`. `plant`
takes one limit away from the gate alone.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from bench.risk_judge import (
    CAPITAL,
    DAY_NS,
    MIN_LOTS,
    SECOND,
    TICK_LOT,
    UNITS,
    Judge,
    LimitBrokenError,
)
from market import breach
from market.account import Account, Setup, open_account
from market.carry import carry_lots
from market.guard import guard_settings
from market.layout import (
    ACTION_COLUMNS,
    ACTION_KIND,
    ACTION_LOTS,
    ACTION_PLACE,
    ACTION_PRICE_TICKS,
    ACTION_SIDE,
    ACTION_TAKER,
    BUY,
    LEDGER_BASE,
    LEDGER_DAY_OPENING,
    LEDGER_QUOTE,
    LEDGER_TARGET,
    NO_ASK,
    NO_BID,
    OWN_PRICE_TICKS,
    OWN_SIDE,
    REPORT_CANCELLED,
    REPORT_COLUMNS,
    REPORT_FILL,
    REPORT_KIND,
    REPORT_LOTS,
    REPORT_MAKER,
    REPORT_ORDER_ID,
    REPORT_PRICE_TICKS,
    REPORT_REJECTED,
    REPORT_SIDE,
    SCALE_COLUMNS,
    SCALE_LOT,
    SCALE_MIN_LOTS,
    SCALE_SPOT,
    SCALE_TICK_LOT,
    SELL,
    STEP_ASK,
    STEP_BID,
    STEP_COLUMNS,
    STEP_HEARD_NS,
    STEP_LAST,
    STEP_NOW_NS,
    VIEW_COLUMNS,
    VIEW_FLOW,
    VIEW_LOSS,
    VIEW_MID,
    VIEW_ROOM,
    VIEW_SIGMA,
    VIEW_SIGMA_REFERENCE,
)
from market.policy import policy_settings
from market.queueing import fill_model
from market.strategy import assess, enter_order, take_report
from market.types import I8
from protocol.messages import QuoteParameters
from protocol.orders import ApprovedParameters, Refused
from risk import gate
from risk.limits import Limits

LOT = 10**6
CENTRE = 10_000
TARGET_LOTS = 30
STRICT = Limits(
    capital_units=CAPITAL,
    max_position_size=0.02,
    stop_loss_threshold=0.02,
    daily_loss_limit=0.003,
    peak_drawdown_limit=0.006,
    volatility_cutoff=3.0,
    price_collar=0.05,
    order_lots_max=8,
    open_orders_max=6,
    cooldown_ns=60 * SECOND,
    max_order_size=0.0085,
    price_age_ns=20 * SECOND,
    order_rate_max=0.5,
    order_burst_max=4,
    value_at_risk_limit=0.0006,
    participation_limit=0.05,
    liquidation_s=3_600.0,
    flatten_cost_limit=0.02,
    drawdown_rest_ns=3_600 * SECOND,
)
STRESSED = replace(STRICT, stressed_loss_limit=0.0038)
"""Of a perpetual: on spot the limit of the position alone binds, so that its loss is seen."""
OFF: dict[str, dict[str, Any]] = {
    "max_position_size": {"max_position_size": 1.0},
    "stop_loss_threshold": {"stop_loss_threshold": 1.0},
    "peak_drawdown_limit": {"peak_drawdown_limit": 1.0},
    "volatility_cutoff": {"volatility_cutoff": 0.0},
    "price_collar": {"price_collar": 1.0},
    "order_lots_max": {"order_lots_max": 1 << 40},
    "open_orders_max": {"open_orders_max": 256},
    "max_order_size": {"max_order_size": 0.0},
    "price_age_limit": {"price_age_ns": 0},
    "order_rate_max": {"order_rate_max": 0.0},
    "value_at_risk_limit": {"value_at_risk_limit": 0.0},
    "liquidity_limit": {"participation_limit": 0.0, "flatten_cost_limit": 0.0},
    "position_slack": {"position_slack": 1e9},
    "stressed_loss_limit": {"stressed_loss_limit": 0.0},
}
"""Limits that a setting takes away."""
PERPETUAL = ("position_slack", "stressed_loss_limit")
"""Of them those whose loss a perpetual contract shows."""
HIDDEN = (
    "daily_loss", "rolling_loss", "risk_state", "two_sided_book", "minimum_order", "free_balance",
    "own_order", "last_trade_collar", "correlation_limits", "parameters",
)  # fmt: skip
"""Limits that are taken away by showing the gate something else."""


def setup_of(limits: Limits, *, spot: bool, min_lots: int = MIN_LOTS) -> Setup:
    """Return an account of free maker orders, so that the judge's balances need no fees."""
    scale = np.zeros(SCALE_COLUMNS, dtype=np.int64)
    scale[[SCALE_TICK_LOT, SCALE_LOT, SCALE_MIN_LOTS]] = TICK_LOT, LOT, min_lots
    scale[SCALE_SPOT] = int(spot)
    target = TARGET_LOTS * LOT if spot else 0
    return Setup(
        scale=scale,
        model=fill_model(),
        limits=limits.row(),
        policy=policy_settings(capital=CAPITAL / UNITS),
        guarding=guard_settings(),
        cycle=np.array([30 * SECOND]),
        opening=np.array([1_900 * UNITS if spot else CAPITAL, target, target]),
    )


def action_of(side: int, price: int, lots: int, *, taker: bool = False) -> I8:
    """Return a place, i8[ACTION_COLUMNS]."""
    action = np.zeros(ACTION_COLUMNS, dtype=np.int64)
    action[[ACTION_KIND, ACTION_SIDE]] = ACTION_PLACE, side
    action[[ACTION_PRICE_TICKS, ACTION_LOTS, ACTION_TAKER]] = price, lots, int(taker)
    return action


class Flow:
    """The random flow; `step` is one event."""

    def __init__(self, seed: int, *, spot: bool = True, plant: str = "") -> None:
        self.rng = np.random.default_rng(seed)
        strict = STRICT if spot else STRESSED
        told = replace(strict, **OFF.get(plant, {}))
        self.plant = plant
        self.setup = setup_of(told, spot=spot)
        self.account = open_account(self.setup, trips=0)
        quote, base, target = (int(units) for units in self.setup.opening)
        self.judge = Judge(strict, spot, quote, base // LOT, target // LOT)
        self.judge.tokens = float(STRICT.order_burst_max)
        self.row = np.zeros(STEP_COLUMNS, dtype=np.int64)
        self.view = np.zeros(VIEW_COLUMNS)
        self.now_ns = self.row[STEP_HEARD_NS] = 20_000 * DAY_NS
        self.mid = float(CENTRE)
        self.refused: Counter[str] = Counter()
        self.reasons: Counter[int] = Counter()
        self.approved = 0
        self.trade_id = 0
        self.lean = 0.4
        self.acts: list[tuple[float, Callable[[], None]]] = [
            (0.35, self.move),
            (0.85, self.try_order),
            (0.93, self.fill_some),
            (0.97, self.end_some),
            (0.98, self.fill_all),
            (0.99, self.try_parameters),
            (1.01, self.decide),
        ]
        self.move()
        self.decide()

    def step(self) -> None:
        """Let one thing happen."""
        draw = self.rng.random()
        for bound, act in self.acts:
            if draw < bound:
                act()
                return

    def move(self) -> None:
        """Let time pass and the market move; mark and judge."""
        rng, row = self.rng, self.row
        draw = rng.random()
        seconds = (
            0.5 if draw < 0.7 else 30.0 if draw < 0.97 else 900.0 if draw < 0.997 else 90_000.0
        )
        self.now_ns += round(seconds * rng.random() * 1e9) // 10**6 * 10**6 + 10**6
        jump = 0.12 if rng.random() < 0.01 else 0.0008
        self.mid = max(500.0, self.mid * math.exp(jump * rng.standard_normal()))
        if rng.random() < 0.05 and self.judge.position >= 18:
            self.mid *= 1.15  # a rally makes a full position heavier than its limit
        self.mid += 0.002 * (CENTRE - self.mid)
        bid, ask = round(self.mid) - int(rng.integers(1, 4)), round(self.mid) + 1
        draw = rng.random()
        if draw < 0.01:
            bid, ask = ask, bid
        elif draw < 0.02:
            bid, ask = (NO_BID, ask) if draw < 0.015 else (bid, NO_ASK)
        row[[STEP_NOW_NS, STEP_BID, STEP_ASK]] = self.now_ns, bid, ask
        if rng.random() < 0.8:
            row[STEP_HEARD_NS] = self.now_ns
        if rng.random() < 0.5:
            row[STEP_LAST] = max(1, round(self.mid * (1.0 + 0.02 * rng.standard_normal())))
        wild = 4.0 if rng.random() < 0.02 else 1.0
        self.view[[VIEW_SIGMA, VIEW_SIGMA_REFERENCE]] = wild * self.mid * 1e-4, self.mid * 1e-4
        if rng.random() < 0.002:
            self.view[VIEW_SIGMA] = math.nan
        self.look()

    def look(self) -> None:
        """Mark the account at a sound book, in both books."""
        bid, ask = int(self.row[STEP_BID]), int(self.row[STEP_ASK])
        risk = self.account.risk
        if self.plant == "daily_loss":
            self.account.ledger[LEDGER_DAY_OPENING] = -(1 << 60)
        if self.plant == "rolling_loss":
            risk[breach.RISK_RING : breach.RISK_RING + breach.QUARTERS] = -(1 << 60)
        assess(self.row, self.view, self.account, self.setup)
        if NO_BID < bid < ask < NO_ASK:
            ratio = self.view[VIEW_SIGMA] / self.view[VIEW_SIGMA_REFERENCE]
            silent_ns = self.now_ns - int(self.row[STEP_HEARD_NS])
            self.judge.mark(self.now_ns, bid + ask, ratio, silent_ns)
            self.judge.demand(int(risk[breach.RISK_STATE]))
        self.reasons[int(risk[breach.RISK_REASON])] += 1

    def shown(self, side: int) -> tuple[I8, Account, Setup]:
        """Return what the gate is shown: the truth, but for what is planted."""
        row, account, setup = self.row, self.account, self.setup
        if self.plant == "risk_state":
            risk = account.risk.copy()
            risk[breach.RISK_STATE] = breach.ACTIVE
            account = account._replace(risk=risk)
        elif self.plant == "two_sided_book":
            row = row.copy()
            row[[STEP_BID, STEP_ASK]] = round(self.mid), round(self.mid) + 1
        elif self.plant == "last_trade_collar":
            row = row.copy()
            row[STEP_LAST] = 0
        elif self.plant == "minimum_order":
            setup = setup._replace(scale=setup.scale.copy())
            setup.scale[SCALE_MIN_LOTS] = 0
        elif self.plant == "free_balance":
            ledger = account.ledger.copy()
            ledger[[LEDGER_QUOTE, LEDGER_BASE, LEDGER_TARGET]] += 1 << 58
            account = account._replace(ledger=ledger)
        elif self.plant == "own_order":
            own = account.own.copy()
            own[own[:, OWN_SIDE] == -side, OWN_PRICE_TICKS] = 1 if side == SELL else 1 << 40
            account = account._replace(own=own)
        return row, account, setup

    def try_order(self) -> None:
        """Show a random order to the gate; enter it when it passes."""
        rng, judge = self.rng, self.judge
        self.lean = -self.lean if rng.random() < 0.02 else self.lean
        side = BUY if rng.random() < 0.5 + self.lean else SELL
        lots = int(rng.integers(0, 17)) if rng.random() < 0.9 else int(rng.integers(1, 60))
        away = abs(0.004 * rng.standard_normal()) if rng.random() < 0.8 else 0.08 * rng.random()
        away *= -1.0 if rng.random() < 0.15 else 1.0
        taker = rng.random() < 0.05
        if taker and judge.position and rng.random() < 0.9:
            side, lots = (SELL if judge.position > 0 else BUY), abs(judge.position)
        action = action_of(side, round(self.mid * (1.0 - side * away)), lots, taker=taker)
        found = gate.check(action, *self.shown(side))
        if isinstance(found, Refused):
            self.refused[found.limit] += 1
            return
        self.approved += 1
        row = self.row
        market = (int(row[STEP_BID]), int(row[STEP_ASK]), int(row[STEP_LAST]))
        judge.approve(found.order, self.now_ns, (*market, int(row[STEP_HEARD_NS])))
        enter_order(action, self.now_ns, self.account, self.setup)
        if taker:
            self.report(REPORT_FILL, found.order.order_id, lots)

    def report(self, kind: int, order_id: int, lots: int) -> None:
        """Let the exchange say what became of an order; both books take it in."""
        side, price, _ = self.judge.orders[order_id]
        self.trade_id += 1
        row = np.zeros(REPORT_COLUMNS, dtype=np.int64)
        row[[REPORT_KIND, REPORT_ORDER_ID, REPORT_SIDE]] = kind, order_id, side
        row[[REPORT_PRICE_TICKS, REPORT_LOTS, REPORT_MAKER]] = price, lots, 1
        take_report(row, self.account, self.setup)
        if kind == REPORT_FILL:
            self.judge.fill(order_id, lots)
        else:
            del self.judge.orders[order_id]

    def fill_some(self) -> None:
        """Fill one order, whole or in part."""
        if self.judge.orders:
            order_id = int(self.rng.choice(list(self.judge.orders)))
            left = self.judge.orders[order_id][2]
            self.report(REPORT_FILL, order_id, int(self.rng.integers(1, left + 1)))
            self.look()

    def fill_all(self) -> None:
        """Fill every open order at once, one side before the other."""
        first = BUY if self.rng.random() < 0.5 else SELL
        for order_id in sorted(
            self.judge.orders, key=lambda key: self.judge.orders[key][0] * first
        ):
            self.report(REPORT_FILL, order_id, self.judge.orders[order_id][2])
        self.look()

    def end_some(self) -> None:
        """Let an order be cancelled or rejected."""
        if self.judge.orders:
            kind = REPORT_CANCELLED if self.rng.random() < 0.7 else REPORT_REJECTED
            self.report(kind, int(self.rng.choice(list(self.judge.orders))), 0)

    def try_parameters(self) -> None:
        """Show a random parameter set to the gate."""
        base = float(self.rng.choice([0.01, 0.02, 0.5]))
        params = QuoteParameters(
            spread_percentage=0.1, levels=1, base_quantity=base, max_position=base
        )
        account, setup = self.account, self.setup
        if self.plant == "parameters":
            account = account._replace(risk=breach.new_risk())
        found = gate.check_parameters(params, account, setup)
        halting = ("", "stop_loss_threshold", "position_slack")
        if isinstance(found, ApprovedParameters) and (
            self.judge.must not in halting or base * UNITS < MIN_LOTS * LOT
        ):
            raise LimitBrokenError("parameters")

    def decide(self) -> None:
        """Write the caps of a decision; the judge reckons them by itself."""
        rng, risk = self.rng, self.account.risk
        self.view[VIEW_MID] = self.mid
        self.view[VIEW_FLOW] = float(rng.choice([0.02, 1.0, 1.0, 1.0]))
        # Rarely the caps of value and room bind, or nothing else ever would.
        self.view[VIEW_LOSS] = 0.06 * self.mid if rng.random() < 0.1 else 0.0
        self.view[VIEW_ROOM] = 3.0 if rng.random() < 0.1 else 1e6
        bid, ask = int(self.row[STEP_BID]), int(self.row[STEP_ASK])
        if not NO_BID < bid < ask < NO_ASK:
            return
        carry_lots(bid + ask, self.view, self.setup.limits, self.setup.scale, risk)
        self.judge.carried = self.carried()
        self.judge.portfolio = int(rng.integers(0, 30)) if rng.random() < 0.2 else 1 << 40
        if self.plant != "correlation_limits":
            risk[breach.RISK_PORTFOLIO_LOTS] = self.judge.portfolio

    def carried(self) -> int:
        """Return the least of the caps by value at risk, flow and cost, lots."""
        told, view = STRICT, self.view
        sigma, flow = float(view[VIEW_SIGMA]), float(view[VIEW_FLOW])
        loss = float(view[VIEW_LOSS])
        if loss == 0.0:
            loss = 2.3263478740408408 * sigma * math.sqrt(told.value_at_risk_s)
        if not loss > 0.0:
            return 0
        value = told.value_at_risk_limit * CAPITAL / (loss * TICK_LOT)
        closed = told.participation_limit * flow * told.liquidation_s
        return int(min(value, closed, float(view[VIEW_ROOM])))
