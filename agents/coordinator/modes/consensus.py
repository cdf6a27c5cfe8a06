"""Consensus: the median of all seats' sets is put to all seats; more than half must approve."""

from agents.coordinator.modes.table import GATHERING, Action, Move, Signal, Table, table
from agents.coordinator.state import Phase

CONSENSUS: Table = table(
    GATHERING,
    {
        (Phase.SETTLING, Signal.SETTLED): Move(Phase.DECIDING, Action.MERGE),
        (Phase.DECIDING, Signal.PUT): Move(Phase.VOTING, Action.ASK),
        (Phase.VOTING, Signal.APPROVED): Move(Phase.DECIDING, Action.DECIDE),
        (Phase.VOTING, Signal.REJECTED): Move(Phase.DECIDING, Action.REFUSE),
        (Phase.VOTING, Signal.DEADLINE): Move(Phase.DECIDING, Action.LAPSE),
    },
)
