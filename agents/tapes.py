"""What makes a session's tape: a recording that is all there, or one that a venue still writes."""

from pathlib import Path
from typing import Protocol

from exchange.recording_folder import FolderSource
from market.tape import Tape
from market.tape_growing import GrowingTape
from market.tape_sides import Making


class Tapes(Protocol):
    """A tape that is made as far as it is asked for."""

    def advance(self, now_ns: int) -> Tape:
        """Return the tape as it is known at a time, or further when it was asked for before."""
        ...


class GrowingFolder:
    """The tape of a folder of segments; it is opened when it is first asked for.

    Args:
        folder: that a recorder writes, or has written.
        making: of the session.
        kept_ns: how long ago a step must be to be forgotten; None: none is.
    """

    def __init__(self, folder: Path, making: Making, kept_ns: int | None = None) -> None:
        self._folder = folder
        self._making = making
        self._kept_ns = kept_ns
        self._tape: GrowingTape | None = None

    def advance(self, now_ns: int) -> Tape:
        """Return the tape until a time, as far as it was recorded by now.

        Raises:
            RecordingError: nothing was recorded yet, or a segment is damaged.
        """
        if self._tape is None:
            source = FolderSource(self._folder, follow=True)
            self._tape = GrowingTape(source, self._making, kept_ns=self._kept_ns)
        return self._tape.advance(now_ns)
