"""How far a running executor has come, as one line read from its journal."""

from dataclasses import dataclass
from pathlib import Path

from agents.executor.result import Watch
from agents.session import Session
from market.layout import SCALE_LOT, UNITS
from protocol.messages import utc_text


@dataclass(frozen=True, slots=True)
class Progress:
    """One look: the share of the session that is done, in [0, 1], and a line about it."""

    share: float
    line: str


class Onlooker:
    """Looks at one run."""

    def __init__(self, folder: Path, session: Session) -> None:
        self._watch = Watch(folder)
        self._session = session
        self.hours = 0.0
        """Of venue time that were lived through at the last look."""

    def look(self) -> Progress | None:
        """Return the newest state, None before the first decision."""
        seen = self._watch.look()
        if seen is None:
            return None
        session = self._session
        whole = max(1, session.last_ns - session.first_ns)
        self.hours = max(0, seen.now_ns - session.first_ns) / 3.6e12
        share = min(1.0, max(0.0, (seen.now_ns - session.first_ns) / whole))
        position = seen.position_lots * int(session.setup.scale[SCALE_LOT]) / UNITS
        line = (
            f"{share:4.0%}  {utc_text(seen.now_ns)[:19]}  fills {seen.fills:,}  "
            f"net of holding {seen.net_units / UNITS:+,.2f} {session.meta.quote}  "
            f"position {position:+,.6g} {session.meta.base}"
        )
        return Progress(share, line)

    def close(self) -> None:
        """Let the journal go."""
        self._watch.close()
