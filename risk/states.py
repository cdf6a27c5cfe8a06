"""The states of risk as a table: what each permits, what leads to it, what ends it, in this order.

`market/states.py` is the kernel that live gate and replay ask; a test walks every pair of reason in
force and reason that comes, and holds the kernel to this table. `counterpoint risk limits` and the
documentation print it.
"""

from dataclasses import dataclass
from enum import IntEnum

from market.breach import (
    ACTIVE,
    HALTED,
    LOGGED,
    REASON_DAILY_LOSS,
    REASON_DRAWDOWN,
    REASON_POSITION,
    REASON_ROLLING_LOSS,
    REASON_STALE,
    REASON_STOP_LOSS,
    REASON_VOLATILITY,
    REASONS,
    REDUCING,
    RISK_CHANGES,
    RISK_LOG,
)
from market.types import I8


class State(IntEnum):
    """What may be sent; cancels always may."""

    ACTIVE = ACTIVE
    REDUCING = REDUCING
    HALTED = HALTED


PERMITS = {
    State.ACTIVE: "quotes on both sides",
    State.REDUCING: "orders that shrink the position, at the touch",
    State.HALTED: "nothing; what closes the position when an operator, or loss_closes, asks for it",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One way out of ACTIVE. While it holds, the rules below it are not asked.

    Attributes:
        reason: REASON_* of `market/breach.py`.
        name: for people.
        limit: the setting that decides.
        state: where it leads.
        begins: when.
        ends: when it does by itself; None: an operator ends it.
        operator: when an operator must end it instead.
    """

    reason: int
    name: str
    limit: str
    state: State
    begins: str
    ends: str | None
    operator: str = ""


TABLE = (
    Rule(
        REASON_DRAWDOWN,
        "drawdown",
        "peak_drawdown_limit",
        State.HALTED,
        "equity falls so far below its peak",
        "after drawdown_rest_s; the peak then counts anew",
        "drawdown_rest_s = 0",
    ),
    Rule(
        REASON_DAILY_LOSS,
        "daily loss",
        "daily_loss_limit",
        State.HALTED,
        "so much is lost since the UTC day began",
        "with the next UTC day",
        "loss_return = operator",
    ),
    Rule(
        REASON_ROLLING_LOSS,
        "24 hour loss",
        "daily_loss_limit",
        State.HALTED,
        "so much is lost against 24 hours ago (at most a quarter of an hour more)",
        "when a quarter of an hour begins with less than 0.8 of it",
        "loss_return = operator",
    ),
    Rule(
        REASON_VOLATILITY,
        "volatility",
        "volatility_cutoff",
        State.HALTED,
        "sigma over its slow average is above it",
        "when it is at most 0.8 of it",
    ),
    Rule(
        REASON_STALE,
        "silence",
        "price_age_s",
        State.HALTED,
        "nothing was heard of the market for longer",
        "with the next news",
    ),
    Rule(
        REASON_STOP_LOSS,
        "stop loss",
        "stop_loss_threshold",
        State.REDUCING,
        "the open position has lost so much of its cost",
        "when it is closed and cooldown_s are over",
    ),
    Rule(
        REASON_POSITION,
        "position",
        "max_position_size",
        State.REDUCING,
        "a move of the price made it worth a tenth more than that",
        "when it is worth no more than that",
    ),
)
"""The gravest first."""
REASON_NAMES = {0: "", **{rule.reason: rule.name for rule in TABLE}}


@dataclass(frozen=True, slots=True)
class Change:
    """One change of state: when, into what, for which REASON_*."""

    now_ns: int
    state: State
    reason: int


def changes_of(risk: I8) -> list[Change]:
    """Return the last changes of i8[RISK_COLUMNS], at most LOGGED, oldest first."""
    count = int(risk[RISK_CHANGES])
    found = []
    for number in range(max(0, count - LOGGED), count):
        place = RISK_LOG + 2 * (number % LOGGED)
        state, reason = divmod(int(risk[place + 1]), REASONS)
        found.append(Change(int(risk[place]), State(state), reason))
    return found
