"""How the parameters went, who proposed them with what confidence, and what was earned under each.

What two stretches of one run earned is no experiment: the market changed as well. The interval says
how much of a difference chance alone makes.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from desk.report.history import History
from desk.rows import UNITS
from market.scores import Blocks, Estimate
from protocol.messages import QuoteParameters, utc_text

BLOCK_NS: Final = 600 * 10**9
DRAWS: Final = 1_000
BLOCKS_MIN: Final = 6
"""Below it an interval would promise too much."""
HOUR_NS: Final = 3_600 * 10**9
SETS_MAX: Final = 200
"""Shown at most: the newest."""


def progression(history: History, *, seed: int) -> dict[str, Any]:
    """Return every set in force, in order, and how the last compares with the first."""
    steps = _steps(history)
    proposals = _proposals(history)
    decided = {tuple(body["pair"]): body for source, kind, _, body in history.events
               if source == "log" and kind == "decision"}  # fmt: skip
    earned = _earned(history, [each["time_ns"] for each in steps], seed)
    sets = []
    for step, rate in zip(steps, earned, strict=True):
        body = decided.get(step["pair"], {})
        basis = [proposals[each] for each in body.get("basis", ()) if each in proposals]
        sets.append({
            "from": utc_text(step["time_ns"]),
            "parameters": step["params"],
            "by": str(body.get("seat") or ("opening" if step["pair"] is None else "")),
            "mode": str(body.get("mode", "")),
            "confidence": max(basis, default=None),
            "net_per_hour": _plain(rate),
        })  # fmt: skip
    return {
        "initial": sets[0]["parameters"],
        "current": sets[-1]["parameters"],
        "iterations": len(sets) - 1,
        "proposals": len(proposals),
        "refused": sum(kind in ("rejected", "refused") for _, kind, _, _ in history.events),
        "sets": sets[-SETS_MAX:],
        "improvement_per_hour": _improvement(earned),
    }


def steps_of(history: History) -> list[tuple[int, Mapping[str, Any]]]:
    """Return time and parameters of each set in force, for a picture."""
    return [(each["time_ns"], each["params"]) for each in _steps(history)]


def _steps(history: History) -> list[dict[str, Any]]:
    opening = _set(history.opening["parameters"])
    first = {"time_ns": history.since_ns, "params": opening, "pair": None}
    found: list[dict[str, Any]] = [first]
    for source, kind, time_ns, body in history.events:
        if source != "parameters" or kind != "applied":
            continue
        pair = int(body["pair"][0]), int(body["pair"][1])
        step = {"time_ns": time_ns, "params": _set(body["params"]), "pair": pair}
        if time_ns <= history.since_ns:
            found = [{**step, "time_ns": history.since_ns}]
        elif found[-1]["params"] != step["params"]:
            found.append(step)
    return found


def _set(told: Any) -> dict[str, float]:
    """Return the four parameters of a set.

    Raises:
        ValueError: it is none.
    """
    return QuoteParameters.model_validate(told).model_dump()


def _proposals(history: History) -> dict[str, float]:
    """Return the confidence of every proposal in the decision log by its id."""
    return {
        body["id"]: float(body["update"]["data"]["confidence_score"])
        for source, kind, _, body in history.events
        if source == "log" and kind in ("answer", "proposal") and body.get("update")
    }


def _earned(history: History, begins: list[int], seed: int) -> list[Estimate]:
    """Return what was earned net of holding under each set, quote units an hour."""
    times, net = history.cycles["time_ns"], history.cycles["net"]
    lengths = np.diff(times) / float(HOUR_NS)
    rates = np.diff(net) / UNITS / lengths
    which = np.searchsorted(np.array(begins), times[:-1], side="right") - 1
    blocks = Blocks(times[1:], block_ns=BLOCK_NS, draws=DRAWS, rng=np.random.default_rng(seed))
    chosen = max(0, len(begins) - SETS_MAX)
    nothing = Estimate(math.nan, math.nan, math.nan)
    found = []
    for place in range(len(begins)):
        mask = which == place
        told = blocks.mean(rates, mask) if place >= chosen or place == 0 else nothing
        if len(np.unique(times[1:][mask] // BLOCK_NS)) < BLOCKS_MIN:
            told = Estimate(told.value, math.nan, math.nan)
        found.append(told)
    return found


def _improvement(earned: list[Estimate]) -> dict[str, Any] | None:
    """Return last less first with the interval of the difference of two independent means."""
    if len(earned) < 2:
        return None
    first, last = earned[0], earned[-1]
    low = math.hypot(last.value - last.low, first.high - first.value)
    high = math.hypot(last.high - last.value, first.value - first.low)
    change = last.value - first.value
    return _plain(Estimate(change, change - low, change + high))


def _plain(estimate: Estimate) -> dict[str, Any]:
    value, low, high = estimate.as_list()
    return {"value": value, "low": low, "high": high}
