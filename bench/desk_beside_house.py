"""A desk that comes and goes beside a house of processes, and its readers; see `desk_beside`."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from agents.cli.desk import desks, prepare_desk
from bench.ports import free_ports
from bench.stop_house import House

NONE: Final = "no desk"
PATIENCE_S: Final = 60.0
LOOK_S: Final = 0.05
LIVES_S: Final = 4.0
"""How long a desk lives that is killed again and again; it is served after about two."""
Process = subprocess.Popen[bytes]


@contextmanager
def running(errors: Path, *words: str) -> Iterator[Process]:
    """Run a process meanwhile."""
    with errors.open("ab") as file:
        line = [sys.executable, "-m", *words]
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=file)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def readers(errors: Path, port: int, token: Path, told: Counter[str]) -> Iterator[Process]:
    """Have 50 readers flood a desk; add what they did to what is told."""
    with running(errors, "bench.desk_readers", str(port), str(token)) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.send_signal(signal.SIGTERM)
        told.update(json.loads(process.communicate(timeout=PATIENCE_S)[0]))


class TimedHouse(House):
    """A house whose executor notes how punctual it is; its desk is started by hand."""

    def __init__(self, data: Path, *, hours: float, speed: float) -> None:
        self.port = free_ports()
        table = {"desk": {"open": True, "port": self.port}}
        super().__init__(data, hours=hours, speed=speed, sections=table)
        part = self._parts[self.executor]
        timed = ("bench.desk_beside_executor", *part.arguments[1:])
        self._parts[self.executor] = replace(part, arguments=timed)
        prepare_desk(self.settings)
        (self.desk,) = desks(self.folder, self.settings)


class Desk:
    """A desk as a process, and what is done to it.

    Args:
        house: beside which it lives.

    Attributes:
        told: what its readers did, and how often it was killed.
    """

    def __init__(self, house: TimedHouse) -> None:
        self.told: Counter[str] = Counter()
        self._house = house
        self._errors = house.folder / "desk.stderr"
        self.ways: dict[str, Callable[[], AbstractContextManager[None]]] = {
            NONE: self.absent, "no reader": self.unread, "50 readers": self.flooded,
            "killed": self.killed, "cut off": self.cut_off,
        }  # fmt: skip

    @contextmanager
    def absent(self) -> Iterator[None]:
        """Have none."""
        yield

    @contextmanager
    def unread(self) -> Iterator[None]:
        """Have one that nobody reads."""
        with self._served():
            yield

    @contextmanager
    def flooded(self) -> Iterator[None]:
        """Have one that 50 read."""
        with self._served(), self._read():
            yield

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Have one that stands still, on the bus and towards its readers, which do too."""
        with self._served() as desk, self._read() as reading:
            time.sleep(1.0)
            for each in (desk, reading):
                each.send_signal(signal.SIGSTOP)
            yield
            for each in (desk, reading):
                each.send_signal(signal.SIGCONT)

    @contextmanager
    def killed(self) -> Iterator[None]:
        """Have one that is killed every few seconds, started again, and read meanwhile."""
        ending = threading.Event()

        def again() -> None:
            while not ending.is_set():
                with running(self._errors, *self._house.desk.arguments):
                    ending.wait(LIVES_S)
                self.told["killed"] += 1

        thread = threading.Thread(target=again)
        with self._read():
            thread.start()
            try:
                yield
            finally:
                ending.set()
                thread.join()

    @contextmanager
    def _served(self) -> Iterator[Process]:
        with running(self._errors, *self._house.desk.arguments) as process:
            ends_s = time.monotonic() + PATIENCE_S
            while not served(self._house.port):
                assert time.monotonic() < ends_s, "the desk is not served"
                time.sleep(LOOK_S)
            yield process

    def _read(self) -> AbstractContextManager[Process]:
        token = self._house.settings.keys_folder / "desk-read.token"
        return readers(self._errors, self._house.port, token, self.told)


def served(port: int) -> bool:
    """Return whether a desk answers."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/api/v1/ping", timeout=5.0):
            return True
    except OSError:
        return False
