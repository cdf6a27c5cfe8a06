"""An executor's journal for people who were not there: every decision, and the lots for tax.

Amounts are decimal text in the units of the instrument, times UTC. Each decision carries the
figures that it was made on and the record of the audit chain that proves it.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import numpy as np

from agents.executor import records
from agents.executor.judged import STOP, named
from agents.executor.telling import RISK_STATES, money, text
from agents.executor.wording import REASONS, Line, Wording
from market.breach import APPROVED
from market.layout import (
    ACTION_CANCEL,
    LOT_COLUMNS,
    LOT_FEE,
    LOT_PRICE_TICKS,
    LOT_SIGNED,
    LOT_TIME_NS,
    NO_ASK,
    NO_BID,
    TRIP_CLOSE_NS,
    TRIP_CLOSE_TICKS,
    TRIP_OPEN_NS,
    TRIP_OPEN_TICKS,
    TRIP_PROFIT,
    TRIP_SIGNED_LOTS,
    UNITS,
)
from market.quotes import LOTS_HUGE
from market.replay_step import PLACED_CODE, PLACED_KIND, PLACED_ORDER_ID
from protocol.chain import Record
from protocol.errors import JournalError
from protocol.journal import Journal, Row
from protocol.messages import utc_text

DECISIONS: Final = (
    "time", "what", "order_id", "side", "price", "quantity", "level", "taker", "maker", "trade_id",
    "fee", "limit", "figure", "bound", "detail", "bid", "ask", "last", "position", "open_buy",
    "open_sell", "open_orders", "quote", "base", "equity", "day_opening", "peak", "fifo_cost",
    "sigma", "sigma_reference", "risk_state", "risk_reason", "value_cap", "liquidity_cap",
    "portfolio_cap", "stress_cap", "table", "row", "record", "hash",
)  # fmt: skip
"""Columns of a decision; what a line does not have is empty."""
LOTS: Final = (
    "acquired", "disposed", "side", "quantity", "asset", "price_acquired", "price_disposed",
    "cost", "proceeds", "fees", "profit", "currency",
)  # fmt: skip
"""Columns of a FIFO lot: `acquired` is when it was bought, `disposed` when it was sold.

