"""A simulated exchange in a process of its own, for tests of the venue and of the contract."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from exchange.binance.client import environment_of
from exchange.binance.settings import BinanceSettings, Pace

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Stage:
    """A running exchange: where it serves, and where faults are asked for."""

    url: str
    control: str
    symbol: str
    process: "subprocess.Popen[str] | None" = None
    futures: bool = False

    def settings(self, **changes: Any) -> BinanceSettings:
        """Return how the account `test` trades there."""
        wanted = {"key": "test", "secret": "test", "token": "t1", "control": self.control}
        place = environment_of(self.url, futures=self.futures)
        return BinanceSettings(**{"place": place, "symbol": self.symbol, **wanted, **changes})

    async def ask(self, path: str, **told: Any) -> Any:
        """Ask the control port for something."""
        address = f"{self.control}{path}"
        async with aiohttp.ClientSession() as session, session.post(address, json=told) as answer:
            body = await answer.json()
            assert answer.status == 200, body
            return body

    async def status(self) -> Any:
        """Return how the exchange stands."""
        address = f"{self.control}/status"
        async with aiohttp.ClientSession() as session, session.get(address) as answer:
            return await answer.json()


@contextlib.contextmanager
def staged(feed: Path, *arguments: str, port: int = 0, control: int = 0) -> Iterator[Stage]:
    """Run an exchange over a recording until the end of the block."""
    command = [sys.executable, "-m", "exchange.simulated", "--feed", str(feed)]
    command += ["--port", str(port), "--control", str(control), *arguments]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the exchange did not start"
        ready = json.loads(line)
        futures = "--futures" in arguments
        yield Stage(ready["url"], ready["control"], ready["symbol"], process, futures)
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


LOCKSTEP = Pace.LOCKSTEP
