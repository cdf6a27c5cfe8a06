"""`counterpoint backtest`: one parameter set or a sweep of them over a recording.

Everything asked for is checked before anything long begins. Ctrl-C shows what is known by then and
ends with code 130. The last line is the command that gives the first row again, to the last digit.
"""

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.cli.backtest_files import demand_file, texts, write_whole
from agents.cli.exits import INTERRUPTED, OK, USAGE, CommandError
from agents.cli.output import put
from agents.cli.run import make_ready, say
from agents.cli.talk import Talk
from agents.settings import Settings
from protocol.settings import Loaded

if TYPE_CHECKING:
    from agents.backtest.candidates import Candidates
    from agents.backtest.document import Chosen
    from agents.backtest.sweep import Span, Sweep
    from agents.session import Session
    from market.tape import Tape

FLAGS = {
    "feed.path": "--feed",
    "feed.start": "--start",
    "feed.hours": "--hours",
    "feed.maker_fee_bps": "--maker-fee",
    "feed.taker_fee_bps": "--taker-fee",
    "feed.fill_model": "--fills",
    "executor.latency": "--latency",
    "executor.guard_interval_ms": "--guard-interval",
    "data": "--data",
}
"""Settings that have a flag of their own; any other is given with --set."""
LEFT_OUT = ("parameters.", "optimizer.", "coordinator.", "bus.", "run.", "seed")
"""Settings that a backtest does not look at, or that its command names anyway."""
SLICES = 6


@dataclass(frozen=True, slots=True)
class Request:
    """What the flags ask for, beside the settings."""

    grid: str | None = None
    random: int | None = None
    ranges: tuple[str, ...] = ()
    threads: int | None = None
    slices: int = SLICES
    sort: str = "net"
    top: int = 10
    trials: int | None = None
    csv: Path | None = None
    picture: Path | None = None
    calibrate: Path | None = None
    as_json: bool = False


