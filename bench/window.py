"""What a window's search does where nothing can be better, where much can, and how it ends.

    python -m bench.window --out FILE [--part null,zero,planted,racing,ending] [--day RECORDING]
                           [--from FIRST] [--markets COUNT]

- null: profits of every candidate are mirrored at those of the set in force by a coin a slice, so
  that all have the same expectation by construction; risks are set equal. Bar: at most 5 % of 200
  windows publish.
- zero: zero-edge days (no quote can earn, at any depth). Bar: at most 5 % of the windows publish.
- planted: planted-edge days, the set in force far too wide. Bar: 60 % of the windows publish one,
  and the published are better on the horizon after in more than half.
- racing: the same windows with and without racing. Bar: 40 % of the replay saved, the choice not
  worse by more than its standard error over the windows, neither by its lower bound on the whole
  window nor by what it gains on the horizon after.
- ending: searches with a large budget until they say `converged`, then 1000 evaluations more: the
  public problems of `tuner_problems.py` (the noisy one apart: its hypervolume grows by luck), each
  with three seeds, and three windows of five hours. Bar: it is said in 30 runs, and in 90 % of
  these the hypervolume grows by less than 1 %.
- day: one verdict over all of a recording, 1000 candidates, train and test. Bar: 60 s on two cores,
  at most 8 s of it for the search and for what is kept. Only with `--day`; never kept in FILE.

Every part keeps its finished markets in FILE (a line each), so an interrupted run goes on.
"""

import argparse
import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from agents.optimizer.convergence import Ending, ending, gained
from agents.optimizer.judgement import SOURCES, Options, Past
from agents.optimizer.memory import Memory, kept
from agents.optimizer.mind import Mind, seed_of
from agents.optimizer.objectives import Scale, valued
from agents.optimizer.race import Run
from agents.optimizer.space import Space
from agents.optimizer.spans import Part, Spans, bounds, laid_out, sigma_of
from agents.optimizer.tuner import Tuner
from agents.optimizer.window import BATCH, Search, judge, over
from agents.session import Session, open_session, parameter_row
from agents.settings import Settings
from bench.tuner_problems import PROBLEMS, Problem
from bench.window_markets import market
from market.account import Setup
from market.replay_step import REPLAY_NET
from market.tape import Tape
from protocol.messages import QuoteParameters

WINDOWS_A_MARKET = 8
FIRST = 9
"""Boundary, in hours, from which on a window of eight hours is whole."""
HOURS, AHEAD_HOURS = 19.0, 2
NULL_MAX, PLANTED_MIN, SAVED_MIN, GROWN_MAX, GROWN_SHARE = 0.05, 0.6, 0.4, 0.01, 0.9
MARKETS = {"null": 25, "zero": 25, "planted": 12, "racing": 8, "ending": 48}
ROUNDS = 3
"""Searches of each public problem, with other seeds."""
FLAGGED_MIN = 30
TOO_WIDE = 5.0
MORE = 1000
BUDGET_MOST, ENDING_HOURS = 3000, 5.0
DAY_S_MAX, DAY_OWN_S_MAX, DAY_HOURS = 60.0, 8.0, 24.3
BATCH_TWICE = 130
Row = dict[str, Any]
Arguments = tuple[Tape, Setup, QuoteParameters, Options, int, Spans, Past, Run]
"""Of `Search`."""


def mirrored(run: Run, incumbent: QuoteParameters, seed: int) -> Run:
    """Return a replay in which no candidate is better than the set in force, in expectation."""
    held = parameter_row(incumbent)[None]

    def null(parameters: Any, part: Part) -> Any:
        own, found = run(held, part), run(parameters, part)
        coins = np.random.default_rng([seed, part.first]).choice([-1.0, 1.0], part.slices)
        equal = np.broadcast_to(own, found.shape).copy()
        equal[..., REPLAY_NET] += coins * (found[..., REPLAY_NET] - own[..., REPLAY_NET])
        return equal

    return null


