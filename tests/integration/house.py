"""Real processes of a run, started one by one, so that each can be lost, stopped or cut off.

The test or bench itself plays who is missing: a proposer, the operator. Its clock is real.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from agents.bus import endpoints_of, participant_of
from agents.coordinator.log import read_records
from agents.coordinator.records import restored
from agents.coordinator.rules import rules_from
from agents.coordinator.state import State, incumbent
from agents.session import open_session
from agents.settings import Settings
from protocol.bus.participant import Participant, Received
from protocol.messages import (
    ParameterUpdate,
    PerformanceMetrics,
    QuoteParameters,
    UpdateData,
    utc_text,
)
from tests.protocol.party import make_keys

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
COORDINATOR = "coordinator"
LOOK_S = 0.02


def settings_in(folder: Path, feed: Path, **sections: dict[str, object]) -> Settings:
    """Return settings of a house in a folder, its starting parameters resolved."""
    document: dict[str, Any] = {
        "data": str(folder),
        "feed": {"path": str(feed)},
        "executor": {"warmup_s": 120, "cycle_s": 5},
        "bus": {"folder": str(folder / "s"), "keys": str(folder / "keys")},
        "run": {"clock": "real", "speed": 30.0},
    }
    for name, values in sections.items():
        document[name] = {**document.get(name, {}), **values}
    settings = Settings.model_validate_json(json.dumps(document))
    document["parameters"] = open_session(settings).baseline.model_dump()
    return Settings.model_validate_json(json.dumps(document))


class House:
    """Processes over one folder with keys, config and log.

    Args:
        settings: see `settings_in`.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.data
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._config = self.folder / "config.json"
        self._config.write_text(settings.model_dump_json(), encoding="utf-8")
        if not settings.keys_folder.exists():
            make_keys(settings.keys_folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()

    def start(self, name: str, module: str, *more: str) -> None:
        """Start a party, in place of the one of this name that was there."""
        if name in self.processes:
            self.processes[name].kill()
            self.processes[name].wait()
        line = (sys.executable, "-m", module, "--config", str(self._config))
        with (self.folder / f"{name}.stderr").open("ab") as errors:
            self.processes[name] = subprocess.Popen(
                [*line, "--run", str(self.folder), *more],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                cwd=ROOT,
                env=dict(os.environ),
            )

    def coordinator(self) -> None:
        """Start the coordinator, whose hub may be told to lose something."""
        self.start(COORDINATOR, "tests.integration.lossy_coordinator")

    def executor(self) -> None:
        """Start the executor."""
        self.start(self.settings.account.executor, "agents.executor")

    def optimizer(self, name: str) -> None:
        """Start an optimizer."""
        self.start(name, "agents.optimizer", "--name", name)

    def kill(self, name: str) -> None:
        """End a party as a power cut would."""
        self.processes[name].kill()
        self.processes[name].wait()

    @contextmanager
    def stopped(self, name: str) -> Iterator[None]:
        """Let a party stand still meanwhile."""
        self.processes[name].send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.processes[name].send_signal(signal.SIGCONT)

    def last_words(self) -> str:
        """Return what the processes said on stderr, for a test that fails."""
        texts = (path.read_text(encoding="utf-8") for path in self.folder.glob("*.stderr"))
        return " ".join(texts)[-2000:]

    @property
    def control_out(self) -> str:
        """The address of the control hub's way out."""
        return endpoints_of(self.settings).control_out

    @asynccontextmanager
    async def joined(self, name: str) -> AsyncIterator["Player"]:
        """Join the bus under a name; the player knows what the executor says of itself."""
        me = participant_of(self.settings, name, os.environ)
        player = Player(self, me)
        async with me:
            await me.join(timeout_s=PATIENCE_S)
            yield player


class Player:
    """A participant that the test plays.

    Attributes:
        status: the executor's last status, as a map; empty before the first.
    """

    def __init__(self, house: House, me: Participant) -> None:
        self.house = house
        self.me = me
        self.status: dict[str, Any] = {}
        self._session = None
        me.listen("status", house.settings.account.executor, self._see)

    def _see(self, received: Received) -> None:
        self.status = received.word.model_dump()

    async def until(
        self, true: Callable[[], bool], what: str, within_s: float = PATIENCE_S
    ) -> float:
        """Wait until something is true; return how many seconds that took."""
        began_s = time.monotonic()
        while not true():
            if time.monotonic() - began_s > within_s:
                words = self.house.last_words()
                raise AssertionError(f"not within {within_s} s: {what}; {self.status} {words}")
            await asyncio.sleep(LOOK_S)
        return time.monotonic() - began_s

    async def trading(self) -> None:
        """Wait until the executor says that it trades."""
        await self.until(
            lambda: self.status.get("venue_time", 0) > self.status.get("first_ns", 0) > 0,
            "the executor trades",
        )

    def update(self, spread_factor: float) -> ParameterUpdate:
        """Return a proposal: the spread in force times a factor."""
        held = QuoteParameters.model_validate(self.status["parameters"])
        spread = round(held.spread_percentage * spread_factor, 6)
        return ParameterUpdate(
            timestamp=utc_text(self.status["venue_time"]),
            source_agent=self.me.name,
            target_agent="executor",
            message_type="parameter_update",
            data=UpdateData(
                optimized_params=held.model_copy(update={"spread_percentage": spread}),
                performance_metrics=PerformanceMetrics(
                    sqn_score=1.0, sharpe_ratio=1.0, max_drawdown=0.01
                ),
                confidence_score=1.0,
            ),
        )

    def logged(self) -> State:
        """Return what the coordinator's log says, at the executor's venue time."""
        state = restored(rules_from(self.house.settings), read_records(self.house.folder))
        return replace(state, now_ns=max(state.now_ns, self.status["venue_time"]))

    def agree(self) -> bool:
        """Return whether coordinator and executor mean the same set to be in force."""
        state = self.logged()
        told = QuoteParameters.model_validate(self.status["parameters"])
        return state.flight is None and incumbent(state) == told
