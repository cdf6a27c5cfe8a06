"""The life of decisions, the same in every mode."""

from collections.abc import Mapping
from enum import StrEnum

from agents.coordinator.state import Flight


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
"""What follows on each judgement; None: nothing happens."""