def windows_of(session: Session) -> list[tuple[int, int]]:
    """Return (number, venue time) of the boundaries that are judged."""
    found = list(enumerate(session.boundaries(), start=1))
    return found[FIRST - 1 : FIRST - 1 + WINDOWS_A_MARKET]


def judged(seed: int, setting: str, part: str) -> list[Row]:
    """Judge every window of one market by itself, with what was planted or taken away."""
    session = market(seed, budget=128, setting=setting, hours=HOURS)
    mind = Mind(session, "optimizer-1")
    rows = []
    for index, now_ns in windows_of(session):
        held = session.baseline
        if part == "planted":
            wide = round(min(5.0, held.spread_percentage * TOO_WIDE), 4)
            held = held.model_copy(update={"spread_percentage": wide})
        tape = mind.tape(now_ns)
        run = None
        if part == "null":
            run = mirrored(over(tape, session.setup, threads=1), held, seed * 100 + index)
        own = seed_of(seed, "optimizer-1", index)
        found = judge(tape, session.setup, held, mind.options, own, Past(), run)
        rows.append(
            {
                "better": found.better,
                "reason": found.reason.partition(":")[0] if not found.better else "better",
                "confidence": found.confidence,
                "chance": found.chance,
                "luck": None if found.guards is None else found.guards.luck,
                "won": ahead(session, mind, index, held, found.chosen) > 0.0
                if found.better
                else None,
            }
        )
    return rows


def ahead(
    session: Session,
    mind: Mind,
    index: int,
    held: QuoteParameters,
    chosen: QuoteParameters | None,
) -> float:
    """Return the utility that a set gained, a slice, on the horizon after the window."""
    if chosen is None:
        return 0.0
    tape = mind.tape(session.last_ns)
    begin = session.boundaries()[index - 1] + session.settings.optimizer.tuning_latency_ns
    first, last = tape.step_at(begin), tape.step_at(begin + AHEAD_HOURS * 3600 * 10**9)
    figures = over(tape, session.setup, threads=1)(
        np.array([parameter_row(each) for each in (held, chosen)]), Part(first, last, 10)
    )
    scale = Scale(sigma_of(tape, first, last), (last - first) / 10, session.setup.limits)
    return float(valued(figures[1:], figures[0], scale).gains.mean())


def raced(seed: int) -> list[Row]:
    """Judge the windows of one market with and without racing."""
    session = market(seed, budget=128, hours=HOURS)
    mind = Mind(session, "optimizer-1")
    rows = []
    for index, now_ns in windows_of(session):
        tape, own, row = mind.tape(now_ns), seed_of(seed, "optimizer-1", index), {}
        for racing in (True, False):
            options = dataclasses.replace(mind.options, racing=racing)
            begin_s = time.process_time()
            found = judge(tape, session.setup, session.baseline, options, own, Past())
            name = "raced" if racing else "whole"
            row[f"{name}_cpu_s"] = time.process_time() - begin_s
            row[f"{name}_lower"] = found.gain - found.error
            row[f"{name}_saved"] = found.saved
            row[f"{name}_ahead"] = ahead(session, mind, index, session.baseline, found.chosen)
        rows.append(row)
    return rows


def searched(session: Session, tape: Tape, options: Options, seed: int, run: Run) -> Arguments:
    """Return what a search over the newest window of a tape is made of."""
    spans = laid_out(
        bounds(tape, options.window_s),
        interval_s=tape.interval_ns / 1e9,
        slices=options.slices,
        horizon_s=options.horizon_s,
        embargo_s=options.embargo_s,
    )
    return tape, session.setup, session.baseline, options, seed, spans, Past(), run


