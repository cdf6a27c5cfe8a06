"""The modes that there are, and why one may not be switched to."""

from collections.abc import Mapping, Sequence

from agents.coordinator.modes.consensus import CONSENSUS
from agents.coordinator.modes.hierarchical import HIERARCHICAL
from agents.coordinator.modes.master_slave import MASTER_SLAVE
from agents.coordinator.modes.peer import PEER
from agents.coordinator.modes.table import Table
from protocol.messages import Mode

MODES: Mapping[Mode, Table] = {
    Mode.MASTER_SLAVE: MASTER_SLAVE,
    Mode.PEER: PEER,
    Mode.HIERARCHICAL: HIERARCHICAL,
    Mode.CONSENSUS: CONSENSUS,
}
SEATS_MIN: Mapping[Mode, int] = {
    Mode.MASTER_SLAVE: 1,
    Mode.PEER: 2,
    Mode.HIERARCHICAL: 2,
    Mode.CONSENSUS: 2,
}
"""Seats, the executor's among them, below which a mode means nothing: nobody to choose from, or no
weight that is not above half."""


EQUAL: Mapping[str, int] = {}
"""Weights when every seat has 1."""


class ModeError(Exception):
    """A mode that these seats cannot have (E_MODE)."""

    exit_code = 4


def objection(mode: Mode, seats: Sequence[str], weights: Mapping[str, int] = EQUAL) -> str | None:
    """Return why these seats cannot have a mode, None when they can.

    Args:
        weights: of those whose vote does not weigh 1.
    """
    if len(seats) < SEATS_MIN[mode]:
        found = ", ".join(seats)
        return f"{mode.value} needs at least {SEATS_MIN[mode]} seats, found {len(seats)} ({found})"
    weighed = {each: weights.get(each, 1) for each in seats}
    heaviest, total = max(seats, key=lambda each: weighed[each]), sum(weighed.values())
    if mode is Mode.CONSENSUS and 2 * weighed[heaviest] > total:
        found = f"{weighed[heaviest]} of {total} ({heaviest})"
        return f"{mode.value} needs weights of which none is above half, found {found}"
    return None


def demand(mode: Mode, seats: Sequence[str], weights: Mapping[str, int] = EQUAL) -> None:
    """Refuse a mode that these seats cannot have.

    Raises:
        ModeError: found, allowed, what to do.
    """
    line = objection(mode, seats, weights)
    if line is not None:
        raise ModeError(f"coordinator.mode {line} (E_MODE); give --optimizers or another --mode")
