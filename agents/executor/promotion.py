"""A policy in shadow beside the live one: promoted when surely better, rolled back when worse.

Both quote with the same parameters over the same public tape, and both are filled only where the
tape trades through their price (back of every queue: a lower bound), so the live one has no
advantage of its own fills. Their profits are compared block by block. Nothing is weighed by
propensities: where blocks are few, or hang together so that few are independent, nothing is said.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from market.account import Setup
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
class Rule:
    """When a candidate is promoted, and when it goes back.

    Attributes:
        block_ns: length of a block.
        blocks: a promotion is judged after so many, and again after each as many more.
        trips: closed round trips of the candidate before it may be promoted.
        independent: fewest blocks divided by their mean run that say anything.
        level: error of all promotions of one candidate together; each look gets half of the rest.
        trial: blocks after a promotion before its mean is judged.
        recent: blocks, the newest, of which that mean is: an old success hides nothing.
        doubt: error of going back at each of these looks: to go back in vain costs little.
        loss: fraction of capital behind the policy of before that ends it at once.
    """

    block_ns: int = 600 * 10**9
    blocks: int = 432
    trips: int = 1_000
    independent: float = 10.0
    level: float = 0.05
    trial: int = 4
    recent: int = 12
    doubt: float = 0.2
    loss: float = 0.001


RULE = Rule()
"""By which the executor judges."""


@dataclass(frozen=True, slots=True)
class Contest:
    """Two policies, f8[POLICY_COLUMNS] each, and which of them quotes since when."""

    before: F8
    candidate: F8
    since_ns: int
    stage: Stage = Stage.SHADOW

    @property
    def live(self) -> F8:
        """The policy that quotes."""
        return self.candidate if self.stage is Stage.PROMOTED else self.before


@dataclass(frozen=True, slots=True)
class Finding:
    """The stage after a look, why, and the bounds of the mean gain of a block; 0 when unknown."""

    stage: Stage
    reason: str
    lower: float = 0.0
    upper: float = 0.0


def compared(
    contest: Contest, tape: Tape, setup: Setup, parameters: F8, now_ns: int, rule: Rule
) -> Finding:
    """Judge a contest on all blocks since its stage began.

    Args:
        contest: not rolled back.
        tape: as it is known at `now_ns`.
        setup: of the session.
        parameters: f8[PARAMETER_COLUMNS] in force.
        now_ns: venue time.
        rule: when what happens.
    """
    told = (parameters, (tape.step_at(contest.since_ns), tape.step_at(now_ns + 1)), rule)
    before, _ = shadowed_blocks(tape, setup, contest.before, *told)
    candidate, trips = shadowed_blocks(tape, setup, contest.candidate, *told)
    seed = now_ns // rule.block_ns
    if contest.stage is Stage.PROMOTED:
        capital = float(setup.policy[POLICY_CAPITAL])
        return must_go_back(before, candidate, capital, rule, seed=seed)
    return may_promote(before, candidate, trips, rule, seed=seed)


def shadowed_blocks(
    tape: Tape, setup: Setup, policy: F8, parameters: F8, steps: tuple[int, int], rule: Rule
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


def may_promote(live: F8, candidate: F8, trips: int, rule: Rule, *, seed: int) -> Finding:
    """Judge a candidate in shadow.

    Args:
        live: f8[blocks], of the policy in force, in shadow as well.
        candidate: f8[blocks].
        trips: of the candidate.
        rule: when it is promoted.
        seed: of the bootstrap.
    """
    count = len(candidate)
    if count < rule.blocks or count % rule.blocks:
        ahead = rule.blocks - count % rule.blocks
        return Finding(Stage.SHADOW, f"{count} blocks, the next look is in {ahead}")
    if trips < rule.trips:
        return Finding(Stage.SHADOW, f"{trips} round trips, {rule.trips} are needed")
    level = rule.level / 2.0 ** (count // rule.blocks)
    gains = candidate - live
    lower, upper, length = mean_bounds(gains, level=level, draws=DRAWS, seed=seed)
    if count / length < rule.independent:
        return Finding(Stage.SHADOW, f"{count / length:.0f} independent blocks", lower, upper)
    if not lower > 0.0:
        return Finding(Stage.SHADOW, "not surely better", lower, upper)
    if fall_of(candidate) > fall_of(live):
        return Finding(Stage.SHADOW, "its drawdown is deeper", lower, upper)
    return Finding(Stage.PROMOTED, "surely better", lower, upper)


def must_go_back(before: F8, promoted: F8, capital: float, rule: Rule, *, seed: int) -> Finding:
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
