"""What a decision was made on: the figures that the limits were asked with, for the audit.

One row of the table `judged` for each step at which orders were judged or the risk state changed,
and one at the opening of the session that says what the figures are measured in. The verdicts
themselves stand in `intents` and `refusals` of the same time.
"""

from typing import Any, Final

from agents.executor import records
from agents.executor.state import State
from agents.session import Session
from exchange.port import MarketStep
from market.breach import (
    RISK_LIQUID_LOTS,
    RISK_PEAK,
    RISK_PORTFOLIO_LOTS,
    RISK_REASON,
    RISK_SINCE_NS,
    RISK_STATE,
    RISK_UNTIL_NS,
    RISK_VALUE_LOTS,
    stress_cap_lots,
)
from market.layout import (
    BUY,
    LEDGER_BASE,
    LEDGER_DAY_OPENING,
    LEDGER_EQUITY,
    LEDGER_MARK,
    LEDGER_OPEN_LOTS,
    LEDGER_PEAK,
    LEDGER_POSITION_COST,
    LEDGER_QUOTE,
    SELL,
    STEP_ASK,
    STEP_BID,
    STEP_LAST,
    VIEW_SIGMA,
    VIEW_SIGMA_REFERENCE,
)
from market.ledger import position_lots
from market.own import OWN_METER_COUNT, open_lots
from market.strategy import half_ticks_of
from protocol.journal import Entry
from risk.limits import NAMES

FIGURES: Final = (
    "bid_ticks",
    "ask_ticks",
    "last_ticks",
    "mark_half_ticks",
    "position_lots",
    "open_buy_lots",
    "open_sell_lots",
    "open_orders",
    "quote_units",
    "base_units",
    "equity_units",
    "day_opening_units",
    "peak_units",
    "fifo_lots",
    "fifo_cost_units",
    "sigma",
    "sigma_reference",
    "risk_state",
    "risk_reason",
    "risk_since_ns",
    "risk_until_ns",
    "risk_peak_units",
    "value_lots",
    "liquid_lots",
    "portfolio_lots",
    "stress_lots",
)
"""What the numbers of a row are, in order."""
STOP: Final = "stop"
"""Kind of a row that tells a phase of the emergency stop."""
Stood = tuple[int, int]
"""Risk state and its reason."""


def opened_entry(session: Session) -> Entry:
    """Return the entry of the opening: instrument, limits, and the capital that they are of."""
    meta, limits = session.meta, session.setup.limits
    body = {
        "symbol": meta.symbol,
        "base": meta.base,
        "quote": meta.quote,
        "tick": meta.tick,
        "lot": meta.lot,
        "limits": {name: float(limits[column]) for column, name in NAMES.items()},
        "capital": session.settings.account.capital,
        "parameters": session.baseline.model_dump(),
    }
    return Entry(records.JUDGED, session.first_ns, "opened", body, key="opened")


def stood(state: State) -> Stood:
    """Return the risk state and its reason, to be compared later."""
    risk = state.account.risk
    return risk.item(RISK_STATE), risk.item(RISK_REASON)


def judged_entry(state: State, event: MarketStep, before: Stood) -> Entry:
    """Return the entry of a step, called before its actions change anything.

    Args:
        state: as `think` left it.
        event: the step.
        before: the risk state before it; kind `state` if that is another.
    """
    figures = _figures(state, event)
    body: list[Any] = [*figures, *before]
    kind = "step" if stood(state) == before else "state"
    return Entry(records.JUDGED, state.now_ns, kind, body, key=str(state.now_ns))


def phase_entry(state: State) -> Entry:
    """Return the entry of a new phase of the emergency stop, and of the stops that it is about."""
    body = {
        "phase": state.phase.value,
        "stops": dict(state.stops),
        "position_lots": int(position_lots(state.account.ledger, state.session.setup.scale)),
    }
    return Entry(records.JUDGED, state.now_ns, STOP, body, key=f"{STOP} {state.now_ns}")


def named(body: list[Any]) -> dict[str, int | float]:
    """Return a row's figures by name; `before_state` and `before_reason` at the end."""
    return dict(zip((*FIGURES, "before_state", "before_reason"), body, strict=True))


def _figures(state: State, event: MarketStep) -> tuple[int | float, ...]:
    account = state.account
    ledger, own, meter, risk = account.ledger, account.own, account.own_meter, account.risk
    step, view, setup = event.step_row, event.view_row, state.session.setup
    half = half_ticks_of(step)
    return (
        step.item(STEP_BID),
        step.item(STEP_ASK),
        step.item(STEP_LAST),
        ledger.item(LEDGER_MARK),
        int(position_lots(ledger, setup.scale)),
        int(open_lots(own, meter, BUY)),
        int(open_lots(own, meter, SELL)),
        meter.item(OWN_METER_COUNT),
        ledger.item(LEDGER_QUOTE),
        ledger.item(LEDGER_BASE),
        ledger.item(LEDGER_EQUITY),
        ledger.item(LEDGER_DAY_OPENING),
        ledger.item(LEDGER_PEAK),
        ledger.item(LEDGER_OPEN_LOTS),
        ledger.item(LEDGER_POSITION_COST),
        view.item(VIEW_SIGMA),
        view.item(VIEW_SIGMA_REFERENCE),
        risk.item(RISK_STATE),
        risk.item(RISK_REASON),
        risk.item(RISK_SINCE_NS),
        risk.item(RISK_UNTIL_NS),
        risk.item(RISK_PEAK),
        risk.item(RISK_VALUE_LOTS),
        risk.item(RISK_LIQUID_LOTS),
        risk.item(RISK_PORTFOLIO_LOTS),
        int(stress_cap_lots(half, setup.limits, setup.scale)) if half > 0 else 0,
    )
