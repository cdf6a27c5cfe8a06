"""A stack of containers from a clean clone, and what a test asks of it."""

import hashlib
import hmac
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

ROOT = Path(__file__).parents[1]
Found = TypeVar("Found")
PATIENCE_S = 600.0
"""Of a machine that does other things too."""
LOOK_S = 0.5
PARTS = ("exchange", "coordinator", "executor", "optimizer", "guardian", "desk")


def engine_missing() -> str:
    """Why no container can be started here; empty when one can."""
    for name in ("docker", "docker-compose", "git"):
        if shutil.which(name) is None:
            return f"{name} is not installed"
    asked = subprocess.run(
        ["docker", "info", "--format", "{{.ServerVersion}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if asked.returncode == 0 else "no container engine answers"


def until(true: Callable[[], Found], what: str, seconds: float = PATIENCE_S) -> Found:
    """Wait until something holds; return it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = true()
        if found:
            return found
        time.sleep(LOOK_S)
    raise AssertionError(f"not within {seconds:g} s: {what}")


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Stack:
    """The stack of one clone.

    Args:
        folder: empty, for the clone.
        environment: `MODE`, `FEED` and others.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder / "counterpoint"
        self.port = free_port()
        self.project = f"counterpoint-test-{os.getpid()}-{self.port}"
        self._environment = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": self.project,
            "COUNTERPOINT_IMAGE": f"{self.project}:local",
            "EXCHANGE_PORT": str(self.port),
            "DESK_PORT": str(free_port()),
            **environment,
        }
        self._environment.pop("PYTHONPATH", None)
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(self.folder)], check=True)

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command in the clone; return what it wrote."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{command} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def compose(self, *words: str, check: bool = True) -> str:
        """Run `docker-compose` in the clone."""
        return self.run("docker-compose", *words, check=check)

    def make_keys(self) -> None:
        """Make keys as a user does, with this Python's packages."""
        for word in ("new", "stack"):
            self.run(sys.executable, "-m", "agents.cli.main", "keys", word)

    def inspect(self, part: str) -> Any:
        """What the engine knows of a part's container."""
        (name,) = self.compose("ps", "--all", "--quiet", part).split()
        return json.loads(self.run("docker", "inspect", name))[0]

    def health(self, part: str) -> str | None:
        """`healthy`, or what else it is."""
        return self.inspect(part)["State"].get("Health", {}).get("Status")

    def until_healthy(self, parts: tuple[str, ...] = PARTS) -> None:
        """Wait until every part is healthy."""
        until(lambda: all(self.health(part) == "healthy" for part in parts), "all are healthy")

    def logs(self, part: str) -> str:
        """What a part said so far, in all its lives."""
        return self.compose("logs", "--no-color", part)

    def kill(self, part: str, module: str) -> None:
        """End a part's main process as a power cut does."""
        code = (
            "import os, pathlib\n"
            "for each in pathlib.Path('/proc').glob('[0-9]*'):\n"
            "    words = (each / 'cmdline').read_bytes().split(b'\\0')\n"
            f"    if words[1:3] == [b'-m', b'{module}']:\n"
            "        os.kill(int(each.name), 9)\n"
        )
        self.compose("exec", "-T", part, "python", "-c", code, check=False)

    def run_in(self, part: str, line: str) -> str:
        """Run a line of shell in a container like a part's; return what it wrote."""
        words = ("--rm", "-T", "--no-deps", "--entrypoint", "sh", part, "-c", line)
        return self.compose("run", *words)

    def status(self) -> Any:
        """`counterpoint status` as the operator's container tells it; None when it is silent."""
        told = self.compose("run", "--rm", "-T", "operator", "status", "--json", check=False)
        return json.loads(told) if told else None

    def ask(self, path: str, **told: object) -> Any:
        """Ask the exchange about the account, with the guardian's key."""
        keys = self.folder / "counterpoint-data/keys/exchange"
        key, secret = ((keys / f"guardian.api-{each}").read_text().strip() for each in KINDS)
        query = urlencode({**told, "timestamp": time.time_ns() // 10**6, "recvWindow": 60_000})
        seal = hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        place = f"http://127.0.0.1:{self.port}/api/v3/{path}?{query}&signature={seal}"
        try:
            with urlopen(Request(place, headers={"X-MBX-APIKEY": key}), timeout=10) as answer:
                return json.load(answer)
        except URLError:
            return []

    def trades(self) -> list[dict[str, Any]]:
        """Every trade of the account."""
        found: list[dict[str, Any]] = []
        first = 0
        while page := self.ask("myTrades", symbol="SYNUSDT", fromId=first, limit=1000):
            found += page
            first = page[-1]["id"] + 1
        return found

    def open_orders(self) -> Any:
        """The account's open orders."""
        return self.ask("openOrders", symbol="SYNUSDT")

    def left(self) -> list[list[str]]:
        """What the engine still holds of the project: containers, volumes, networks."""
        label = f"label=com.docker.compose.project={self.project}"
        return [
            self.run("docker", *kind, "--quiet", "--filter", label).split()
            for kind in (("ps", "--all"), ("volume", "ls"), ("network", "ls"))
        ]

    def down(self) -> None:
        """End the stack and remove its volumes."""
        self.compose("down", "-v")


KINDS = ("key", "secret")
