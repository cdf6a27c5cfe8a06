"""Runs the whole stack as a user does and hands back what it wrote; tests use it too."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run left behind."""

    folder: Path
    result_bytes: bytes
    result: dict[str, Any]
    machine: dict[str, Any]
    stdout: str
    stderr: str
    wall_s: float


def command(*arguments: str) -> list[str]:
    """Return the command line of `counterpoint`, by module, in this environment."""
    return [sys.executable, "-m", "agents.cli.main", *arguments]


def start(data: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start `counterpoint run` with its data under a folder."""
    return subprocess.Popen(
        command("run", "--data", str(data), *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )


def finish(process: subprocess.Popen[str], data: Path, began_s: float, limit_s: float) -> Outcome:
    """Wait for a run and read what it wrote; a failed run raises with its last words."""
    stdout, stderr = process.communicate(timeout=limit_s)
    if process.returncode != 0:
        raise RuntimeError(f"run ended with {process.returncode}: {stderr[-2000:]}")
    folder = (data / "runs" / "latest").resolve()
    result_bytes = (folder / "result.json").read_bytes()
    return Outcome(
        folder,
        result_bytes,
        json.loads(result_bytes),
        json.loads((folder / "run.json").read_bytes()),
        stdout,
        stderr,
        time.monotonic() - began_s,
    )


def run(data: Path, *arguments: str, limit_s: float = 900.0) -> Outcome:
    """Run the stack to its end."""
    began_s = time.monotonic()
    return finish(start(data, *arguments), data, began_s, limit_s)


def processes(data: Path) -> Mapping[str, int]:
    """Return the present process ids of the run, or nothing before it wrote them."""
    try:
        found: dict[str, int] = json.loads(
            (data / "runs" / "latest" / "processes.json").read_bytes()
        )
    except (OSError, json.JSONDecodeError):
        return {}
    return found


def run_killed(
    data: Path,
    *arguments: str,
    kills: int,
    seed: int,
    pause_s: tuple[float, float] = (0.05, 1.5),
    limit_s: float = 3600.0,
) -> tuple[Outcome, dict[str, int]]:
    """Run the stack while its parts are killed with SIGKILL at random moments.

    Args:
        data: folder of the run.
        arguments: of `counterpoint run`.
        kills: of each part (executor, optimizer, coordinator).
        seed: of moments and victims.
        pause_s: bounds of the time between two kills.
        limit_s: for the whole run.

    Returns:
        the outcome, and how often each part was killed.
    """
    rng = np.random.default_rng(seed)
    began_s = time.monotonic()
    process = start(data, *arguments)
    done: dict[str, int] = {}
    next_s = began_s + 1.0
    while process.poll() is None and time.monotonic() < began_s + limit_s:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.02)
        if time.monotonic() < next_s:
            continue
        parts = {k: v for k, v in processes(data).items() if k != "supervisor"}
        open_parts = sorted(name for name in parts if done.get(name, 0) < kills)
        if not open_parts:
            if parts and len(done) >= 3 and all(done[name] >= kills for name in done):
                break
            continue
        victim = open_parts[int(rng.integers(len(open_parts)))]
        try:
            os.kill(parts[victim], signal.SIGKILL)
        except ProcessLookupError:
            continue
        done[victim] = done.get(victim, 0) + 1
        next_s = time.monotonic() + float(rng.uniform(*pause_s))
    return finish(process, data, began_s, limit_s), done
