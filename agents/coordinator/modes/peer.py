"""Peer: equals; every fresh set moves the incumbent by its weight. Nobody votes.

The reliability of a seat, a part of its weight, is measured before anything is merged.
"""

from agents.coordinator.modes.table import GATHERING, Action, Move, Signal, Table, table
from agents.coordinator.state import Phase

PEER: Table = table(
    GATHERING,
    {
        (Phase.SETTLING, Signal.SETTLED): Move(Phase.MEASURING, Action.MEASURE),
        (Phase.MEASURING, Signal.MEASURED): Move(Phase.DECIDING, Action.MERGE),
        (Phase.DECIDING, Signal.PUT): Move(Phase.DECIDING, Action.SHARE),
    },
)
