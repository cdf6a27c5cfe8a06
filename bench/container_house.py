"""A stack of containers from a clean clone, and what a test asks of it."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from bench.ports import free_ports
from bench.venue_account import Account

ROOT = Path(__file__).parents[1]
Found = TypeVar("Found")
PATIENCE_S = 600.0
"""Of a machine that does other things too."""
LOOK_S = 0.5
RARELY_S = 5.0
"""Between two looks by a container of its own, which takes processor from what is looked at."""
BOLD = """
services:
  coordinator: &bold
    environment:
      COUNTERPOINT__OPTIMIZER__CONFIDENCE_MIN: "0.3"
      COUNTERPOINT__OPTIMIZER__CHANCE_MAX: "1"
      COUNTERPOINT__COORDINATOR__CONFIDENCE_MIN: "0.3"
  executor: *bold
  optimizer: *bold
"""
"""An optimizer that needs little to propose: one waits for minutes, not for hours."""
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


def until(
    true: Callable[[], Found], what: str, seconds: float = PATIENCE_S, *, look_s: float = LOOK_S
) -> Found:
    """Wait until something holds; return it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = true()
        if found:
            return found
        time.sleep(look_s)
    raise AssertionError(f"not within {seconds:g} s: {what}")


class Stack:
    """The stack of one clone.

    Args:
        folder: empty, for the clone.
        environment: `MODE`, `FEED` and others.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder / "counterpoint"
        self.port, self.desk_port, self.prometheus_port = (free_ports() for _ in range(3))
        self.symbol = environment.get("SYMBOL", "SYN-USDT").replace("-", "")
        self.project = f"counterpoint-test-{os.getpid()}-{self.port}"
        self.image = f"{self.project}:local"
        self.environment = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": self.project,
            "COUNTERPOINT_IMAGE": self.image,
            "EXCHANGE_PORT": str(self.port),
            "DESK_PORT": str(self.desk_port),
            "PROMETHEUS_PORT": str(self.prometheus_port),
            **environment,
        }
        self.environment.pop("PYTHONPATH", None)
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(self.folder)], check=True)

    def tell(self, **environment: str) -> None:
        """Say from now on what `docker-compose` finds in its environment."""
        self.environment.update(environment)

    def done(self, *command: str, told: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a command in the clone that reads what it is told; hand back how it ended."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            input=told,
            capture_output=True,
            check=False,
        )

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command in the clone; return what it wrote."""
        done = self.done(*command)
        if check and done.returncode:
            said = done.stderr.decode(errors="replace")[-2000:]
            raise AssertionError(f"{command} ended with {done.returncode}: {said}")
        return done.stdout.decode()

    def compose(self, *words: str, check: bool = True) -> str:
        """Run `docker-compose` in the clone."""
        return self.run("docker-compose", *words, check=check)

    def up(self, *words: str) -> None:
        """Start everything; `opening` is then what the account held before anybody traded."""
        command = ["docker-compose", "up", "--detach", *words]
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            self.opening = until(lambda: self.balances() or process.poll(), "the exchange answers")
            said = process.communicate()[1]
        assert process.returncode == 0, said[-2000:]

    def make_keys(self) -> None:
        """Make keys as a user does, with this Python's packages."""
        for word in ("new", "stack"):
            self.run(sys.executable, "-m", "agents.cli.main", "keys", word)

    def make_bold(self) -> None:
        """Let the optimizer propose what may be luck, and the others take it."""
        (self.folder / "docker-compose.override.yml").write_text(BOLD, encoding="utf-8")

    def containers(self, part: str) -> list[Any]:
        """What the engine knows of each container of a part."""
        names = self.compose("ps", "--all", "--quiet", part).split()
        found: list[Any] = json.loads(self.run("docker", "inspect", *names)) if names else []
        return found

    def inspect(self, part: str) -> Any:
        """What the engine knows of the one container of a part."""
        (found,) = self.containers(part)
        return found

    def health(self, part: str) -> str:
        """`healthy`, or what else the worst container of a part is; without a check: its state."""
        states = [each["State"] for each in self.containers(part)]
        told = {s["Health"]["Status"] if "Health" in s else s["Status"] for s in states}
        return min(told - {"healthy"}, default="healthy") if told else "absent"

    def starts(self, part: str, above: int = -1) -> int:
        """How often the engine started a part again; 0 while that is not above a number."""
        count = int(self.inspect(part)["RestartCount"])
        return count if count > above else 0

    def well(self, part: str) -> bool:
        """Whether a part is healthy, or runs where nobody checks."""
        return self.health(part) in {"healthy", "running"}

    def until_healthy(self, parts: tuple[str, ...] = PARTS) -> None:
        """Wait until every part is healthy."""
        until(lambda: all(self.health(part) == "healthy" for part in parts), "all are healthy")

    def logs(self, part: str) -> str:
        """What a part said so far, in all its lives."""
        return self.compose("logs", "--no-color", part)

    def kill(self, part: str) -> None:
        """End a container as a power cut does: the engine starts it again."""
        pid = until(lambda: int(self.inspect(part)["State"]["Pid"]), f"{part} runs")
        alone = ("--rm", "--pid", "host", "--network", "none", "--user", "0", "--entrypoint", "sh")
        self.run("docker", "run", *alone, self.image, "-c", f"kill -9 {pid}", check=False)

    def archived(self) -> bytes:
        """The volumes, as `make backup` keeps them."""
        words = ("run", "--rm", "-T", "--no-deps", "archive", "keep")
        return self.done("docker-compose", *words).stdout

    def sql(self, query: str) -> list[list[str]]:
        """Ask the desk's database."""
        words = ("psql", "--username", "counterpoint", "--no-align", "--tuples-only", "--command")
        told = self.compose("exec", "-T", "postgres", *words, query)
        return [line.split("|") for line in told.splitlines()]

    def exported(self, table: str) -> str:
        """A table of the desk's store as CSV."""
        code = f"counterpoint desk export --table {table} --database $COUNTERPOINT__DESK__DATABASE"
        return self.compose("exec", "-T", "desk", "sh", "-c", code)

    def operator(self, *words: str, check: bool = True) -> str:
        """Say something as the operator does."""
        return self.compose("run", "--rm", "-T", "operator", *words, check=check)

    def operated(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Say something as the operator does, and hand back how it ended."""
        return self.done("docker-compose", "run", "--rm", "-T", "operator", *words)

    def in_force(self) -> Any:
        """What the operator is told once a decided set is in force, None before."""
        told = self.status()
        applied = told and told["executors"][0]["in_force"]
        return told if applied and applied["pair"][1] else None

    def prometheus(self, path: str) -> Any:
        """Ask Prometheus."""
        with urlopen(
            f"http://127.0.0.1:{self.prometheus_port}/api/v1/{path}", timeout=10
        ) as answer:
            return json.load(answer)["data"]

    def ask_prometheus(self, query: str) -> Any:
        """What Prometheus finds for a query now."""
        return self.prometheus(f"query?{urlencode({'query': query})}")["result"]

    def targets(self) -> dict[str, str]:
        """Each target of Prometheus and how it is."""
        found = self.prometheus("targets")["activeTargets"]
        return {each["labels"]["instance"]: each["health"] for each in found}

    @property
    def token(self) -> str:
        """What opens the desk to whoever only looks."""
        return (self.folder / "counterpoint-data/keys/desk-read.token").read_text().strip()

    def desk(self, path: str) -> bytes:
        """Ask the desk something."""
        place = f"http://127.0.0.1:{self.desk_port}/api/v1/{path}"
        request = Request(place, headers={"Authorization": f"Bearer {self.token}"})
        with urlopen(request, timeout=10) as answer:  # noqa: S310 - it is ours, on loopback
            told: bytes = answer.read()
        return told

    def run_in(self, part: str, line: str) -> str:
        """Run a line of shell in a container like a part's; return what it wrote."""
        words = ("--rm", "-T", "--no-deps", "--entrypoint", "sh", part, "-c", line)
        return self.compose("run", *words)

    def status(self) -> Any:
        """`counterpoint status` as the operator's container tells it; None when it is silent."""
        told = self.operator("status", "--json", check=False)
        return json.loads(told) if told else None

    @property
    def account(self) -> Account:
        """The executor's account at the exchange, asked with the guardian's key."""
        keys = self.folder / "counterpoint-data/keys/exchange"
        key, secret = ((keys / f"guardian.api-{each}").read_text().strip() for each in KINDS)
        return Account(f"http://127.0.0.1:{self.port}", self.symbol, key, secret)

    def balances(self) -> dict[str, str]:
        """What the account holds; nothing while the exchange is away."""
        try:
            return self.account.balances()
        except (OSError, HTTPException):
            return {}

    def trades(self) -> list[dict[str, Any]]:
        """Every trade of the account; none while the exchange is away."""
        try:
            return self.account.trades()
        except (OSError, HTTPException):
            return []

    def resting(self) -> int:
        """How many orders rest at the exchange; none while it is away."""
        try:
            return len(self.account.ask("GET", "openOrders"))
        except (OSError, HTTPException):
            return 0

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
