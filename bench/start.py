"""What a process pays before its first answer: cold, warm, after an edit, and in company.

    python -m bench.start

Every figure comes from child processes with kernel folders of their own; CPU seconds are those of
the child, user and system. Other load on the machine lengthens wall seconds, so the bars take the
least of several. Exit code 1 when a bar does not hold.
"""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from market.jit_cache import NOTICE

ROOT = Path(__file__).parents[1]
COLD_CPU_S_MAX = 30.0
WARM_S_MAX = 1.0
SILENCE_S_MAX = 1.0
WARM_RUNS = 9
NOTICE_RUNS = 5
ROUNDS = 2
EDITED = ("wide.py", "quotient += 1\n    return -quotient", "quotient += 2\n    return -quotient")
STRANGERS = ("market.book.", "market.features.", "market.fills.", "market.policy.")

# A tiny tape and one candidate that pays fees; prints CPU seconds at each stage and the answer.
FIRST_CALL = """
import json, time
marks = [("interpreter", time.process_time())]
def done(name): marks.append((name, time.process_time()))
import numba
done("import numba")
import numpy as np
from market.layout import SCALE_MAKER_FEE
from market.replay import replay
from market.tape import build_tape
from market.features import observer_settings
from market.synthetic import synthetic_day
from market.warm import SECOND_NS, warm_setup
done("import market")
events, _ = synthetic_day(seed=1, hours=0.1)
tape = build_tape(events, interval_ns=SECOND_NS, cycle_ns=30 * SECOND_NS,
                  settings=observer_settings(warmup_s=60.0))
done("make a tape")
setup = warm_setup()
setup.scale[SCALE_MAKER_FEE] = 12_345
rows = np.array([(0.05, 2.0, 1.0, 5.0)])
out = replay(tape, rows, setup, first_step=0, last_step=len(tape.steps))
done("replay")
print(json.dumps({"marks": marks, "answer": out.tobytes().hex()}))
"""
WARM_UP = "from market.warm import warm; warm()"
COMMANDS = (("executor",), ("optimizer",), ("run",), ("backtest", "--random", "4"))


@dataclass(frozen=True)
class Child:
    """What one process took and said."""

    cpu_s: float
    wall_s: float
    out: str
    error: str
    code: int


