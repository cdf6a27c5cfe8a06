"""What is compared and how, fixed before the first run: `plan.json` beside this file."""

import json
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from protocol.messages import Mode

PLAN = Path(__file__).with_name("plan.json")


class Seeds(BaseModel):
    """Of everything random, so that nobody can look for a lucky one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sets: int
    bootstrap: int
    P1: int
    P2: int
    X: int
    oracle: int
    residual: int


class Plan(BaseModel):
    """The rules of a comparison.

    Attributes:
        arms: what each does, by name.
        pairs: which are held against each other, ours first.
        never_better: pairs of which ours cannot be better, whatever the market does; they are
            among `pairs`, and how often one is called so is the rate of false findings.
        modes: arms that are the whole stack, by the mode in which it decides; they take a minute
            for each day, and are played when they are asked for by name.
        seats: of optimizers in such a stack.
        primary: the figure that decides; the others are shown.
        period_s: seconds of a row of a record.
        train_hours: of the first recording, on which S1 and V are tuned.
        purge_s: between training and test.
        sets, slices: of a plain tuning.
        boundary_s: between two decisions of the optimizer.
        draws, level: of every interval.
        risk_fraction: of R multiples.
        budget_share: of the suggested position, whose value at risk is the budget.
        oracle_hours, oracle_sets, oracle_finalists: of a day of one climate alone, on which the
            oracle is tuned, and how many of the sets are tried on another.
        residual_steps: guard steps that the learning of a residual may live through.
        placebo_step: how far a placebo moves its spread and size, natural logarithm.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    arms: dict[str, str]
    pairs: tuple[tuple[str, str], ...]
    never_better: tuple[tuple[str, str], ...]
    modes: dict[str, Mode]
    seats: int = Field(ge=1)
    primary: str
    fees_bps: tuple[float, ...]
    period_s: int = Field(gt=0)
    train_hours: float = Field(gt=0)
    purge_s: int = Field(ge=0)
    sets: int = Field(ge=1)
    slices: int = Field(ge=2)
    boundary_s: int = Field(gt=0)
    draws: int = Field(ge=100)
    level: float = Field(gt=0, lt=0.5)
    risk_fraction: float = Field(gt=0)
    budget_share: float = Field(gt=0, le=1)
    residual_steps: int = Field(ge=1)
    placebo_step: float = Field(ge=0)
    oracle_hours: float = Field(gt=0)
    oracle_sets: int = Field(ge=1)
    oracle_finalists: int = Field(ge=1)
    seeds: Seeds


@cache
def the_plan() -> Plan:
    """Return the committed plan."""
    return Plan.model_validate(json.loads(PLAN.read_text(encoding="utf-8")))
