"""The supervisor's own replay: what sets would have done between two venue times.

Only here does the coordinator know of a market, and only under the modes that measure; the
recording is opened at the first measurement.
"""

from threading import Lock

import numpy as np

from agents.session import Session, open_session, parameter_row
from agents.settings import Settings
from agents.tapes import Tapes
from market.replay import replay
from market.replay_step import REPLAY_NET
from market.tape import Tape
from protocol.messages import QuoteParameters


class Meter:
    """Replays sets on one recording; may be asked from any thread, one at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._session: Session | None = None
        self._builder: Tapes | None = None

    def nets(
        self,
        sets: tuple[QuoteParameters, ...],
        first_ns: int,
        last_ns: int,
        *,
        promoted: bool = False,
    ) -> tuple[float, ...]:
        """Return the net profit against holding of each set, quote asset, flat at first.

        Args:
            promoted: by the executor's candidate.

        Raises:
            RecordingError: the recording cannot be read.
            CheckpointError: the candidate's does not fit.
        """
        with self._lock:
            session, tape = self._tape(last_ns)
        quoting = session.promoted() if promoted else session
        return nets(quoting, tape, sets, first_ns=first_ns, last_ns=last_ns)

    def _tape(self, last_ns: int) -> tuple[Session, Tape]:
        if self._session is None or self._builder is None:
            self._session = open_session(self._settings)
            kept_ns = self._session.settings.optimizer.history_ns
            self._builder = self._session.tapes(kept_ns=kept_ns)
        # The builder may have been ahead: after a start a boundary is measured again.
        return self._session, self._builder.advance(last_ns).until(last_ns)


def nets(
    session: Session,
    tape: Tape,
    sets: tuple[QuoteParameters, ...],
    *,
    first_ns: int,
    last_ns: int,
) -> tuple[float, ...]:
    """Return the net profit of each set over the steps after one venue time, up to another."""
    distinct = list(dict.fromkeys(sets))
    first, last = tape.step_at(first_ns + 1), tape.step_at(last_ns + 1)
    if first >= last:
        return (0.0,) * len(sets)
    rows = replay(
        tape,
        np.stack([parameter_row(each) for each in distinct]),
        session.setup,
        first_step=first,
        last_step=last,
    )[:, 0]
    found = {each: float(row[REPLAY_NET]) for each, row in zip(distinct, rows, strict=True)}
    return tuple(found[each] for each in sets)
