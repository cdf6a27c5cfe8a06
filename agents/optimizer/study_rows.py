"""What is told of each window of a study: chosen on what, and what became of it afterwards.

Gains are mean utilities of a slice over those of the set in force, see `utility.py`; slices are as
long in training, test and afterwards, so the three can be compared. Walk-forward efficiency is
what was left afterwards of the gain in training.
"""

from dataclasses import asdict
from typing import Any

import numpy as np

from agents.optimizer.objectives import mean_error, valued
from agents.optimizer.outcome import Outcome, outcome
from agents.optimizer.study import Window
from agents.session import Session, parameter_row
from market.reliability import reliability
from market.tape import Tape
from protocol.messages import utc_text

HOUR_NS = 3_600 * 10**9
AHEAD_SHARE = 0.5
"""Of the configured horizon: a recording that ends earlier says nothing of what became of a set."""


def row_of(session: Session, tape: Tape, window: Window) -> dict[str, Any]:
    """Return a window as plain values; nothing in it is of the machine."""
    found = window.judgement
    trained, tested = _gains(window)
    ahead = outcome(session, tape, window.kept, partial=True)
    if ahead is not None and ahead.hours < AHEAD_SHARE * session.settings.optimizer.horizon_hours:
        ahead = None
    after = None if ahead is None else ahead.gain
    return {
        "window": window.number,
        "at": utc_text(window.kept.now_ns),
        "from": utc_text(found.window[0]),
        "to": utc_text(found.window[1]),
        "hours": (found.window[1] - found.window[0]) / HOUR_NS,
        "horizon_hours": found.horizon_s / 3600.0,
        "whole": found.whole,
        "candidates": found.evaluated,
        "search": found.ending.value,
        "replay_saved": found.saved,
        "change_alarm": found.alarm,
        "published": found.better,
        "reason": found.reason,
        "confidence": found.confidence,
        "chance": found.chance,
        "guards": None if found.guards is None else asdict(found.guards),
        "gain": found.gain,
        "gain_error": found.error,
        "gain_trained": trained,
        "gain_tested": tested,
        "gain_ahead": after,
        "efficiency": efficiency(trained, after),
        "ahead": None if ahead is None else _ahead(ahead),
        "held": window.held.model_dump(),
        "chosen": None if found.chosen is None else found.chosen.model_dump(),
        "after": window.after.model_dump(),
    }


def _gains(window: Window) -> tuple[float | None, float | None]:
    """Return the chosen set's mean gain a slice in training and in the test."""
    search, chosen = window.search, window.judgement.chosen
    if search is None or chosen is None:
        return None, None
    row = search.rows[search.near.key(chosen)]
    trained = search.race.values(np.array([row])).gains
    sets = np.array([parameter_row(each) for each in (search.sets[0], chosen)])
    figures = search.run(sets, search.spans.test)
    tested = valued(figures[1:], figures[0], search.scale).gains
    return float(mean_error(trained)[0][0]), float(mean_error(tested)[0][0])


def _ahead(found: Outcome) -> dict[str, Any]:
    return {
        "net_profit": found.net,
        "net_profit_held": found.net_incumbent,
        "fills": found.fills,
        "hours": found.hours,
        "won": found.won,
    }


def efficiency(trained: float | None, after: float | None) -> float | None:
    """Return what was left afterwards of the gain in training; None where none was gained."""
    if trained is None or after is None or not trained > 0.0:
        return None
    return after / trained


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what all windows say together."""
    scored = [row for row in rows if row["ahead"] is not None and row["whole"]]
    found = reliability(
        np.array([row["confidence"] for row in scored]),
        np.array([float(row["ahead"]["won"]) for row in scored]),
    )
    known = [row for row in rows if row["gain_ahead"] is not None]
    trained = float(np.mean([row["gain_trained"] for row in known])) if known else None
    ahead = float(np.mean([row["gain_ahead"] for row in known])) if known else None
    return {
        "windows": len(rows),
        "published": sum(row["published"] for row in rows),
        "candidates": sum(row["candidates"] for row in rows),
        "gain_trained": trained,
        "gain_ahead": ahead,
        "efficiency": efficiency(trained, ahead),
        "reliability": found.as_dict(),
    }


def front_of(window: Window) -> list[dict[str, Any]]:
    """Return the candidates that no other dominates, every digit of them, as they were told."""
    search = window.search
    if search is None:
        return []
    archive = search.tuner.archive
    return [
        {
            "parameters": search.near.parameters(
                search.near.space.decode(archive.points[row][None])[0]
            ).model_dump(),
            "point": archive.points[row].tolist(),
            "values": archive.values[row].tolist(),
            "violation": float(archive.violations[row]),
        }
        for row in archive.front
    ]
