"""A Ray cluster on one machine, in processes of its own: a head, and nodes as they are wanted."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from agents.optimizer.cluster_node import environment, joined, node_command

MARK = "COUNTERPOINT_CLUSTER_HOUSE"
START_S = 90.0


class House:
    """A head without processors; ends all that it started when it is left."""

    def __enter__(self) -> Self:
        # Sockets lie in this folder, and their paths must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
        self._children = []
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.address = f"127.0.0.1:{server.getsockname()[1]}"
        self._start(
            [
                sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--num-cpus=0",
                f"--port={self.address.rpartition(':')[2]}", "--include-dashboard=false",
                f"--temp-dir={self.folder}", "--block", "--disable-usage-stats",
            ]
        )  # fmt: skip
        until = time.monotonic() + START_S
        while not joined(self.address):
            if time.monotonic() > until:
                self.__exit__()
                raise RuntimeError("the head of the cluster did not start")
        return self

    def __exit__(self, *_) -> None:
        for child in reversed(self._children):
            child.terminate()
        for child in self._children:
            with suppress(subprocess.TimeoutExpired):
                child.wait(20)
        for pid in self._marked():
            _kill(pid)
        shutil.rmtree(self.folder, ignore_errors=True)

    def node(self, cpus: int) -> subprocess.Popen:
        """Start a node with so many processors."""
        return self._start(node_command(self.address, cpus))

    def busy(self) -> list[int]:
        """Process ids of workers that are replaying right now."""
        return [pid for pid in self._marked() if _read(pid, "cmdline").startswith(b"ray::work")]

    def kill_one(self, within_s: float = 30.0) -> int:
        """Kill -9 a worker in the middle of its work; return its process id."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            found = self.busy()
            if found:
                _kill(found[0])
                return found[0]
        raise RuntimeError("no worker was at work")

    def _start(self, command: list[str]) -> subprocess.Popen:
        child = subprocess.Popen(
            command,
            env={**environment(), MARK: str(self.folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._children.append(child)
        return child

    def _marked(self) -> list[int]:
        """Process ids of this house: all that inherited its mark."""
        mark = f"{MARK}={self.folder}".encode()
        pids = [int(each.name) for each in Path("/proc").iterdir() if each.name.isdecimal()]
        own = [pid for pid in pids if mark in _read(pid, "environ").split(b"\0")]
        return [pid for pid in own if pid != os.getpid()]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
