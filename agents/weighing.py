"""How any voter weighs a round: what follows from its sets, and a replay of the newest window.

Executor and optimizers do both by themselves, with the same arithmetic, each on its own data.
"""

import math
from dataclasses import dataclass

import numpy as np

from agents.session import Session, parameter_row
from agents.settings import Settings
from market.replay import replay
from market.replay_step import REPLAY_EXPOSURE, REPLAY_NET
from market.tape import Tape
from protocol.errors import printable
from protocol.merge import candidate_of, digest
from protocol.messages import SHADOW_REPLAY, Mode, QuoteParameters, Round

SHOWN = 12
"""Digits of a digest that a person needs to tell two apart."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """What one set would have done on a window.

    Attributes:
        net: profit against holding, quote asset.
        risk: root mean square of the worth held, quote asset.
    """

    net: float
    risk: float

    @property
    def per_risk(self) -> float:
        """Net profit per unit of risk; 0 when nothing was held."""
        return self.net / self.risk if self.risk > 0.0 else 0.0


def disagreement(word: Round, mode: Mode, settings: Settings) -> str | None:
    """Return why the candidate does not follow from the round's sets, None when it does."""
    seats, fraction = len(settings.seats), settings.optimizer.step_limit
    try:
        found = candidate_of(word, mode, seats=seats, fraction=fraction)
    except ValueError as error:
        return printable(str(error).splitlines()[0])
    if found is None:
        return f"nothing follows from {len(word.sets)} sets under {mode.value}"
    own, told = digest(found), digest(word.candidate)
    if own == told:
        return None
    return f"the sets lead to {own[:SHOWN]}, the candidate is {told[:SHOWN]}"


def weigh(
    session: Session,
    tape: Tape,
    sets: tuple[QuoteParameters, ...],
    *,
    now_ns: int,
    window_ns: int,
) -> tuple[Weighed, ...]:
    """Return what each set would have done on the newest window, flat at first.

    Args:
        session: instrument and limits.
        tape: as it is known now.
        sets: at least one.
        now_ns: venue time at which the window ends.
        window_ns: its length; a young session has less.
    """
    last = tape.step_at(now_ns + 1)
    first = max(tape.step_at(session.first_ns), tape.step_at(now_ns - window_ns))
    rows = replay(
        tape,
        np.stack([parameter_row(each) for each in sets]),
        session.setup,
        first_step=min(first, last),
        last_step=last,
    )[:, 0]
    return tuple(
        Weighed(float(row[REPLAY_NET]), math.sqrt(float(row[REPLAY_EXPOSURE]))) for row in rows
    )


def objection(incumbent: Weighed, candidate: Weighed) -> str | None:
    """Return how the candidate is worse than the set in force, None when it is not.

    It is when both its net profit and its net profit per unit of risk fall behind: a smaller set
    that earns less but risks less may pass.
    """
    if candidate.net >= incumbent.net or candidate.per_risk >= incumbent.per_risk:
        return None
    return (
        f"{SHADOW_REPLAY} found {candidate.net:.2f} against {incumbent.net:.2f} of the set in force"
    )
