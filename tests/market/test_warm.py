"""Warming up: afterwards no command finds anything left to compile."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from market.jit_cache import NOTICE

CALIBRATION = "market.ghosts."  # one long command alone asks for these, and says so
PLAYED = "market.played."  # `counterpoint feed` alone, when it plays price bars
LEARNER = (  # the learner's own market, which no process of the stack plays in
    "market.stylised_counts.",
    "market.stylised_plan.",
    "market.stylised_smooth.",
    "market.stylised_step.",
)
LATER = (CALIBRATION, PLAYED, *LEARNER)
ROOT = Path(__file__).parents[2]


def asked_outside():
    """Return `module.name` of each kernel that code outside of market/ imports."""
    found = set()
    for package in ("agents", "desk", "exchange", "risk"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("market."):
                    module = __import__(node.module, fromlist=["x"])
                    for each in node.names:
                        function = getattr(getattr(module, each.name), "py_func", None)
                        if function is not None:
                            found.add(f"{function.__module__}.{function.__qualname__}")
    return found


@pytest.mark.slow
def test_every_kernel_that_others_call_is_compiled(tmp_path):
    """An empty folder holds the form for Python of each, after one warm-up that says so."""
    environment = os.environ | {"COUNTERPOINT_KERNELS": str(tmp_path)}
    code = "from market.warm import warm; warm()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True
    )
    assert done.stderr.decode().splitlines() == [NOTICE]
    kept = {path.name.rpartition("-")[0] for path in tmp_path.iterdir()}
    asked = asked_outside()
    assert len(asked) > 10
    missing = {name for name in asked - kept if not name.startswith(LATER)}
    assert missing == set()
