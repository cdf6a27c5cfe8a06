"""Master-slave: the executor is master, optimizers advise; one set at a time is put to its vote."""

from agents.coordinator.modes.table import Action, Move, Signal, Table, table
from agents.coordinator.state import Phase

MASTER_SLAVE: Table = table(
    {
        (Phase.IDLE, Signal.PROPOSAL): Move(Phase.DECIDING, Action.NEXT),
        (Phase.SETTLING, Signal.SETTLED): Move(Phase.DECIDING, Action.NEXT),
        (Phase.DECIDING, Signal.PUT): Move(Phase.VOTING, Action.ASK),
        (Phase.VOTING, Signal.APPROVED): Move(Phase.DECIDING, Action.DECIDE),
        (Phase.VOTING, Signal.REJECTED): Move(Phase.DECIDING, Action.REFUSE),
        (Phase.VOTING, Signal.DEADLINE): Move(Phase.DECIDING, Action.REFUSE),
    }
)
