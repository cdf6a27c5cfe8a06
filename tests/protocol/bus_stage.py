"""Starts parties as processes and hears what they tell; used by tests and bench/bus.py."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
PATIENCE_S = 20.0
Fact = dict[str, Any]


class Actor:
    """One process of `bus_program`.

    Args:
        before: of its command line, such as what puts it on another host.

    Attributes:
        facts: everything that it told so far.
    """

    def __init__(
        self, role: str, folder: Path, *options: object, before: tuple[str, ...] = ()
    ) -> None:
        self.role = role
        self.facts: list[Fact] = []
        self._rest = b""
        self.process = subprocess.Popen(
            [
                *(*before, sys.executable, "-m", "tests.protocol.bus_program", role, str(folder)),
                *map(str, options),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env=dict(os.environ),
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._stdin, self._stdout = self.process.stdin, self.process.stdout
        self._stderr = self.process.stderr
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)

    def order(self, do: str, **more: object) -> None:
        """Tell it to do something."""
        self._stdin.write(json.dumps({"do": do, **more}).encode() + b"\n")
        self._stdin.flush()

    def expect(
        self, key: str, *, count: int = 1, within_s: float = PATIENCE_S, **same: object
    ) -> Fact:
        """Wait until it told so many facts that hold a key; return the last one."""
        end_s = time.monotonic() + within_s
        while len(found := self.told(key, **same)) < count:
            if not self._hear(end_s - time.monotonic()):
                line = self._stderr.read() if self.process.poll() is not None else b""
                raise AssertionError(
                    f"{self.role} told no {key} {same} within {within_s} s: "
                    f"{self.facts[-5:]} {line.decode()[-2000:]}"
                )
        return found[-1]

    def told(self, key: str, **same: object) -> list[Fact]:
        """Return the facts that hold a key and these values."""
        return [
            fact
            for fact in self.facts
            if key in fact and all(fact.get(name) == value for name, value in same.items())
        ]

    def _hear(self, within_s: float) -> bool:
        """Take in what it tells next; False when it tells nothing more in time."""
        if within_s <= 0 or not self._selector.select(within_s):
            return False
        found = os.read(self._stdout.fileno(), 1 << 20)
        *lines, self._rest = (self._rest + found).split(b"\n")
        self.facts += [json.loads(line) for line in lines]
        return bool(found)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def listen(self, for_s: float) -> None:
        """Take in what it tells for so long."""
        end_s = time.monotonic() + for_s
        while self.process.poll() is None and time.monotonic() < end_s:
            self._hear(end_s - time.monotonic())

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Let it stand still meanwhile."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """Give no more orders: it ends."""
        self._stdin.close()

    def close(self) -> None:
        """Wait for its end, and close what is open to it."""
        self._selector.close()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._stdout.close()
        self._stderr.close()


class Stage:
    """A folder with keys, and every actor that was called to it; closes them all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.actors: list[Actor] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for actor in self.actors:
            actor.end()
        for actor in self.actors:
            actor.close()

    def call(self, role: str, *options: object, before: tuple[str, ...] = ()) -> Actor:
        """Start a party."""
        self.actors.append(Actor(role, self.folder, *options, before=before))
        return self.actors[-1]

    def coordinator(self, *options: object) -> Actor:
        """Start hubs and coordinator, and wait until they are up."""
        actor = self.call("coordinator", *options)
        actor.expect("up")
        return actor

    def cast(self, *roles: str, options: tuple[object, ...] = ()) -> list[Actor]:
        """Start a coordinator and others at once; return them when all have joined."""
        coordinator = self.call("coordinator", *options)
        quiet = [each for each in options if each == "--quiet"]
        others = [self.call(role, *quiet) for role in roles]
        for actor in others:
            actor.expect("joined")
        return [coordinator, *others]
