"""What the shell knows of the outside beside its venue: the bus, and others on its capital."""

from typing import Protocol

from agents.executor.events import Reach, Reply, Say, Show
from agents.executor.state import State
from protocol.messages import ParameterUpdate


class Link(Protocol):
    """The executor's side of the bus."""

    def reply(self, effect: Reply) -> None:
        """Answer a message."""
        ...

    def say(self, effect: Say) -> None:
        """Send a vote."""
        ...

    def reach(self, state: State, effect: Reach) -> None:
        """Tell coordinator and seats of a boundary."""
        ...

    def answer(self, state: State, effect: Reach, own: ParameterUpdate | None) -> None:
        """Answer a boundary as a seat; None: it proposes nothing."""
        ...

    def closed(self, state: State) -> None:
        """Hear that the boundary was closed and judged: nobody need be told any more."""
        ...

    def show(self, state: State, effect: Show) -> None:
        """Show fills."""
        ...

    def tell(self, state: State, *, lag_s: float) -> None:
        """Show how things stand, and keep the heartbeat's words current."""
        ...

    def silence_s(self) -> float:
        """Return the wall seconds since the coordinator's last sign of life."""
        ...


class Beside(Protocol):
    """Other executors on the same capital."""

    def look(self, state: State) -> None:
        """Say and hear what is due before the next step."""
        ...

    def holds(self, state: State) -> bool:
        """Return whether feed time waits for the others."""
        ...
