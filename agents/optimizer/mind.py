"""The optimizer's whole mind: a session, an online tape, and an answer for any boundary.

`answer` for a boundary depends on recording, settings, name, boundary, incumbent, which policy
quotes, and what was kept of earlier boundaries (`memory.py`), which is on disk before an answer is
said; so whoever was killed, or is asked again, says the same.
"""

import re
from dataclasses import dataclass

import numpy as np

from agents.optimizer.answer import words_of
from agents.optimizer.confidence import Calibrator
from agents.optimizer.evaluators import Evaluator, Threads, through
from agents.optimizer.judgement import SOURCES, Judgement, Options, Past
from agents.optimizer.memory import Kept, Memory, kept
from agents.optimizer.onlooker import Onlooker
from agents.optimizer.outcome import Outcome, outcome
from agents.optimizer.window import judge
from agents.session import Session
from agents.settings import Settings
from agents.tapes import Tapes
from agents.weighing import Weighed, weigh
from market.tape import Tape
from protocol.messages import NoUpdate, ParameterUpdate, QuoteParameters


@dataclass(frozen=True, slots=True)
class Answer:
    """The word to say at a boundary, the judgement behind it, and what is to be kept of it."""

    word: ParameterUpdate | NoUpdate
    judgement: Judgement
    window: Kept | None = None


WINDOW_SHARES = (1.0, 0.5, 2.0)
"""Of the configured window, seat by seat: several optimizers look back differently far, so that
they do not all make the same mistake. The first, and a lone one, looks back as configured."""
SEATS = (SOURCES, ("gp",), ("near",))
"""Where later candidates come from, seat by seat: all sources, the model alone, the neighbourhood
of the best alone."""


def options_of(settings: Settings, name: str) -> Options:
    """Return the search options that settings ask for in one seat."""
    given = settings.optimizer
    seats = settings.optimizer_seats
    place = seats.index(name) if name in seats else 0
    share = WINDOW_SHARES[place % len(WINDOW_SHARES)]
    sources = SEATS[place % len(SEATS)]
    return Options(
        window_s=given.window_hours * 3600.0 * share,
        horizon_s=given.horizon_hours * 3600.0,
        budget=given.budget,
        slices=given.slices,
        step_limit=given.step_limit,
        confidence_min=given.confidence_min,
        chance_max=given.chance_max,
        history_s=given.history_hours * 3600.0,
        embargo_s=float(given.tuning_latency_s),
        threads=given.threads,
        sources=sources,
        prefer=given.prefer,
    )


def seat_number(name: str) -> int:
    """Return the number at the end of a name such as optimizer-2; 0 when there is none."""
    found = re.search(r"(\d+)$", name)
    return int(found[1]) if found else 0


def seed_of(seed: int, name: str, index: int) -> int:
    """Return the seed of one seat at one boundary, so that seats search differently."""
    sequence = np.random.SeedSequence([seed, seat_number(name), index])
    return int(sequence.generate_state(1, np.uint64)[0])


OUTCOMES_MAX = 500
"""Newest own outcomes that the confidence learns from."""


class Mind:
    """Answers boundaries of one recording.

    Args:
        memory: of earlier boundaries; None: in this process alone.
        tapes: makes the tape; None: as the session does.
        evaluator: replays candidates; None: threads of this process.

    Attributes:
        promoted: the executor quotes by its candidate, as far as has been heard.
    """

    def __init__(
        self,
        session: Session,
        name: str,
        memory: Memory | None = None,
        tapes: Tapes | None = None,
        evaluator: Evaluator | None = None,
    ) -> None:
        self.session = session
        self._trial = session.promoted()
        self.name = name
        self.options = options_of(session.settings, name)
        self.memory = memory or Memory()
        self.promoted = self.memory.promoted
        self._builder = tapes or session.tapes(kept_ns=session.settings.optimizer.history_ns)
        self._evaluator = evaluator or Threads(self.options.threads)
        self._outcomes: dict[int, Outcome] = {}

    def quoting(self, *, promoted: bool) -> Session:
        """Return the session with the policy that quotes."""
        return self._trial if promoted else self.session

    def tape(self, now_ns: int) -> Tape:
        """Return the tape as it was known at `now_ns`."""
        # The builder may have been ahead: a boundary may be asked for again.
        return self._builder.advance(now_ns).until(now_ns)

    def weigh(
        self, incumbent: QuoteParameters, candidate: QuoteParameters, now_ns: int
    ) -> tuple[Weighed, Weighed]:
        """Return what both would have done on this seat's newest window, for a vote."""
        tape, window_ns = self.tape(now_ns), round(self.options.window_s * 1e9)
        sets, session = (incumbent, candidate), self.quoting(promoted=self.promoted)
        held, other = weigh(session, tape, sets, now_ns=now_ns, window_ns=window_ns)
        return held, other

    def past(self, index: int, now_ns: int, tape: Tape | None = None) -> Past:
        """Return what earlier windows left: where to begin, and how far evidence held true.

        What has been forgotten by now counts for nobody, whenever he began.
        """
        held = self.memory.before(index)
        tape = self.tape(now_ns) if tape is None else tape
        given = self.session.settings.optimizer
        known, since_ns = [], now_ns - given.history_ns
        for window in held:
            if window.now_ns < since_ns:
                self._outcomes.pop(window.index, None)
            elif window.whole and window.evidence is not None:
                session = self.quoting(promoted=window.promoted)
                found = self._outcomes.get(window.index) or outcome(session, tape, window)
                if found is not None and window.over_ns(given.tuning_latency_ns) <= now_ns:
                    self._outcomes[window.index] = found
                    known.append((window.evidence, found.won))
        weight = min(1.0, given.boundary_s / (given.horizon_hours * 3600.0))
        calibrator = Calibrator.shipped().updated(known[-OUTCOMES_MAX:], weight=weight)
        return Past(self.memory.front_before(index), calibrator)

    def judgement(
        self,
        index: int,
        now_ns: int,
        incumbent: QuoteParameters,
        onlooker: Onlooker | None = None,
        tape: Tape | None = None,
        *,
        promoted: bool = False,
    ) -> Judgement:
        """Search the window that ends at boundary `index`, at venue time `now_ns`.

        Args:
            tape: as it was known then, for whoever has it: what replays made of it is kept in it.
            promoted: see `answer`.
        """
        seed = seed_of(self.session.settings.seed, self.name, index)
        tape = self.tape(now_ns) if tape is None else tape
        setup = self.quoting(promoted=promoted).setup
        past = self.past(index, now_ns, tape)
        run = through(self._evaluator, tape, setup)
        return judge(tape, setup, incumbent, self.options, seed, past, run, onlooker)

    def remember(self, answer: Answer) -> None:
        """Keep what an answer leaves for later ones; to be done before it is said."""
        if answer.window is not None:
            self.memory.keep(answer.window)

    def answer(
        self, index: int, now_ns: int, incumbent: QuoteParameters, *, promoted: bool = False
    ) -> Answer:
        """Return what this seat says at boundary `index`.

        Args:
            promoted: whether the executor's candidate quotes.
        """
        self.promoted = promoted
        tape = self.tape(now_ns)
        found = self.judgement(index, now_ns, incumbent, tape=tape, promoted=promoted)
        word = words_of(
            found,
            tape=tape,
            setup=self.quoting(promoted=promoted).setup,
            incumbent=incumbent,
            now_ns=now_ns,
            source=self.name,
            target=self.session.settings.account.executor,
        )
        return Answer(word, found, kept(index, now_ns, incumbent, found, promoted=promoted))
