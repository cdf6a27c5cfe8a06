"""The plots of a study: each says in a sentence how it is read."""

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from desk.report.charts import Dots, Line, bars, moments
from desk.study.plots import Band, Mark, Plot, Sheaf, drawn
from desk.study.told import Row, Search, Study
from market.types import F8, I8

Bool = NDArray[np.bool_]
PARAMETERS = ("spread, % of mid", "levels", "base quantity", "largest position")
DIMENSIONS = {
    "spread_percentage": "spread", "levels": "levels", "total_lots": "quantity of all levels",
    "position_lots": "largest position",
}  # fmt: skip
OBJECTIVES = ("gain, lower bound", "steadiness", "drawdown, per risk")
SIGNS = np.array([-1.0, -1.0, 1.0])
"""Values are minimised; a reader wants the first two upright."""
LINES_MAX = 150
CELLS = 20
MARKED = (("chosen", 1), ("knee", 2), ("held", 3))
WORDS = {"chosen": "best by training and test", "knee": "knee", "held": "set in force"}


def equity(study: Study) -> str:
    """Return the profit afterwards with its band."""
    curve = study.curve
    x = np.array(curve.ends_ns, dtype=np.float64) / 1e9
    if len(x) == 0:
        return ""
    first, last = float(x[0]), float(x[-1])
    return drawn(
        Plot(
            "Profit afterwards, window after window",
            "on data that no choice had seen; the band is where chance alone may have led (95 %, "
            "blocks of an hour, resampled)",
            f"UTC, {_day(first)}", f"{study.quote}, net of holding",
            (
                Line("sets in force", x, np.array(curve.tuned), 0),
                Line("first set throughout", x, np.array(curve.first_set), 4),
                Band("band of the sets in force", x, np.array(curve.low), np.array(curve.high), 0),
            ),
            ends=(first, last if last > first else first + 1.0), bounds=(0.0,), height=260,
            ticks=moments(first, last) if last > first else (),
        )
    )  # fmt: skip


