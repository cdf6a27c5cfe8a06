"""A study: windows of a recording searched in order, each on what the earlier ones left.

Windows end a horizon apart unless told otherwise; the last ends where the recording ends, and its
answer is the verdict. Every batch is stored before the
next is begun (`trail.py`). Same recording, settings and seed give the same study, however often it
was killed in between.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agents.optimizer.evaluators import Evaluator
from agents.optimizer.judgement import Judgement
from agents.optimizer.memory import Kept, kept
from agents.optimizer.mind import Mind
from agents.optimizer.spans import SPAN_MIN_S
from agents.optimizer.studies import Batch, Begun, Studies, StudyError
from agents.optimizer.trail import Clocks, OnBatch, Trail
from agents.optimizer.window import Search
from agents.session import Session
from agents.settings import Settings
from market.tape import Tape
from protocol.messages import QuoteParameters

LEFT_OUT = (
    "data", "feed.path", "optimizer.threads", "optimizer.cluster", "optimizer.name", "coordinator.",
    "bus.", "run.", "desk.", "venue.", "portfolio.",
)  # fmt: skip
"""Settings that a study does not depend on, or that only say where things are."""
SEAT = "optimizer-1"


@dataclass(frozen=True, slots=True)
class Plan:
    """Which boundaries end a window: (number, venue time) of each, in order."""

    windows: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, session: Session, *, count: int | None, hours: float | None) -> "Plan":
        """Return the plan of a session; windows too short to say anything are left out.

        Args:
            count: at most so many windows, the newest; None: all.
            hours: between windows; None: the horizon.
        """
        options = session.settings.optimizer
        apart_s = (options.horizon_hours if hours is None else hours) * 3600.0
        every = max(1, round(apart_s / options.boundary_s))
        boundaries = session.boundaries()
        least_ns = session.first_ns + round((SPAN_MIN_S + session.settings.executor.warmup_s) * 1e9)
        numbers = [
            each for each in range(len(boundaries), 0, -every) if boundaries[each - 1] >= least_ns
        ][:count]
        return cls(tuple((each, boundaries[each - 1]) for each in reversed(numbers)))


@dataclass(frozen=True, slots=True)
class Window:
    """One window that was searched.

    Attributes:
        number: from 1.
        held: in force at its boundary; `after` it.
        search: None where the window was too short.
    """

    number: int
    held: QuoteParameters
    after: QuoteParameters
    judgement: Judgement
    kept: Kept
    search: Search | None
    batches: tuple[Batch, ...]
    restored: int
    stored_s: float


class Whole:
    """The tape of a recording that is all there."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def advance(self, now_ns: int) -> Tape:
        """Return the tape until a time, or further."""
        del now_ns
        return self._tape


def asked_of(settings: Settings) -> dict[str, Any]:
    """Return by dotted key the settings that a study depends on, as plain values."""
    found: dict[str, Any] = {}
    for key, value in settings.model_dump(mode="json").items():
        if isinstance(value, dict):
            found |= {f"{key}.{name}": each for name, each in value.items()}
        else:
            found[key] = value
    return {key: value for key, value in found.items() if not key.startswith(LEFT_OUT)}


def document_of(session: Session, plan: Plan) -> dict[str, Any]:
    """Return what a study is: everything that its outcome depends on, beside the program.

    The path is where the recording was found, for whoever goes on without naming it.
    """
    path = session.settings.feed.path
    return {
        "settings": asked_of(session.settings),
        "recording": session.meta.sha256,
        "path": None if path is None else str(path.resolve()),
        "symbol": session.meta.symbol,
        "windows": [list(each) for each in plan.windows],
        "baseline": session.baseline.model_dump(),
    }


def demand_same(begun: Begun, document: Mapping[str, Any]) -> None:
    """Refuse to go on with a study that was asked something else.

    Raises:
        StudyError: what is stored, what was given, and what to do.
    """
    held, given = begun.document["settings"], document["settings"]
    for key in sorted({*held, *given}):
        if held.get(key) != given.get(key):
            raise StudyError(
                f"study {begun.name} was begun with {key} {held.get(key)}, found "
                f"{given.get(key)}: leave it out, or name another study"
            )
    for key, words in (
        ("recording", "on another recording"),
        ("windows", "with other windows"),
        ("baseline", "from other parameters"),
    ):
        if begun.document[key] != document[key]:
            raise StudyError(
                f"study {begun.name} was begun {words}: give the same, or name another study"
            )


def studied(
    session: Session,
    tape: Tape,
    plan: Plan,
    *,
    studies: Studies,
    name: str,
    clocks: Clocks,
    on_batch: OnBatch,
    on_window: Callable[[Window], None],
    evaluator: Evaluator | None = None,
) -> None:
    """Search every window of a plan, from where the study stands; begin it if there is none.

    Args:
        session, tape: of `open_backtest`.
        studies: where batches go.
        name: of the study.
        clocks: of what is told beside the outcome.
        on_batch: told of every batch, stored or new.
        on_window: told of every window.
        evaluator: replays candidates; None: threads of this process.

    Raises:
        StudyError: the study was asked something else, or is worked on by somebody else.
    """
    document = document_of(session, plan)
    begun = studies.get(name)
    if begun is None:
        studies.begin(name, document, clocks.wall_ns())
    else:
        demand_same(begun, document)
    mind = Mind(session, SEAT, tapes=Whole(tape), evaluator=evaluator)
    held = session.baseline
    for number, (index, now_ns) in enumerate(plan.windows, start=1):
        trail = Trail(
            number,
            stored=() if begun is None else studies.batches(name, number),
            keep=lambda batch: studies.put(name, batch),
            on_batch=on_batch,
            clocks=clocks,
        )
        found = mind.judgement(index, now_ns, held, trail)
        trail.end()
        window = kept(index, now_ns, held, found)
        mind.memory.keep(window)
        after = found.chosen if found.better and found.chosen is not None else held
        on_window(
            Window(
                number=number,
                held=held,
                after=after,
                judgement=found,
                kept=window,
                search=trail.search,
                batches=tuple(trail.batches),
                restored=trail.restored,
                stored_s=trail.stored_s,
            )
        )
        held = after
