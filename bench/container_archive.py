"""Backup and restore of a stack's volumes: nothing is lost, and nothing overwritten."""

import hashlib
import os
import random
import signal
import subprocess
import tarfile
import time
from pathlib import Path

from bench.container_house import Stack

REFUSED = 4
LISTING = (
    r"cd /volumes && find ./* -printf '%y %m %U %G %p\n' && "
    "find ./* -type f -exec sha256sum {} +"
)
"""Kind, mode and owner of everything in the volumes, and the digest of every file."""
WRITERS = ("desk", "executor", "optimizer", "coordinator", "guardian")
CUTS, CUT_MAX_S = 6, 3.0


def archive(stack: Stack) -> Path:
    """Keep a stack, of which a part runs; return the archive."""
    path = stack.folder / stack.run("make", "--silent", "backup").strip()
    assert path.stat().st_mode & 0o77 == 0, "others may read the archive"
    return path


def listed(stack: Stack) -> list[str]:
    """Return what is in the volumes, a line or two for each file."""
    words = ("run", "--rm", "-T", "--no-deps", "--entrypoint", "sh", "archive", "-c", LISTING)
    return sorted(stack.compose(*words).splitlines())


def content(path: Path) -> list[str]:
    """Return the same of an archive, read by another program than the one that writes it."""
    lines = []
    with tarfile.open(path) as opened:
        for each in opened:
            kind = "f" if each.isfile() else "d" if each.isdir() else "l"
            lines.append(f"{kind} {each.mode:o} {each.uid} {each.gid} {each.name}")
            if each.isfile():
                file = opened.extractfile(each)
                assert file is not None
                lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {each.name}")
    return sorted(lines)


def tables(stack: Stack) -> str:
    """Return the digest of every row in the database."""
    words = ("exec", "-T", "postgres", "pg_dump", "--username", "counterpoint", "--data-only")
    text = stack.compose(*words, "--inserts", "counterpoint")
    rows = sorted(line for line in text.splitlines() if line.startswith("INSERT"))
    assert rows, "the database is empty"
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def damaged(path: Path) -> list[Path]:
    """Write an archive anew, damaged in several ways."""
    whole = path.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    found = []
    for name, text in (
        ("short", whole[:-1000]),
        ("flipped", flipped),
        ("empty", b""),
        ("no", b"no"),
    ):
        found.append(path.with_name(f"{name}.tar.gz"))
        found[-1].write_bytes(text)
    return found


def refused(stack: Stack, path: Path, why: str) -> None:
    """Try to restore; it must be refused for this reason, in one line."""
    done = stack.done("deploy/restore.sh", str(path))
    said = done.stderr.decode()
    assert done.returncode == REFUSED, (done.returncode, said)
    assert why in said, (why, said)
    assert said.count("\n") == 1, said


def cut_backups(stack: Stack) -> None:
    """Interrupt backups at random moments: what ran runs again, and no half archive is left."""
    folder = stack.folder / "cut"
    before = running(stack)
    for _ in range(CUTS):
        interrupted(stack, "deploy/backup.sh", str(folder))
        assert running(stack) == before
        assert not list(folder.glob("*.part"))
        assert all(content(path) for path in folder.glob("*.tar.gz")), "an archive is not whole"


def cut_restores(stack: Stack, path: Path) -> None:
    """Interrupt restores at random moments: the volumes are empty, or hold all of it."""
    wanted = content(path)
    for _ in range(CUTS):
        code = interrupted(stack, "deploy/restore.sh", str(path))
        found = listed(stack)
        assert len(found) == EMPTY or (code == 0 and found == wanted), (code, found[:9])
        if code == 0:
            stack.down()


EMPTY = 5
"""Lines of a listing of five volumes that hold nothing."""


def interrupted(stack: Stack, *command: str) -> int:
    """Type a command, and Ctrl-C after a while; return its exit code."""
    process = subprocess.Popen(
        command, cwd=stack.folder, env=stack.environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(random.uniform(0.0, CUT_MAX_S))  # noqa: S311 - any moment will do
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    return process.wait(timeout=120.0)


def running(stack: Stack) -> set[str]:
    """Return the services that run."""
    return set(stack.compose("ps", "--services", "--filter", "status=running").split())
