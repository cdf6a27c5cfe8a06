"""A tiny real market that all simulations share: one synthetic recording, one tape."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from agents.executor.recovery import Recovered, recover
from agents.session import Session, open_session
from agents.settings import Clock, Settings
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from market.tape import TapeBuilder
from tests.agents.executor.market import settings_for


class Market:
    """Session and settings for a number of optimizers; the tape is shared.

    Attributes:
        builder: ahead of every venue; a tape of it is always cut at the time asked for.
    """

    def __init__(self, session: Session, builder: TapeBuilder) -> None:
        self.session, self.settings, self.builder = session, session.settings, builder

    def recover(self, journal: Any) -> Recovered:
        """Recover an executor on this market."""
        return recover(journal, self.session, lockstep=self.settings.run.clock is Clock.LOCKSTEP)


@cache
def market(optimizers: int, *, lockstep: bool = False) -> Market:
    """Return the market for so many optimizers."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.npz"
        save(path, synthetic_recording(seed=3, hours=0.4))
        settings: Settings = settings_for(
            path,
            parameters={
                "spread_percentage": 0.03,
                "levels": 3,
                "base_quantity": 1.5,
                "max_position": 9.0,
            },
            executor={"warmup_s": 60, "cycle_s": 5, "autonomy_limit_s": 6.0},
            optimizer={
                "boundary_s": 10,
                "validity_hours": 60 / 3600,
                "window_hours": 0.04,
                "tuning_latency_s": 0,
            },
            run={
                "clock": "lockstep" if lockstep else "real",
                "speed": 1.0,
                "optimizers": optimizers,
            },
        )
        session = open_session(settings)
        return Market(session, session.tape_builder())
