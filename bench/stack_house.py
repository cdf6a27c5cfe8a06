"""A whole stack at an exchange, as a user starts it: `counterpoint run --venue binance`.

It is a house like that of an executor alone, so that the same checks hold it to the exchange.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.venue_house import ROOT, VenueHouse

END_S = 60.0
QUOTING_S = 120.0


class StackHouse(VenueHouse):
    """Coordinator, executor and optimizers at an exchange, under one folder.

    Args:
        feed: recording that the exchange replays.
        folder: for everything.
        speed: feed seconds a wall second.
        told: more of the exchange's command line.
        arguments: more of `counterpoint run`.
    """

    def __init__(
        self,
        feed: Path,
        folder: Path,
        *arguments: str,
        speed: float = 60.0,
        told: tuple[str, ...] = (),
    ) -> None:
        super().__init__(feed, folder, speed=speed, told=told)
        self.data = folder / "data"
        self._arguments = arguments

    def start(self) -> None:
        """Start the stack and wait until its folder is there."""
        where = ("--venue", "binance", "--url", self.exchange.url, "--symbol", self.exchange.symbol)
        pace = ("--pace", "feed", "--speed", f"{self._speed:g}")
        more = ("--set", "venue.ignore_foreign=true", *self._arguments)
        run = ("-m", "agents.cli.main", "run", "--data", str(self.data), *where, *pace, *more)
        self.data.mkdir(parents=True, exist_ok=True)
        with (self._config.parent / "executor.stderr").open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, *run],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
            )
        latest = self.data / "runs" / "latest"
        self.until((latest / "processes.json").exists)
        self.folder = latest.resolve()

    def kill(self) -> None:
        """End the stack: asked for first, since a supervisor that is killed leaves its parts."""
        if self.alive():
            self.end()

    def end(self) -> int:
        """Ask the stack to end; return its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(timeout=END_S)

    def said(self) -> list[str]:
        """Return what the executor's log says happened, in order."""
        name = self.settings.account.executor
        lines = (self.folder / f"{name}.log").read_text(encoding="utf-8").splitlines()
        return [json.loads(line)["event"] for line in lines]

    def agreement(self) -> dict[str, Any]:
        """Return what `counterpoint replay-session --json` says of the run."""
        line = ("-m", "agents.cli.main", "replay-session", "--run", str(self.folder), "--json")
        done = subprocess.run(
            [sys.executable, *line],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def pause(self, seconds: float) -> None:
        """Let the stack trade for a while; it must live."""
        end_s = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end_s, seconds=seconds + 10.0)
