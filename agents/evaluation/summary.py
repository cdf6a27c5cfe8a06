"""Pieces put together: every arm's figures and every pair's differences, a fee after the other."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from agents.evaluation.plan import Plan
from market.comparison import PERIOD_NET, PERIOD_TRIPS, SUM_TRIPS, compare, figures_of, summed
from market.deflation import RETURNS_LEAST, deflated_sharpe
from market.types import F8
from market.verdict import edge_verdict

DAY_S = 86_400.0
FIGURES = ("net", "sharpe", "sqn", "sqn100", "drawdown")
QUARTERS = 4
COUNTED = ("fills", "orders", "turnover", "changes", "tried")


def document_of(
    pieces: Sequence[Mapping[str, Any]], plan: Plan, arms: Sequence[str]
) -> dict[str, Any]:
    """Return the scoreboard of pieces, as plain values.

    Args:
        pieces: in the order of their recordings, of one fee or several.
        plan: the rules.
        arms: asked for; those that the recordings do not allow are left out.
    """
    fees = tuple(dict.fromkeys(float(each["fee_bps"]) for each in pieces))
    tiers = []
    for fee in fees:
        mine = [each for each in pieces if float(each["fee_bps"]) == fee]
        there = [name for name in arms if all(name in each["arms"] for each in mine)]
        tiers.append(_tier(fee, mine, plan, there))
    return {"plan": plan.model_dump(mode="json"), "tiers": tiers}


def _tier(
    fee: float, pieces: Sequence[Mapping[str, Any]], plan: Plan, arms: Sequence[str]
) -> dict[str, Any]:
    records = {
        name: np.concatenate([np.array(each["arms"][name]["rows"]) for each in pieces])
        for name in arms
    }
    periods = sum(int(each["periods"]) for each in pieces)
    differences = [
        {"ours": ours, "theirs": theirs} | _difference(records[ours], records[theirs], plan)
        for ours, theirs in plan.pairs
        if ours in records and theirs in records
    ]
    return {
        "fee_bps": fee,
        "symbol": pieces[0]["symbol"],
        "venue": pieces[0]["venue"],
        "recordings": [
            {name: each[name] for name in ("recording", "first", "last", "periods", "key")}
            for each in pieces
        ],
        "periods": periods,
        "days": periods * plan.period_s / DAY_S,
        "arms": _arms(records, pieces, plan),
        "differences": differences,
        "settings": settings_of(pieces[0]["carried"]),
        "residual": any(pieces[0]["carried"].get("residual", ())),
        "progress": {name: progress_of(each) for name, each in records.items()},
        "curves": {name: np.cumsum(each[:, PERIOD_NET]).tolist() for name, each in records.items()},
    }


def progress_of(rows: F8) -> list[float]:
    """Return the net of each quarter of the test, the first one first: whether it learns."""
    parts = np.array_split(rows[:, PERIOD_NET], QUARTERS)
    return [float(each.sum()) for each in parts]


def settings_of(carried: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with which an executor trades as L; with an optimizer it begins as F.

    The residual, if there is one, is not among them: it is a checkpoint of `counterpoint train`.
    Without L and F there are none.
    """
    if "policy" not in carried:
        return {}
    return {
        "run.optimizers": 0,
        "executor.policy": carried["policy"],
        "executor.volatility_reference": carried["reference"],
        "risk.value_at_risk_limit": carried["budget"],
        **{f"parameters.{name}": value for name, value in carried["L"].items()},
    }


def _difference(ours: F8, theirs: F8, plan: Plan) -> dict[str, Any]:
    found = compare(
        ours,
        theirs,
        period_s=float(plan.period_s),
        seed=plan.seeds.bootstrap,
        draws=plan.draws,
        level=plan.level,
    )
    return {"figures": {name: each.as_dict() for name, each in found.items()}}


def _arms(
    records: Mapping[str, F8], pieces: Sequence[Mapping[str, Any]], plan: Plan
) -> dict[str, dict[str, Any]]:
    ratios = [_ratio(each) for each in records.values() if each[:, PERIOD_NET].any()]
    searched = {"T", "F", *plan.modes}
    told = {}
    for name, rows in records.items():
        sums = summed(rows)
        year = 365.0 * DAY_S / plan.period_s
        found = figures_of(sums, len(rows), unit=1.0, year_periods=year)
        figures = {each: _plain(found[each]) for each in FIGURES}
        counts = {each: sum(piece["arms"][name][each] for piece in pieces) for each in COUNTED}
        deflated = None
        if len(rows) >= RETURNS_LEAST and len(ratios) > 1 and rows[:, PERIOD_NET].any():
            spread = float(np.std(ratios, ddof=1))
            deflated = deflated_sharpe(rows[:, PERIOD_NET], trials=len(ratios), deviation=spread)
        verdict = edge_verdict(
            rows[:, PERIOD_NET],
            round_trips=int(sums[SUM_TRIPS]),
            trials=1 + counts["changes"] if name in searched else 1,
            seed=plan.seeds.bootstrap,
        )
        told[name] = {
            "about": plan.arms[name],
            "figures": figures,
            "deflated_sharpe": deflated,
            "round_trips": int(rows[:, PERIOD_TRIPS].sum()),
            "verdict": verdict.as_dict(),
            **counts,
        }
    return told


def _ratio(rows: F8) -> float:
    net = rows[:, PERIOD_NET]
    return float(net.mean() / net.std(ddof=1)) if net.std(ddof=1) > 0.0 else 0.0


def _plain(value: F8) -> float | None:
    return None if np.isnan(value) else float(value)
