"""The figures of a finished session, from the arrays of its record.

The executor's journal and `market/replay.py` give the same arrays (`market/replay_step.py` names
their columns), so the run itself, the untuned run beside it and a lone executor are measured by
one function. Money leaves as decimal text, never as a float; ratios carry period and count.
"""

from decimal import Decimal
from typing import Any

import numpy as np

from agents.session import Session
from market.breach import APPROVED, RISK_LIQUID_LOTS, RISK_VALUE_LOTS
from market.layout import (
    ACTION_CANCEL,
    ACTION_PLACE,
    LEDGER_BASE,
    LEDGER_EQUITY,
    LEDGER_FEES,
    LEDGER_FEES_BASE,
    LEDGER_FEES_QUOTE,
    LEDGER_FILLS,
    LEDGER_FUNDING,
    LEDGER_INVENTORY,
    LEDGER_MARK,
    LEDGER_OPENING,
    LEDGER_QUOTE,
    LEDGER_SPREAD,
    LEDGER_TARGET,
    LEDGER_TRIPS,
    LEDGER_WINS,
    REPORT_ACCEPTED,
    REPORT_REJECTED,
    SCALE_LOT,
    SCALE_TICK_LOT,
    STEP_NOW_NS,
    UNITS,
    VIEW_MID,
)
from market.ledger import position_lots
from market.metrics import measure
from market.policy import KELLY_COUNT, KELLY_FRACTION, kelly_moments
from market.quotes import LOTS_HUGE
from market.replay import Record
from market.replay_step import (
    COUNT_REPORTS,
    EQUITY_EXCESS,
    EQUITY_HALF_TICKS,
    EQUITY_NOW_NS,
    EQUITY_POSITION_LOTS,
    EQUITY_UNITS,
    FILLED_EXCH_NS,
    FILLED_LOTS,
    FILLED_ORDER_ID,
    FILLED_PRICE_TICKS,
    FILLED_SIDE,
    PLACED_CODE,
    PLACED_KIND,
    PLACED_LOTS,
    PLACED_PRICE_TICKS,
    REPLAY_QUOTED,
    REPLAY_QUOTED_WORTH,
)
from market.strategy import excess_units
from market.tape import Tape
from market.types import I8
from market.verdict import edge_verdict

REFUSALS = (
    "approved",
    "size",
    "collar",
    "position",
    "balance",
    "open_orders",
    "risk_state",
    "minimum",
    "book",
    "stale",
    "notional",
    "last_trade",
    "rate",
    "own_order",
    "value_at_risk",
    "liquidity",
    "portfolio",
)
"""Names of `breach.REFUSED_*`, in the order of their codes."""


def money(units: int) -> str:
    """Return 1e-8 units as decimal text with eight places."""
    return str(Decimal(int(units)).scaleb(-8).quantize(Decimal("1e-8")))


def figures(record: Record, session: Session, tape: Tape, *, trials: int) -> dict[str, Any]:
    """Return everything a report says about one record, as plain JSON values.

    Args:
        record: of the whole session.
        session: what it was lived with.
        tape: of the session's recording.
        trials: parameter sets that were in force, for the verdict's deflation.
    """
    ledger = record.account.ledger
    equity = record.equity[record.equity[:, EQUITY_HALF_TICKS] > 0]
    trips = record.account.trips[: min(int(ledger[LEDGER_TRIPS]), len(record.account.trips))]
    accepted = int(record.counts[COUNT_REPORTS + REPORT_ACCEPTED])
    measured = measure(
        times_ns=np.ascontiguousarray(equity[:, EQUITY_NOW_NS]),
        equity_units=np.ascontiguousarray(equity[:, EQUITY_UNITS]),
        position_lots=np.ascontiguousarray(equity[:, EQUITY_POSITION_LOTS]),
        capital_units=round(session.settings.account.capital * UNITS),
        max_position_lots=max_lots(session),
        trips=trips,
        fill_times_ns=np.ascontiguousarray(record.filled[:, FILLED_EXCH_NS]),
        fill_sides=np.ascontiguousarray(record.filled[:, FILLED_SIDE]),
        fill_prices_ticks=np.ascontiguousarray(record.filled[:, FILLED_PRICE_TICKS]),
        fill_lots=np.ascontiguousarray(record.filled[:, FILLED_LOTS]),
        orders_accepted=accepted,
        orders_filled=len(np.unique(record.filled[:, FILLED_ORDER_ID])),
        step_times_ns=np.ascontiguousarray(tape.steps[:, STEP_NOW_NS]),
        step_mids=np.ascontiguousarray(tape.views[:, VIEW_MID]),
        tick_lot_units=int(session.setup.scale[SCALE_TICK_LOT]),
        risk_fraction=session.settings.risk.stop_loss_threshold,
    )
    verdict = edge_verdict(
        np.diff(equity[:, EQUITY_EXCESS]) / UNITS if len(equity) else np.zeros(0),
        round_trips=int(ledger[LEDGER_TRIPS]),
        trials=max(1, trials),
        seed=session.settings.seed,
    )
    return {
        "orders": order_figures(record),
        "quoted": quoted_figures(record, session),
        "fills": {"count": int(ledger[LEDGER_FILLS]), "round_trips": int(ledger[LEDGER_TRIPS]),
                  "winning": int(ledger[LEDGER_WINS])},
        "sizing": sizing_figures(record),
        "balances": balances(ledger, session),
        "profit": profit(ledger, session),
        "metrics": measured.as_dict(),
        "verdict": verdict.as_dict(),
    }  # fmt: skip


