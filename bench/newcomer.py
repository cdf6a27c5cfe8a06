"""What a newcomer lives through: clone, `make run` as the first command, and again.

    python -m bench.newcomer

It needs a machine that reaches a package registry. Nothing is reused: a fresh clone, a fresh
environment, a fresh kernel cache, fresh data.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

INSTALL_S_MAX = 60.0
INSTALL_MB_MAX = 740.0
FIRST_S_MAX = 60.0
SECOND_S_MAX = 20.0


def timed(folder: Path, target: str) -> tuple[float, str]:
    """Run a make target in a clone; return its seconds and what it printed."""
    began = time.monotonic()
    kernels = {"COUNTERPOINT_KERNELS": str(folder / "kernels")}
    keep = ("PATH", "HOME", "LANG", "SSL_CERT_FILE", "VIRTUAL_ENV")
    environment = {k: v for k, v in os.environ.items() if k in keep or k.startswith("PIP_")}
    done = subprocess.run(
        ["make", target],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
        env=environment | kernels,
    )
    return time.monotonic() - began, done.stdout


def size_mb(folder: Path) -> float:
    """Return the disk space of a folder, MB."""
    done = subprocess.run(["du", "-sk", str(folder)], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0]) / 1000


def main() -> int:
    """Clone, install, run twice; print a table and one JSON line."""
    root = Path(__file__).parent.parent
    with tempfile.TemporaryDirectory() as temporary:
        clone = Path(temporary) / "counterpoint"
        subprocess.run(["git", "clone", "--quiet", str(root), str(clone)], check=True)
        install_s, _ = timed(clone, "setup")
        megabytes = size_mb(clone / ".venv")
        first_s, printed = timed(clone, "run")
        second_s, again = timed(clone, "run")
        results = sorted((clone / "counterpoint-data" / "runs").glob("2*/result.json"))
        same = len(results) == 2 and results[0].read_bytes() == results[1].read_bytes()
    print(printed)
    figures = {
        "install_s": round(install_s, 1),
        "install_mb": round(megabytes),
        "first_run_s": round(first_s, 1),
        "second_run_s": round(second_s, 1),
        "same_result": same,
    }
    for name, value in figures.items():
        print(f"{name:<14}{value}")
    print(json.dumps({"bench": "newcomer", **figures}))
    good = (
        install_s <= INSTALL_S_MAX
        and megabytes <= INSTALL_MB_MAX
        and first_s <= FIRST_S_MAX
        and second_s <= SECOND_S_MAX
        and same
        and "verdict" in again
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
