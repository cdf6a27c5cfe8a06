"""One executor's part of a report as a plain document: the same for page, text and JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from desk.errors import StoreError
from desk.report.calibration import calibration
from desk.report.figures import (
    Figures,
    figures_of,
    order_outcomes,
    period_of,
    profit_of,
)
from desk.report.history import FOREVER, History, history_of
from desk.report.identities import Identity, identities
from desk.report.instrument import Instrument
from desk.report.labels import duration
from desk.report.progression import progression
from desk.rows import UNITS, decimal
from desk.store import Store
from market.metrics import RETURNS_MIN, TRIPS_MIN
from protocol.messages import utc_text

SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything that is told of one executor.

    Attributes:
        calibration: of confidences (`desk/report/calibration.py`).
        replayed: the session as a backtest foretells it, from `counterpoint replay-session`; None:
            no run at a venue, or out of a store.
    """

    history: History
    instrument: Instrument
    figures: Figures
    identities: list[Identity]
    learning: dict[str, Any]
    calibration: dict[str, Any]
    replayed: Mapping[str, Any] | None

    @property
    def holds(self) -> bool:
        """Whether every identity holds."""
        return all(each.holds for each in self.identities)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values; money as decimal text, times as UTC text."""
        history, instrument = self.history, self.instrument
        cycles = history.cycles
        return {
            "schema": SCHEMA,
            "run": history.run,
            "executor": history.owner,
            "symbol": instrument.symbol,
            "base": instrument.base,
            "quote": instrument.quote,
            "capital": decimal(instrument.capital_units),
            "from": utc_text(history.since_ns),
            "to": utc_text(history.until_ns),
            "hours": round(history.hours, 6),
            "whole": history.is_whole,
            "equity": {
                "opening": decimal(int(cycles["equity"][0])),
                "closing": decimal(int(cycles["equity"][-1])),
            },
            "position": decimal(int(cycles["position"][-1])),
            "profit": {name: decimal(part) for name, part in profit_of(history).items()},
            "figures": {name: figure.as_dict() for name, figure in self.figures.items()},
            "orders": order_outcomes(history),
            "learning": self.learning,
            "calibration": self.calibration,
            "replayed": self.replayed,
            "identities": [each.as_dict() for each in self.identities],
            "assumptions": assumptions(self),
        }


def sheet_of(
    store: Store,
    run: str,
    owner: str,
    *,
    from_ns: int = 0,
    to_ns: int = FOREVER,
    seed: int = 0,
    replayed: Mapping[str, Any] | None = None,
) -> Sheet:
    """Return everything that the store tells of one executor between two times.

    Args:
        store: asked.
        run, owner: whose.
        from_ns, to_ns: the span; its decisions count.
        seed: of the resamples behind intervals.
        replayed: see `Sheet`.

    Raises:
        StoreError: there is nothing to tell.
    """
    history = history_of(store, run, owner, from_ns=from_ns, to_ns=to_ns)
    try:
        instrument = Instrument.of(history)
        return Sheet(
            history=history,
            instrument=instrument,
            figures=figures_of(history, instrument),
            identities=identities(history, instrument),
            learning=progression(history, seed=seed),
            calibration=calibration(history),
            replayed=replayed,
        )
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise StoreError(f"what {run} of {owner} told is not as it should be: {error!r}") from None


def assumptions(sheet: Sheet) -> list[str]:
    """Return on what the figures rest, a sentence each."""
    history, instrument, figures = sheet.history, sheet.instrument, sheet.figures
    period = duration(period_of(history))
    capital = f"{instrument.capital_units / UNITS:,.0f} {instrument.quote}"
    told = [
        (
            f"{figures['net_sharpe'].count:,} returns, {figures['uptime'].count:,} decisions, "
            f"{figures['orders_placed'].count:,} orders, {figures['fills'].count:,} fills and "
            f"{figures['sqn'].count:,} round trips over {history.hours:,.2f} h are behind the "
            f"figures, {sheet.calibration['outcomes']:,} outcomes behind the confidence."
        ),
        f"Returns are of {period}, simple, on a fixed capital of {capital}; a year has 365 days.",
        (
            f"No ratio is given below {RETURNS_MIN} returns or {TRIPS_MIN} round trips. One that "
            "is annualised says by which factor; a few hours say nothing about a year. No "
            "interest is subtracted."
        ),
        "Net of holding: against keeping the target inventory and not quoting.",
        "Equity, position and drawdown are known at decisions; what lay between is not in them.",
        (
            "Markouts: mid is the last one known at the horizon, from the steps that booked "
            "fills and from decisions; a fill whose horizon ends after the span does not count. "
            "The half spread that was captured is in them."
        ),
        (
            f"R of a round trip: its profit over {100.0 * instrument.risk_fraction:g} % of its "
            "cost, the stop distance. Round trips follow each other and are not independent, so "
            "SQN is larger than its evidence; SQN100 is the one to compare."
        ),
        "An order stands from the step that sent it to the step that heard it was gone.",
        (
            "What was earned under one set of parameters and under another is no experiment: "
            "the market changed as well. Intervals are 95 %, from blocks of ten minutes, 1,000 "
            "draws; none is given below six blocks."
        ),
    ]
    if sheet.calibration["outcomes"]:
        told.append(
            "A confidence came true when the set, replayed by the coordinator over the market "
            "that followed, earned more than the set before it. Sets that did not come into "
            "force have no outcome, so this is no fair sample of all that was proposed."
        )
    if sheet.replayed is not None:
        told.append(
            "Predicted is what the fill model of a backtest fills of the same orders, over the "
            "whole recording of the run whatever span is reported; our orders do not move it."
        )
    if not history.is_whole:
        told.append(
            "The span begins after the opening: round trips closed in it may have been opened "
            "before, and are not matched anew."
        )
    return told