def sizing_figures(record: Record) -> dict[str, Any]:
    """Return Kelly's share at the last decision, and what may be carried by each cap, lots.

    The edge is the lower bound of the net return per cycle at full size, fraction of the capital.
    """
    kelly, risk = record.account.kelly, record.account.risk
    mean, error, variance = kelly_moments(kelly)
    caps = {"value_at_risk": RISK_VALUE_LOTS, "liquidity": RISK_LIQUID_LOTS}
    return {
        "fraction": float(kelly[KELLY_FRACTION]),
        "edge": mean - error,
        "variance": variance,
        "observations": int(kelly[KELLY_COUNT]),
        "caps_lots": {name: min(LOTS_HUGE, int(risk[place])) for name, place in caps.items()},
    }


def max_lots(session: Session) -> int:
    """Return the baseline's max_position in lots, at least 1."""
    return max(
        1, round(session.baseline.max_position * UNITS) // int(session.setup.scale[SCALE_LOT])
    )


def order_figures(record: Record) -> dict[str, Any]:
    """Return how many orders were sent, accepted, rejected, cancelled and refused, and why."""
    placed = record.placed
    places = placed[placed[:, PLACED_KIND] == ACTION_PLACE]
    codes, counts = np.unique(places[:, PLACED_CODE], return_counts=True)
    refused = {
        REFUSALS[int(code)]: int(count)
        for code, count in zip(codes, counts, strict=True)
        if code != APPROVED
    }
    return {
        "sent": int(np.count_nonzero(places[:, PLACED_CODE] == APPROVED)),
        "accepted": int(record.counts[COUNT_REPORTS + REPORT_ACCEPTED]),
        "rejected": int(record.counts[COUNT_REPORTS + REPORT_REJECTED]),
        "cancels": int(np.count_nonzero(placed[:, PLACED_KIND] == ACTION_CANCEL)),
        "refused": refused,
    }


def quoted_figures(record: Record, session: Session) -> dict[str, Any]:
    """Return how much was shown to the market, so that a result cannot hide behind silence."""
    placed = record.placed
    sent = placed[(placed[:, PLACED_KIND] == ACTION_PLACE) & (placed[:, PLACED_CODE] == APPROVED)]
    tick_lot = int(session.setup.scale[SCALE_TICK_LOT])
    worth = int(np.sum(sent[:, PLACED_PRICE_TICKS] * sent[:, PLACED_LOTS])) * tick_lot
    found: dict[str, Any] = {"sent_quote": money(worth)}
    if record.figures.size:
        found["two_sided_share"] = round(float(record.figures[REPLAY_QUOTED]), 6)
        found["resting_quote_mean"] = round(float(record.figures[REPLAY_QUOTED_WORTH]), 6)
    return found


def balances(ledger: I8, session: Session) -> dict[str, Any]:
    """Return opening and closing balances and what lies between, to the last digit."""
    quote_units, base_units, _ = (int(units) for units in session.setup.opening)
    return {
        "opening": {session.meta.quote: money(quote_units), session.meta.base: money(base_units)},
        "closing": {
            session.meta.quote: money(int(ledger[LEDGER_QUOTE])),
            session.meta.base: money(int(ledger[LEDGER_BASE])),
        },
        "fees": {
            session.meta.quote: money(int(ledger[LEDGER_FEES_QUOTE])),
            session.meta.base: money(int(ledger[LEDGER_FEES_BASE])),
        },
        "funding": {session.meta.quote: money(int(ledger[LEDGER_FUNDING]))},
        "target": {session.meta.base: money(int(ledger[LEDGER_TARGET]))},
        "position_lots": int(position_lots(ledger, session.setup.scale)),
    }


def profit(ledger: I8, session: Session) -> dict[str, Any]:
    """Return the profit and its parts, in quote asset; they add up exactly."""
    total = int(ledger[LEDGER_EQUITY] - ledger[LEDGER_OPENING])
    parts = {
        "spread": int(ledger[LEDGER_SPREAD]),
        "fees": int(ledger[LEDGER_FEES]),
        "inventory": int(ledger[LEDGER_INVENTORY]),
        "funding": int(ledger[LEDGER_FUNDING]),
    }
    if sum(parts.values()) != total:
        raise AssertionError(f"profit {total} is not the sum of its parts {parts}")
    net = 0
    if int(ledger[LEDGER_MARK]) != 0:
        net = int(excess_units(ledger, session.setup.scale)) - opening_excess(session)
    return {
        "total": money(total),
        **{name: money(units) for name, units in parts.items()},
        "holding": money(total - net),
        "net_of_holding": money(net),
    }


def opening_excess(session: Session) -> int:
    """Return equity less the worth of the target at the first mark, quote units.

    The session opens holding exactly the target, so this is the opening quote balance.
    """
    quote_units, base_units, target_units = (int(units) for units in session.setup.opening)
    if base_units != target_units:
        raise AssertionError(f"a session opens at its target, found {base_units}, {target_units}")
    return quote_units
