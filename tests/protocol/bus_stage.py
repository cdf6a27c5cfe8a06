"""Starts parties as processes and hears what they tell; used by tests and bench/bus.py."""

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE_S = 20.0


class Actor:
    """One process of `bus_program`.

    Attributes:
        facts: everything that it told so far.
    """

    def __init__(self, role, folder, *options):
        self.role = role
        self.facts = []
        self._rest = b""
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.protocol.bus_program", role, str(folder)),
                *map(str, options),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env=dict(os.environ),
        )
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.process.stdout, selectors.EVENT_READ)

    def order(self, do, **more):
        """Tell it to do something."""
        self.process.stdin.write(json.dumps({"do": do, **more}).encode() + b"\n")
        self.process.stdin.flush()

    def expect(self, key, *, count=1, within_s=PATIENCE_S, **same):
        """Wait until it told so many facts that hold a key; return the last one."""
        end_s = time.monotonic() + within_s
        while len(found := self.told(key, **same)) < count:
            if not self._hear(end_s - time.monotonic()):
                line = self.process.stderr.read() if self.process.poll() is not None else b""
                raise AssertionError(
                    f"{self.role} told no {key} {same} within {within_s} s: "
                    f"{self.facts[-5:]} {line.decode()[-2000:]}"
                )
        return found[-1]

    def told(self, key, **same):
        """Return the facts that hold a key and these values."""
        return [
            fact
            for fact in self.facts
            if key in fact and all(fact.get(name) == value for name, value in same.items())
        ]

    def _hear(self, within_s):
        """Take in what it tells next; False when it tells nothing more in time."""
        if within_s <= 0 or not self._selector.select(within_s):
            return False
        found = os.read(self.process.stdout.fileno(), 1 << 20)
        *lines, self._rest = (self._rest + found).split(b"\n")
        self.facts += [json.loads(line) for line in lines]
        return bool(found)

    def kill(self):
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def end(self):
        """Give no more orders: it ends."""
        self.process.stdin.close()

    def close(self):
        """Wait for its end, and close what is open to it."""
        self._selector.close()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


class Stage:
    """A folder with keys, and every actor that was called to it; closes them all."""

    def __init__(self, folder):
        self.folder = folder
        self.actors = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for actor in self.actors:
            actor.end()
        for actor in self.actors:
            actor.close()

    def call(self, role, *options):
        """Start a party."""
        self.actors.append(Actor(role, self.folder, *options))
        return self.actors[-1]

    def coordinator(self, *options):
        """Start hubs and coordinator, and wait until they are up."""
        actor = self.call("coordinator", *options)
        actor.expect("up")
        return actor

    def cast(self, *roles, options=()):
        """Start a coordinator and others at once; return them when all have joined."""
        coordinator = self.call("coordinator", *options)
        quiet = [each for each in options if each == "--quiet"]
        others = [self.call(role, *quiet) for role in roles]
        for actor in others:
            actor.expect("joined")
        return coordinator, *others
