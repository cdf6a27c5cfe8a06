"""The document of a backtest, as plain JSON values: what was assumed, tried, and found.

A pure function of recording, settings and sets: no wall time, no thread count, nothing of the
machine. Money leaves as decimal text.
"""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.backtest.candidates import Candidates, notes
from agents.backtest.ranges import text_of
from agents.backtest.sweep import FIGURES, Span, Sweep
from agents.costs import costs_of
from agents.figures import figures, money
from agents.session import Session, parameter_row
from market.layout import UNITS
from market.queueing import MODEL_KIND, MODEL_NAMES, MODEL_POWER, MODEL_UNIT, model_text
from market.replay import Record, replay_one
from market.replay_step import REPLAY_NET
from market.types import F8
from protocol.messages import QuoteParameters, utc_text

SCHEMA = 1
OWN_ORDERS = "own orders do not move this market"
DIGITS = 6
"""Decimals of shares and ratios."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """One row looked at closely: its record and everything a report says about it."""

    parameters: QuoteParameters
    session: Session
    record: Record
    figures: dict[str, Any]


def look(span: Span, session: Session, parameters: QuoteParameters, *, trials: int) -> Chosen:
    """Replay one set with its full record and measure it, its bounds paid for by `trials`."""
    own = dataclasses.replace(session, baseline=parameters)
    record = replay_one(
        span.tape,
        parameter_row(parameters),
        session.setup,
        first_step=span.first,
        last_step=span.last,
    )
    return Chosen(parameters, own, record, figures(record, own, span.tape, trials=trials))


def assumptions(session: Session) -> dict[str, Any]:
    """Return everything that a result rests on and that a market would not promise."""
    executor = session.settings.executor
    meta, model = session.meta, session.setup.model
    return {
        "fill_model": model_text(model),
        "fill_model_parameters": {
            "kind": MODEL_NAMES[int(model[MODEL_KIND])],
            "power": float(model[MODEL_POWER]) or None,
            "unit": float(model[MODEL_UNIT]),
        },
        "feed_delay": session.settings.feed.delay,
        "latency": latency_text(session),
        **costs_of(meta, session.settings, session.setup.funding),
        "fee_sign": "cost positive, rebate negative",
        "decision_s": executor.cycle_s,
        "guard_interval_ms": executor.guard_interval_ms,
        "own_orders": OWN_ORDERS,
    }


def latency_text(session: Session) -> str:
    """Return the latency as a reader takes it."""
    executor = session.settings.executor
    if executor.latency is not None:
        return executor.latency
    return f"order {executor.order_latency_ms:g} ms, response {executor.response_latency_ms:g} ms"


def recording_of(session: Session) -> dict[str, Any]:
    """Return what was traded on, and when."""
    meta = session.meta
    return {
        "venue": meta.venue,
        "symbol": meta.symbol,
        "sha256": meta.sha256,
        "first": utc_text(session.first_ns),
        "last": utc_text(session.last_ns),
        "hours": round((session.last_ns - session.first_ns) / 3.6e12, 4),
        "events": session.event_count,
        "clock_offset_ns": meta.clock_offset_ns,
        "artificial": meta.venue == "synthetic",
    }


def configuration_of(session: Session) -> dict[str, Any]:
    """Return the settings that shape how a set trades."""
    return session.settings.model_dump(mode="json", include={"account", "executor", "risk"})


def told_of(chosen: Chosen) -> dict[str, Any]:
    """Return what the fills of one set rest on, for the line beside them."""
    return {
        "session_id": session_id(chosen.session, chosen.parameters),
        "recording": recording_of(chosen.session),
        "assumptions": assumptions(chosen.session),
        "parameters": parameters_of(chosen.parameters),
    }


def session_id(session: Session, parameters: QuoteParameters) -> str:
    """Return a name that the same recording, span, assumptions and set always have."""
    told = [recording_of(session), assumptions(session), parameters_of(parameters)]
    told.append(configuration_of(session))
    text = json.dumps(told, sort_keys=True)
    return "backtest-" + hashlib.sha256(text.encode()).hexdigest()[:12]


def row_figures(row: F8) -> dict[str, Any]:
    """Return the figures of one f8[REPLAY_COLUMNS] by name; money as decimal text."""
    found: dict[str, Any] = {}
    for name, figure in FIGURES.items():
        value = float(figure.read(row[np.newaxis])[0])
        if figure.money:
            found[name] = money(round(value * UNITS))
        elif value.is_integer():
            found[name] = int(value)
        else:
            found[name] = None if np.isnan(value) else round(value, DIGITS)
    return found


def parameters_of(parameters: QuoteParameters) -> dict[str, str]:
    """Return a set as texts that read back as exactly its values."""
    return {name: text_of(value) for name, value in parameters.model_dump().items()}


def document(
    session: Session,
    candidates: Candidates,
    sweep: Sweep,
    *,
    looked: Sequence[Chosen],
    ranks: Sequence[tuple[int, int]],
    parts: F8,
    sort: str,
    trials: int,
) -> dict[str, Any]:
    """Return the whole result.

    Args:
        looked: the shown sets, looked at closely.
        ranks: (rank from 1, row of the sweep) of each of them, best first.
        parts: f8[shown, slices, REPLAY_COLUMNS].
        sort: the figure that ranked them.
        trials: sets that the first row was chosen from.
    """
    rows = []
    for (rank, row), chosen, part in zip(ranks, looked, parts, strict=True):
        rows.append(
            {
                "rank": rank,
                "starting_set": chosen.parameters == session.baseline,
                "parameters": parameters_of(chosen.parameters),
                "figures": row_figures(sweep.figures[row]),
                "net_by_part": [money(round(v * UNITS)) for v in part[:, REPLAY_NET]],
                "verdict": chosen.figures["verdict"],
                "metrics": chosen.figures["metrics"],
            }
        )
    return {
        "schema": SCHEMA,
        "recording": recording_of(session),
        "assumptions": assumptions(session),
        "configuration": configuration_of(session),
        "seed": session.settings.seed,
        "sweep": {
            "kind": candidates.kind,
            "sets": len(sweep.sets),
            "tried": sweep.done,
            "illegal_left_out": candidates.left_out,
            "ranges": dict(candidates.ranges),
            "complete": sweep.done == len(sweep.sets),
        },
        "sort": sort,
        "trials": trials,
        "chosen_in_sample": trials > 1,
        "starting_set": parameters_of(session.baseline),
        "notes": notes(looked[0].parameters, session, sweep.span.tape),
        "rows": rows,
        "first_row": looked[0].figures,
    }
