"""The OpenAPI document is kept: a fuzzer asks everything it allows, and much that it does not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.desk.test_window import journaled
from tests.desk.windows import Window

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_schema_conformance", "ignored_auth",
)  # fmt: skip


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    """One stack for all tests."""
    with Window(tmp_path_factory.mktemp("contract"), hours=6.0) as found:
        yield found


WITHIN = "20/s"
"""Requests without the right token are a part of them, and 5 a second of those are answered."""


def fuzzed(window, folder, scope, method, pace):
    """What schemathesis says; it exits with 0 when every check of every answer holds."""
    program = shutil.which("schemathesis", path=Path(sys.executable).parent)
    if program is None:
        pytest.skip("schemathesis is not installed (extra dev)")
    done = subprocess.run(
        [
            *(program, "run", f"{window.url}/api/v1/openapi.json", "--no-color"),
            *("--header", f"Authorization: Bearer {window.tokens[scope]}"),
            *("--include-method", method, "--rate-limit", pace, "--max-examples", "5"),
            *("--checks", ",".join(CHECKS), "--seed", "1", "--phases", "coverage,fuzzing"),
            *("--generation-database", ":memory:", "--request-timeout", "30"),
        ],
        capture_output=True,
        text=True,
        timeout=900,
        cwd=folder,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
async def test_whatever_is_asked_no_answer_is_a_server_error(window, tmp_path):
    """Reading, with the token of readers: every answer is one that the document foresees."""
    async with window.client() as client:
        await window.living(client)
    code, said = fuzzed(window, tmp_path, "read", "GET", WITHIN)
    assert code == 0, said[-6000:]


@pytest.mark.slow
async def test_whatever_is_wished_without_the_right_has_no_effect(window, tmp_path):
    """Actions with the token of readers: refused each time, and the executor heard none."""
    async with window.client() as client:
        await window.living(client)
    before = len(journaled(window, "heard"))
    fuzzed_code, said = fuzzed(window, tmp_path, "read", "POST", WITHIN)
    assert "not_a_server_error" not in said, said[-6000:]
    assert fuzzed_code in {0, 1}
    kinds = {row.kind for row in journaled(window, "heard")[before:]}
    assert not kinds & {"stop", "pause", "rearm"}


@pytest.mark.slow
async def test_whatever_is_wished_with_the_right_is_answered(window, tmp_path):
    """Actions, at the pace that the doors allow."""
    async with window.client() as client:
        await window.living(client)
    code, said = fuzzed(window, tmp_path, "act", "POST", "4/s")
    assert code == 0, said[-6000:]
