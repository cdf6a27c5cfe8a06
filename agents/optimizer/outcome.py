"""What became of a decision: both sets replayed over the horizon that the verdict was meant for.

It is looked at only once the horizon has passed. The candidate won when its utility, all costs
included, was above that of the set that was in force.
"""

from dataclasses import dataclass

import numpy as np

from agents.optimizer.memory import Kept
from agents.optimizer.objectives import Scale, mean_error, valued
from agents.optimizer.spans import sigma_of
from agents.session import Session, parameter_row
from market.replay import replay
from market.replay_step import REPLAY_FILLS, REPLAY_NET
from market.tape import Tape

SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What two sets did over the horizon; money in quote asset.

    Attributes:
        gain: mean utility of a slice over that of the set in force.
        fills: of the candidate.
    """

    gain: float
    net: float
    net_incumbent: float
    fills: int
    hours: float

    @property
    def won(self) -> bool:
        """Whether the candidate was better."""
        return self.gain > 0.0


def outcome(session: Session, tape: Tape, window: Kept, *, partial: bool = False) -> Outcome | None:
    """Return what became of a window's candidate; None when there was none or it is too early.

    Args:
        tape: as far as it is known.
        partial: take what there is of the horizon, from two steps on.
    """
    if window.chosen is None or not window.slice_s > 0.0:
        return None
    begin_ns = window.now_ns + session.settings.optimizer.tuning_latency_ns
    end_ns = begin_ns + round(window.horizon_s) * SECOND_NS
    first, last = tape.step_at(begin_ns), tape.step_at(end_ns)
    early = tape.step_at(end_ns - tape.interval_ns) >= len(tape.steps)
    if last - first < 2 or (early and not partial):
        return None
    span_s = (last - first) * tape.interval_ns / SECOND_NS
    slices = max(2, round(span_s / window.slice_s))
    sets = np.array([parameter_row(window.incumbent), parameter_row(window.chosen)])
    figures = replay(tape, sets, session.setup, first_step=first, last_step=last, slices=slices)
    scale = Scale(sigma_of(tape, first, last), span_s / slices, session.setup.limits)
    gains = valued(figures[1:], figures[0], scale).gains
    net = figures[:, :, REPLAY_NET].sum(1)
    return Outcome(
        gain=float(mean_error(gains)[0][0]),
        net=float(net[1]),
        net_incumbent=float(net[0]),
        fills=int(figures[1, :, REPLAY_FILLS].sum()),
        hours=span_s / 3600.0,
    )
