"""What the coordinator refuses before anybody votes, merges or chooses.

Every mode asks for a set that is fresh and valid on the grid. Master-slave asks more: confidence,
drawdown and step are figures that the proposal itself carries, or that follow from the log. The
executor judges the rest in every mode: its own bounds, and a veto of risk.
"""

from dataclasses import dataclass

from agents.coordinator.state import Proposal, State, halted, incumbent, is_benched
from protocol.errors import NackCode, printable
from protocol.merge import digest, on_grid, within_step
from protocol.messages import utc_ns


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a proposal comes to nothing: its nack."""

    code: NackCode
    detail: str


def fresh(state: State, proposal: Proposal) -> Refusal | None:
    """Return why a set may take no part in a round of seats, None when it may."""
    if proposal.src not in state.rules.seats:
        line = f"{state.mode.value} takes the sets of seats alone"
        return Refusal(NackCode.MODE, line)
    return _possible(state, proposal) or _timely(state, proposal)


def screen(state: State, proposal: Proposal) -> Refusal | None:
    """Return why `proposal` may not be put to the voter at `state.now_ns`, None when it may."""
    possible = _possible(state, proposal)
    if possible is not None:
        return possible
    rules, data = state.rules, proposal.update.data
    if not data.confidence_score >= rules.confidence_min:
        found = f"{data.confidence_score:.4g}"
        line = f"confidence_score must be at least {rules.confidence_min:g}, found {found}"
        return Refusal(NackCode.CONFIDENCE, line)
    drawdown = data.performance_metrics.max_drawdown
    if not drawdown <= rules.drawdown_max:
        line = f"max_drawdown must be at most {rules.drawdown_max:g}, found {drawdown:.4g}"
        return Refusal(NackCode.BOUNDS, line)
    late = _timely(state, proposal)
    if late is not None:
        return late
    held = incumbent(state)
    step = within_step(held, proposal.params, rules.step_limit)
    if step is not None:
        return Refusal(NackCode.STEP, printable(step))
    if digest(held) == digest(proposal.params) and not proposal.renewal:
        return Refusal(NackCode.NOT_CHOSEN, "the set is in force already")
    return None


def _possible(state: State, proposal: Proposal) -> Refusal | None:
    """Return why nothing, or not this, could come into force now."""
    if is_benched(state, proposal.src):
        return Refusal(NackCode.FORBIDDEN, f"{proposal.src} is benched")
    if halted(state):
        return Refusal(NackCode.HALTED, "the executor is stopped by the operator")
    if state.flight is not None:
        return Refusal(NackCode.NOT_CHOSEN, "an earlier decision is in flight")
    try:
        on_grid(proposal.params)
    except ValueError:
        # Steps and merges are measured on the grid: what is no set there can never be replaced.
        return Refusal(NackCode.BOUNDS, "the set must be valid when rounded to the 1e-8 grid")
    return None


def _timely(state: State, proposal: Proposal) -> Refusal | None:
    age_ns = state.now_ns - utc_ns(proposal.update.timestamp)
    if -state.rules.age_max_ns <= age_ns <= state.rules.age_max_ns:
        return None
    bound = state.rules.age_max_ns // 1_000_000_000
    line = f"age must be at most {bound} s of venue time, found {age_ns / 1e9:.0f} s"
    return Refusal(NackCode.EXPIRED, line)
