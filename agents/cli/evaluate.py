"""`counterpoint evaluate`: arms on the same recordings, piece by piece, and what they differ by.

Every piece (a recording at a fee) is a file in `evaluation` of the data folder as soon as it is
done: the same command begun again goes on where it was stopped.
"""

import json
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.cli.backtest_files import demand_file, write_whole
from agents.cli.exits import CONFIGURATION, INTERRUPTED, OK, USAGE, CommandError
from agents.cli.output import put
from agents.cli.run import make_ready, say
from agents.cli.talk import Talk
from agents.settings import Settings
from agents.venue_settings import VenueTable
from protocol.messages import QuoteParameters
from protocol.settings import Loaded

if TYPE_CHECKING:
    from agents.evaluation.plan import Plan

FOLDER = "evaluation"
FEE_MAX = 100.0


@dataclass(frozen=True, slots=True)
class Request:
    """What the flags ask for, beside the settings."""

    feeds: tuple[Path, ...] = ()
    arms: str | None = None
    fees: str | None = None
    days: int | None = None
    html: Path | None = None
    as_json: bool = False


def arms_asked(text: str | None, plan: "Plan") -> tuple[str, ...]:
    """Return the arms named in a flag, in the order of the plan.

    When it is not given: all that need no stack of processes.
    """
    if text is None:
        return tuple(name for name in plan.arms if name not in plan.modes)
    asked = [each.strip() for each in text.split(",") if each.strip()]
    unknown = [each for each in asked if each not in plan.arms]
    if unknown or not asked:
        what = f"no arm is called {unknown[0]!r}" if unknown else "no arm is named"
        raise CommandError(f"--arms: {what}; there are {', '.join(plan.arms)}", USAGE)
    return tuple(name for name in plan.arms if name in asked)


def fees_asked(text: str | None, plan: "Plan") -> tuple[float, ...]:
    """Return the maker fees named in a flag; those of the plan when it is not given."""
    if text is None:
        return plan.fees_bps
    try:
        fees = tuple(dict.fromkeys(float(each) for each in text.split(",")))
    except ValueError:
        raise CommandError(f"--fees takes numbers as -0.5,0,2; found {text!r}", USAGE) from None
    if not all(-FEE_MAX <= each <= FEE_MAX for each in fees):
        raise CommandError(
            f"--fees: each in [-{FEE_MAX:g}, {FEE_MAX:g}] basis points, found {text!r}", USAGE
        )
    return fees


def feeds_asked(request: Request, settings: Settings) -> tuple[Path, ...]:
    """Return the recordings, which exist; the bundled day when none is named."""
    from agents.feeds import feed_path

    feeds = request.feeds or (feed_path(settings),)
    if request.days is not None:
        if not 1 <= request.days <= len(feeds):
            raise CommandError(
                f"--days must be in [1, {len(feeds)}], the recordings given; found {request.days}",
                USAGE,
            )
        feeds = feeds[: request.days]
    for path in feeds:
        if not path.exists():
            raise CommandError(
                f"{path}: no such recording; make one with `counterpoint feed import` or "
                "`counterpoint feed synth`",
                CONFIGURATION,
            )
    return feeds


def evaluate(loaded: Loaded[Settings], request: Request) -> int:
    """Compute what is missing, print the scoreboard; return the exit code."""
    from agents.evaluation.plan import the_plan

    plan = the_plan()
    arms, fees = arms_asked(request.arms, plan), fees_asked(request.fees, plan)
    if request.html is not None:
        demand_file("--html", request.html, ".html", None)
    settings = loaded.settings.model_copy(update={"venue": VenueTable()})
    folder = demand_folder(settings)
    try:
        with interrupted_by(signal.SIGTERM, signal.SIGHUP):
            make_ready(settings)
            feeds = feeds_asked(request, settings)
            arms = demand_one_market(feeds, arms)
            pieces = pieces_of(settings, plan, feeds, arms, fees, Talk())
    except KeyboardInterrupt:
        say("counterpoint: interrupted; the same command goes on from here")
        return INTERRUPTED
    except OSError as error:
        raise CommandError(
            f"{error.filename or folder}: {error.strerror}; what is done already is kept, the same "
            "command goes on from there",
            CONFIGURATION,
        ) from None
    show(pieces, plan, arms, request)
    return OK


