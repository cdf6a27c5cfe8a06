"""The peer that engines are measured against, in an environment of its own outside the tree.

hftbacktest needs numpy < 2.3 and brings plotting packages; it is never a dependency of ours. The
environment lives in the user's cache folder, is made once by pip with whatever registry this
machine is set up for, and is reused when it is whole.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PEER = "hftbacktest==2.4.4"
PINS = (PEER, "numpy<2.3")
PROGRAM = Path(__file__).with_name("peer_grid.py")


def cache_folder() -> Path:
    """Return the folder that holds what benchmarks make once."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "counterpoint" / "bench"


def whole(python: Path) -> bool:
    """Return whether the environment answers with the wanted version."""
    if not python.exists():
        return False
    line = "import hftbacktest, numpy; print(hftbacktest.__version__, numpy.__version__)"
    done = subprocess.run([python, "-c", line], capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stdout.startswith(PEER.partition("==")[2] + " ")


def environment() -> Path:
    """Return the peer's Python; make its environment when there is none.

    Raises:
        RuntimeError: pip could not install it; the text is what pip said last.
    """
    folder = cache_folder() / PEER.replace("==", "-")
    python = folder / "bin" / "python"
    if whole(python):
        return python
    print(f"making the peer's environment in {folder} (some minutes, once)", file=sys.stderr)
    folder.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PINS]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not whole(python):
        raise RuntimeError(f"{PEER} cannot be installed: {done.stderr.strip()[-300:]}")
    return python


class Peer:
    """A child process that runs backtests one after the other."""

    def __init__(self, python: Path) -> None:
        began = time.monotonic()
        self.process = subprocess.Popen(
            [str(python), str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ.get("PATH", ""), "HOME": os.environ.get("HOME", "")},
        )
        self.version = self._read()
        self.start_s = time.monotonic() - began

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the peer ended with code {self.process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send one request and return the answer.

        Raises:
            RuntimeError: the process ended.
        """
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)