def begin(arguments: list[str], kernels: Path, root: Path = ROOT) -> subprocess.Popen[str]:
    """Start a Python process that imports from `root` and keeps its kernels apart."""
    environment = os.environ | {"PYTHONPATH": str(root), "COUNTERPOINT_KERNELS": str(kernels)}
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=kernels.parent,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def child(arguments: list[str], kernels: Path, root: Path = ROOT) -> Child:
    """Run a process to its end and measure it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    process = begin(arguments, kernels, root)
    out, error = process.communicate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Child(
        cpu_s=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        wall_s=time.monotonic() - began,
        out=out,
        error=error,
        code=process.returncode,
    )


def notice_after(folder: Path) -> float:
    """Return the seconds until a process with nothing compiled says what it does."""
    with tempfile.TemporaryDirectory(dir=folder) as empty:
        began = time.monotonic()
        process = begin(["-c", WARM_UP], Path(empty) / "kernels")
        assert process.stderr is not None
        process.stderr.readline()
        took_s = time.monotonic() - began
        process.kill()
        process.communicate()
    return took_s


def names(kernels: Path) -> set[str]:
    """Return the names of the files in a kernel folder."""
    return {path.name for path in kernels.iterdir() if path.suffix == ".kernel"}


def cold_and_warm(folder: Path) -> dict[str, object]:
    """Compile everything in an empty folder, then make first calls with what is there."""
    kernels = folder / "kernels"
    cold = child(["-c", WARM_UP], kernels)
    child(["-c", FIRST_CALL], kernels)
    runs = [child(["-c", FIRST_CALL], kernels) for _ in range(WARM_RUNS)]
    stages = [json.loads(run.out)["marks"] for run in runs]
    for index, (name, _) in enumerate(stages[0]):
        spent = [s[index][1] - (s[index - 1][1] if index else 0.0) for s in stages]
        print(f"  {name:<14}{median(spent):>7.2f} s CPU")
    return {
        "cold_cpu_s": round(cold.cpu_s, 1),
        "cold_wall_s": round(cold.wall_s, 1),
        "cold_notice_s": round(min(notice_after(folder) for _ in range(NOTICE_RUNS)), 2),
        "cold_says_so": cold.error.splitlines() == [NOTICE],
        "kernels": len(names(kernels)),
        "kernels_mib": round(sum(p.stat().st_size for p in kernels.iterdir()) / 2**20, 1),
        "warm_cpu_s": round(median(run.cpu_s for run in runs), 2),
        "warm_wall_s": round(median(run.wall_s for run in runs), 2),
        "warm_wall_s_least": round(min(run.wall_s for run in runs), 2),
        "warm_silent": not any(run.error for run in runs),
    }


def nothing_left(folder: Path) -> dict[str, object]:
    """Run commands after a warm-up; whatever they still compile is missing from it."""
    kernels = folder / "kernels"
    left: set[str] = set()
    for command in COMMANDS:
        before = names(kernels)
        told = child(["-m", "agents.cli.main", *command, "--hours", "1"], kernels)
        if told.code != 0:
            raise SystemExit(f"counterpoint {command[0]}: {told.error}")
        left |= names(kernels) - before
    return {"left_by_warm_up": sorted(left)}


def edit(folder: Path) -> dict[str, object]:
    """Change one line deep down in a copy: another answer, and strangers are not compiled anew."""
    kernels = folder / "edited"
    copy = folder / "copy"
    shutil.copytree(ROOT / "market", copy / "market", ignore=shutil.ignore_patterns("__pycache__"))
    first = json.loads(child(["-c", FIRST_CALL], kernels, copy).out)["answer"]
    before = names(kernels)
    path = copy / "market" / EDITED[0]
    source = path.read_text(encoding="utf-8")
    if source.count(EDITED[1]) != 1:
        raise SystemExit(f"bench.start: {EDITED[0]} no longer holds the line to edit")
    path.write_text(source.replace(*EDITED[1:]), encoding="utf-8")
    run = child(["-c", FIRST_CALL], kernels, copy)
    anew = names(kernels) - before
    return {
        "edit_changes_answer": json.loads(run.out)["answer"] != first,
        "edit_compiles": len(anew),
        "edit_of": len(before),
        "edit_cpu_s": round(run.cpu_s, 1),
        "edit_leaves_strangers": not any(name.startswith(STRANGERS) for name in anew),
    }


def company(folder: Path) -> dict[str, object]:
    """Several processes compile into one empty folder at once, one is killed; all others agree."""
    answers = set()
    clean = True
    for number in range(ROUNDS):
        kernels = folder / f"shared-{number}"
        writers = [begin(["-c", FIRST_CALL], kernels) for _ in range(3)]
        while len(names(kernels)) < 5 if kernels.exists() else True:
            time.sleep(0.1)
        writers[0].send_signal(signal.SIGKILL)
        writers[0].communicate()
        for writer in writers[1:]:
            out, _ = writer.communicate()
            clean &= writer.returncode == 0
            answers.add(json.loads(out)["answer"] if out else "")
        after = child(["-c", FIRST_CALL], kernels)
        clean &= after.code == 0 and not after.error
        answers.add(json.loads(after.out)["answer"])
    return {"company_rounds": ROUNDS, "company_agrees": len(answers) == 1 and clean}


def main() -> int:
    """Print a table and one JSON line; return 0 when every bar holds."""
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for part in (cold_and_warm, nothing_left, edit, company):
            figures |= part(folder)
    bars = {
        f"cold compile <= {COLD_CPU_S_MAX:g} s CPU": figures["cold_cpu_s"] <= COLD_CPU_S_MAX,
        f"it says so within {SILENCE_S_MAX:g} s": figures["cold_says_so"]
        and figures["cold_notice_s"] <= SILENCE_S_MAX,
        f"warm first call <= {WARM_S_MAX:g} s": figures["warm_cpu_s"] <= WARM_S_MAX
        and figures["warm_wall_s_least"] <= WARM_S_MAX
        and figures["warm_silent"],
        "a warm-up leaves nothing": not figures["left_by_warm_up"],
        "an edit is seen": figures["edit_changes_answer"],
        "strangers are kept": figures["edit_leaves_strangers"],
        "company does not disturb": figures["company_agrees"],
    }
    for name, value in figures.items():
        print(f"{name:<22}{value}")
    for name, holds in bars.items():
        print(f"{'holds' if holds else 'FAILS':<7}{name}")
    print(json.dumps({"bench": "start", **figures, "holds": all(bars.values())}))
    return 0 if all(bars.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
