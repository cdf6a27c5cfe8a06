"""Databases of both kinds for tests: a file, and a PostgreSQL server in a folder of its own."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

import sqlalchemy as sa

from desk import schema
from desk.store import Store

WAIT_S = "30"
"""Seconds until it must answer."""


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, None where it is not installed."""
    found = shutil.which("postgres")
    if found is not None:
        return Path(found).parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return folders[-1] if folders else None


class Server:
    """A PostgreSQL that listens on a socket in its folder alone; no server runs as root."""

    def __init__(self) -> None:
        found = programs()
        assert found is not None, "PostgreSQL is not installed"
        self._programs = found
        self._folder = Path(tempfile.mkdtemp(prefix="cp"))
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user is not None:
            shutil.chown(self._folder, self._user)
        self._run("initdb", "-D", "data", "-A", "trust", "-U", "desk", "--no-sync", "-E", "UTF8")

    @property
    def url(self) -> str:
        """The address of its database."""
        return f"postgresql://desk@/postgres?host={self._folder}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        more = f"-c listen_addresses= -c unix_socket_directories={self._folder} -c fsync=off"
        self._run(
            "pg_ctl", "-D", "data", "-w", "-t", str(int(WAIT_S)), "-l", "log", "-o", more, "start"
        )

    def stop(self) -> None:
        """Stop it at once, whoever is connected."""
        self._run("pg_ctl", "-D", "data", "-m", "immediate", "stop")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), *arguments],
            cwd=self._folder,
            user=self._user,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def before_sums(store: Store) -> None:
    """Make an open store what it was before cursors had sums."""
    with store.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE cursors DROP COLUMN sums"))
        schema.FILLS_BY_ORDER.drop(connection)
        schema.OUTCOMES_BY_KIND.drop(connection)
        connection.execute(sa.update(schema.VERSIONS).values(version=2))
