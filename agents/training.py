"""Learns a residual on top of a policy: evolution strategies on recordings and artificial markets.

Every candidate of a generation trades the same spans of the same grounds, so that chance is common
to all; the best of a generation pull the centre after them. Nothing is differentiated and nothing
sampled but the directions: the same grounds, budget and seed give the same coefficients.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agents.backtest.opening import open_backtest, stored_tape
from agents.session import Session, parameter_row
from agents.settings import Settings
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from market.account import Setup
from market.policy import POLICY_LEARNED, POLICY_RESIDUAL, RESIDUALS
from market.replay import replay
from market.replay_step import REPLAY_NET
from market.residual import BOUND
from market.tape import Tape
from market.types import F8
from market.verdict import mean_bounds

SPAN_NS = 3_600 * 10**9
SLICES = 6
"""A span is an hour, traded from flat and judged in slices of ten minutes."""
HELD_OUT = 1.0 / 3.0
"""Of the recording, its end, that nothing is fitted to."""
TRUST = 0.5
"""Most by which one training may move a coefficient."""
CAUTION = 0.1
"""Standard deviations of a slice's profit that are taken off its mean."""
PAIRS = 6
STEP_START, GROW, SHRINK, STEP_MIN = 0.1, 1.3, 0.6, 0.005
ARTIFICIAL = 4
ARTIFICIAL_HOURS = 4.0


@dataclass(frozen=True, slots=True)
class Ground:
    """Where candidates trade: a tape, and the spans of it, [first, last) steps."""

    name: str
    tape: Tape
    setup: Setup
    parameters: F8
    spans: tuple[tuple[int, int], ...]

    def steps(self) -> int:
        """Return the guard steps that one candidate lives through."""
        return sum(last - first for first, last in self.spans)

    def profits(self, coefficients: F8) -> F8:
        """Return f8[spans x SLICES], net profit of each slice with a residual."""
        setup = self.setup._replace(policy=with_residual(self.setup.policy, coefficients))
        parts = [
            replay(
                self.tape, self.parameters[None], setup,
                first_step=first, last_step=last, slices=SLICES,
            )[0, :, REPLAY_NET]
            for first, last in self.spans
        ]  # fmt: skip
        return np.concatenate(parts)


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation: steps spent by its end, utility of its centre and of its best, step size."""

    steps: int
    centre: float
    best: float
    size: float


@dataclass(frozen=True, slots=True)
class Trained:
    """Coefficients, how the search went, and what the held-out end of the recording says of them.

    Attributes:
        coefficients: f8[RESIDUALS].
        history: a row a generation.
        grounds: gain of utility on each ground of the training, by name.
        held_out: mean gain a slice with its bounds at 95 % each, quote asset; slices.
    """

    coefficients: F8
    history: tuple[Generation, ...]
    grounds: dict[str, float]
    held_out: dict[str, Any]

    @property
    def better(self) -> bool:
        """Whether the held-out gain is surely above zero."""
        return bool(self.held_out["slices"] > 0 and self.held_out["lower"] > 0.0)


def with_residual(policy: F8, coefficients: F8) -> F8:
    """Return f8[POLICY_COLUMNS] with a residual in place of the one it had."""
    row = policy.copy()
    row[POLICY_LEARNED] = 1.0
    row[POLICY_RESIDUAL:] = coefficients
    return row


def recorded(session: Session, tape: Tape, *, until_ns: int) -> tuple[Ground, Ground]:
    """Return (training, held out) of a session until a time."""
    first = tape.step_at(session.first_ns + session.settings.executor.warmup_s * 10**9)
    last = tape.step_at(until_ns + 1)
    middle = last - round(HELD_OUT * (last - first))
    kind = (tape, session.setup, parameter_row(session.baseline))
    return (
        Ground("recording", *kind, spans_of(tape, first, middle)),
        Ground("held out", *kind, spans_of(tape, middle, last)),
    )


def spans_of(tape: Tape, first: int, last: int) -> tuple[tuple[int, int], ...]:
    """Return the whole spans in [first, last); one, shorter, where there is none."""
    size = SPAN_NS // tape.interval_ns
    found = tuple((at, at + size) for at in range(first, last - size + 1, size))
    return found or (((first, last),) if last - first >= SLICES else ())


def artificial(settings: Settings, seed: int, count: int = ARTIFICIAL) -> list[Ground]:
    """Return artificial markets: informed traders, latency and order flow are drawn by the seed."""
    rng = np.random.default_rng([seed, 1])
    grounds = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            share = float(rng.uniform(0.0, 0.6))
            delay_ms = float(np.exp(rng.uniform(np.log(1.0), np.log(200.0))))
            path = Path(folder) / f"{number}.npz"
            drawn = int(rng.integers(1 << 31))
            save(
                path,
                synthetic_recording(seed=drawn, hours=ARTIFICIAL_HOURS, informed_share=share),
            )
            told = settings.model_copy(
                update={
                    "data": Path(folder),
                    "feed": settings.feed.model_copy(update={"path": path, "hours": None}),
                    "executor": settings.executor.model_copy(
                        update={
                            "latency": None,
                            "order_latency_ms": delay_ms,
                            "response_latency_ms": delay_ms,
                        }
                    ),
                }
            )
            session, tape = open_backtest(told, stored_tape)
            first = tape.step_at(session.first_ns)
            name = f"informed {share:.2f}, {delay_ms:.0f} ms"
            spans = spans_of(tape, first, len(tape.steps))
            kind = (tape, session.setup, parameter_row(session.baseline))
            grounds.append(Ground(name, *kind, spans))
    return grounds


def utility(ground: Ground, coefficients: F8, unit: float) -> float:
    """Return mean less CAUTION deviations of a slice's profit, in units."""
    profits = ground.profits(coefficients)
    return float(profits.mean() - CAUTION * profits.std()) / unit


