"""An exchange and an executor that trades at it, as processes, for kills, cuts and their checks.

The exchange keeps its state, so that it may be killed too; nobody but the house starts anything
again. What the house asks the exchange it asks by itself, with no code of the venue.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.error import URLError
from urllib.request import Request, urlopen

from agents.executor.account_keys import token_of
from agents.settings import Settings
from bench.venue_account import ANSWER_S, Account

ROOT = Path(__file__).parents[1]
PATIENCE_S = 90.0
LOOK_S = 0.1


def wait_until(true: Callable[[], bool], *, seconds: float = PATIENCE_S) -> None:
    """Wait until something is true of an exchange, whoever trades there."""
    until_s = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until_s, "it did not become true in time"
        time.sleep(LOOK_S)


class Exchange(Account):
    """A simulated exchange in a process.

    Args:
        feed: recording, or several of different symbols.
        folder: for its state.
        speed: feed seconds a wall second, or `lockstep`.
        arguments: more of its command line.
    """

    def __init__(
        self, feed: Path | Sequence[Path], folder: Path, *arguments: str, speed: str = "60"
    ) -> None:
        super().__init__("", "", futures="--futures" in arguments)
        feeds = [feed] if isinstance(feed, Path) else feed
        self._arguments = [word for path in feeds for word in ("--feed", str(path))]
        self._arguments += ["--speed", speed, *arguments]
        self._arguments += ["--state", str(folder / "exchange")]
        self._ports = (0, 0)
        self._process: subprocess.Popen[str] | None = None
        self.control = ""

    def start(self) -> None:
        """Start it, at the ports of before, and wait until it serves."""
        port, control = self._ports
        command = [sys.executable, "-m", "exchange.simulated", *self._arguments]
        self._process = subprocess.Popen(
            [*command, "--port", str(port), "--control", str(control)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the exchange did not start"
        ready = json.loads(line)
        self.url, self.control, self.symbol = ready["url"], ready["control"], ready["symbol"]
        self._ports = tuple(int(each.rpartition(":")[2]) for each in (self.url, self.control))

    def kill(self) -> None:
        """End it as a power cut does."""
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def control_port(self, method: str, path: str, **told: object) -> Any:
        """Ask something of the control port: a fault, a cut, how things stand."""
        body = json.dumps(told).encode() if told else None
        request = Request(f"{self.control}/{path}", body, method=method)  # noqa: S310
        with urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310 - it is ours, on loopback
            return json.loads(answer.read())


class VenueHouse:
    """An executor at an exchange, under one folder.

    Args:
        feed: recording that the exchange replays.
        folder: for everything.
        speed: feed seconds a wall second.
        futures: USD-M in place of spot.
        told: more of the exchange's command line.
        sections: settings beyond the house's.
    """

    def __init__(
        self,
        feed: Path,
        folder: Path,
        /,
        *,
        speed: float = 60.0,
        futures: bool = False,
        told: tuple[str, ...] = (),
        **sections: dict[str, object],
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        arguments = ("--futures", *told) if futures else told
        self.exchange = Exchange(feed, folder, *arguments, speed=f"{speed:g}")
        self.futures = futures
        self.folder = folder / "run"
        self._speed = speed
        self._sections = sections
        self._process: subprocess.Popen[bytes] | None = None
        self._config = folder / "config.json"
        self.opening: dict[str, str] = {}

    def __enter__(self) -> Self:
        self.exchange.start()
        document: dict[str, Any] = {
            "venue": {
                "kind": "binance-futures" if self.futures else "binance",
                "url": self.exchange.url,
                "symbol": self.exchange.symbol,
                "pace": "feed",
                "ignore_foreign": True,
            },
            "executor": {"warmup_s": 120, "cycle_s": 5},
            "run": {"clock": "real", "speed": self._speed},
        }
        for name, values in self._sections.items():
            document[name] = {**document.get(name, {}), **values}
        self.settings = Settings.model_validate_json(json.dumps(document)).located(self.folder)
        self._config.write_text(self.settings.model_dump_json(), encoding="utf-8")
        self.opening = self.exchange.balances()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.kill()
        self.exchange.kill()

    @property
    def prefix(self) -> str:
        """What the names of the executor's orders begin with."""
        return f"cp-{token_of(self.settings.account.executor, self.exchange.symbol)}-"

    def start(self) -> None:
        """Start the executor."""
        command = ["-m", "agents.executor", "--alone", "--config", str(self._config)]
        with (self._config.parent / "executor.stderr").open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, *command, "--run", str(self.folder)],
                env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
                stdout=errors,
                stderr=errors,
            )

    def kill(self) -> None:
        """End the executor as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self, seconds: float) -> None:
        """Let the executor stand still for a while, as a machine without memory does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self._process.send_signal(signal.SIGCONT)

    def end(self) -> int:
        """Ask the executor to end; return its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(timeout=30)

    def alive(self) -> bool:
        """Return whether the executor runs."""
        return self._process is not None and self._process.poll() is None

    def open_ids(self) -> list[int]:
        """Return the ids of our open orders at the exchange."""
        rows = self.exchange.ask("GET", "openOrders")
        names = [row["clientOrderId"] for row in rows]
        return sorted(int(n.removeprefix(self.prefix)) for n in names if n.startswith(self.prefix))

    def until_quoting(self, above: int = 0, *, seconds: float = PATIENCE_S) -> float:
        """Wait until an order rests whose id is above one; return the seconds that took."""
        return self.until(lambda: max(self.open_ids(), default=0) > above, seconds=seconds)

    def until(self, true: Callable[[], bool], *, seconds: float = PATIENCE_S) -> float:
        """Wait until something is true; return the seconds that took."""
        began_s = time.monotonic()
        while True:
            if not self.alive():
                text = (self._config.parent / "executor.stderr").read_text(encoding="utf-8")
                raise AssertionError(f"the executor ended: {text[-2000:]}")
            with contextlib.suppress(URLError, ConnectionError, TimeoutError):
                if true():
                    return time.monotonic() - began_s
            assert time.monotonic() - began_s < seconds, "it did not become true in time"
            time.sleep(LOOK_S)

    def place_foreign(self) -> None:
        """Let somebody else have an order in the account, far from the market."""
        self.exchange.place_foreign()
