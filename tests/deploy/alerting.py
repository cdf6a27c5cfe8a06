"""A stack of processes that a real Prometheus watches with the rules that ship."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from urllib.parse import urlencode
from urllib.request import urlopen

from bench.ports import free_ports
from bench.venue_house import ROOT
from tests.deploy.tools import PROMETHEUS, found
from tests.deploy.watched import OFFSETS, Watched

HOURS_OF = {"no_decision": "7200", "no_answer": "3600"}
"""Rules that need hours of silence, and their bound."""
FIRING = 'max_over_time(ALERTS{alertstate="firing"}[5s])'
SHORT_S = 20
"""The bound of those here."""
CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: counterpoint
    static_configs: [{{targets: [{targets}]}}]
"""


def rules():
    """The rules that ship; those of hours wait for SHORT_S, and nothing else is changed."""
    text = (PROMETHEUS / "rules.yml").read_text(encoding="utf-8")
    for bound in HOURS_OF.values():
        assert text.count(f"_age_seconds > {bound}\n") == 1
        text = text.replace(f"_age_seconds > {bound}\n", f"_age_seconds > {SHORT_S}\n")
    return text


class Alerting(Watched):
    """The house: stack, exchange and Prometheus."""

    def __enter__(self):
        super().__enter__()
        folder = self.data.parent / "prometheus"
        folder.mkdir()
        targets = ", ".join(f'"127.0.0.1:{self.port_of(part)}"' for part in OFFSETS)
        told = CONFIG.format(rules=folder / "rules.yml", targets=targets)
        (folder / "rules.yml").write_text(rules(), encoding="utf-8")
        (folder / "prometheus.yml").write_text(told, encoding="utf-8")
        self.watcher = f"127.0.0.1:{free_ports()}"
        self._prometheus = subprocess.Popen(
            [
                found("prometheus"), f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={self.watcher}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        return self

    def __exit__(self, *told):
        self._prometheus.kill()
        self._prometheus.wait()
        super().__exit__(*told)

    def firing(self):
        """The names of the alerts that fire now, or did a moment ago."""
        url = f"http://{self.watcher}/api/v1/query?{urlencode({'query': FIRING})}"
        with contextlib.suppress(OSError), urlopen(url) as told:
            rows = json.load(told)["data"]["result"]
            return {row["metric"]["alertname"] for row in rows}
        return set()

    def fired(self, *names, seconds=180):
        """Wait until alerts fire, all at once."""
        self.until(lambda: set(names) <= self.firing(), seconds=seconds)

    def over(self, *names, seconds=180):
        """Wait until none of some alerts fires."""
        self.until(lambda: not set(names) & self.firing(), seconds=seconds)

    def pid_of(self, part):
        """The process of a part."""
        if part == "exchange":
            return self.exchange._process.pid
        pids = json.loads((self.folder / "processes.json").read_bytes())
        return next(pid for name, pid in pids.items() if re.sub(r"-\d$", "", name) == part)

    @contextlib.contextmanager
    def frozen(self, part):
        """Let a part hang meanwhile."""
        pid = self.pid_of(part)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    @contextlib.contextmanager
    def blocked(self, connect, *, holds_s, free_s):
        """Let somebody else hold the lock of a database now and then."""

        def hold(wait):
            with contextlib.closing(connect()) as other:
                other.execute("BEGIN IMMEDIATE")
                wait(holds_s)
                other.execute("ROLLBACK")
            wait(free_s)

        with again(hold):
            yield

    def operator(self, *words):
        """Say something as the operator does; exit code 0."""
        line = [sys.executable, "-m", "agents.cli.main", *words, "--data", str(self.data)]
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@contextlib.contextmanager
def again(deed):
    """Do something again and again meanwhile; it is handed what waits for some seconds."""
    over = threading.Event()

    def work():
        while not over.is_set():
            deed(over.wait)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
