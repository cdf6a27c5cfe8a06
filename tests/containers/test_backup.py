"""`make backup` and `make restore`, on volumes that a test fills: the image of Python is enough."""

import subprocess
import tempfile
from pathlib import Path

import pytest

from bench import container_archive as archives
from bench.container_house import Stack, engine_missing

IMAGE = "python:3.11-slim"
FILL = """
set -e
cd /volumes
install -d -m 1777 session && install -d -o 10001 -m 700 session/audit
head -c 40000000 /dev/urandom > session/executor.db
seq 200000 > coordinator/log && chown 10001:10001 coordinator/log && chmod 600 coordinator/log
ln -s log coordinator/latest
install -d -o 999 -m 700 database/pg && seq 9 > database/pg/PG_VERSION
"""


def has_image():
    """Whether it is there: a test pulls nothing."""
    asked = ["docker", "image", "inspect", IMAGE]
    return not engine_missing() and subprocess.run(asked, capture_output=True).returncode == 0  # noqa: PLW1510


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not has_image(), reason=f"no engine, or no image {IMAGE}"),
]


@pytest.fixture
def stack():
    """A project whose volumes hold something; nothing of it runs."""
    with tempfile.TemporaryDirectory(prefix="cp") as folder:
        made = Stack(Path(folder), COUNTERPOINT_IMAGE=IMAGE)
        made.make_keys()
        try:
            yield made
        finally:
            made.down()
            assert made.left() == [[], [], []]


def test_what_was_kept_comes_back_whatever_is_interrupted(stack):
    """Content, mode and owner of every file; what is damaged, full or cut short changes nothing."""
    empty = stack.done("deploy/backup.sh", "nothing")
    assert empty.returncode == 4
    assert b"the volumes hold nothing" in empty.stderr
    assert not list((stack.folder / "nothing").iterdir())
    words = ("run", "--rm", "-T", "--no-deps", "--entrypoint", "sh", "archive", "-c", FILL)
    stack.compose(*words)
    before = archives.listed(stack)
    assert any("10001" in line for line in before)
    path = archives.archive(stack)
    assert archives.content(path) == before
    archives.cut_backups(stack)
    archives.refused(stack, path, "the volumes hold a run")
    stack.down()
    for spoilt in archives.damaged(path):
        archives.refused(stack, spoilt, "is damaged")
    archives.cut_restores(stack, path)
    stack.run("make", "--silent", "restore", f"FROM={path}")
    assert archives.listed(stack) == before
