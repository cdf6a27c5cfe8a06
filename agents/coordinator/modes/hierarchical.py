"""Hierarchical: a supervisor lets one of K strategies run, by losses that it measures itself."""

from agents.coordinator.modes.table import GATHERING, Action, Move, Signal, Table, table
from agents.coordinator.state import Phase

HIERARCHICAL: Table = table(
    GATHERING,
    {
        (Phase.SETTLING, Signal.SETTLED): Move(Phase.MEASURING, Action.MEASURE),
        (Phase.MEASURING, Signal.MEASURED): Move(Phase.DECIDING, Action.CHOOSE),
        (Phase.DECIDING, Signal.PUT): Move(Phase.DECIDING, Action.APPOINT),
    },
)