def train(
    grounds: Sequence[Ground],
    held_out: Ground,
    *,
    budget_steps: int,
    seed: int,
    start: F8 | None = None,
    on_generation: Callable[[Generation], None] = lambda _: None,
) -> Trained:
    """Return the best residual that the search ended at.

    Args:
        grounds: at least one, each with a span; all count alike.
        held_out: what the result is judged on.
        budget_steps: guard steps to be spent at most.
        seed: of the directions.
        start: coefficients in force; the result lies within TRUST of them.
        on_generation: told after each.
    """
    rng = np.random.default_rng([seed, 0])
    origin = np.zeros(RESIDUALS) if start is None else start
    low, high = np.maximum(-BOUND, origin - TRUST), np.minimum(BOUND, origin + TRUST)
    units = [max(1e-9, float(np.abs(each.profits(origin)).mean())) for each in grounds]

    def score(coefficients: F8) -> float:
        told = zip(grounds, units, strict=True)
        return float(np.mean([utility(each, coefficients, unit) for each, unit in told]))

    each = sum(ground.steps() for ground in grounds)
    centre, size, spent = origin.copy(), STEP_START, 0
    worth, history = score(centre), list[Generation]()
    while spent + (2 * PAIRS + 1) * each <= budget_steps and size >= STEP_MIN:
        draws = rng.standard_normal((PAIRS, RESIDUALS))
        tried = np.clip(centre + size * np.concatenate([draws, -draws]), low, high)
        gains = np.array([score(one) for one in tried]) - worth
        spent += len(tried) * each
        better = np.maximum(0.0, gains)
        moved = centre
        if better.sum() > 0.0:
            moved = np.clip(centre + (better / better.sum()) @ (tried - centre), low, high)
        after = score(moved)
        spent += each
        best = int(np.argmax(gains))
        if gains[best] + worth > after:  # one direction alone was better than their mean
            moved, after = tried[best], float(gains[best] + worth)
        size *= GROW if after > worth else SHRINK
        if after > worth:
            centre, worth = moved, after
        history.append(Generation(spent, worth, float(gains.max() + worth), size))
        on_generation(history[-1])
    named = {
        ground.name: utility(ground, centre, unit) - utility(ground, origin, unit)
        for ground, unit in zip(grounds, units, strict=True)
    }
    return Trained(centre, tuple(history), named, judged(held_out, centre, origin, seed))


def judged(ground: Ground, coefficients: F8, origin: F8, seed: int) -> dict[str, Any]:
    """Return the mean gain a slice on a ground, with its one-sided bounds at 95 %."""
    if not ground.spans:
        return {"slices": 0}
    gains = ground.profits(coefficients) - ground.profits(origin)
    lower, upper, _ = mean_bounds(gains, level=0.05, draws=2_000, seed=seed)
    return {"slices": len(gains), "mean": float(gains.mean()), "lower": lower, "upper": upper}
