"""A whole stack at a simulated exchange, watched by Prometheus with the rules of this house."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import quote
from urllib.request import urlopen

from bench.stack_house import StackHouse
from bench.venue_house import ROOT, wait_until
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from tests.deploy.tools import PROMETHEUS, found
from tests.desk.windows import free_port

PATIENCE_S = 240.0
FIRST, EXCHANGE, LONE = 19_500, 19_540, 19_560
"""Ports of /metrics: of the stack's parts, of its exchange, of a lone executor."""
TARGETS = {
    "coordinator": FIRST,
    "executor": FIRST + 1,
    "optimizer": FIRST + 2,
    "guardian": FIRST + 10,
    "desk": FIRST + 11,
    "exchange": EXCHANGE,
    "lone": LONE + 1,
}
CONFIG = """
global: {{scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 2s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: counterpoint
    static_configs:
      - targets: {targets}
"""


class Watched:
    """The stack, Prometheus, and what a test does to the former and asks of the latter."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.feed = folder / "day.npz"
        save(self.feed, synthetic_recording(seed=5, hours=12.0))
        told = ("--metrics-port", str(EXCHANGE))
        self.house = StackHouse(self.feed, folder / "house", *settings(), speed=10.0, told=told)
        self._port = free_port()
        self._stack = ExitStack()
        """What ends with the test."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            house = stack.enter_context(self.house)
            house.start()
            stack.enter_context(self._lone())
            stack.enter_context(self._prometheus())
            house.until(lambda: self.up() == set(TARGETS), seconds=PATIENCE_S)
            house.until_quoting(seconds=PATIENCE_S)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @contextmanager
    def _lone(self):
        """An executor by itself, whose limits bind at the first loss."""
        limits = ("risk.peak_drawdown_limit=1e-7", "risk.daily_loss_limit=1e-7")
        told = ("run.clock=real", "executor.warmup_s=60", f"bus.metrics_port={LONE}", *limits)
        line = [word for each in told for word in ("--set", each)]
        line += ["--feed", str(self.feed), "--data", str(self.folder / "lone"), "--speed", "60"]
        with started("-m", "agents.cli.main", "executor", *line, talk=self.folder / "lone.txt"):
            yield

    @contextmanager
    def _prometheus(self):
        config = self.folder / "prometheus.yml"
        targets = json.dumps([f"127.0.0.1:{port}" for port in TARGETS.values()])
        rules = PROMETHEUS / "rules.yml"
        config.write_text(CONFIG.format(rules=rules, targets=targets), encoding="utf-8")
        line = [found("prometheus"), f"--config.file={config}"]
        line += [f"--storage.tsdb.path={self.folder / 'tsdb'}"]
        line += [f"--web.listen-address=127.0.0.1:{self._port}"]
        with (self.folder / "prometheus.txt").open("wb") as talk:
            process = subprocess.Popen(line, stdout=talk, stderr=talk)
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=30)

    # --- asked of Prometheus ------------------------------------------------------------------
    def ask(self, path: str):
        """Return what its API answers."""
        with urlopen(f"http://127.0.0.1:{self._port}/api/v1/{path}", timeout=10) as answer:
            return json.loads(answer.read())["data"]

    def up(self) -> set[str]:
        """Return the targets that answer."""
        rows = self.ask(f"query?query={quote('up == 1')}")["result"]
        ports = {int(row["metric"]["instance"].rpartition(":")[2]) for row in rows}
        return {name for name, port in TARGETS.items() if port in ports}

    def names(self) -> set[str]:
        """Return the names of all metrics that were ever scraped."""
        return set(self.ask("label/__name__/values"))

    def rules(self) -> dict[str, str]:
        """Return every rule's expression as Prometheus has read it."""
        (group,) = self.ask("rules")["groups"]
        return {each["name"]: each["query"] for each in group["rules"]}

    def holds(self, alert: str, port: int | None = None) -> bool:
        """Return whether a rule's expression holds now, of one target or of any."""
        rows = self.ask(f"query?query={quote(self.rules()[alert])}")["result"]
        places = [row["metric"].get("instance", "") for row in rows]
        return any(port is None or each.endswith(f":{port}") for each in places)

    def until(self, alert: str, part: str | None = None) -> None:
        """Wait until a rule's expression holds."""
        port = None if part is None else TARGETS[part]
        wait_until(lambda: self.holds(alert, port), seconds=PATIENCE_S)

    def scrape(self, part: str) -> str:
        """Return what a part shows."""
        with urlopen(f"http://127.0.0.1:{TARGETS[part]}/metrics", timeout=10) as answer:
            return answer.read().decode()

    # --- done to the stack --------------------------------------------------------------------
    def pid(self, part: str) -> int:
        """Return the process of a part now."""
        return json.loads((self.house.folder / "processes.json").read_bytes())[part]

    @contextmanager
    def standing(self, part: str):
        """Let a part stand still."""
        pid = self.pid(part)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def restart(self, part: str, name: str) -> None:
        """Kill a part, and wait until Prometheus has seen its successor."""
        query = f"query?query={quote(f'process_start_time_seconds{{instance=~{quoted(part)}}}')}"
        before = self.ask(query)["result"][0]["value"][1]
        os.kill(self.pid(name), signal.SIGKILL)

        def later() -> bool:
            rows = self.ask(query)["result"]
            return bool(rows) and rows[0]["value"][1] != before

        wait_until(later, seconds=PATIENCE_S)

    @contextmanager
    def locked_store(self):
        """Hold the desk's database, as a process that hangs would."""
        held = sqlite3.connect(self.house.data / "desk.db", timeout=60.0)
        held.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            held.rollback()
            held.close()

    def type(self, *words: str) -> None:
        """Run a command of the command line."""
        with started("-m", "agents.cli.main", *words, "--data", str(self.house.data)) as process:
            assert process.wait(timeout=60) == 0

    def secrets(self) -> list[str]:
        """Return every private key and token of the stack."""
        keys = self.house.data / "keys"
        told = [json.loads(path.read_bytes()) for path in keys.glob("*.key")]
        signs = [each[kind] for each in told for kind in ("sign", "curve")]
        return [*signs, *(path.read_text().strip() for path in keys.glob("*.token"))]


def quoted(part: str) -> str:
    """Return the matcher of a part's instance."""
    return f'".*:{TARGETS[part]}"'


def settings() -> tuple[str, ...]:
    """Return what the stack is started with."""
    told = (
        f"bus.metrics_port={FIRST}",
        f"desk.port={free_port()}",
        "executor.warmup_s=60",
        "executor.autonomy_limit_s=5",
        "optimizer.budget=8",
    )
    return ("--desk", *(word for each in told for word in ("--set", each)))


@contextmanager
def started(*arguments: str, talk: Path | None = None):
    """A Python process of ours, ended with the block."""
    with (talk or Path(os.devnull)).open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
