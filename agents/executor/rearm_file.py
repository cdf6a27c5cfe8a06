"""The executor's look at a `rearm` that came as a file, while a stop is in force.

It is judged as on the bus: the operator's signature, the executor's name, its age. What is refused
lifts nothing and is laid aside; what is taken is in the journal before the file is removed.
"""

from collections.abc import Callable
from pathlib import Path

import structlog

from agents.executor.events import RearmHeard
from agents.executor.state import State
from protocol.errors import CodecError, RosterError
from protocol.messages import Rearm
from protocol.rearm_file import REARM_NAME, frames_of, read, refuse

log = structlog.get_logger()


class RearmFile:
    """Looks for the file; nothing is loaded for it until there is one.

    Args:
        folder: the executor's data directory.
        state: of the executor; its settings tell its name and the folder of its roster.
        clock: wall time in ns.
    """

    def __init__(self, folder: Path, state: State, clock: Callable[[], int]) -> None:
        self._folder = folder
        self._settings = state.session.settings
        self._clock = clock
        self._taken: tuple[str, ...] = ()

    def look(self, state: State) -> list[RearmHeard]:
        """Return what lifts stops, if such a file is there; refuse it otherwise."""
        if not state.stops or self._taken or not (self._folder / REARM_NAME).exists():
            return []
        text = read(self._folder, REARM_NAME)
        judged = self._judged(text)
        if isinstance(judged, str):
            log.warning("rearm_refused", reason=judged)
            refuse(self._folder, judged)
            return []
        self._taken = judged.lifts
        return [judged]

    def tidy(self, state: State) -> None:
        """Remove the file once the journal has what it says."""
        if self._taken and state.lifted.keys() >= set(self._taken):
            self._taken = ()
            (self._folder / REARM_NAME).unlink(missing_ok=True)

    def _judged(self, text: bytes) -> RearmHeard | str:
        # What signs and verifies is loaded with the bus; an executor alone needs it only here.
        from protocol.bus.frames import Unfit, open_frames
        from protocol.codec import decode
        from protocol.keys import load_roster

        try:
            roster = load_roster(self._settings.keys_folder)
            opened = open_frames(frames_of(text), roster, self._clock())
            if isinstance(opened, Unfit):
                return f"{opened.why} does not hold"
            header = opened.header
            if header.dst != self._settings.account.executor:
                return f"it is for {header.dst}"
            word = decode(header.type, header.enc, opened.body)
        except (ValueError, CodecError, RosterError) as error:
            return f"not readable: {error}"
        if not isinstance(word, Rearm):
            return f"it is {header.type}, not rearm"
        return RearmHeard("", header.id, word.lifts)
