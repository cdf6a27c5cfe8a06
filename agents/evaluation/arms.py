"""The arms: ways of trading one recording. Each looks at nothing that comes after its decisions.

An arm is a function of the ground and of what it carries over from the recordings before; it says
which set comes into force at which step. Another arm is another function in `ARMS`, and a line in
`plan.json`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agents.evaluation.budget import budget_of, following, within
from agents.evaluation.ground import Ground
from agents.evaluation.tuning import reference_of, sets_of, tuned
from agents.optimizer.mind import Mind
from agents.session import parameter_row
from market.schedule import scaled
from market.types import F8, I8
from protocol.messages import ParameterUpdate, QuoteParameters

HOUR_S = 3600
Carried = Mapping[str, Any]
"""By name of an arm: what it knew at the end of the last recording, as plain JSON values."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """What an arm quotes.

    Attributes:
        starts: i8[n], steps at which the sets come into force; empty: it never quotes.
        sets: f8[n, PARAMETER_COLUMNS].
        kept: what it carries over to the next recording.
        tried: sets that it looked at to decide.
        surcharge_bps: of all it trades, paid beside the fees, unknown to whoever decides.
    """

    starts: I8
    sets: F8
    kept: Any = None
    tried: int = 0
    surcharge_bps: float = 0.0


def fixed(ground: Ground, parameters: QuoteParameters, kept: Any = None) -> Schedule:
    """Return one set from the first step on."""
    return Schedule(np.array([ground.first]), parameter_row(parameters)[None], kept)


def begun(ground: Ground, carried: Carried) -> dict[str, Any]:
    """Return what all arms begin with: of the first recording what was tuned, later as carried."""
    if "S1" in carried:
        return dict(carried)
    first, last, sets = ground.begin, ground.train, sets_of(ground)
    reference, budget = reference_of(ground, first, last), budget_of(ground)
    even = following(ground, reference)
    held = tuned(ground, sets, first, last).held.model_dump()
    steady = tuned(within(even, budget), sets, first, last)
    return {
        "S1": held,
        "V": tuned(even, sets, first, last).held.model_dump(),
        "B": steady.held.model_dump(),
        "judged": [steady.steadiness, steady.quality],
        "reference": reference,
        "budget": budget,
        "R": held,
        "T": held,
    }


def grounds_of(ground: Ground, carried: Carried) -> dict[str, Ground]:
    """Return the grounds of V and B; every other arm that does not learn is on the plain one."""
    even = following(ground, carried["reference"])
    return {"V": even, "B": within(even, carried["budget"])}


def silent(_ground: Ground, _carried: Carried) -> Schedule:
    """N: never quote."""
    return Schedule(np.zeros(0, dtype=np.int64), np.zeros((0, 4)))


def suggested(ground: Ground, carried: Carried) -> Schedule:
    """S0: the parameters that every command suggests; of the first recording, for good."""
    held = carried.get("S0") or ground.session.baseline.model_dump()
    return fixed(ground, QuoteParameters.model_validate(held), held)


def shuffled(ground: Ground, carried: Carried) -> Schedule:
    """X: V, whose spread follows the volatility of another cycle: what its signal is worth."""
    starts = ground.cycles(ground.first, ground.last)
    row = parameter_row(QuoteParameters.model_validate(carried["V"]))
    sets = scaled(ground.tape, row, starts, reference=carried["reference"])
    rng = np.random.default_rng([ground.plan.seeds.X, ground.session.settings.seed])
    sets[:, 0] = rng.permutation(sets[:, 0])
    return Schedule(starts, sets)


def dearer(ground: Ground, carried: Carried) -> Schedule:
    """D: S1, charged its fee twice, a basis point more at least; it cannot be better."""
    fee_bps = float(ground.session.settings.feed.maker_fee_bps or 0.0)
    found = fixed(ground, QuoteParameters.model_validate(carried["S1"]))
    return replace(found, surcharge_bps=max(1.0, fee_bps))


def tuned_daily(ground: Ground, carried: Carried) -> Schedule:
    """R: as S1 on the first recording; on each later one tuned on the one before, all of it."""
    sets = sets_of(ground)
    later = tuned(ground, sets, ground.begin, ground.last).held.model_dump()
    held = QuoteParameters.model_validate(carried["R"])
    found = fixed(ground, held, later)
    return Schedule(found.starts, found.sets, later, len(sets))


def kept_on(name: str) -> "Arm":
    """Return the arm that keeps the set of the first training; V, B and L on their own ground."""

    def play(ground: Ground, carried: Carried) -> Schedule:
        return fixed(ground, QuoteParameters.model_validate(carried[name]), carried[name])

    return play


def tuned_on(name: str) -> "Arm":
    """Return the arm that adopts what the optimizer proposes: T, and F on its own ground."""

    def play(ground: Ground, carried: Carried) -> Schedule:
        return _tuned_on(ground, QuoteParameters.model_validate(carried[name]))

    return play


def _tuned_on(ground: Ground, held: QuoteParameters) -> Schedule:
    """Adopt what the optimizer proposes at a boundary, once its tuning latency is over.

    That is the running stack with the optimizer as master: step limits, confidence and its test on
    fresh data are the optimizer's own. Windows do not reach across recordings.
    """
    session = ground.session
    mind = Mind(session, session.settings.optimizer.name)
    latency_ns = session.settings.optimizer.tuning_latency_ns
    edges = ground.cycles(ground.first, ground.last)
    starts, rows, tried = [ground.first], [parameter_row(held)], 0
    for index, now_ns in enumerate(session.boundaries(), start=1):
        if now_ns < ground.time(ground.first):
            continue
        answer = mind.answer(index, now_ns, held)
        mind.remember(answer)
        tried += answer.judgement.evaluated
        if not isinstance(answer.word, ParameterUpdate):
            continue
        held = answer.word.data.optimized_params
        later = edges[np.searchsorted(edges, ground.tape.step_at(now_ns + latency_ns)) :]
        if later.size and int(later[0]) > starts[-1]:
            starts.append(int(later[0]))
            rows.append(parameter_row(held))
    return Schedule(np.array(starts), np.array(rows), held.model_dump(), tried)


def placebo(name: str, seed: int) -> "Arm":
    """Return an arm that moves spread and quantities of S1 at random every hour."""

    def play(ground: Ground, carried: Carried) -> Schedule:
        number = int(carried.get(name) or 0)
        rng = np.random.default_rng([seed, ground.session.settings.seed, number])
        cycles = HOUR_S // ground.session.settings.executor.cycle_s
        starts = ground.cycles(ground.first, ground.last, cycles)
        row = parameter_row(QuoteParameters.model_validate(carried["S1"]))
        step = ground.plan.placebo_step
        moved = np.exp(rng.uniform(-step, step, (len(starts), 2)))
        sets = np.tile(row, (len(starts), 1))
        sets[:, 0] *= moved[:, 0]
        sets[:, 2:] *= moved[:, 1:]
        return Schedule(starts, sets, number + 1)

    return play


Arm = Callable[[Ground, Carried], Schedule]


def arms_of(ground: Ground) -> dict[str, Arm]:
    """Return every arm by name."""
    seeds = ground.plan.seeds
    return {
        "N": silent,
        "S0": suggested,
        "S1": kept_on("S1"),
        "V": kept_on("V"),
        "B": kept_on("B"),
        "R": tuned_daily,
        "T": tuned_on("T"),
        "L": kept_on("L"),
        "F": tuned_on("F"),
        "X": shuffled,
        "D": dearer,
        "P1": placebo("P1", seeds.P1),
        "P2": placebo("P2", seeds.P2),
    }
