"""The executor's journal as the desk reads it: rows of plain values, amounts as decimal text.

The journal holds arrays that only the engine can read. Here each row becomes a map with names, in
the units of the wire, so that a desk which knows nothing of the engine can keep and show it. A row
keeps its number in its table: table and number name it for ever.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any, Final

from agents.executor import records
from agents.executor.judged import STOP, named
from agents.executor.telling import RISK_STATES, money
from agents.executor.wording import REASONS, Line, Wording
from market.breach import APPROVED
from market.layout import (
    ACTION_CANCEL,
    LEDGER_DRAWDOWN,
    LEDGER_EQUITY,
    LEDGER_FEES,
    LEDGER_FILLS,
    LEDGER_FUNDING,
    LEDGER_INVENTORY,
    LEDGER_MARK,
    LEDGER_OPENING,
    LEDGER_PEAK,
    LEDGER_SPREAD,
    LEDGER_TRIPS,
    LEDGER_TURNOVER,
    LEDGER_WINS,
    REPORT_ACCEPTED,
    REPORT_CANCEL_REJECTED,
    REPORT_CANCELLED,
    REPORT_EXCH_NS,
    REPORT_FILL,
    REPORT_FUNDING,
    REPORT_KIND,
    REPORT_LOTS,
    REPORT_ORDER_ID,
    REPORT_REFUSED,
    REPORT_REJECTED,
    TRIP_CLOSE_NS,
    TRIP_CLOSE_TICKS,
    TRIP_OPEN_NS,
    TRIP_OPEN_TICKS,
    TRIP_PROFIT,
    TRIP_SIGNED_LOTS,
)
from market.replay_step import PLACED_CODE, PLACED_KIND, PLACED_ORDER_ID
from protocol.journal import Journal, Row
from protocol.messages import JournalRow
from protocol.pages import PAGE_ROWS, page

OUTCOMES: Final = {
    REPORT_ACCEPTED: "accepted",
    REPORT_REJECTED: "rejected",
    REPORT_CANCELLED: "cancelled",
    REPORT_CANCEL_REJECTED: "cancel_rejected",
    REPORT_REFUSED: "refused",
    REPORT_FUNDING: "funding",
}
"""What a venue reports besides fills."""
PARTS: Final = {
    "opening": LEDGER_OPENING,
    "equity": LEDGER_EQUITY,
    "spread": LEDGER_SPREAD,
    "fees": LEDGER_FEES,
    "inventory": LEDGER_INVENTORY,
    "funding": LEDGER_FUNDING,
    "turnover": LEDGER_TURNOVER,
    "peak": LEDGER_PEAK,
    "drawdown": LEDGER_DRAWDOWN,
}
"""Amounts of a cycle, quote asset; equity - opening = spread + fees + inventory + funding."""


def journal_page(journal: Journal, table: str, after: int) -> tuple[JournalRow, ...]:
    """Return what follows a row of a table, as much as fits; nothing when that was all.

    Args:
        journal: open; its first session must have begun.
        table: one of `records.TABLES`.
        after: number of the last row that is known; 0: none.

    Raises:
        JournalError: no such table, or a damaged row.
    """
    opened = journal.find(records.JUDGED, "opened")
    if opened is None:
        return ()
    words = Wording(Decimal(opened.body["tick"]), Decimal(opened.body["lot"]))
    plain = _TOLD.get(table, _as_it_is)
    found = islice(journal.rows(table, after), PAGE_ROWS)
    return page(Row(row.seq, row.time_ns, row.kind, row.key, plain(row, words)) for row in found)


def _sent(row: Row, words: Wording) -> Line:
    """Return the orders and cancels of a step; what the gate refused stands in `refusals`."""
    orders, cancels = [], []
    for each in records.sent_rows(row.body).tolist():
        if each[PLACED_KIND] == ACTION_CANCEL:
            cancels.append(each[PLACED_ORDER_ID])
        elif each[PLACED_CODE] == APPROVED:
            orders.append(words.order(each))
    return {"orders": orders, "cancels": cancels}


def _refused(row: Row, words: Wording) -> Line:
    return {
        "refused": [
            {**words.order(each), "limit": limit, "figure": figure, "bound": bound}
            for limit, figure, bound, each in row.body
        ]
    }


def _reported(row: Row, words: Wording) -> Line:
    reports, filled = records.report_rows(row.body)
    outcomes = []
    for each in reports.tolist():
        if each[REPORT_KIND] == REPORT_FILL:
            continue
        line = {
            "outcome": OUTCOMES[each[REPORT_KIND]],
            "order_id": each[REPORT_ORDER_ID],
            "exchange_time": each[REPORT_EXCH_NS],
        }
        if each[REPORT_KIND] == REPORT_FUNDING:
            line["amount"] = money(each[REPORT_LOTS])
        outcomes.append(line)
    return {"fills": [words.fill(each) for each in filled.tolist()], "outcomes": outcomes}


def _cycle(row: Row, words: Wording) -> Line:
    ledger = records.ledger_row(row.body)
    return {
        **{name: money(ledger[column]) for name, column in PARTS.items()},
        "net": money(row.body["excess"]),
        "position": words.quantity(row.body["position"]),
        "mark": words.middle(int(ledger[LEDGER_MARK])),
        "fills": int(ledger[LEDGER_FILLS]),
        "round_trips": int(ledger[LEDGER_TRIPS]),
        "wins": int(ledger[LEDGER_WINS]),
        "observation": records.observation_row(row.body).tolist(),
        "trips": [
            {
                "opened": trip[TRIP_OPEN_NS],
                "closed": trip[TRIP_CLOSE_NS],
                "quantity": words.quantity(trip[TRIP_SIGNED_LOTS]),
                "open_price": words.price(trip[TRIP_OPEN_TICKS]),
                "close_price": words.price(trip[TRIP_CLOSE_TICKS]),
                "profit": money(trip[TRIP_PROFIT]),
            }
            for trip in records.trip_rows(row.body).tolist()
        ],
    }


def _judged(row: Row, words: Wording) -> Line:
    """Return the opening, a phase of a stop, or what the orders of a step were judged by."""
    if row.kind == "opened":
        return dict(row.body)
    if row.kind == STOP:
        position = words.quantity(row.body["position_lots"])
        return {"phase": row.body["phase"], "stops": row.body["stops"], "position": position}
    found = named(row.body)
    return {
        "risk": RISK_STATES[int(found["risk_state"])],
        "reason": REASONS[int(found["risk_reason"])],
        "before": RISK_STATES[int(found["before_state"])],
        "position": words.quantity(int(found["position_lots"])),
        "equity": money(int(found["equity_units"])),
    }


def _as_it_is(row: Row, _: Wording) -> Line:
    return dict(row.body)


_TOLD: Final[Mapping[str, Callable[[Row, Wording], dict[str, Any]]]] = {
    records.INTENTS: _sent,
    records.REFUSALS: _refused,
    records.REPORTS: _reported,
    records.CYCLES: _cycle,
    records.JUDGED: _judged,
}
