"""The coordination modes as tables: what a round does on each signal, in each phase.

A mode is one table `(phase, signal) -> (phase, action)` and every pair stands in it. The diagram
in the documentation is drawn from these tables and a test walks all pairs. What an action does is
in `step`; what a seat may propose at all is in `screening`. Pairs that are not named below stay
where they are and do nothing; `_table` writes them out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from agents.coordinator.state import Flight, Phase
from protocol.messages import Mode


class Signal(StrEnum):
    """What can happen to a round."""

    BOUNDARY = "boundary"
    """The executor's feed time waits at a boundary."""
    ANSWER = "answer"
    """One seat answered, another has not yet."""
    COMPLETE = "complete"
    """All seats have answered."""
    SETTLED = "settled"
    """No earlier decision awaits its judgement at this moment."""
    PROPOSAL = "proposal"
    """A proposal that belongs to no boundary."""
    PUT = "put"
    """The next proposal in order may be put to the voter."""
    EXHAUSTED = "exhausted"
    """No proposal is left."""
    APPROVED = "approved"
    REJECTED = "rejected"
    DEADLINE = "deadline"
    """The voter kept silent for too long; never in lockstep."""
    SWITCHED = "switched"
    """The mode changed, or a stop came: open rounds are void."""
    STARTED = "started"
    """The coordinator started: what was open before is taken up again."""


class Action(StrEnum):
    """What is done about it."""

    NONE = "none"
    SETTLE = "settle"
    """Find out whether an earlier decision is still to be judged; signals SETTLED if not."""
    NEXT = "next"
    """Refuse what may not be put; signals PUT at the first that may be, else EXHAUSTED."""
    ASK = "ask"
    """Put the proposal to the voter: `round`."""
    DECIDE = "decide"
    """Append the decision, refuse the other proposals of the round; signals EXHAUSTED."""
    REFUSE = "refuse"
    """Refuse the proposal that was put; signals what NEXT signals."""
    VOID = "void"
    """Void the open round, then as NEXT."""
    CLOSE = "close"
    """Close the boundary, if one is open and complete; signals what is still to be done."""
    RESUME = "resume"
    """Void what was open, send the undelivered again; signals what is still to be done."""


@dataclass(frozen=True, slots=True)
class Move:
    """Where a signal leads, and what is done on the way."""

    phase: Phase
    action: Action = Action.NONE


Table = Mapping[tuple[Phase, Signal], Move]

_STAY = {phase: Move(phase) for phase in Phase}


def _table(moves: dict[tuple[Phase, Signal], Move]) -> Table:
    """Return `moves` with every pair that is not in it staying where it is."""
    return {
        (phase, signal): moves.get((phase, signal), _STAY[phase])
        for phase in Phase
        for signal in Signal
    }


MASTER_SLAVE: Table = _table(
    {
        (Phase.IDLE, Signal.BOUNDARY): Move(Phase.COLLECTING),
        (Phase.IDLE, Signal.COMPLETE): Move(Phase.SETTLING, Action.SETTLE),
        (Phase.IDLE, Signal.PROPOSAL): Move(Phase.DECIDING, Action.NEXT),
        (Phase.COLLECTING, Signal.COMPLETE): Move(Phase.SETTLING, Action.SETTLE),
        (Phase.COLLECTING, Signal.STARTED): Move(Phase.COLLECTING, Action.RESUME),
        (Phase.SETTLING, Signal.SETTLED): Move(Phase.DECIDING, Action.NEXT),
        (Phase.SETTLING, Signal.COMPLETE): Move(Phase.SETTLING, Action.SETTLE),
        (Phase.SETTLING, Signal.STARTED): Move(Phase.SETTLING, Action.RESUME),
        (Phase.DECIDING, Signal.PUT): Move(Phase.VOTING, Action.ASK),
        (Phase.DECIDING, Signal.EXHAUSTED): Move(Phase.IDLE, Action.CLOSE),
        (Phase.VOTING, Signal.APPROVED): Move(Phase.DECIDING, Action.DECIDE),
        (Phase.VOTING, Signal.REJECTED): Move(Phase.DECIDING, Action.REFUSE),
        (Phase.VOTING, Signal.DEADLINE): Move(Phase.DECIDING, Action.REFUSE),
        (Phase.VOTING, Signal.SWITCHED): Move(Phase.DECIDING, Action.VOID),
        (Phase.IDLE, Signal.STARTED): Move(Phase.IDLE, Action.RESUME),
    }
)

MODES: Mapping[Mode, Table] = {Mode.MASTER_SLAVE: MASTER_SLAVE}
"""The modes that can be switched to; a mode that is absent is refused with E_MODE."""


class ModeError(Exception):
    """A mode that this version does not have (E_MODE)."""

    exit_code = 4


def demand(mode: Mode) -> None:
    """Refuse a mode that is not there.

    Raises:
        ModeError: found, allowed, what to do.
    """
    if mode not in MODES:
        allowed = ", ".join(MODES)
        raise ModeError(
            f"coordinator.mode {mode.value} is not in this version (E_MODE), allowed: {allowed}; "
            "give --mode"
        )


class Judgement(StrEnum):
    """What can happen to a decision."""

    DECIDED = "decided"
    APPLIED = "applied"
    REFUSED = "refused"
    """The executor refused it, or it lapsed unjudged."""


FLIGHT: Mapping[tuple[Flight, Judgement], Flight | None] = {
    (Flight.NONE, Judgement.DECIDED): Flight.DECIDED,
    (Flight.NONE, Judgement.APPLIED): None,
    (Flight.NONE, Judgement.REFUSED): None,
    (Flight.DECIDED, Judgement.DECIDED): None,  # one in flight, never two
    (Flight.DECIDED, Judgement.APPLIED): Flight.IN_FORCE,
    (Flight.DECIDED, Judgement.REFUSED): Flight.REJECTED,
    (Flight.IN_FORCE, Judgement.DECIDED): Flight.DECIDED,
    (Flight.IN_FORCE, Judgement.APPLIED): None,
    (Flight.IN_FORCE, Judgement.REFUSED): None,
    (Flight.REJECTED, Judgement.DECIDED): Flight.DECIDED,
    (Flight.REJECTED, Judgement.APPLIED): None,
    (Flight.REJECTED, Judgement.REFUSED): None,
}
"""The life of decisions, the same in every mode; None: nothing happens."""
