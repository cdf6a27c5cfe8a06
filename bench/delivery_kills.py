"""Kills random processes of a whole run, one after another, and measures how soon each is back."""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from agents.bus import endpoints_of
from agents.cli.stack import settings_in
from bench.stack import finish, processes, run, start
from tests.protocol.spy import Spy

BACK_MAX_S = 30.0
SEED = 7
ARGUMENTS = ("--optimizers", "2", "--set", "optimizer.budget=8")


def kills(feed: Path, count: int, hours: float) -> dict[str, Any]:
    """Kill so many times; return times of recovery, and whether the result is that without kills.

    Recovery is the time from SIGKILL to the first heartbeat of the next process of that name, which
    an executor or optimizer says as soon as its request to join was answered, and the coordinator
    as soon as its hub forwards anything.
    """
    arguments = ("--feed", str(feed), "--hours", str(hours), *ARGUMENTS)
    with tempfile.TemporaryDirectory(prefix="cp") as name:
        calm = run(Path(name) / "calm", *arguments)
        data = Path(name) / "fired"
        process = start(data, *arguments)
        began_s = time.monotonic()
        took_s = _fire(process, data, count)
        fired = finish(process, data, began_s, 900.0)
    times = sorted(each for _, each in took_s)
    roles = sorted({each for each, _ in took_s})
    by_role = {each: sorted(took for role, took in took_s if role == each) for each in roles}
    return {
        "kills": len(times),
        "kills_by_role": {each: len(found) for each, found in by_role.items()},
        "recovery_p50_s": _middle(times),
        "recovery_max_s": times[-1] if times else None,
        **{f"{each}_p50_s": _middle(found) for each, found in by_role.items()},
        **{f"{each}_max_s": found[-1] for each, found in by_role.items()},
        "same_result": fired.result_bytes == calm.result_bytes,
    }


def _fire(process: "subprocess.Popen[str]", data: Path, count: int) -> list[tuple[str, float]]:
    rng = np.random.default_rng(SEED)
    folder = data / "runs" / "latest"
    while not {"coordinator", "executor-1", "optimizer-2"} <= set(processes(data)):
        time.sleep(0.01)
    took_s = []
    ends = endpoints_of(settings_in(folder.resolve()))
    with Spy(ends.control_out, ("st.heartbeat.",)) as spy:
        while len(took_s) < count and process.poll() is None:
            parts = {k: v for k, v in processes(data).items() if k != "supervisor"}
            victim = sorted(parts)[int(rng.integers(len(parts)))]
            spy.take()
            killed_ns = time.time_ns()
            with contextlib.suppress(ProcessLookupError):
                os.kill(parts[victim], signal.SIGKILL)
                found_s = _back_s(spy, process, victim, killed_ns)
                if found_s is not None:
                    took_s.append((victim, found_s))
            time.sleep(float(rng.uniform(0.0, 0.2)))
    return took_s


def _middle(ranked: list[float]) -> float | None:
    return ranked[len(ranked) // 2] if ranked else None


def _back_s(
    spy: Spy, process: "subprocess.Popen[str]", victim: str, killed_ns: int
) -> float | None:
    """Return the seconds until a victim was heard again, None when the run ended before."""
    while time.time_ns() - killed_ns < BACK_MAX_S * 1e9:
        if process.poll() is not None:
            return None
        spy.wait(0.1)
        for each in spy.take():
            if each.header["src"] == victim and each.header["ts"] > killed_ns:
                return float(each.header["ts"] - killed_ns) * 1e-9
    return BACK_MAX_S