def ended(seed: int) -> list[Row]:
    """Search until the flag, then on: the first runs on problems, the others on windows."""
    quiet = [each for each in PROBLEMS.values() if not each.noise]
    if seed % MARKETS["ending"] < ROUNDS * len(quiet):
        return problem_ended(quiet[seed % MARKETS["ending"] % len(quiet)], seed)
    session = market(7000 + seed, budget=BUDGET_MOST, hours=ENDING_HOURS + 1.0)
    mind = Mind(session, "optimizer-1")
    options = dataclasses.replace(mind.options, window_s=ENDING_HOURS * 3600.0)
    tape = mind.tape(session.last_ns)
    run = over(tape, session.setup, threads=1)
    search = Search(*searched(session, tape, options, seed, run))
    search.explore()
    how, before = search.ending, search.tuner.told
    while how is Ending.CONVERGED and search.tuner.told < before + MORE:
        search.attempt(search.tuner.ask(BATCH))
    grown = gained(search.tuner.archive, before)
    return [{"on": "window", "ending": how.value, "told": before, "grown": grown}]


def problem_ended(problem: Problem, seed: int) -> list[Row]:
    """Search a public problem until the flag, then on."""
    space = Space.unit(problem.dimensions)
    tuner = Tuner(space, problem.objectives, batch=BATCH, seed=seed, sources=SOURCES)
    told: list[int] = []

    def step() -> None:
        points = tuner.ask(BATCH)
        tuner.tell(points, *problem.evaluate(points))
        told.append(tuner.told)

    how = Ending.BUDGET
    while how is not Ending.CONVERGED and tuner.told < BUDGET_MOST:
        step()
        how = ending(tuner.archive, told, tuner.outlook)
    before = tuner.told
    while how is Ending.CONVERGED and tuner.told < before + MORE:
        step()
    grown = gained(tuner.archive, before)
    return [{"on": problem.name, "ending": how.value, "told": before, "grown": grown}]


class Tireless(Search):
    """A search that spends its whole budget, whatever it thinks of the rest."""

    @property
    def ending(self) -> Ending:
        """Never converged."""
        return Ending.BUDGET


def clocked(run: Run, spent: list[float]) -> Run:
    """Return a replay that notes the seconds of each call."""

    def timed_run(parameters: Any, part: Part) -> Any:
        begin_s = time.perf_counter()
        found = run(parameters, part)
        spent.append(time.perf_counter() - begin_s)
        return found

    return timed_run


def timed(path: Path) -> Row:
    """Judge a whole recording with MORE candidates; return wall seconds by what they bought.

    Kernels are compiled and loaded before the clock starts; the tape is made within it.
    """
    document = {"feed": {"path": path}, "optimizer": {"threads": 2, "window_hours": DAY_HOURS}}
    session = open_session(Settings.model_validate(document))
    for budget in (BATCH_TWICE, MORE + BATCH):
        spent: list[float] = []
        clock = [time.perf_counter()]
        mind = Mind(session, "optimizer-1")
        tape = mind.tape(session.last_ns)
        clock.append(time.perf_counter())
        options = dataclasses.replace(mind.options, budget=budget)
        run = clocked(over(tape, session.setup, threads=options.threads), spent)
        search = Tireless(*searched(session, tape, options, 1, run))
        found = search.judgement()
        clock.append(time.perf_counter())
        with tempfile.TemporaryDirectory() as folder:
            memory = Memory.open(Path(folder) / "memory.sqlite")
            memory.keep(kept(1, session.last_ns, session.baseline, found))
            memory.close()
        clock.append(time.perf_counter())
    tape_s, judged_s, stored_s = np.diff(clock).tolist()
    wall_s, own_s = clock[-1] - clock[0], judged_s - sum(spent) + stored_s
    return {
        "candidates": len(search.sets) - 1,
        "reason": found.reason,
        "saved": found.saved,
        "wall_s": wall_s,
        "tape_s": tape_s,
        "replay_s": sum(spent),
        "search_and_storage_s": own_s,
        "holds": len(search.sets) > MORE and wall_s <= DAY_S_MAX and own_s <= DAY_OWN_S_MAX,
    }