def _day(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("from %Y-%m-%d %H:%M")


def front(search: Search) -> str:
    """Return the candidates with the front, the knee and the set in force."""
    upright = values_of(search)
    allowed = np.array(search.allowed)
    members = np.zeros(len(upright), dtype=bool)
    members[list(search.front)] = True
    rest = allowed & ~members
    x, y = upright[:, 2], upright[:, 0]
    seen = within(x) & within(y)
    marks = tuple(
        Mark(WORDS[name], float(x[row]), float(y[row]), tone)
        for name, tone in MARKED
        if (row := getattr(search, name)) is not None and seen[row]
    )
    return drawn(
        Plot(
            "Front of the newest window",
            f"higher earns more, further left falls less; steadiness, the third aim, is not shown; "
            f"{int(np.sum(~seen))} far away are left out",
            "drawdown per unit of risk", "gain over the set in force, lower bound",
            (
                Dots(
                    f"on the front ({len(search.front)})",
                    x[members & seen], y[members & seen], 0,
                ),
                Dots(f"beaten ({int(rest.sum())})", x[rest & seen], y[rest & seen], 4),
                Dots(
                    f"breaks a limit ({int((~allowed).sum())})",
                    x[~allowed & seen], y[~allowed & seen], 1,
                ),
            ),
            marks=marks, bounds=(0.0,), height=300,
        )
    )  # fmt: skip


def values_of(search: Search) -> F8:
    """Return f8[n, 3], values as a reader wants them."""
    found: F8 = np.array(search.values, dtype=np.float64).reshape(-1, 3) * SIGNS
    return found


def within(values: F8) -> Bool:
    """Return which values are not so far out that they would hide all others."""
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
    reach = 2.5 * max(high - middle, middle - low)
    found: Bool = np.abs(values - middle) <= reach + 1e-12
    return found


def hypervolume(search: Search, flag: str) -> str:
    """Return how the front grew."""
    x, y = np.array(search.candidates, dtype=np.float64), 100.0 * np.array(search.hypervolume)
    told = {
        "converged": "converged: the last batches gained next to nothing, and the model expects "
        "no more",
        "stalled": "stalled: the last batches gained next to nothing, but the model expects more",
        "budget": "budget: it ended because the budget was spent, not because all was found",
    }[flag]
    return drawn(
        Plot(
            "What the search had found, batch by batch", told, "candidates tried",
            "hypervolume of the front, % of the end",
            (Line("", x, y, 0, steps=True), Dots("", x, y, 0)),
            rise=(min(0.0, float(y.min())), 105.0), bounds=(100.0,), height=300,
        )
    )  # fmt: skip


def parallel(search: Search) -> str:
    """Return every candidate as a line over parameters and objectives."""
    upright = values_of(search)
    columns = np.hstack([np.array(search.parameters, dtype=np.float64).reshape(-1, 4), upright])
    names = (*PARAMETERS, *OBJECTIVES)
    scaled = np.stack([_scaled(columns[:, each]) for each in range(columns.shape[1])], axis=1)
    order = np.argsort(-upright[:, 0], kind="stable")
    order = order[np.array(search.allowed)[order]]
    best, rest = order[: max(1, len(order) // 10)], order[max(1, len(order) // 10) :]
    x = np.arange(len(names), dtype=np.float64)
    chosen = np.array([] if search.chosen is None else [search.chosen], dtype=np.int64)
    ends = [
        (place, f"{name}: {columns[:, place].min():.4g} to {columns[:, place].max():.4g}")
        for place, name in enumerate(names)
    ]
    return drawn(
        Plot(
            "Candidates as lines", "one line is one candidate, lowest to highest on each axis",
            "", "lowest to highest",
            (
                Sheaf("best by training and test", x, scaled[chosen], 1),
                Sheaf(f"best tenth by gain ({len(best)})", x, scaled[best], 0),
                Sheaf("others", x, scaled[_some(rest)], 4),
            ),
            ends=(-0.5, len(names) - 0.5), rise=(-3.0, 103.0), rules=x.tolist(), height=280,
            ticks=ends,
        )
    ).replace("<figure>", '<figure class="parallel">', 1)  # fmt: skip


def _some(rows: I8) -> I8:
    """Return at most LINES_MAX rows, evenly chosen."""
    places = np.unique(np.linspace(0, max(0, len(rows) - 1), min(LINES_MAX, len(rows))))
    found: I8 = rows[places.astype(np.int64)]
    return found


def _scaled(values: F8) -> F8:
    """Return percent of the way from the lowest to the highest, the far ones at the ends."""
    low, high = np.quantile(values, (0.02, 0.98))
    span = high - low if high > low else 1.0
    found: F8 = np.clip((values - low) / span, 0.0, 1.0) * 100.0
    return found


def importance(search: Search) -> str:
    """Return bars of what decides the gain."""
    found = search.importance
    if found is None:
        return ""
    figures = ""
    for name, forest in zip(OBJECTIVES, found.objectives, strict=True):
        rows = [
            (DIMENSIONS.get(each, each), 100.0 * share, f"{100.0 * share:.0f} %")
            for each, share in zip(found.dimensions, forest.shares, strict=True)
        ]
        known = max(0.0, forest.explained)
        trust = "little: do not read much into it" if known < 0.3 else f"{known:.0%} of it"
        figures += bars(f"What decides: {name}", f"a forest explains {trust}", rows)
    return figures


def sources(search: Search) -> str:
    """Return bars of what each source of candidates brought."""
    total = sum(each.points for each in search.sources.values())
    rows = [
        (
            name,
            100.0 * each.gained,
            f"{each.gained:.0%} by {each.points / total:.0%} of them, {each.front:.0f} on front",
        )
        for name, each in sorted(search.sources.items(), key=lambda one: -one[1].gained)
    ]
    return bars(
        "Who found it",
        "hypervolume gained, by which share of the candidates; given: the set in force, and the "
        "last window's front",
        rows,
    ).replace("<figure>", '<figure class="wordy">', 1)


def luck(search: Search, overfitting: float | None) -> str:
    """Return the logits of CSCV as a histogram."""
    if not search.logits or overfitting is None:
        return ""
    values = np.clip(np.array(search.logits), -4.0, 4.0)
    counts, edges = np.histogram(values, CELLS, (-4.0, 4.0))
    share = 100.0 * counts / len(values)
    x = np.repeat(edges, 2)[1:-1]
    y = np.repeat(share, 2)
    below = np.arange(len(x)) < len(x) // 2
    return drawn(
        Plot(
            f"Probability of backtest overfitting: {overfitting:.2f}",
            "how the best of one half of the time ranks in the other half; left of 0 it is no "
            "better than the median there; noise gives 0.5",
            "logit of its rank", "% of the splits",
            (
                Line("worse than the median", x[below], y[below], 1, area=True),
                Line("better", x[~below], y[~below], 2, area=True),
            ),
            ends=(-4.0, 4.0), rules=(0.0,), rise=(0.0, float(share.max()) * 1.08),
        )
    )  # fmt: skip


def reliability(study: Study) -> str:
    """Return stated confidence against what came true."""
    scored = study.result.summary.reliability
    if not scored.decisions:
        return ""
    x = np.array([each.stated for each in scored.diagram])
    y = np.array([each.came_true for each in scored.diagram])
    skill = "" if scored.skill is None else f", skill over the base rate {scored.skill:+.2f}"
    few = "; far too few to judge it by" if scored.decisions < 50 else ""
    counts = ", ".join(str(each.count) for each in scored.diagram)
    return drawn(
        Plot(
            "Did the confidence come true?",
            f"on the dashed line it did; {scored.decisions} decisions (by dot: {counts}), Brier "
            f"{scored.brier:.3f}{skill}{few}",
            "stated probability of doing better", "share that did better",
            (Dots("", x, y, 0),), ends=(0.0, 1.0), rise=(-0.04, 1.04), diagonal=True,
        )
    )  # fmt: skip


def stability(study: Study) -> str:
    """Return, by parameter, what was in force and what was best at each window."""
    rows = study.result.rows
    names = ("spread_percentage", "levels", "base_quantity", "max_position")
    figures = ""
    for name, words in zip(names, PARAMETERS, strict=True):
        figures += drawn(_stable(rows, name, words))
    return figures


def _stable(rows: tuple[Row, ...], name: str, words: str) -> Plot:
    x = np.arange(1, len(rows) + 1, dtype=np.float64)
    after = np.array([float(getattr(each.after, name)) for each in rows])
    found = [(at, each) for at, each in zip(x, rows, strict=True) if each.chosen is not None]
    best = np.array([float(getattr(each.chosen, name)) for _, each in found])
    return Plot(
        words[0].upper() + words[1:], "does the best candidate stay where it was?", "window", "",
        (
            Dots("best candidate", np.array([at for at, _ in found]), best, 1),
            Line("in force afterwards", x, after, 0, steps=True),
        ),
        ends=(0.5, len(rows) + 0.5), height=130,
        ticks=[(float(at), str(int(at))) for at in x[:: max(1, len(x) // 8)]],
    )  # fmt: skip


def time_budget(study: Study) -> str:
    """Return bars of where the seconds went."""
    spent = study.spent
    restored = ""
    if spent.batches_restored:
        restored = f"; {spent.batches_restored} of {spent.batches} batches came from the store"
    rows = [
        (words, value, f"{value:.2f} s")
        for words, value in (
            ("tape", spent.tape_s), ("search", spent.search_s), ("replay", spent.replay_s),
            ("storage", spent.storage_s), ("test, guards, rest", spent.other_s),
        )
    ]  # fmt: skip
    return bars("Where the time went", f"{spent.wall_s:.1f} s of wall time{restored}", rows)
