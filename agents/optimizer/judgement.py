"""How a window is searched, what it says, and what earlier windows left for it."""

import math
from dataclasses import dataclass, field

from agents.optimizer.confidence import Calibrator, Evidence
from agents.optimizer.convergence import Ending
from agents.optimizer.overfitting import Guards
from agents.optimizer_settings import Preference
from protocol.messages import QuoteParameters

SOURCES = ("gp", "genetic", "evolution", "tpe", "near")
"""What a window is searched with. With the forest beside them two batches found no more (mean lower
bound 0.410 against 0.413) at an eighth more time."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a window is searched; times in seconds of venue time.

    Attributes:
        window_s, horizon_s: at least; longer where trades are rare (`spans.py`).
        history_s: nothing further back is looked at.
        chance_max: largest p-value with which anything is published: where nothing can be better,
            at most so many windows publish.
        embargo_s: from the end of training to the test, the tuning latency.
        sources: names of the searchers mixed after the first batch.
        prefer: what decides among the best.
        racing: whether candidates that cannot win are left behind.
    """

    window_s: float
    horizon_s: float
    budget: int
    slices: int
    step_limit: float
    confidence_min: float
    chance_max: float
    history_s: float = math.inf
    embargo_s: float = 0.0
    threads: int = 1
    sources: tuple[str, ...] = SOURCES
    prefer: Preference = Preference.UTILITY
    racing: bool = True


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a window says.

    Attributes:
        chosen: the best candidate, None when no candidate could be compared.
        reason: one line; for a better set what it is better by, else why there is none.
        confidence: estimated probability that `chosen` beats the incumbent on the next horizon.
        evidence: what the confidence was made of; None without a candidate.
        gain: mean utility over the incumbent's, a slice, training and test together; `error` its
            standard error.
        evaluated: distinct candidates replayed, the incumbent among them.
        first_step, last_step: of the tape, the window replayed.
        horizon_s: seconds for which the verdict is meant.
        slice_s: seconds of a slice.
        whole: the window is as long as asked for; a shorter one is warm-up.
        earned: lower bound of the candidate's own net profit a slice, quote.
        chance: p-value of training and test together, were the candidate no better.
        alarm: the market has changed; nothing earlier was built on.
        front: sets that no other dominates, for the next window to begin with.
        saved: share of the replay that racing left out.
        ending: how the search ended.
        guards: how much of the result is the search's own doing.
    """

    better: bool
    reason: str
    window: tuple[int, int]
    chosen: QuoteParameters | None = None
    confidence: float = 0.5
    evidence: Evidence | None = None
    gain: float = 0.0
    error: float = 0.0
    net: float = 0.0
    net_incumbent: float = 0.0
    fills: int = 0
    evaluated: int = 0
    first_step: int = 0
    last_step: int = 0
    horizon_s: float = 0.0
    slice_s: float = 0.0
    whole: bool = False
    earned: float = 0.0
    chance: float = 1.0
    alarm: bool = False
    front: tuple[QuoteParameters, ...] = ()
    saved: float = 0.0
    ending: Ending = Ending.BUDGET
    guards: Guards | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """What earlier windows left for this one.

    Attributes:
        sets: tried first: the front of the last window.
        calibrator: recalibrates the evidence.
    """

    sets: tuple[QuoteParameters, ...] = ()
    calibrator: Calibrator = field(default_factory=Calibrator.shipped)
