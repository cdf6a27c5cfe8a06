"""Whether stated confidences came true, and whether the backtest would have foretold the fills.

A set's outcome is the coordinator's: it replays the proposal that came into force, and the set
before it, over the market that followed, and logs which of them earned more.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from desk.report.history import History
from desk.rows import DECISIONS
from market.reliability import reliability

SIDES: Final = ("actual", "configured", "measured")
"""Of a replayed session: as it was, and predicted with delays as configured and as measured."""
TITLES: Final = ("as it was", "configured delays", "measured delays")


def calibration(history: History) -> dict[str, Any]:
    """Return how far the confidences of sets that came into force came true, as plain values."""
    stated, won = outcomes(history)
    told = reliability(np.array(stated), np.array(won, dtype=np.float64)).as_dict()
    return {"outcomes": told.pop("decisions"), **told}


def outcomes(history: History) -> tuple[list[float], list[bool]]:
    """Return stated confidences and whether each set beat the one before it, in order.

    A set that filled nothing more or less than the one before has no outcome.
    """
    stated: list[float] = []
    won: list[bool] = []
    proposals: dict[str, tuple[str, float]] = {}
    flying: list[str] = []
    trial: dict[str, float] = {}
    for source, kind, _, body in history.events:
        if source != DECISIONS:
            continue
        if kind in {"answer", "proposal"} and body.get("update"):
            seat = str(body["seat"] if kind == "answer" else body["src"])
            proposals[body["id"]] = seat, float(body["update"]["data"]["confidence_score"])
        elif kind == "decision":
            flying = list(body["basis"])
        elif kind == "applied":
            trial = dict(proposals[each] for each in flying if each in proposals)
            flying = []
        elif kind == "measured":
            for seat, beat in body["won"].items():
                if seat in trial:
                    stated.append(trial[seat])
                    won.append(bool(beat))
            trial = {}
    return stated, won


def calibration_rows(told: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the diagram as rows of text: stated, came true, outcomes; the whole last."""
    rows = [
        (f"{each['stated']:.2f}", f"{each['came_true']:.2f}", f"{each['count']:,}")
        for each in told["diagram"]
    ]
    if not rows:
        return []
    mean = sum(each["stated"] * each["count"] for each in told["diagram"]) / told["outcomes"]
    return [*rows, (f"{mean:.2f}", f"{told['base_rate']:.2f}", f"{told['outcomes']:,} in all")]


def calibration_line(told: Mapping[str, Any]) -> str:
    """Return the scores as a sentence."""
    if not told["outcomes"]:
        return "no set that came into force has an outcome yet"
    skill = "-" if told["skill"] is None else f"{told['skill']:+.3f}"
    return (
        f"Brier score {told['brier']:.3f}, skill over the base rate {skill}, calibration error "
        f"{told['calibration_error']:.3f}, n {told['outcomes']:,}"
    )


def replayed_rows(told: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return a replayed session as rows of text: what, as it was, predicted twice."""
    sides = [told[name] for name in SIDES]
    rows: list[tuple[str, ...]] = [
        ("fills", *(f"{each['fills']:,}" for each in sides)),
        ("lots", *(f"{each['lots']:,}" for each in sides)),
        ("net, quote", *(f"{each['net']:+,.4f}" for each in sides)),
        ("net, bps of turnover", "", *(f"{each['net_difference_bps']:+.2f}" for each in sides[1:])),
        ("overlap of lots", "", *(f"{each['overlap']:.1%}" for each in sides[1:])),
    ]
    for name in sides[0]["markouts_bps"]:
        horizon = name.removeprefix("markout_").removesuffix("_bps")
        values = [each["markouts_bps"].get(name) for each in sides]
        shown = ("-" if value is None else f"{value:+.2f}" for value in values)
        rows.append((f"markout {horizon}, bps", *shown))
    for words, key in (
        ("orders filled in both", "both"),
        ("only as it was", "only_actual"),
        ("only predicted", "only_predicted"),
    ):
        rows.append((words, "", *(f"{each[key]:,}" for each in sides[1:])))
    return rows


def replayed_line(told: Mapping[str, Any]) -> str:
    """Return over what a session was replayed."""
    return f"{told['orders']:,} orders over {told['hours']:,.2f} h, {told['refused']:,} refused"
