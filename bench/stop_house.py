"""A coordinator and an executor that quotes, as processes, for `bench.stops` and its test.

They are started by their command lines as `counterpoint run` starts them, on a recording and the
real clock; nobody restarts what dies here, so that a dead hub stays dead.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any, Self
from urllib.request import urlopen

from agents.bus_settings import EXECUTOR_PORT
from agents.cli.run import parts_of
from agents.cli.stack import PROCESSES, Stack, running
from agents.settings import Settings
from bench.ports import free_ports
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from protocol.keys import new_keys

PATIENCE_S = 60.0
LOOK_S = 0.005
CYCLE_S = 5


class House:
    """One run under a folder; ends its own processes.

    Args:
        data: a short path: sockets lie in it.
        executor: name on the bus.
        hours: of the artificial recording.
        speed: feed seconds a wall second.
        sections: settings beyond the house's.
    """

    def __init__(
        self,
        data: Path,
        *,
        executor: str = "executor-1",
        hours: float = 0.5,
        speed: float = 10.0,
        sections: Mapping[str, dict[str, object]] | None = None,
    ) -> None:
        self.data = data
        self.executor = executor
        self.folder = data / "runs" / f"run-{executor}"
        self.folder.mkdir(parents=True, mode=0o700)
        feed = data / "feed.npz"
        if not feed.exists():
            save(feed, synthetic_recording(seed=3, hours=hours))
            new_keys(data / "keys")
        port = free_ports(1)
        document: dict[str, Any] = {
            "data": data,
            "feed": {"path": feed},
            "account": {"executor": executor},
            "executor": {"warmup_s": 60, "cycle_s": CYCLE_S},
            "optimizer": {"boundary_s": 300},
            "bus": {"folder": data / f"s{executor[-1]}", "metrics_port": port},
            "run": {"clock": "real", "speed": speed, "optimizers": 0},
        }
        for name, values in (sections or {}).items():
            document[name] = {**document.get(name, {}), **values}
        self.settings = Settings.model_validate(document).located(self.folder)
        self._metrics = f"http://127.0.0.1:{port + EXECUTOR_PORT}/metrics"
        self.config = self.folder / "config.json"
        self.config.write_text(self.settings.model_dump_json(), encoding="utf-8")
        self._parts = {
            part.name: part for part in parts_of(self.settings, self.config, self.folder)
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        for name in self._parts:
            self.start(name)
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self.processes):
            self.kill(name)

    def start(self, name: str) -> None:
        """Start a part."""
        with (self.folder / f"{name}.stderr").open("ab") as errors:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", *self._parts[name].arguments],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            )
        self._tell_ids()

    def kill(self, name: str) -> None:
        """End a part as a power cut would."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()
        self._tell_ids()

    def _tell_ids(self) -> None:
        ids = {name: process.pid for name, process in self.processes.items()}
        (self.folder / PROCESSES).write_text(json.dumps(ids), encoding="utf-8")

    @property
    def stack(self) -> Stack:
        """The run as the command line finds it."""
        return next(each for each in running(self.data) if each.folder == self.folder)

    def figures(self) -> dict[str, float]:
        """Return what the executor shows on its metrics endpoint: it needs no bus."""
        with suppress(OSError, HTTPException), urlopen(self._metrics, timeout=5.0) as page:  # noqa: S310
            text = page.read().decode()
            found = re.findall(r"^counterpoint_(\w+)\{[^}]*\} (\S+)$", text, re.MULTILINE)
            return {name: float(value) for name, value in found}
        return {}

    def until(self, *, quoting: bool, within_s: float = PATIENCE_S) -> None:
        """Wait until orders of ours are open, or until it is stopped and none is."""
        end_s = time.monotonic() + within_s
        while True:
            found = self.figures()
            orders, stopped = found.get("open_orders", 0.0), found.get("stopped", 0.0)
            if (orders > 0 and not stopped) if quoting else (stopped and not orders):
                return
            if time.monotonic() > end_s:
                errors = (self.folder / f"{self.executor}.stderr").read_text(encoding="utf-8")
                raise AssertionError(f"quoting {quoting} not within {within_s} s: {errors[-1000:]}")
            time.sleep(LOOK_S)
