"""The executor's shadow replay: the set in force and a proposed one on the newest window."""

import math

import numpy as np

from agents.executor.events import RoundHeard, Shadowed
from agents.session import Session, parameter_row
from market.replay import replay
from market.replay_step import REPLAY_EXPOSURE, REPLAY_NET
from market.tape import Tape
from protocol.messages import QuoteParameters

HOUR_NS = 3_600 * 10**9


def shadowed(
    asked: RoundHeard, session: Session, incumbent: QuoteParameters, now_ns: int, tape: Tape
) -> Shadowed:
    """Return how the incumbent and the candidate would have done on the newest window.

    Both start flat at the session's opening balances.

    Args:
        asked: the round.
        session: instrument, limits, hours of the window.
        incumbent: the set in force.
        now_ns: venue time.
        tape: as it is known now.
    """
    last = tape.steps.shape[0]
    window_ns = round(session.settings.optimizer.window_hours * HOUR_NS)
    first = max(tape.step_at(session.first_ns), tape.step_at(now_ns - window_ns))
    sets = np.stack([parameter_row(incumbent), parameter_row(asked.word.candidate)])
    rows = replay(tape, sets, session.setup, first_step=min(first, last), last_step=last)[:, 0]
    seen = [(float(row[REPLAY_NET]), math.sqrt(float(row[REPLAY_EXPOSURE]))) for row in rows]
    return Shadowed(asked, incumbent=seen[0], candidate=seen[1])
