"""Starts the parts of a run as processes, restarts what dies, ends them in order.

Knows nothing about trading. A part is a command line; it has finished when it exits with 0, and it
has died when it exits otherwise. Deaths are followed by a restart after a back-off that doubles
from 0.1 s to 2 s and falls back after ten quiet seconds. `processes.json` in the run's folder
always holds the present process ids, `supervisor.log` says when each was started and how it ended.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from protocol.messages import utc_text

BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 2.0
QUIET_S = 10.0
END_GRACE_S = 10.0
DEATHS_IN_A_ROW_MAX = 12
LOG = "supervisor.log"
PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the stack: its name and `python -m` arguments.

    Attributes:
        spare: the others go on without it, however often it dies, and end before it.
    """

    name: str
    arguments: tuple[str, ...]
    spare: bool = False


@dataclass(slots=True)
class Life:
    """What one part's processes did so far; times are seconds on the monotonic clock."""

    part: Part
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    up_s: float = 0.0
    starts: int = 0
    deaths: int = 0
    deaths_in_a_row: int = 0
    restart_at_s: float = 0.0
    first_s: float = 0.0
    codes: list[int] = field(default_factory=list)
    finished: bool = False


class PartKeepsDyingError(Exception):
    """A part died again and again without a quiet moment; its log says why.

    Attributes:
        exit_code: what the part itself ended with.
    """

    def __init__(self, line: str, exit_code: int) -> None:
        super().__init__(line)
        self.exit_code = exit_code


class Supervisor:
    """Keeps a list of parts alive until the `main` one has finished.

    Attributes:
        tied: parts started from now on end with this process, however it ends.
    """

    def __init__(self, parts: list[Part], *, main: str, folder: Path) -> None:
        self.tied = False
        self.lives = {part.name: Life(part) for part in parts}
        self.main = main
        self.folder = folder
        self.asked_to_end = False
        self.ended_s = 0.0
        self._stays = False

    def start(self) -> None:
        """Start every part once."""
        for life in self.lives.values():
            self._start(life)

    def _start(self, life: Life) -> None:
        errors = (self.folder / f"{life.part.name}.stderr").open("ab")
        with errors:
            life.process = subprocess.Popen(
                [sys.executable, "-m", *life.part.arguments],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,  # Ctrl-C reaches the supervisor alone
                env={**os.environ, "PYTHONUNBUFFERED": "1", "OPENBLAS_NUM_THREADS": "1"},
                preexec_fn=self._tie(),  # noqa: PLW1509 - one system call, no lock can hold it up
            )
        life.started_s = time.monotonic()
        life.first_s = life.first_s or life.started_s
        life.starts += 1
        self._log("info", "process_started", process=life.part.name, pid=life.process.pid)
        self._write_processes()

    def _tie(self) -> Callable[[], object] | None:
        """Return what has the kernel end a new process when this one is gone; Linux alone can."""
        if not self.tied or sys.platform != "linux":
            return None
        prctl = ctypes.CDLL(None).prctl
        return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    def _log(self, level: str, event: str, **more: object) -> None:
        """Say one fact beside the logs of the parts, as a line of theirs."""
        head = {"time": utc_text(time.time_ns()), "level": level, "component": "supervisor"}
        handle = os.open(self.folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "a", encoding="ascii") as file:
            file.write(json.dumps({**head, "event": event, **more}) + "\n")

    def _write_processes(self) -> None:
        pids = {
            name: life.process.pid
            for name, life in self.lives.items()
            if life.process is not None and life.process.poll() is None
        }
        target = self.folder / "processes.json"
        draft = target.with_suffix(".draft")
        told = {} if self._stays else {"supervisor": os.getpid(), **pids}
        draft.write_text(json.dumps(told), encoding="utf-8")
        draft.replace(target)

    def watch(self, *, every_s: float, on_look: Callable[[], None]) -> bool:
        """Restart the dead and call `on_look` until the main part finished.

        Returns:
            True when it finished by itself, False when an end was asked for.
        """
        next_look_s = 0.0
        while not self.asked_to_end:
            now_s = time.monotonic()
            for life in self.lives.values():
                self._tend(life, now_s)
            if self.lives[self.main].finished:
                return True
            if now_s >= next_look_s:
                on_look()
                next_look_s = now_s + every_s
            time.sleep(0.02)
        return False

    def _tend(self, life: Life, now_s: float) -> None:
        if life.finished:
            return
        if life.process is None:
            if now_s >= life.restart_at_s:
                self._start(life)
            return
        code = life.process.poll()
        if code is None:
            if life.deaths_in_a_row and now_s - life.started_s > QUIET_S:
                life.deaths_in_a_row = 0
            return
        life.up_s += now_s - life.started_s
        life.process = None
        life.codes.append(code)
        if code == 0 and life.part.name == self.main:
            life.finished = True
            return
        life.deaths += 1
        self._log("error", "process_died", process=life.part.name, code=code)
        if code > 0:  # an error of its own; a signal from outside says nothing about the part
            life.deaths_in_a_row += 1
        if life.deaths_in_a_row > DEATHS_IN_A_ROW_MAX or (code == 4):  # 4: configuration or data
            if not life.part.spare:
                raise PartKeepsDyingError(self._why(life, code), max(1, code))
            life.finished = True
            sys.stderr.write(f"{self._why(life, code)}; the others go on without it\n")
            return
        wait_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** max(0, life.deaths_in_a_row - 1))
        life.restart_at_s = now_s + wait_s

    def _why(self, life: Life, code: int) -> str:
        path = self.folder / f"{life.part.name}.stderr"
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = lines[-1] if lines else "it said nothing"
        return f"{life.part.name} ended with code {code} and cannot go on: {last} (see {path})"

    def stay(self) -> None:
        """Keep the spare parts alive until an end is asked for, or all of them have given up.

        The run itself is over: nobody finds it any more who wants to stop what trades.
        """
        self._stays = True
        self._write_processes()
        spare = [life for life in self.lives.values() if life.part.spare]
        while not self.asked_to_end and not all(life.finished for life in spare):
            for life in spare:
                self._tend(life, time.monotonic())
            time.sleep(0.02)

    def end(self, *, spare: bool = True) -> None:
        """End the parts: the main one first, then the others; kill what does not listen.

        Args:
            spare: the spare ones too.
        """
        self.ended_s = self.ended_s or time.monotonic()
        names = [self.main, *(name for name in self.lives if name != self.main)]
        for name in names:
            life = self.lives[name]
            if life.part.spare and not spare:
                continue
            if life.process is None:
                continue
            if life.process.poll() is None:
                life.process.send_signal(signal.SIGTERM)
                try:
                    life.process.wait(timeout=END_GRACE_S)
                except subprocess.TimeoutExpired:
                    life.process.kill()
                    life.process.wait()
            life.codes.append(life.process.returncode)
            life.up_s += max(0.0, self.ended_s - life.started_s)
            life.process = None
        self._write_processes()

    def account(self) -> dict[str, dict[str, float | int | list[int]]]:
        """Return uptime and restarts of each part, for `run.json`.

        Uptime counts from a part's first start until the end of the run was in sight, also of
        what lives on.
        """
        found: dict[str, dict[str, float | int | list[int]]] = {}
        for name, life in self.lives.items():
            up_s = life.up_s
            if life.process is not None:
                up_s += max(0.0, self.ended_s - life.started_s)
            found[name] = {
                "starts": life.starts,
                "deaths": life.deaths,
                "exit_codes": life.codes,
                "up_s": round(up_s, 3),
                "uptime": round(min(1.0, up_s / max(1e-9, self.ended_s - life.first_s)), 4),
            }
        return found
