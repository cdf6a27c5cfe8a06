"""What can be looked at of one window's search: candidates, front, credit, importance, luck.

Everything is worked out of the search as it ended; nothing here decides anything.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from agents.optimizer.archive import Archive
from agents.optimizer.choice import bend
from agents.optimizer.convergence import BATCHES, gained
from agents.optimizer.fronts import hypervolume, reference
from agents.optimizer.overfitting import BLOCKS, backtest_overfitting
from agents.optimizer.studies import Batch
from agents.optimizer.study import Window
from agents.optimizer.window import Search
from market.types import F8

TREES = 200
LEAF = 3
PARAMETERS = ("spread_percentage", "levels", "base_quantity", "max_position")
HELD_ROOM = 0.1
MODELLED_MIN = 20
"""Candidates below which no forest is grown."""


def look(window: Window) -> dict[str, Any] | None:
    """Return plain values to draw a window from; None when nothing was searched."""
    search = window.search
    if search is None or len(search.tuner.archive.front) == 0:
        return None
    archive = search.tuner.archive
    front, volumes = archive.front, volumes_of(archive, window.batches)
    told = [each.candidates for each in window.batches]
    return {
        "window": window.number,
        "values": archive.values.tolist(),
        "allowed": (archive.violations <= 0.0).tolist(),
        "parameters": [
            [each.parameters[name] for name in PARAMETERS]
            for batch in window.batches
            for each in batch.trials
        ],
        "front": front.tolist(),
        "held": 0,
        "knee": int(front[bend(archive.values[front]).argmin()]),
        "chosen": chosen_of(window),
        "candidates": told,
        "hypervolume": volumes,
        "gained_lately": gained(archive, told_before(window.batches)),
        "batches_lately": BATCHES,
        "outlook": search.tuner.outlook if np.isfinite(search.tuner.outlook) else None,
        "sources": sources_of(archive, window.batches),
        "importance": importance(archive),
        "logits": logits(search),
    }


def told_before(batches: Sequence[Batch]) -> int:
    """Return how many points had been told before the newest batches."""
    return sum(len(each.trials) for each in batches[: max(1, len(batches) - BATCHES)])


def chosen_of(window: Window) -> int | None:
    """Return the row of the archive that became the chosen set, None without one."""
    if window.judgement.chosen is None:
        return None
    chosen = window.judgement.chosen.model_dump()
    trials = [each for batch in window.batches for each in batch.trials]
    return next((row for row, each in enumerate(trials) if each.parameters == chosen), None)


def volumes_of(archive: Archive, batches: Sequence[Batch]) -> list[float]:
    """Return the front's hypervolume after each batch, as a share of that at the end."""
    front, bound = archive.values[archive.front], bound_of(archive)
    whole, found, told = hypervolume(front, bound), [], 0
    for each in batches:
        told += len(each.trials)
        found.append(hypervolume(_front(archive, told), bound) / max(whole, 1e-300))
    return found


def bound_of(archive: Archive) -> F8:
    """Return the reference point: beyond the front's extremes, and beyond the set in force.

    The set in force is the first that was told; so what is known before counts for something.
    """
    front, held = archive.values[archive.front], archive.values[0]
    bound: F8 = np.maximum(reference(front, front), held + HELD_ROOM * np.abs(held - front.min(0)))
    return bound


def _front(archive: Archive, count: int) -> F8:
    """Return the values of the first `count` points that are allowed."""
    values: F8 = archive.values[:count][archive.violations[:count] <= 0.0]
    return values


def sources_of(archive: Archive, batches: Sequence[Batch]) -> dict[str, dict[str, float]]:
    """Return, by source, points proposed, members of the front, and hypervolume gained.

    What a batch gained is shared in the order of its points.
    """
    names = [each.source for batch in batches for each in batch.trials]
    bound, members = bound_of(archive), set(archive.front.tolist())
    found = {name: {"points": 0.0, "front": 0.0, "gained": 0.0} for name in dict.fromkeys(names)}
    held = 0.0
    for row, name in enumerate(names):
        now = held
        if archive.violations[row] <= 0.0:
            now = hypervolume(_front(archive, row + 1), bound)
        found[name]["points"] += 1.0
        found[name]["front"] += float(row in members)
        found[name]["gained"] += now - held
        held = now
    return {
        name: each | {"gained": each["gained"] / max(held, 1e-300)} for name, each in found.items()
    }


def importance(archive: Archive) -> dict[str, Any] | None:
    """Return, of each objective, what a forest says each dimension decides, and how well it knows.

    Impurity importances, which sum to one; `explained` is the out-of-bag share of variance.
    """
    if len(archive) < MODELLED_MIN:
        return None
    from sklearn.ensemble import ExtraTreesRegressor

    forests = []
    for objective in range(archive.objectives):
        forest = ExtraTreesRegressor(
            TREES, min_samples_leaf=LEAF, bootstrap=True, oob_score=True, n_jobs=1, random_state=1
        )
        forest.fit(archive.points, archive.scaled[:, objective])
        forests.append(
            {
                "shares": forest.feature_importances_.tolist(),
                "explained": float(forest.oob_score_),
            }
        )
    return {
        "dimensions": [each.name for each in archive.space.dimensions],
        "objectives": forests,
    }


def logits(search: Search) -> list[float]:
    """Return the logits of CSCV over the candidates that were replayed as a whole."""
    gains = search.race.values(search.race.whole).gains
    blocks = min(BLOCKS, gains.shape[1] // 2 * 2)
    if blocks < 4 or len(gains) < 2:
        return []
    return backtest_overfitting(gains.T, blocks=blocks)[1].tolist()  # type: ignore[no-any-return]