WORK: dict[str, Callable[[int], list[Row]]] = {
    "null": lambda seed: judged(3000 + seed, "default" if seed % 2 else "planted_edge", "null"),
    "zero": lambda seed: judged(4000 + seed, "zero_edge", "zero"),
    "planted": lambda seed: judged(5000 + seed, "planted_edge", "planted"),
    "racing": lambda seed: raced(6200 + seed),
    "ending": ended,
}


def collected(path: Path, part: str, markets: range) -> list[Row]:
    """Return the rows of a part, markets that FILE lacks worked on now."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    held = {(each["part"], each["seed"]): each["rows"] for each in map(json.loads, lines)}
    for seed in markets:
        if (part, seed) in held:
            continue
        held[part, seed] = WORK[part](seed)
        with path.open("a", encoding="utf-8") as file:
            line = {"part": part, "seed": seed, "rows": held[part, seed]}
            file.write(json.dumps(line) + "\n")
        print(f"{part} {seed}", file=sys.stderr, flush=True)
    return [row for seed in markets for row in held[part, seed]]


def summary(part: str, rows: list[Row]) -> Row:
    """Return the figures of a part and whether its bar holds."""
    if part == "racing":
        saved = float(np.mean([row["raced_saved"] for row in rows]))
        figures, holds = {"windows": len(rows), "saved": saved}, saved >= SAVED_MIN
        for what in ("lower", "ahead"):
            both = np.array([[row[f"raced_{what}"], row[f"whole_{what}"]] for row in rows])
            lost = both[:, 1] - both[:, 0]
            error = float(lost.std(ddof=1) / np.sqrt(len(lost)))
            raced_mean, whole_mean = both.mean(0).tolist()
            figures |= {what: raced_mean, f"{what}_unraced": whole_mean, f"{what}_error": error}
            holds = holds and float(lost.mean()) <= error
        return figures | {"holds": holds}
    if part == "ending":
        flagged = [row for row in rows if row["ending"] == Ending.CONVERGED]
        small = float(np.mean([row["grown"] < GROWN_MAX for row in flagged])) if flagged else 0.0
        figures = {"converged": len(flagged), "runs": len(rows), "grown_little": small}
        if flagged:
            figures["evaluated"] = float(np.median([row["told"] for row in flagged]))
            figures["windows"] = sum(row["on"] == "window" for row in flagged)
            figures["grown_most"] = max(row["grown"] for row in flagged)
        return figures | {"holds": len(flagged) >= FLAGGED_MIN and small >= GROWN_SHARE}
    share = float(np.mean([row["better"] for row in rows]))
    wins = [row["won"] for row in rows if row["won"] is not None]
    figures = {"windows": len(rows), "published": share}
    if part == "planted":
        figures["published_won"] = float(np.mean(wins)) if wins else 0.0
        return figures | {"holds": share >= PLANTED_MIN and figures["published_won"] > 0.5}
    return figures | {"holds": share <= NULL_MAX}


def main() -> int:
    """Print a line a part and one JSON line; 0 when every bar holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--part", default=",".join(WORK))
    parser.add_argument("--markets", type=int, help="fewer markets than the bars are stated for")
    parser.add_argument("--from", dest="first", type=int, default=0, help="fresh markets: another")
    parser.add_argument("--day", type=Path, help="a recording for the part of that name")
    told = parser.parse_args()
    found = {}
    parts = [part for part in told.part.split(",") if part]
    for part in [*parts, *(["day"] if told.day else [])]:
        if part == "day":
            found[part] = timed(told.day)
        else:
            last = told.first + (told.markets or MARKETS[part])
            rows = collected(told.out, part, range(told.first, last))
            found[part] = summary(part, rows)
        shown = "  ".join(
            f"{name} {figure:.4g}" if isinstance(figure, float) else f"{name} {figure}"
            for name, figure in found[part].items()
        )
        print(f"{part:<8} {shown}", flush=True)
    holds = all(each["holds"] for each in found.values())
    print(json.dumps({"bench": "window", "parts": found, "holds": holds}))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
