"""`counterpoint optimize`: searches a recording, window by window, and says what to trade.

With `--study` every batch is stored before the next begins: killed or stopped, the same command
goes on where it was and ends with the same answer, bit for bit. A name alone is enough: what the
study was asked is stored with it. Without `--study` nothing is kept.
"""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.cli.backtest_files import demand_file
from agents.cli.exits import INTERRUPTED, NOT_RUNNING, OK, USAGE, CommandError
from agents.cli.flags import resolve
from agents.cli.optimize_pace import Pace
from agents.cli.output import put
from agents.cli.run import make_ready, say
from agents.cli.talk import Talk
from agents.settings import Settings
from protocol.settings import Loaded

if TYPE_CHECKING:
    from agents.optimizer.studies import Batch, Begun, Studies
    from agents.optimizer.study import Plan, Window
    from agents.session import Session

UNNAMED = "search"
FILE = "studies.db"


@dataclass(frozen=True, slots=True)
class Request:
    """What the flags ask for, beside the settings."""

    study: str | None = None
    storage: str | None = None
    watch: bool = False
    windows: int | None = None
    every: float | None = None
    optuna: Path | None = None
    report: Path | None = None
    as_json: bool = False


def demand(request: Request) -> None:
    """Refuse what cannot be done.

    Raises:
        CommandError: which flag, what was found, what is allowed.
    """
    if request.study is None and (request.watch or request.storage):
        flag = "--watch" if request.watch else "--storage"
        raise CommandError(f"{flag} needs the name of a study: --study NAME", USAGE)
    if request.study is not None and not request.study.strip():
        raise CommandError("--study is empty; give a name or leave it out", USAGE)
    if request.windows is not None and not 1 <= request.windows <= 10_000:
        raise CommandError(f"--windows must be in [1, 10,000], found {request.windows:,}", USAGE)
    if request.every is not None and not 0 < request.every <= 24 * 366:
        raise CommandError(f"--every must be in (0, 8,784] hours, found {request.every:g}", USAGE)
    if request.optuna is not None:
        demand_file("--export-optuna", request.optuna, ".db", None)
    if request.report is not None:
        demand_file("--report", request.report, ".html", None)


def optimize(
    config: Path | None,
    change: list[str] | None,
    flags: Mapping[str, object],
    request: Request,
) -> int:
    """Search, or look on; return the exit code."""
    from agents.optimizer.studies import MEMORY, Studies

    demand(request)
    loaded = resolve(config, change, flags)
    if request.study is None:
        url = MEMORY
    else:
        loaded.settings.data.mkdir(parents=True, exist_ok=True)
        url = request.storage or f"sqlite:///{loaded.settings.data.resolve() / FILE}"
    with Studies.open(url) as studies:
        begun = None if request.study is None else studies.get(request.study)
        if request.watch:
            if begun is None:
                raise CommandError(_unknown(studies, request.study or ""), NOT_RUNNING)
            from agents.cli.optimize_watch import watch

            return watch(studies, begun)
        if begun is not None:
            loaded = resolve(config, change, dict(flags) | recalled(loaded, begun))
        try:
            make_ready(loaded.settings)
            return _optimize(loaded.settings, request, studies, begun)
        except KeyboardInterrupt:
            on = f"; go on with: counterpoint optimize --study {request.study}"
            say(f"counterpoint: interrupted{on if request.study else ''}")
            return INTERRUPTED


def recalled(loaded: Loaded[Settings], begun: "Begun") -> dict[str, object]:
    """Return the settings of a study, by dotted key, that nobody has given anew."""
    held = dict(begun.document["settings"])
    if loaded.sources["feed.path"] == "default" and begun.document["path"] is not None:
        held["feed.path"] = Path(begun.document["path"])
    return {
        key: value
        for key, value in held.items()
        if value is not None and loaded.sources.get(key, "default") == "default"
    }


def _unknown(studies: "Studies", name: str) -> str:
    known = ", ".join(studies.names()[:5]) or "none yet"
    return f"there is no study {name}; known here: {known}; another database: --storage URL"


def _optimize(
    settings: Settings, request: Request, studies: "Studies", begun: "Begun | None"
) -> int:
    from agents.backtest.opening import open_backtest
    from agents.cli.backtest import tape_of
    from agents.cli.optimize_result import result_of
    from agents.cli.optimize_table import render
    from agents.optimizer.cluster import evaluator_of
    from agents.optimizer.study import studied
    from agents.optimizer.trail import Clocks

    talk, clock = Talk(), time.perf_counter
    begun_s = clock()
    searching = settings.optimizer
    evaluator = evaluator_of(searching.cluster, threads=searching.threads)
    session, tape = open_backtest(settings, lambda opened: tape_of(opened, talk))
    opened_s = clock() - begun_s
    plan = plan_of(session, request, begun)
    windows: list[Window] = []
    pace = Pace(len(plan.windows), settings.optimizer.budget)
    name = request.study or UNNAMED

    def on_batch(batch: "Batch", *, restored: bool) -> None:
        pace.take(batch, restored=restored)
        talk.line(pace.line())

    with closing(evaluator):
        studied(
            session, tape, plan, studies=studies, name=name, clocks=Clocks(clock, time.time_ns),
            on_batch=on_batch, on_window=windows.append, evaluator=evaluator,
        )  # fmt: skip
    talk.done()
    document = result_of(session, tape, windows, name)
    studies.complete(name, document)
    spent = spent_of(windows, opened_s=opened_s, wall_s=clock() - begun_s)
    written = []
    if request.report is not None:
        from agents.cli.optimize_report import write_report

        write_report(request.report, document, spent, session=session, tape=tape, windows=windows)
        written.append({"path": str(request.report)})
    written += exported(studies, name, request)
    if request.as_json:
        put(json.dumps(document | {"spent": spent, "written": written}))
    else:
        render(document, spent, written)
    return OK


def plan_of(session: "Session", request: Request, begun: "Begun | None") -> "Plan":
    """Return the windows that are asked for; those of a study that goes on, unless told anew.

    Raises:
        CommandError: the recording holds none.
    """
    from agents.optimizer.study import Plan

    if begun is not None and request.windows is None and request.every is None:
        return Plan(tuple((index, now_ns) for index, now_ns in begun.document["windows"]))
    plan = Plan.of(session, count=request.windows, hours=request.every)
    if not plan.windows:
        raise CommandError(
            "the recording is shorter than a window may be, an hour and the warm-up", USAGE
        )
    return plan


def exported(studies: "Studies", name: str, request: Request) -> list[dict[str, Any]]:
    """Write the Optuna file if one is asked for; return what is said of it."""
    if request.optuna is None:
        return []
    from agents.optimizer.study_export import export

    return [{"path": str(request.optuna), "trials": export(studies, name, request.optuna)}]


def spent_of(
    windows: Sequence["Window"], *, opened_s: float, wall_s: float
) -> dict[str, float | int]:
    """Return seconds of the wall by what they were spent on; what came from the store cost none."""
    new = [batch for each in windows for batch in each.batches[each.restored :]]
    parts = {
        "tape_s": opened_s,
        "search_s": sum(each.search_s for each in new),
        "replay_s": sum(each.replay_s for each in new),
        "storage_s": sum(each.stored_s for each in windows),
    }
    return {
        **parts,
        "other_s": max(0.0, wall_s - sum(parts.values())),
        "wall_s": wall_s,
        "batches": sum(len(each.batches) for each in windows),
        "batches_restored": sum(each.restored for each in windows),
    }
