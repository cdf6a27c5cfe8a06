"""One window of the recent past -> a better set, or the reason why there is none.

Candidates are searched for and raced on the training span, the few best are tested on the span
after it, and what both say together decides. Pure: the same tape, incumbent, options, memory and
seed give the same answer, so an optimizer that was killed answers as it would have. Nothing after
the window's end is looked at: the tape that comes in ends there.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from agents.optimizer.candidates import Key, Neighbourhood, instrument
from agents.optimizer.change import changed
from agents.optimizer.choice import pick, shortlist
from agents.optimizer.confidence import Evidence, evidence_of
from agents.optimizer.convergence import Ending, ending
from agents.optimizer.evaluators import Threads, through
from agents.optimizer.fronts import dominated
from agents.optimizer.judgement import Judgement, Options, Past
from agents.optimizer.objectives import GAIN, OBJECTIVES, Scale, mean_error, valued
from agents.optimizer.onlooker import Onlooker, Told
from agents.optimizer.overfitting import Guards, combined, guards_of, luck
from agents.optimizer.race import Race, Run
from agents.optimizer.spans import (
    SPAN_MIN_S,
    Spans,
    bounds,
    laid_out,
    lengths,
    sigma_of,
    sigmas_of,
    times,
)
from agents.optimizer.tuner import Tuner
from agents.optimizer_settings import Preference
from agents.session import parameter_row
from market.account import Setup
from market.layout import VIEW_MID, VIEW_READY
from market.replay_step import REPLAY_FILLS, REPLAY_NET
from market.tape import Tape
from market.types import F8, I8
from protocol.messages import QuoteParameters

SECOND_NS = 1_000_000_000
FILLS_MIN = 20
BATCHES, BATCH = 3, 64
"""Batches that a small budget is cut into, one to look around and the others to refine; and the
most candidates of a batch."""
REST = 4
"""A budget of which less than a quarter of a batch is left is spent: a batch has a price of its
own, whatever its size."""
IDLE_MAX = 4
"""Batches in a row without a new ladder after which the neighbourhood is taken as exhausted."""


def judge(
    tape: Tape,
    setup: Setup,
    incumbent: QuoteParameters,
    options: Options,
    seed: int,
    past: Past | None = None,
    run: Run | None = None,
    onlooker: Onlooker | None = None,
) -> Judgement:
    """Search the newest window of `tape` for a set better than `incumbent`.

    Args:
        tape: ends at the boundary; nothing later is read.
        setup: as the executor trades.
        incumbent: what is in force.
        options: budget and thresholds.
        seed: of everything random here.
        past: what is remembered.
        run: replays candidates; None: over the tape, in threads.
        onlooker: told of every batch.
    """
    window_s, horizon_s = lengths(
        tape,
        setup,
        parameter_row(incumbent),
        window_s=options.window_s,
        horizon_s=options.horizon_s,
    )
    window_s = min(window_s, options.history_s)
    first, last = bounds(tape, window_s)
    span_s = (last - first) * tape.interval_ns / SECOND_NS
    if span_s < SPAN_MIN_S:
        return Judgement(
            better=False,
            reason=f"window too short: {span_s:.0f} s of data, {SPAN_MIN_S:.0f} are needed",
            window=times(tape, first, last),
        )
    spans = laid_out(
        (first, last),
        interval_s=tape.interval_ns / SECOND_NS,
        slices=options.slices,
        horizon_s=horizon_s,
        embargo_s=options.embargo_s,
        since=bounds(tape, min(2.0 * window_s, options.history_s))[0],
    )
    whole = (last - first) * tape.interval_ns / SECOND_NS >= window_s - 1.0
    runner = run or over(tape, setup, threads=options.threads)
    search = Search(tape, setup, incumbent, options, seed, spans, past or Past(), runner, onlooker)
    return replace(search.judgement(), whole=whole)


def over(tape: Tape, setup: Setup, *, threads: int) -> Run:
    """Return what replays candidates over parts of a tape, in threads of this process."""
    return through(Threads(threads), tape, setup)


@dataclass(frozen=True, slots=True)
class _Tried:
    """The candidate after its test: gains over all slices, and what both parts say.

    Attributes:
        row: of the race.
        gains: f8[slices], training, then test.
        chance: p-value of training and test together, were it no better than the incumbent.
        earned: lower bound of its own net profit a slice, quote.
        net, net_incumbent: over the whole window; `fills` of whichever had more.
    """

    row: int
    gains: F8
    evidence: Evidence
    chance: float
    guards: Guards
    earned: float
    net: float
    net_incumbent: float
    fills: int


class Search:
    """One search: candidates by key, their race, and the choice among them."""

    def __init__(
        self,
        tape: Tape,
        setup: Setup,
        incumbent: QuoteParameters,
        options: Options,
        seed: int,
        spans: Spans,
        past: Past,
        run: Run,
        onlooker: Onlooker | None = None,
    ) -> None:
        self.options, self.spans, self.past = options, spans, past
        self.tape, self.incumbent = tape, incumbent
        sound = np.flatnonzero(tape.views[spans.first : spans.last, VIEW_READY] > 0.5)
        row = spans.first + int(sound[-1]) if sound.size else spans.last - 1
        market = instrument(tape.steps[row], float(tape.views[row, VIEW_MID]), setup)
        self.alarm = changed(
            tape,
            spans.first,
            spans.test.first,
            spans.last,
            slice_steps=max(1, round(spans.slice_s * SECOND_NS / tape.interval_ns)),
        )
        sigma = sigma_of(tape, spans.first, spans.last)
        self.scale = Scale(sigma, spans.slice_s, setup.limits)
        self.near = Neighbourhood(incumbent, step_limit=options.step_limit, instrument=market)
        batch = max(1, min(BATCH, math.ceil((options.budget - 1) / BATCHES)))
        order, self.guarding, self.testing = np.random.SeedSequence(seed).spawn(3)
        self.tuner = Tuner(
            self.near.space, OBJECTIVES, batch=batch, seed=seed, sources=options.sources
        )
        self.run, self.onlooker = run, onlooker
        self.race = Race(
            run if onlooker is None else onlooker.runs(run),
            spans.blocks,
            self.scale,
            np.random.default_rng(order),
            racing=options.racing,
            all_objectives=options.prefer is Preference.KNEE,
        )
        self.sets: list[QuoteParameters] = []
        self.points = np.zeros((0, len(self.near.space)))
        self.rows: dict[Key, int] = {}
        self.told: list[int] = []

    # --- searching -------------------------------------------------------------------------------
    def explore(self) -> None:
        """Spend the budget, batch by batch, until nothing more is to be gained."""
        self._begin()
        if self.past.sets and not self.alarm:
            values = np.array([self.near.values(each) for each in self.past.sets])
            self.attempt(self.near.space.encode(values)[: self.tuner.batch])
        idle = 0
        while (left := self.options.budget - len(self.sets)) > 0 and idle < IDLE_MAX:
            if self.told and left < self.tuner.batch // REST:
                return
            before = len(self.sets)
            self.attempt(self.tuner.ask(min(left, self.tuner.batch)))
            self.told.append(self.tuner.told)
            idle = idle + 1 if len(self.sets) == before else 0
            if self.ending is Ending.CONVERGED:
                return

    def _begin(self) -> None:
        """Replay the set in force, just as it is."""
        self.rows[self.near.key(self.incumbent)] = 0
        self.sets.append(self.incumbent)
        self.points = self.near.centre()
        self.race.add(parameter_row(self.incumbent)[None])
        self._tell(self.points, np.zeros(1, dtype=np.int64))

    def attempt(self, points: F8) -> None:
        """Replay the sets that points mean, those that are new, and tell the tuner of all."""
        wanted = [self.near.parameters(row) for row in self.near.space.decode(points)]
        fresh: list[int] = []
        for place, each in enumerate(wanted):
            key = self.near.key(each)
            if key not in self.rows:
                self.rows[key] = len(self.sets)
                self.sets.append(each)
                fresh.append(place)
        if fresh:
            self.points = np.concatenate([self.points, points[fresh]])
            self.race.add(np.array([parameter_row(wanted[place]) for place in fresh]))
        self._tell(points, np.array([self.rows[self.near.key(each)] for each in wanted]))

    def _tell(self, points: F8, rows: I8) -> None:
        """Tell the tuner, and whoever looks on, what candidates of the race are worth."""
        found, sources = self.race.values(rows), self.tuner.sources_of(points)
        self.tuner.tell(points, found.values, found.violations)
        if self.onlooker is not None:
            self.onlooker.told(self, Told(points, rows, sources, found.values, found.violations))

    @property
    def ending(self) -> Ending:
        """How the search stands."""
        return ending(self.tuner.archive, self.told, self.tuner.outlook)

    # --- choosing --------------------------------------------------------------------------------
    def judgement(self) -> Judgement:
        """Search, test, choose, and say how sure."""
        self.explore()
        best = self._tested()
        if best is None:
            return self._answer(None, better=False, reason=self._nothing())
        if best.fills < FILLS_MIN:
            return self._answer(best, better=False, reason=_too_few(best.fills))
        line, better = self._verdict(best)
        return self._answer(best, better=better, reason=line)

    def _nothing(self) -> str:
        """Return why no candidate was worth a test."""
        if len(self.sets) < 2:
            return "no other set is in reach"
        fills = self.race.figures[self.race.whole][:, :, REPLAY_FILLS].sum(1)
        if fills.max() < FILLS_MIN:
            return _too_few(int(fills.max()))
        return f"nothing better: {len(self.sets) - 1} sets, no lower bound above zero"

    def _tested(self) -> _Tried | None:
        """Return the best by training and test, None when nothing was worth a test."""
        rows = self.race.whole[1:]
        trained = self.race.values(rows)
        rows = rows[shortlist(trained.values, trained.violations, self.options.prefer)]
        if len(rows) == 0:
            return None
        sets = np.array([parameter_row(self.sets[each]) for each in (0, *rows)])
        figures = np.concatenate(
            [self.race.figures[[0, *rows]], self.run(sets, self.spans.test)], axis=1
        )
        found = valued(figures[1:], figures[0], self.scale)
        errors = mean_error(found.gains)[1]
        place = pick(self.points[rows], found.values, found.violations, errors, self.options.prefer)
        if place is None:  # still worth a word on why not
            place = int(found.values[:, GAIN].argmin())
        row, split = int(rows[place]), self.race.figures.shape[1]
        guards = guards_of(
            self.race.figures[:, :, REPLAY_NET],
            self.race.values(np.arange(len(self.sets))).gains,
            self.race.whole,
            row=row,
            rng=np.random.default_rng(self.guarding),
        )
        tested = found.gains[:, split:]
        by_chance = luck(tested, np.random.default_rng(self.testing), row=place)
        both = figures[[0, place + 1]]
        earned, doubt = mean_error(both[1:, :, REPLAY_NET])
        net, fills = both[:, :, REPLAY_NET].sum(1), both[:, :, REPLAY_FILLS].sum(1)
        return _Tried(
            row=row,
            gains=found.gains[place],
            evidence=self._evidence(sets[[0, place + 1]], both),
            chance=combined(guards.luck, by_chance),
            guards=guards,
            earned=float(earned[0] - doubt[0]),
            net=float(net[1]),
            net_incumbent=float(net[0]),
            fills=int(fills.max()),
        )

    def _evidence(self, sets: F8, figures: F8) -> Evidence:
        """Return what the record says of the set in force and a candidate.

        Args:
            sets: f8[2, PARAMETER_COLUMNS].
            figures: f8[2, slices, REPLAY_COLUMNS], of both on training and test.
        """
        parts = [*self.spans.blocks, self.spans.test]
        if self.spans.earlier is not None:
            parts.insert(0, self.spans.earlier)
            figures = np.concatenate([self.run(sets, self.spans.earlier), figures], axis=1)
        sigmas = np.concatenate([sigmas_of(self.tape, each) for each in parts])
        gains = valued(figures[1:], figures[0], self.scale).gains[0]
        return evidence_of(gains, sigmas, ahead=self.spans.ahead)

    def _verdict(self, best: _Tried) -> tuple[str, bool]:
        mean, error = (float(each[0]) for each in mean_error(best.gains[None]))
        sure = self.past.calibrator.probability(best.evidence)
        gain = f"gain {mean:.3g} +- {error:.2g} a slice, confidence {sure:.3f}"
        if not mean - error > 0.0:
            return f"nothing better: {gain}, lower bound not above zero", False
        most = self.options.chance_max
        if not best.chance <= most:
            line = f"may be luck: {gain}, {best.chance:.2f} by chance, at most {most:g}"
            return line, False
        if not best.earned > 0.0:
            line = f"earns nothing: {gain}, lower bound of its own net profit not above zero"
            return line, False
        if not sure >= self.options.confidence_min:
            line = f"not sure enough: {gain}, {self.options.confidence_min:g} is needed"
            return line, False
        return gain, True

    def _front(self) -> tuple[QuoteParameters, ...]:
        """Return the sets that no other dominates, the best lower bound first."""
        rows = self.race.whole[1:]
        found = self.race.values(rows)
        allowed = np.flatnonzero(found.violations <= 0.0)
        first = allowed[dominated(found.values[allowed], found.violations[allowed]) == 0]
        order = np.argsort(found.values[first, GAIN], kind="stable")
        return tuple(self.sets[row] for row in rows[first[order]])

    def _answer(self, best: _Tried | None, *, better: bool, reason: str) -> Judgement:
        told = Judgement(
            better=better,
            reason=reason,
            window=times(self.tape, self.spans.first, self.spans.last),
            evaluated=len(self.sets),
            first_step=self.spans.first,
            last_step=self.spans.last,
            horizon_s=self.spans.horizon_s,
            slice_s=self.spans.slice_s,
            alarm=self.alarm,
            saved=self.race.saved,
            ending=self.ending,
            front=self._front(),
        )
        if best is None:
            return told
        mean, error = mean_error(best.gains[None])
        return replace(
            told,
            chosen=self.sets[best.row],
            confidence=self.past.calibrator.probability(best.evidence),
            evidence=best.evidence,
            earned=best.earned,
            gain=float(mean[0]),
            error=float(error[0]),
            net=best.net,
            net_incumbent=best.net_incumbent,
            fills=best.fills,
            chance=best.chance,
            guards=best.guards,
        )


def _too_few(fills: int) -> str:
    return f"too few fills: {fills} in the window, {FILLS_MIN} are needed"
