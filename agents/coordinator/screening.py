"""What the coordinator refuses before anybody votes: the public half of the master-slave rule.

Confidence, drawdown, age and step are figures that the proposal itself carries, or that follow
from the log. The executor judges the rest: its own bounds, and a shadow replay.
"""

from dataclasses import dataclass

from agents.coordinator.state import Proposal, State, halted, incumbent
from protocol.errors import NackCode, printable
from protocol.merge import digest, within_step
from protocol.messages import utc_ns


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a proposal comes to nothing: its nack."""

    code: NackCode
    detail: str


def screen(state: State, proposal: Proposal) -> Refusal | None:
    """Return why `proposal` may not be put to the voter at `state.now_ns`, None when it may."""
    rules, data = state.rules, proposal.update.data
    if halted(state):
        return Refusal(NackCode.HALTED, "the executor is stopped by the operator")
    if state.flight is not None:
        return Refusal(NackCode.NOT_CHOSEN, "an earlier decision is in flight")
    if not data.confidence_score >= rules.confidence_min:
        found = f"{data.confidence_score:.4g}"
        line = f"confidence_score must be at least {rules.confidence_min:g}, found {found}"
        return Refusal(NackCode.CONFIDENCE, line)
    drawdown = data.performance_metrics.max_drawdown
    if not drawdown <= rules.drawdown_max:
        line = f"max_drawdown must be at most {rules.drawdown_max:g}, found {drawdown:.4g}"
        return Refusal(NackCode.BOUNDS, line)
    age_ns = state.now_ns - utc_ns(proposal.update.timestamp)
    if not -rules.age_max_ns <= age_ns <= rules.age_max_ns:
        bound = rules.age_max_ns // 1_000_000_000
        line = f"age must be at most {bound} s of venue time, found {age_ns / 1e9:.0f} s"
        return Refusal(NackCode.EXPIRED, line)
    held = incumbent(state)
    step = within_step(held, proposal.params, rules.step_limit)
    if step is not None:
        return Refusal(NackCode.STEP, printable(step))
    if digest(held) == digest(proposal.params) and not proposal.renewal:
        return Refusal(NackCode.NOT_CHOSEN, "the set is in force already")
    return None
