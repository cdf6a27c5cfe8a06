"""A policy in shadow beside the live one: promoted when surely better, rolled back when worse.

Both quote with the same parameters over the same public tape, and both are filled only where the
tape trades through their price (back of every queue: a lower bound), so the live one has no
advantage of its own fills. Their profits are compared block by block. Nothing is weighed by
propensities: where blocks are few, or hang together so that few are independent, nothing is said.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any, Self

import numpy as np

from agents.promotion_settings import Promotion
from market.account import Setup
from market.layout import STEP_NOW_NS
from market.policy import POLICY_CAPITAL
from market.queueing import fill_model
from market.replay import replay
from market.replay_step import REPLAY_NET, REPLAY_TRIPS
from market.tape import Tape
from market.types import F8
from market.verdict import mean_bounds

DRAWS = 2_000


class Stage(StrEnum):
    """Which of the two quotes."""

    SHADOW = "shadow"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"


PROMOTIONS = {(Stage.SHADOW, Stage.PROMOTED), (Stage.PROMOTED, Stage.ROLLED_BACK)}
"""All changes of stage: who went back stays there until the next run."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict: the stage after it, and why.

    Attributes:
        lower, upper: bounds of the mean gain of a block, quote asset; None: nothing was weighed.
        blocks: of the stage that had ended by then, as far as the tape told.
        trips: closed round trips of the candidate in them.
        until_ns: venue time at which it was asked for.
    """

    stage: Stage
    reason: str
    lower: float | None = None
    upper: float | None = None
    blocks: int = 0
    trips: int = 0
    until_ns: int = 0

    def plain(self) -> dict[str, Any]:
        """Return this as plain values."""
        return {**asdict(self), "stage": self.stage.value}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """Return what `plain` was made of; what else stands beside is passed over."""
        held = {each.name: plain[each.name] for each in fields(cls)}
        return cls(**{**held, "stage": Stage(held["stage"])})


@dataclass(frozen=True, slots=True)
class Contest:
    """Two policies, f8[POLICY_COLUMNS] each, and which of them quotes since when.

    Attributes:
        judged: blocks of the stage at its newest verdict.
        found: the newest verdict.
        weighed: the newest one that had bounds.
    """

    before: F8
    candidate: F8
    since_ns: int
    stage: Stage = Stage.SHADOW
    judged: int = 0
    found: Finding | None = None
    weighed: Finding | None = None

    @property
    def live(self) -> F8:
        """The policy that quotes."""
        return self.candidate if self.stage is Stage.PROMOTED else self.before

    def after(self, found: Finding, since_ns: int) -> "Contest":
        """Return this after a verdict; `since_ns` of the stage that it is for."""
        return replace(
            self,
            since_ns=since_ns,
            stage=found.stage,
            judged=found.blocks if found.stage is self.stage else 0,
            found=found,
            weighed=self.weighed if found.lower is None else found,
        )


def compared(
    contest: Contest, tape: Tape, setup: Setup, parameters: F8, now_ns: int, rule: Promotion
) -> Finding:
    """Judge a contest on the blocks since its stage began.

    Those whose steps are forgotten are counted, and weigh nothing.

    Args:
        contest: not rolled back.
        tape: as it is known at `now_ns`.
        setup: of the session.
        parameters: f8[PARAMETER_COLUMNS] in force.
        now_ns: venue time.
        rule: when what happens.
    """
    since_ns, size = contest.since_ns, rule.block_ns // tape.interval_ns
    forgotten_ns = max(0, int(tape.steps[0, STEP_NOW_NS]) - since_ns)
    gone = -(-forgotten_ns // rule.block_ns)
    steps = (tape.step_at(since_ns + gone * rule.block_ns), tape.step_at(now_ns + 1))
    count = gone + max(0, steps[1] - steps[0]) // size
    told = (parameters, steps, rule)
    before, _ = shadowed_blocks(tape, setup, contest.before, *told)
    candidate, trips = shadowed_blocks(tape, setup, contest.candidate, *told)
    seed, look = now_ns // rule.block_ns, count // rule.blocks
    if contest.stage is Stage.PROMOTED:
        capital = float(setup.policy[POLICY_CAPITAL])
        found = must_go_back(before, candidate, capital, rule, seed=seed)
    elif look == contest.judged // rule.blocks:
        ahead = rule.blocks - count % rule.blocks
        found = Finding(Stage.SHADOW, f"{count} blocks, the next look is in {ahead}")
    else:
        found = may_promote(before, candidate, trips, rule, look=look, seed=seed)
    return replace(found, blocks=count, trips=trips, until_ns=now_ns)


def shadowed_blocks(
    tape: Tape, setup: Setup, policy: F8, parameters: F8, steps: tuple[int, int], rule: Promotion
) -> tuple[F8, int]:
    """Return f8[blocks], the profit of a policy in shadow, and its closed round trips.

    Args:
        tape: as it is known now.
        setup: of the session; its fill model is not asked.
        policy: f8[POLICY_COLUMNS].
        parameters: f8[PARAMETER_COLUMNS] in force.
        steps: [first, last); a rest shorter than a block is left out.
        rule: the length of a block.
    """
    size = rule.block_ns // tape.interval_ns
    count = (steps[1] - steps[0]) // size
    if count < 1:
        return np.zeros(0), 0
    rows = replay(
        tape,
        parameters[None],
        setup._replace(model=fill_model("trade-through"), policy=policy),
        first_step=steps[0],
        last_step=steps[0] + count * size,
        slices=count,
    )[0]
    return rows[:, REPLAY_NET], int(rows[:, REPLAY_TRIPS].sum())


def may_promote(
    live: F8, candidate: F8, trips: int, rule: Promotion, *, look: int, seed: int
) -> Finding:
    """Judge a candidate in shadow.

    Args:
        live: f8[blocks], of the policy in force, in shadow as well.
        candidate: f8[blocks].
        trips: of the candidate.
        rule: when it is promoted.
        look: number of this one, from 1 on: each has half of what error the others left.
        seed: of the bootstrap.
    """
    count = len(candidate)
    if count < rule.blocks:
        return Finding(Stage.SHADOW, f"{count} blocks, {rule.blocks} are needed")
    if trips < rule.trips:
        return Finding(Stage.SHADOW, f"{trips} round trips, {rule.trips} are needed")
    level = rule.level / 2.0**look
    gains = candidate - live
    lower, upper, length = mean_bounds(gains, level=level, draws=DRAWS, seed=seed)
    if count / length < rule.independent:
        return Finding(Stage.SHADOW, f"{count / length:.0f} independent blocks", lower, upper)
    if not lower > 0.0:
        return Finding(Stage.SHADOW, "not surely better", lower, upper)
    if fall_of(candidate) > fall_of(live):
        return Finding(Stage.SHADOW, "its drawdown is deeper", lower, upper)
    return Finding(Stage.PROMOTED, "surely better", lower, upper)


def must_go_back(
    before: F8, promoted: F8, capital: float, rule: Promotion, *, seed: int
) -> Finding:
    """Judge a promoted policy against the one of before, now in shadow, since the promotion.

    Args:
        before: f8[blocks], of the policy of before.
        promoted: f8[blocks].
        capital: quote asset.
        rule: when it goes back.
        seed: of the bootstrap.
    """
    gains = promoted - before
    if -float(gains.sum()) > rule.loss * capital:
        return Finding(Stage.ROLLED_BACK, f"{-gains.sum():.2f} behind the policy of before")
    if len(gains) < rule.trial:
        return Finding(Stage.PROMOTED, f"{len(gains)} blocks, {rule.trial} are needed")
    newest = gains[-rule.recent :]
    lower, upper, _ = mean_bounds(newest, level=rule.doubt, draws=DRAWS, seed=seed)
    if upper < 0.0:
        return Finding(Stage.ROLLED_BACK, "surely worse", lower, upper)
    return Finding(Stage.PROMOTED, "not surely worse", lower, upper)


def fall_of(profits: F8) -> float:
    """Return the deepest fall of a sum from its peak."""
    path = np.concatenate([[0.0], np.cumsum(profits)])
    return float((np.maximum.accumulate(path) - path).max())
