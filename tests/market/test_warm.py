"""Warming up: afterwards no command finds anything left to compile."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from market.jit_cache import NOTICE

ROOT = Path(__file__).parents[2]


def asked_outside():
    """Return `module.name` of each kernel that code outside of market/ imports."""
    found = set()
    for package in ("agents", "exchange", "risk"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("market."):
                    module = __import__(node.module, fromlist=["x"])
                    for each in node.names:
                        if hasattr(getattr(module, each.name), "py_func"):
                            found.add(f"{node.module}.{each.name}")
    return found


@pytest.mark.slow
def test_every_kernel_that_others_call_is_compiled(tmp_path):
    """An empty folder holds each of them after one warm-up, which says what takes so long."""
    environment = os.environ | {"COUNTERPOINT_KERNELS": str(tmp_path)}
    code = "from market.warm import warm; warm()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True
    )
    assert done.stderr.decode().splitlines() == [NOTICE]
    kept = {path.name.rpartition("-")[0] for path in tmp_path.iterdir()}
    asked = asked_outside()
    assert len(asked) > 10
    assert asked - kept == set()