@contextmanager
def interrupted_by(*signals: signal.Signals) -> Iterator[None]:
    """Have signals end what is done as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def demand_folder(settings: Settings) -> Path:
    """Return the folder of pieces, made and written into before anything is computed."""
    folder = settings.data / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CommandError(
            f"{folder}: {error.strerror}; give --data a folder that can be written", CONFIGURATION
        ) from None
    return folder


def demand_one_market(feeds: tuple[Path, ...], arms: tuple[str, ...]) -> tuple[str, ...]:
    """Return the arms that these recordings allow; they are of one symbol, each given once.

    Raises:
        CommandError: they are not, or no arm is left.
    """
    from exchange.recording_folder import open_source

    seen: dict[Path, Path] = {}
    markets = {}
    for path in feeds:
        if path.resolve() in seen:
            raise CommandError(
                f"--feed: {path} is given twice; an arm must not be judged on what it learned on",
                USAGE,
            )
        seen[path.resolve()] = path
        with open_source(path) as file:
            markets[f"{file.meta.symbol} on {file.meta.venue}"] = path
    if len(markets) > 1:
        (one, first), (other, second), *_ = markets.items()
        raise CommandError(
            f"--feed: {first} is {one}, {second} is {other}; one market at a time", USAGE
        )
    if "O" not in arms or climates_of(feeds) is not None:
        return arms
    say("O is left out: it needs days made by climates-value, or all by climates-queue")
    left = tuple(name for name in arms if name != "O")
    if not left:
        raise CommandError("--arms: O alone is not to be had on these recordings", USAGE)
    return left


def pieces_of(
    settings: Settings,
    plan: "Plan",
    feeds: tuple[Path, ...],
    arms: tuple[str, ...],
    fees: tuple[float, ...],
    talk: Talk,
) -> list[dict[str, Any]]:
    """Return the documents of all pieces, fee after fee, found or computed."""
    from agents.cli.evaluate_house import house
    from agents.evaluation.oracle import tables_of
    from agents.evaluation.piece import Task, piece, sources_digest

    folder, code = settings.data / FOLDER, sources_digest()
    made = climates_of(feeds) if "O" in arms else None
    found: list[dict[str, Any]] = []
    total = len(fees) * len(feeds)
    for fee in fees:
        before, tables = None, dict[str, QuoteParameters]()
        if made is not None:
            costs = settings.feed.model_copy(update={"maker_fee_bps": fee})
            priced = settings.model_copy(update={"feed": costs})
            tell = partial(tell_arm, talk, f"the oracle at {fee:g} bps", len(found) / total)
            tables |= tables_of(priced, plan, made, folder, code=code, on_climate=tell)
        for number, path in enumerate(feeds):
            feed = {"path": path, "maker_fee_bps": fee}
            changed = settings.model_copy(
                update={
                    "feed": settings.feed.model_copy(update=feed),
                    "optimizer": settings.optimizer.model_copy(
                        update={"boundary_s": plan.boundary_s}
                    ),
                }
            )
            task = Task(number, changed, plan, arms, before, tables, house)
            share = len(found) / total
            tell = partial(tell_arm, talk, f"{path.name} at {fee:g} bps", share)
            before = piece(task, folder, code=code, on_arm=tell)
            found.append(before)
    talk.done()
    return found


def climates_of(feeds: tuple[Path, ...]) -> str | None:
    """Return the setting of artificial days of changing climates; None when they are others."""
    from exchange.importers.synthetic import CLIMATES
    from exchange.recording_folder import open_source

    settings = set()
    for path in feeds:
        with open_source(path) as file:
            settings.add(str(file.meta.notes.get("setting")))
    found = settings.pop()
    return found if not settings and found in CLIMATES else None


def tell_arm(talk: Talk, what: str, share: float, name: str) -> None:
    """Tell which arm of which piece is being played."""
    talk(f"{what}, {name}", share)


def show(
    pieces: list[dict[str, Any]], plan: "Plan", arms: tuple[str, ...], request: Request
) -> None:
    """Write the page and print the scoreboard."""
    from agents.evaluation.summary import document_of

    document = document_of(pieces, plan, arms)
    if request.html is not None:
        from agents.cli.evaluate_page import page

        write_whole({request.html: page(document)})
    if request.as_json:
        put(json.dumps(document))
        return
    from agents.cli.evaluate_table import text

    put(text(document))
