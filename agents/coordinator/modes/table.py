"""What a mode is made of: signals, actions, and a table `(phase, signal) -> (phase, action)`.

Every pair stands in every table, so whatever happens, what follows is written down. The diagrams
in the documentation are drawn from the tables and a test walks all pairs. What an action does is
in `step`. Pairs that no mode names stay where they are and do nothing; `table` writes them out.

What all modes share stands here: how a boundary is reached and closed, what a start takes up again,
and what a switch does. It voids what lies before voters or the supervisor, and the mode that is now
in force begins with the same proposals at its own first action, that of SETTLED.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from agents.coordinator.state import Phase


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
    MEASURED = "measured"
    """The supervisor knows how the standing sets did on the last window."""
    PUT = "put"
    """Something may be put to the voters, to the peers, or into force."""
    EXHAUSTED = "exhausted"
    """Nothing is left that could be put."""
    APPROVED = "approved"
    REJECTED = "rejected"
    DEADLINE = "deadline"
    """Proposals were waited for, or a voter kept silent, for long enough; never in lockstep."""
    SWITCHED = "switched"
    """The mode changed, or a stop came: open rounds are void."""
    STARTED = "started"
    """The coordinator started: what was open before is taken up again."""


class Action(StrEnum):
    """What is done about it."""

    NONE = "none"
    GATHER = "gather"
    """Wait for the other seats' proposals, on the real clock; signals COMPLETE when all are in."""
    SETTLE = "settle"
    """Find out whether an earlier decision is still to be judged; signals SETTLED if not."""
    NEXT = "next"
    """Refuse what may not be put; signals PUT at the first that may be, else EXHAUSTED."""
    MEASURE = "measure"
    """Have the standing sets replayed on the last window; signals MEASURED if none stands."""
    MERGE = "merge"
    """Refuse what is not fresh; signals PUT if the others merge to a new set, else EXHAUSTED."""
    CHOOSE = "choose"
    """Refuse all but the running strategy's set; signals PUT if it has a new one."""
    ASK = "ask"
    """Put the candidate to the voters: `round`."""
    SHARE = "share"
    """Show all sets and the merge to the peers: `round`; then as DECIDE."""
    APPOINT = "appoint"
    """Append the running strategy's set as the decision; signals EXHAUSTED."""
    DECIDE = "decide"
    """Append the decision, refuse the proposals beside it; signals EXHAUSTED. As REFUSE when the
    set that the round began from has lapsed meanwhile."""
    REFUSE = "refuse"
    """Refuse the proposals of the round; signals what NEXT signals."""
    LAPSE = "lapse"
    """Void the round that found no quorum in time, and rest for a while; signals EXHAUSTED."""
    VOID = "void"
    """Void the open round, then as SETTLE."""
    REVIEW = "review"
    """Under another mode: signals DEADLINE unless a boundary still waits for seats."""
    CLOSE = "close"
    """Close the boundary, if one is open and complete; signals what is still to be done."""
    RESUME = "resume"
    """Void what was open, send the undelivered again; signals what is still to be done."""


@dataclass(frozen=True, slots=True)
class Move:
    """Where a signal leads, and what is done on the way."""

    phase: Phase
    action: Action = Action.NONE


Moves = dict[tuple[Phase, Signal], Move]
Table = Mapping[tuple[Phase, Signal], Move]

SHARED: Moves = {
    (Phase.IDLE, Signal.BOUNDARY): Move(Phase.COLLECTING),
    (Phase.IDLE, Signal.COMPLETE): Move(Phase.SETTLING, Action.SETTLE),
    (Phase.IDLE, Signal.STARTED): Move(Phase.IDLE, Action.RESUME),
    (Phase.COLLECTING, Signal.COMPLETE): Move(Phase.SETTLING, Action.SETTLE),
    (Phase.COLLECTING, Signal.DEADLINE): Move(Phase.SETTLING, Action.SETTLE),
    (Phase.COLLECTING, Signal.SWITCHED): Move(Phase.COLLECTING, Action.REVIEW),
    (Phase.COLLECTING, Signal.STARTED): Move(Phase.COLLECTING, Action.RESUME),
    (Phase.SETTLING, Signal.COMPLETE): Move(Phase.SETTLING, Action.SETTLE),
    (Phase.SETTLING, Signal.STARTED): Move(Phase.SETTLING, Action.RESUME),
    (Phase.MEASURING, Signal.SWITCHED): Move(Phase.SETTLING, Action.VOID),
    (Phase.DECIDING, Signal.EXHAUSTED): Move(Phase.IDLE, Action.CLOSE),
    (Phase.VOTING, Signal.SWITCHED): Move(Phase.SETTLING, Action.VOID),
}
"""The moves of every mode."""
GATHERING: Moves = {
    (Phase.IDLE, Signal.PROPOSAL): Move(Phase.COLLECTING, Action.GATHER),
    (Phase.COLLECTING, Signal.PROPOSAL): Move(Phase.COLLECTING, Action.GATHER),
}
"""The moves of modes that look at all proposals together."""


def table(*parts: Moves) -> Table:
    """Return the shared moves and `parts`, with every pair that is in none staying where it is.

    A pair that stands in two of them is a bug.
    """
    named: Moves = {}
    for part in (SHARED, *parts):
        twice = named.keys() & part.keys()
        assert not twice, f"named twice: {sorted(twice)}"
        named |= part
    return {
        (phase, signal): named.get((phase, signal), Move(phase))
        for phase in Phase
        for signal in Signal
    }
