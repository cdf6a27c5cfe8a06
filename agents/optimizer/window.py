"""One window of the recent past -> a better set, or the reason why there is none.

Pure: the same tape, incumbent, options and seed give the same answer, whatever was asked before,
so an optimizer that was killed answers as it would have. Nothing after the window's end is looked
at: the tape that comes in ends there.
"""

import math
from dataclasses import dataclass

import numpy as np

from agents.optimizer.candidates import Instrument, Key, Neighbourhood
from agents.optimizer.confidence import Paired, paired, predictive, shrink
from agents.optimizer.tuner import Tuner
from agents.optimizer.utility import utilities
from agents.session import parameter_row
from market.account import Setup
from market.breach import position_cap_lots
from market.layout import (
    SCALE_LOT,
    STEP_ASK,
    STEP_BID,
    STEP_NOW_NS,
    VIEW_MID,
    VIEW_READY,
    VIEW_SIGMA,
)
from market.quotes import smallest_lots
from market.replay import replay
from market.replay_step import REPLAY_FILLS, REPLAY_NET
from market.tape import Tape
from market.types import I8
from protocol.messages import QuoteParameters

SECOND_NS = 1_000_000_000
SPAN_MIN_S = 3600.0
"""A shorter window says nothing."""
FILLS_MIN = 20
SOURCES = ("gp", "near", "evolution")
"""What a window's few dozen candidates are searched with: the others need more to learn from."""
BATCHES = 3
"""Batches that a small budget is cut into: one to look around, the others to refine."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a window is searched; times in seconds of venue time.

    Attributes:
        sources: names of the searchers mixed after the first batch.
    """

    window_s: float
    horizon_s: float
    budget: int
    slices: int
    step_limit: float
    confidence_min: float
    threads: int = 1
    sources: tuple[str, ...] = SOURCES


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a window says.

    Attributes:
        chosen: the best candidate by lower bound, None when no candidate could be compared.
        reason: one line; for a better set what it is better by, else why there is none.
        confidence: estimated probability that `chosen` beats the incumbent on the next window.
        gain: mean utility over the incumbent's, a slice; `error` its standard error.
        belief: share of the gain that is believed (winner's curse).
        evaluated: distinct candidates replayed, the incumbent among them.
        first_step, last_step: of the tape, the window replayed.
    """

    better: bool
    reason: str
    window: tuple[int, int]
    chosen: QuoteParameters | None = None
    confidence: float = 0.5
    gain: float = 0.0
    error: float = 0.0
    belief: float = 0.0
    net: float = 0.0
    net_incumbent: float = 0.0
    fills: int = 0
    evaluated: int = 0
    first_step: int = 0
    last_step: int = 0


def judge(
    tape: Tape, setup: Setup, incumbent: QuoteParameters, options: Options, seed: int
) -> Judgement:
    """Search the last `window_s` of `tape` for a set better than `incumbent`.

    Args:
        tape: ends at the boundary; nothing later is read.
        setup: as the executor trades.
        incumbent: what is in force.
        options: budget and thresholds.
        seed: of everything random here.
    """
    first, last = bounds(tape, options.window_s)
    window = _times(tape, first, last)
    span_s = (last - first) * tape.interval_ns / SECOND_NS
    if span_s < SPAN_MIN_S:
        return Judgement(
            better=False,
            reason=f"window too short: {span_s:.0f} s of data, {SPAN_MIN_S:.0f} are needed",
            window=window,
        )
    search = _Search(tape, setup, incumbent, options, seed, (first, last))
    return search.judgement(window)


def bounds(tape: Tape, window_s: float) -> tuple[int, int]:
    """Return the steps [first, last) of the window: its end is the tape's, warm-up left out."""
    last = len(tape.steps)
    ready = np.flatnonzero(tape.views[:, VIEW_READY] > 0.5)
    if last == 0 or ready.size == 0:
        return last, last
    first = max(int(ready[0]), last - round(window_s * SECOND_NS / tape.interval_ns))
    return first, last


def _times(tape: Tape, first: int, last: int) -> tuple[int, int]:
    if first >= last:
        end = int(tape.steps[-1, STEP_NOW_NS]) if len(tape.steps) else 0
        return end, end
    return int(tape.steps[first, STEP_NOW_NS]), int(tape.steps[last - 1, STEP_NOW_NS])


def instrument(step: I8, mid: float, setup: Setup) -> Instrument:
    """Return what the market at one step allows: the smallest order, the largest position."""
    half_ticks = int(step[STEP_BID] + step[STEP_ASK])
    # One percent of air: a set must still be legal when the price has moved until it applies.
    smallest = smallest_lots(max(1, int(mid * 0.99)), setup.scale)
    return Instrument(
        lot_units=int(setup.scale[SCALE_LOT]),
        smallest_lots=int(smallest),
        cap_lots=max(1, int(position_cap_lots(half_ticks, setup.limits, setup.scale))),
        tick_percent=100.0 / mid,
    )


class _Search:
    """One search: candidates by key, their utilities, and the choice among them."""

    def __init__(
        self,
        tape: Tape,
        setup: Setup,
        incumbent: QuoteParameters,
        options: Options,
        seed: int,
        steps: tuple[int, int],
    ) -> None:
        self.tape, self.setup, self.options = tape, setup, options
        self.first, self.last = steps
        self.incumbent = incumbent
        sound = np.flatnonzero(tape.views[self.first : self.last, VIEW_READY] > 0.5)
        row = self.first + int(sound[-1]) if sound.size else self.last - 1
        views = tape.views[self.first : self.last]
        self.sigma = float(np.median(views[:, VIEW_SIGMA] / np.maximum(1e-9, views[:, VIEW_MID])))
        self.slice_s = (self.last - self.first) * tape.interval_ns / SECOND_NS / options.slices
        market = instrument(tape.steps[row], float(tape.views[row, VIEW_MID]), setup)
        self.near = Neighbourhood(incumbent, step_limit=options.step_limit, instrument=market)
        batch = max(1, math.ceil((options.budget - 1) / BATCHES))
        self.tuner = Tuner(self.near.space, 1, batch=batch, seed=seed, sources=options.sources)
        self.sets: list[QuoteParameters] = []
        self.rows: dict[Key, int] = {}
        self.figures = np.empty((0, options.slices, 0))

    def judgement(self, window: tuple[int, int]) -> Judgement:
        """Search, choose, and say how sure."""
        self._evaluate([self.incumbent])
        self._explore()
        if len(self.sets) < 2:
            return self._answer(window, 0, None, better=False, reason="no other set is in reach")
        worth = utilities(self.figures, sigma=self.sigma, slice_s=self.slice_s)
        found = paired(worth[1:], worth[0])
        best = int(np.argmax(found.mean - found.error))
        fills = self.figures[:, :, REPLAY_FILLS].sum(1)
        if max(fills[0], fills[best + 1]) < FILLS_MIN:
            line = f"too few fills: {fills.max():.0f} in the window, {FILLS_MIN} are needed"
            return self._answer(window, best + 1, found, better=False, reason=line)
        return self._choose(window, best, found)

    def _choose(self, window: tuple[int, int], best: int, found: Paired) -> Judgement:
        mean, error = float(found.mean[best]), float(found.error[best])
        sure = self._confidence(best, found)
        gain = f"gain {mean:.3g} +- {error:.2g} a slice, confidence {sure:.3f}"
        if not mean - error > 0.0:
            line = f"nothing better: {gain}, lower bound not above zero"
            return self._answer(window, best + 1, found, better=False, reason=line)
        if not sure >= self.options.confidence_min:
            line = f"not sure enough: {gain}, {self.options.confidence_min:g} is needed"
            return self._answer(window, best + 1, found, better=False, reason=line)
        return self._answer(window, best + 1, found, better=True, reason=gain)

    def _confidence(self, best: int, found: Paired) -> float:
        believed = shrink(found) * float(found.mean[best])
        ahead = self.options.horizon_s / self.slice_s
        return predictive(believed, float(found.error[best]), slices=found.slices, ahead=ahead)

    def _explore(self) -> None:
        """Spend the budget, batch by batch; a set seen before costs nothing."""
        self.tuner.tell(self.near.centre(), np.zeros((1, 1)), np.zeros(1))
        # A tuner that only meets known sets would ask for ever.
        for _ in range(4 * BATCHES):
            left = self.options.budget - len(self.sets)
            if left <= 0:
                return
            points = self.tuner.ask(min(left, self.tuner.batch))
            values = self.near.space.decode(points)
            wanted = [self.near.parameters(row) for row in values]
            self._evaluate(wanted)
            rows = [self.rows[self.near.key(each)] for each in wanted]
            worth = utilities(self.figures, sigma=self.sigma, slice_s=self.slice_s)
            found = paired(worth[rows], worth[0])
            lower = (found.mean - found.error)[:, None]
            self.tuner.tell(points, -lower, np.zeros(len(rows)))

    def _evaluate(self, wanted: list[QuoteParameters]) -> None:
        fresh: dict[Key, QuoteParameters] = {}
        for each in wanted:
            key = self.near.key(each)
            if key not in self.rows:
                fresh.setdefault(key, each)
        if not fresh:
            return
        figures = replay(
            self.tape,
            np.array([parameter_row(each) for each in fresh.values()]),
            self.setup,
            first_step=self.first,
            last_step=self.last,
            slices=self.options.slices,
            threads=self.options.threads,
        )
        for key, each in fresh.items():
            self.rows[key] = len(self.sets)
            self.sets.append(each)
        self.figures = np.concatenate([self.figures, figures]) if self.figures.size else figures

    def _answer(
        self,
        window: tuple[int, int],
        row: int,
        found: Paired | None,
        *,
        better: bool,
        reason: str,
    ) -> Judgement:
        net = self.figures[:, :, REPLAY_NET].sum(1)
        fills = self.figures[:, :, REPLAY_FILLS].sum(1)
        known = found is not None and row > 0
        return Judgement(
            better=better,
            reason=reason,
            window=window,
            chosen=self.sets[row] if known else None,
            confidence=self._confidence(row - 1, found) if found and known else 0.5,
            gain=float(found.mean[row - 1]) if found and known else 0.0,
            error=float(found.error[row - 1]) if found and known else 0.0,
            belief=shrink(found) if found and known else 0.0,
            net=float(net[row]),
            net_incumbent=float(net[0]),
            fills=int(fills[row]),
            evaluated=len(self.sets),
            first_step=self.first,
            last_step=self.last,
        )