A short lot was sold first. One that is still open lacks the other end.
"""


class Audited:
    """A journal, read for export.

    Args:
        journal: open for reading.
        chain: the records of its audit chain.

    Raises:
        JournalError: the executor opened no session yet.
    """

    def __init__(self, journal: Journal, chain: tuple[Record, ...]) -> None:
        self._journal = journal
        self._proof = {(each.table, each.row): each for each in chain}
        opened = journal.find(records.JUDGED, "opened")
        if opened is None:
            raise JournalError("the executor opened no session yet: there is nothing to export")
        self.opening: Mapping[str, Any] = opened.body
        self._opened = opened
        self._words = Wording(Decimal(opened.body["tick"]), Decimal(opened.body["lot"]))

    def decisions(self, first_ns: int, until_ns: int) -> Iterator[Line]:
        """Yield every decision of a span, in the order of time and of the chain."""
        shown: dict[str, Callable[[Row], Iterator[Line]]] = {
            records.INTENTS: self._sent,
            records.REFUSALS: self._refused,
            records.REPORTS: self._filled,
            records.JUDGED: self._changed,
            records.PARAMETERS: self._parameters,
            records.HEARD: self._heard,
        }
        rows = [
            (row.time_ns, self._seq(table, row), table, row)
            for table in shown
            for row in self._journal.rows(table)
            if first_ns <= row.time_ns < until_ns
        ]
        figures = {
            row.time_ns: self._figures(row.body)
            for _, _, table, row in rows
            if table == records.JUDGED and row.kind not in ("opened", STOP)
        }
        for time_ns, seq, table, row in sorted(rows, key=lambda each: each[:2]):
            proof = self._proof.get((table, row.seq))
            for line in shown[table](row):
                yield {
                    **figures.get(time_ns, {}),
                    "time": utc_text(time_ns),
                    **line,
                    "table": table,
                    "row": row.seq,
                    "record": seq,
                    "hash": "" if proof is None else proof.hash,
                }

    def lots(self) -> Iterator[Line]:
        """Yield every FIFO lot: the closed ones as they were closed, then the open ones."""
        for row in self._journal.rows(records.CYCLES):
            for trip in records.trip_rows(row.body).tolist():
                yield self._closed(trip)
        frozen = self._journal.get(records.STATE)
        held = b"" if frozen is None else frozen["lots"]
        for lot in np.frombuffer(held, dtype=np.int64).reshape(-1, LOT_COLUMNS).tolist():
            yield self._open(lot)

    def _seq(self, table: str, row: Row) -> int:
        proof = self._proof.get((table, row.seq))
        return 0 if proof is None else proof.seq

    def _cap(self, lots: int) -> str:
        return "" if lots >= LOTS_HUGE else self._words.quantity(lots)

    def _sent(self, row: Row) -> Iterator[Line]:
        for each in records.sent_rows(row.body).tolist():
            if each[PLACED_CODE] != APPROVED:
                continue  # told by `refusals`, with the figure and the bound
            if each[PLACED_KIND] == ACTION_CANCEL:
                yield {"what": "cancel", "order_id": each[PLACED_ORDER_ID]}
            else:
                yield {"what": "approved", **self._words.order(each)}

    def _refused(self, row: Row) -> Iterator[Line]:
        for limit, figure, bound, each in row.body:
            found = {"limit": limit, "figure": figure, "bound": bound}
            yield {"what": "refused", **self._words.order(each), **found}

    def _filled(self, row: Row) -> Iterator[Line]:
        for each in records.report_rows(row.body)[1].tolist():
            told = self._words.fill(each)
            del told["mark"]
            at = utc_text(told.pop("exchange_time"))
            yield {"what": "filled", **told, "detail": f"at the exchange {at}"}

    def _changed(self, row: Row) -> Iterator[Line]:
        if row.kind == "opened":
            yield {"what": "opened", "detail": told(row.body)}
        elif row.kind == STOP:
            held = {
                "stops": row.body["stops"],
                "position": self._words.quantity(row.body["position_lots"]),
            }
            yield {"what": f"stop_{row.body['phase']}", "detail": told(held)}
        elif row.kind == "state":
            found = named(row.body)
            before = RISK_STATES[int(found["before_state"])]
            why = REASONS[int(found["before_reason"])]
            yield {"what": "risk_state", "detail": f"from {before} ({why})"}

    def _parameters(self, row: Row) -> Iterator[Line]:
        yield {"what": f"parameters_{row.kind}", "detail": told(row.body)}

    def _heard(self, row: Row) -> Iterator[Line]:
        yield {"what": row.kind, "detail": told(row.body)}

    def _figures(self, body: list[Any]) -> Line:
        found = named(body)
        bid, ask = int(found["bid_ticks"]), int(found["ask_ticks"])
        return {
            "bid": "" if bid == NO_BID else self._words.price(bid),
            "ask": "" if ask == NO_ASK else self._words.price(ask),
            "last": self._words.price(int(found["last_ticks"])),
            "position": self._words.quantity(int(found["position_lots"])),
            "open_buy": self._words.quantity(int(found["open_buy_lots"])),
            "open_sell": self._words.quantity(int(found["open_sell_lots"])),
            "open_orders": found["open_orders"],
            "quote": money(int(found["quote_units"])),
            "base": money(int(found["base_units"])),
            "equity": money(int(found["equity_units"])),
            "day_opening": money(int(found["day_opening_units"])),
            "peak": money(int(found["peak_units"])),
            "fifo_cost": money(int(found["fifo_cost_units"])),
            "sigma": found["sigma"],
            "sigma_reference": found["sigma_reference"],
            "risk_state": RISK_STATES[int(found["risk_state"])],
            "risk_reason": REASONS[int(found["risk_reason"])],
            "value_cap": self._cap(int(found["value_lots"])),
            "liquidity_cap": self._cap(int(found["liquid_lots"])),
            "portfolio_cap": self._cap(int(found["portfolio_lots"])),
            "stress_cap": self._cap(int(found["stress_lots"])),
        }

    def _closed(self, trip: list[int]) -> Line:
        signed = trip[TRIP_SIGNED_LOTS]
        quantity = self._words.lot * abs(signed)
        ends = [
            (utc_text(trip[time]), self._words.tick * trip[ticks])
            for time, ticks in ((TRIP_OPEN_NS, TRIP_OPEN_TICKS), (TRIP_CLOSE_NS, TRIP_CLOSE_TICKS))
        ]
        (acquired, bought), (disposed, sold) = ends if signed > 0 else reversed(ends)
        profit = Decimal(trip[TRIP_PROFIT]) / UNITS
        return {
            "acquired": acquired,
            "disposed": disposed,
            "side": "long" if signed > 0 else "short",
            "quantity": text(quantity),
            "asset": self.opening["base"],
            "price_acquired": text(bought),
            "price_disposed": text(sold),
            "cost": text(quantity * bought),
            "proceeds": text(quantity * sold),
            "fees": text(quantity * (sold - bought) - profit),
            "profit": text(profit),
            "currency": self.opening["quote"],
        }

    def _open(self, lot: list[int]) -> Line:
        signed = lot[LOT_SIGNED]
        quantity, price = self._words.lot * abs(signed), self._words.tick * lot[LOT_PRICE_TICKS]
        end = "acquired" if signed > 0 else "disposed"
        return {
            end: utc_text(lot[LOT_TIME_NS]),
            "side": "long" if signed > 0 else "short",
            "quantity": text(quantity),
            "asset": self.opening["base"],
            f"price_{end}": text(price),
            "cost" if signed > 0 else "proceeds": text(quantity * price),
            "fees": money(lot[LOT_FEE]),
            "currency": self.opening["quote"],
        }


def told(body: Mapping[str, Any]) -> str:
    """Return a row's content as one line: `name value, name value`."""
    parts = []
    for name, value in body.items():
        shown = f"({told(value)})" if isinstance(value, dict) else value
        parts.append(f"{name} {shown}")
    return ", ".join(parts)
