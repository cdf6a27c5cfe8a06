"""What the executor itself would propose, as an equal of the optimizers: a wider or tighter set.

It knows one thing best, how its own ladder does on the newest window; so it tries the set in force
with other spreads on that window, slice by slice, and is as sure as the slices agree.
"""

import math

import numpy as np

from agents.figures import figures
from agents.session import Session, parameter_row
from market.replay import replay, replay_one
from market.replay_step import REPLAY_NET
from market.tape import Tape
from protocol.merge import clip_step
from protocol.messages import (
    ParameterUpdate,
    PerformanceMetrics,
    QuoteParameters,
    UpdateData,
    utc_text,
)

SHARE = 0.5
"""Of the largest step: how much wider and tighter is tried."""
SPAN_MIN_NS = 3_600 * 10**9
"""A shorter window says nothing."""


def opinion(
    session: Session, tape: Tape, incumbent: QuoteParameters, now_ns: int
) -> ParameterUpdate | None:
    """Return the better neighbour of the set in force, None when neither is better.

    Better is one whose mean gain a slice exceeds its standard error. The confidence is that of
    Laplace's rule, (slices won + 1) / (slices + 2).

    Args:
        session: instrument, limits, window.
        tape: as it is known now.
        incumbent: the set in force.
        now_ns: venue time.
    """
    options = session.settings.optimizer
    last = tape.step_at(now_ns + 1)
    since_ns = max(session.first_ns, now_ns - options.window_ns)
    if now_ns - since_ns < SPAN_MIN_NS:
        return None
    first = tape.step_at(since_ns)
    tried = [incumbent, *_neighbours(incumbent, options.step_limit)]
    rows = replay(
        tape,
        np.stack([parameter_row(each) for each in tried]),
        session.setup,
        first_step=first,
        last_step=last,
        slices=options.slices,
    )
    gains = rows[1:, :, REPLAY_NET] - rows[0, :, REPLAY_NET]
    mean, error = gains.mean(1), gains.std(1, ddof=1) / math.sqrt(options.slices)
    best = int(np.argmax(mean - error))
    if not mean[best] - error[best] > 0.0:
        return None
    won = int((gains[best] > 0.0).sum())
    return ParameterUpdate(
        timestamp=utc_text(now_ns),
        source_agent=session.settings.account.executor,
        target_agent="coordinator",
        message_type="parameter_update",
        data=UpdateData(
            optimized_params=tried[1 + best],
            performance_metrics=_metrics(session, tape, tried[1 + best], (first, last)),
            confidence_score=(won + 1) / (options.slices + 2),
        ),
    )


def _neighbours(held: QuoteParameters, step_limit: float) -> tuple[QuoteParameters, ...]:
    factors = (1.0 - SHARE * step_limit, 1.0 + SHARE * step_limit)
    wanted = (min(10.0, held.spread_percentage * factor) for factor in factors)
    changed = (held.model_copy(update={"spread_percentage": each}) for each in wanted)
    return tuple(clip_step(held, each, step_limit) for each in changed)


def _metrics(
    session: Session, tape: Tape, params: QuoteParameters, steps: tuple[int, int]
) -> PerformanceMetrics:
    first, last = steps
    row = parameter_row(params)
    record = replay_one(tape, row, session.setup, first_step=first, last_step=last)
    found = figures(record, session, tape, trials=1)["metrics"]

    def value(name: str) -> float:
        known = found[name]["value"]
        return 0.0 if known is None else float(known)

    return PerformanceMetrics(
        sqn_score=value("sqn"),
        sharpe_ratio=value("sharpe"),
        max_drawdown=min(1.0, max(0.0, value("max_drawdown"))),
    )
