"""What the executor shows of itself on telemetry: amounts as decimal text, nothing decided."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from agents.executor.promotion import Finding, Stage
from agents.executor.state import State
from agents.session import parameter_row
from market.breach import (
    ACTIVE,
    LIMIT_CAPITAL,
    LIMIT_DAILY_LOSS,
    LIMIT_DRAWDOWN,
    LIMIT_OPEN_ORDERS,
    LIMIT_POSITION,
    LIMIT_STOP_LOSS,
    QUARTERS,
    RISK_PEAK,
    RISK_QUARTER,
    RISK_REASON,
    RISK_RING,
    RISK_STATE,
)
from market.layout import (
    BUY,
    LEDGER_DAY_OPENING,
    LEDGER_EQUITY,
    LEDGER_FEES,
    LEDGER_FILLS,
    LEDGER_FUNDING,
    LEDGER_INVENTORY,
    LEDGER_MARK,
    LEDGER_OPEN_LOTS,
    LEDGER_OPENING,
    LEDGER_POSITION_COST,
    LEDGER_SPREAD,
    LEDGER_TRIPS,
    SCALE_TICK_LOT,
    SELL,
    UNITS,
)
from market.ledger import position_lots
from market.own import open_lots
from market.quotes import LOTS_HUGE
from market.replay_step import (
    COUNT_PLACED,
    FILLED_FEE,
    FILLED_LOTS,
    FILLED_MAKER,
    FILLED_ORDER_ID,
    FILLED_PRICE_TICKS,
    FILLED_SIDE,
    FILLED_TRADE_ID,
    FILLED_VISIBLE_NS,
)
from market.types import I8
from protocol.messages import Direction, Fill, PnlReport, Status
from risk.limits import NAMES
from risk.sizing import sizing_of

RISK_STATES = ("active", "reducing", "halted")
NOTHING_FOUND = Finding(Stage.SHADOW, "nothing judged yet")


def text(value: Decimal) -> str:
    """Return a decimal without exponent and without trailing zeros."""
    plain = f"{value:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def money(units: int) -> str:
    """Return 1e-8 units as decimal text."""
    return text(Decimal(int(units)) / UNITS)


def fill_words(state: State, filled: I8) -> Iterator[Fill]:
    """Yield one word a fill; the fee is its worth in quote asset."""
    meta = state.session.meta
    tick, lot = Decimal(meta.tick), Decimal(meta.lot)
    for row in filled.tolist():
        yield Fill(
            symbol=meta.symbol,
            order_id=row[FILLED_ORDER_ID],
            trade_id=row[FILLED_TRADE_ID],
            side=Direction.BUY if row[FILLED_SIDE] == BUY else Direction.SELL,
            price=text(tick * row[FILLED_PRICE_TICKS]),
            quantity=text(lot * row[FILLED_LOTS]),
            fee=money(row[FILLED_FEE]),
            fee_asset=meta.quote,
            maker=bool(row[FILLED_MAKER]),
            venue_time=row[FILLED_VISIBLE_NS],
        )


def pnl_word(state: State) -> PnlReport:
    """Return the profit so far and its parts."""
    ledger, meta = state.account.ledger, state.session.meta
    own, meter, limits = state.account.own, state.account.own_meter, state.session.setup.limits
    lots = int(position_lots(ledger, state.session.setup.scale))
    return PnlReport(
        symbol=meta.symbol,
        venue_time=state.now_ns,
        opening=money(ledger[LEDGER_OPENING]),
        equity=money(ledger[LEDGER_EQUITY]),
        spread=money(ledger[LEDGER_SPREAD]),
        fees=money(ledger[LEDGER_FEES]),
        inventory=money(ledger[LEDGER_INVENTORY]),
        funding=money(ledger[LEDGER_FUNDING]),
        position=text(Decimal(meta.lot) * lots),
        mark=text(Decimal(meta.tick) * int(ledger[LEDGER_MARK]) / 2),
        open_buy=text(Decimal(meta.lot) * int(open_lots(own, meter, BUY))),
        open_sell=text(Decimal(meta.lot) * int(open_lots(own, meter, SELL))),
        position_limit=money(round(limits[LIMIT_CAPITAL] * limits[LIMIT_POSITION])),
        capital=money(round(limits[LIMIT_CAPITAL])),
        fills=int(ledger[LEDGER_FILLS]),
        round_trips=int(ledger[LEDGER_TRIPS]),
        pair=state.applied_pair,
    )


def sizing_words(state: State) -> dict[str, Any]:
    """Return how large orders are, and why; lots."""
    setup = state.session.setup
    found = sizing_of(state.account, setup, parameter_row(state.incumbent))
    caps = {name: lots for name, lots in asdict(found.room).items() if lots < LOTS_HUGE}
    return {
        "fraction": round(found.fraction, 6),
        "edge": found.edge,
        "observations": found.observations,
        "order_lots": found.order.lots,
        "bound": found.order.bound.value,
        "caps_lots": caps,
    }


def policy_words(state: State) -> dict[str, Any]:
    """Return which policy quotes, and how its candidate stands, as of the newest verdict; times in
    ns, bounds of the mean gain of a block in quote asset. Null: no candidate, or nothing found.
    """
    executor, contest = state.session.settings.executor, state.contest
    trained = "" if executor.checkpoint is None else " (trained)"
    if contest is None:
        return {"in_force": executor.policy + trained, "candidate": None}
    candidate = f"{executor.candidate}{trained}"
    found, weighed = contest.found or NOTHING_FOUND, contest.weighed or NOTHING_FOUND
    return {
        "in_force": candidate if contest.stage is Stage.PROMOTED else executor.policy.value,
        "candidate": candidate,
        "stage": contest.stage.value,
        "since": contest.since_ns,
        "blocks": found.blocks,
        "round_trips": found.trips,
        "reason": found.reason,
        "judged": found.until_ns or None,
        "lower": weighed.lower,
        "upper": weighed.upper,
        "weighed": weighed.until_ns or None,
    }


def used_words(state: State) -> dict[str, float]:
    """Return how much of each limit that can end trading is used, 1: it binds; those alone that
    are on. Counted as `market/states.py` judges; what closing may cost is left out.
    """
    ledger, risk = state.account.ledger, state.account.risk
    limits, scale = state.session.setup.limits, state.session.setup.scale
    capital, equity = float(limits[LIMIT_CAPITAL]), int(ledger[LEDGER_EQUITY])
    before = int(ledger[LEDGER_DAY_OPENING])
    if risk[RISK_QUARTER] > 0:
        before = max(before, int(risk[RISK_RING + risk[RISK_QUARTER] % QUARTERS]))
    cost = int(ledger[LEDGER_POSITION_COST])
    worth = 0.5 * ledger[LEDGER_MARK] * scale[SCALE_TICK_LOT] * ledger[LEDGER_OPEN_LOTS]
    figures = {
        LIMIT_DRAWDOWN: (int(risk[RISK_PEAK]) - equity, capital),
        LIMIT_DAILY_LOSS: (before - equity, capital),
        LIMIT_STOP_LOSS: (cost - float(worth), abs(cost)),
        LIMIT_OPEN_ORDERS: (state.open_orders, 1.0),
    }
    return {
        NAMES[column]: round(max(0.0, figure / (whole * limits[column])), 6) if whole else 0.0
        for column, (figure, whole) in figures.items()
        if limits[column] > 0.0
    }


def status_word(state: State, lag_s: float, venue: Mapping[str, Any]) -> Status:
    """Return how things stand; `venue` is what the shell knows of its venue."""
    session, ledger, risk = state.session, state.account.ledger, state.account.risk
    document = {
        "executor": session.settings.account.executor,
        "symbol": session.meta.symbol,
        "venue_time": state.now_ns,
        "first_ns": session.first_ns,
        "last_ns": session.last_ns,
        "boundary": state.boundary,
        "waiting": state.waiting,
        "paused": state.paused,
        "alone": state.alone,
        "stops": list(state.stops),
        "risk": RISK_STATES[int(risk[RISK_STATE])],
        "risk_reason": int(risk[RISK_REASON]) if risk[RISK_STATE] != ACTIVE else 0,
        "parameters": state.incumbent.model_dump(),
        "pair": list(state.applied_pair),
        "open_orders": state.open_orders,
        "actions": int(state.counts[COUNT_PLACED]),
        "fills": int(ledger[LEDGER_FILLS]),
        "position_lots": int(position_lots(ledger, session.setup.scale)),
        "equity": money(ledger[LEDGER_EQUITY]),
        "sizing": sizing_words(state),
        "used": used_words(state),
        "policy": policy_words(state),
        "lag_ms": round(lag_s * 1e3, 3),
        **venue,
    }
    return Status.model_validate(document)
