"""Where Prometheus' own programs are, on machines that have them."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARDS = ROOT / "deploy" / "grafana" / "dashboards"


def found(name: str) -> str | None:
    """Return the path of one of its programs, None where it is not."""
    ours = ROOT / ".tools" / name
    return str(ours) if ours.is_file() else shutil.which(name)


def needs(name: str) -> pytest.MarkDecorator:
    """Skip a test where a program is not, and say how to have it."""
    return pytest.mark.skipif(
        found(name) is None, reason=f"no {name}: deploy/prometheus/get.sh puts it into .tools"
    )