def demand(request: Request, feed: Path | None) -> None:
    """Refuse what cannot be done.

    Args:
        request: what was asked for.
        feed: the recording, when one was named.

    Raises:
        CommandError: which flag, what was found, what is allowed.
    """
    from agents.backtest.sweep import FIGURES

    if request.calibrate is not None:
        for flag, given in (("--grid", request.grid), ("--random", request.random),
                            ("--csv", request.csv)):  # fmt: skip
            if given is not None:
                raise CommandError(
                    f"--calibrate looks at fill models alone; leave out {flag}", USAGE
                )
        return
    if request.grid is not None and request.random is not None:
        raise CommandError("--grid and --random are two sweeps; give one of them", USAGE)
    if request.ranges and request.random is None:
        raise CommandError("--range belongs to --random N", USAGE)
    if request.sort not in FIGURES:
        near = get_close_matches(request.sort, FIGURES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"allowed are {', '.join(FIGURES)}"
        raise CommandError(f"--sort: no figure is called {request.sort!r}; {hint}", USAGE)
    for flag, value, most in (
        ("--threads", request.threads, 256),
        ("--slices", request.slices, 1000),
        ("--top", request.top, 1000),
        ("--trials", request.trials, 10**9),
    ):
        if value is not None and not 1 <= value <= most:
            raise CommandError(f"{flag} must be in [1, {most:,}], found {value:,}", USAGE)
    for flag, path, suffix in (
        ("--csv", request.csv, ".csv"),
        ("--picture", request.picture, ".svg"),
    ):
        if path is not None:
            demand_file(flag, path, suffix, feed)


def backtest(loaded: Loaded[Settings], request: Request) -> int:
    """Run what was asked for and print it; return the exit code."""
    demand(request, loaded.settings.feed.path)
    try:
        make_ready(loaded.settings)
        if request.calibrate is not None:
            from agents.cli.calibrate import calibrate

            return calibrate(
                request.calibrate,
                as_json=request.as_json,
                pictures=request.picture,
                seed=loaded.settings.seed,
            )
        return _backtest(loaded, request, Talk())
    except KeyboardInterrupt:
        say("counterpoint: interrupted before the result was ready")
        return INTERRUPTED


def _backtest(loaded: Loaded[Settings], request: Request, talk: Talk) -> int:
    from agents.backtest.document import look
    from agents.backtest.opening import open_backtest
    from agents.backtest.sweep import Sweep, sliced, span_of

    session, tape = open_backtest(loaded.settings, lambda opened: tape_of(opened, talk))
    span = span_of(session, tape)
    candidates = candidates_of(request, session, span)
    sweep = Sweep(span, session, candidates.sets)
    threads = request.threads or len(os.sched_getaffinity(0))
    code = OK
    try:
        sweep.run(threads=threads, on_batch=told(talk, "trying sets"))
    except KeyboardInterrupt:
        code = INTERRUPTED
        if not sweep.done:
            raise
    talk.done()
    if code:
        say(f"counterpoint: interrupted after {sweep.done:,} of {len(sweep.sets):,} sets")
    trials = max(request.trials or 1, sweep.done)
    ranks = ranks_shown(sweep, request, session)
    shown = [sweep.sets[row] for _, row in ranks]
    parts = sliced(span, session, shown, threads=threads, slices=request.slices)
    looked: list[Chosen] = []
    with ThreadPoolExecutor(threads) as pool:
        for chosen in pool.map(lambda each: look(span, session, each, trials=trials), shown):
            looked.append(chosen)
            talk("measuring the best", len(looked) / len(shown))
    talk.done()
    close(loaded, request, session, candidates, sweep, ranks, parts, looked, trials)
    return code


def told(talk: Talk, what: str) -> Callable[[int, int], None]:
    """Return a teller of so many of so many."""

    def tell(done: int, whole: int) -> None:
        talk(f"{what}, {done:,} of {whole:,}", done / whole)

    return tell


def tape_of(session: "Session", talk: Talk) -> "Tape":
    """Return the tape of a session: kept from an earlier run, or made and kept."""
    from agents.backtest.opening import stored_tape

    def progress(read: int, expected: int) -> None:
        talk("reading the recording", read / max(1, expected))

    return stored_tape(session, progress=progress, tell=say)


def candidates_of(request: Request, session: "Session", span: "Span") -> "Candidates":
    """Return the sets to try."""
    from decimal import Decimal

    from agents.backtest.candidates import bounds_of, draw, grid, single

    if request.grid is not None:
        return grid(request.grid, session.baseline, Decimal(session.meta.lot))
    if request.random is not None:
        bounds = bounds_of(session, span.tape)
        seed = session.settings.seed
        return draw(request.random, request.ranges, session.baseline, bounds, seed)
    return single(session.baseline)


def ranks_shown(sweep: "Sweep", request: Request, session: "Session") -> list[tuple[int, int]]:
    """Return (rank from 1, row) of the best rows, and of the starting set wherever it stands."""
    ranked = [(rank, int(row)) for rank, row in enumerate(sweep.ranked(request.sort), start=1)]
    shown = ranked[: request.top]
    shown += [
        (rank, row) for rank, row in ranked[request.top :] if sweep.sets[row] == session.baseline
    ]
    return shown


def reproduction(
    loaded: Loaded[Settings], request: Request, parameters: dict[str, str], trials: int
) -> list[str]:
    """Return the command that gives one set's figures again, whatever the configuration says."""
    words = ["counterpoint", "backtest"]
    plain = loaded.settings.model_dump(mode="json")
    for key, source in loaded.sources.items():
        if source == "default" or key.startswith(LEFT_OUT):
            continue
        if key == "data" and loaded.settings.feed.path is not None:
            continue  # it says only where the bundled day is
        section, _, name = key.rpartition(".")
        value = (plain[section] if section else plain)[name]
        if value is None:
            continue  # given as empty text: unset, which is the default of whatever may be unset
        text = str(value).lower() if isinstance(value, bool) else str(value)
        words += [FLAGS[key], text] if key in FLAGS else ["--set", f"{key}={text}"]
    for name, text in parameters.items():
        words += [f"--{name.replace('_', '-')}", text]
    words += ["--seed", str(loaded.settings.seed)]
    if request.slices != SLICES:
        words += ["--slices", str(request.slices)]
    return words if trials == 1 else [*words, "--trials", str(trials)]


def close(
    loaded: Loaded[Settings],
    request: Request,
    session: "Session",
    candidates: "Candidates",
    sweep: "Sweep",
    ranks: Sequence[tuple[int, int]],
    parts: Any,
    looked: Sequence["Chosen"],
    trials: int,
) -> None:
    """Write the files that were asked for and print the result; what fails of it is told last.

    Raises:
        CommandError: a file or standard output could not be written; all else was.
    """
    from agents.backtest.document import document
    from agents.cli.backtest_table import render

    failure: CommandError | None = None
    found, written = texts(request.csv, request.picture, looked[0])
    try:
        write_whole(found)
    except CommandError as error:
        failure, written = error, []
    result = document(
        session, candidates, sweep, looked=looked, ranks=ranks, parts=parts,
        sort=request.sort, trials=trials,
    )  # fmt: skip
    first = result["rows"][0]["parameters"]
    result["reproduce"] = reproduction(loaded, request, first, trials)
    result["written"] = written
    if request.as_json:
        put(json.dumps(result))
    else:
        render(result)
    if failure is not None:
        raise failure
