"""Reading a secret: from the environment, or from a file that nobody else may read."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from protocol.errors import SecretError

SECRET_MAX = 65_536
"""Longest secret, bytes."""


def read_secret(name: str, *, environ: Mapping[str, str], file: Path | None = None) -> str:
    """Return the secret called `name`, without the newline at its end.

    Looked for in the variable `name`, in the file that the variable `name_FILE` names (container
    runtimes mount those readable, so only write access of others is refused), then in `file`,
    which nobody else may read.

    Raises:
        SecretError: absent, empty, given twice, not printable text, or readable by others.
    """
    told, where = environ.get(name), environ.get(f"{name}_FILE")
    if told is not None and where is not None:
        raise SecretError(f"{name} and {name}_FILE must not both be set; unset one (environment)")
    if told is not None:
        return _checked_secret(told, f"environment {name}")
    if where is not None:
        return _secret_file(Path(where), forbidden=0o022, name=name)
    if file is not None:
        return _secret_file(file, forbidden=0o077, name=name)
    raise SecretError(f"secret {name} must be given, found none; set {name} or {name}_FILE")


def _secret_file(path: Path, *, forbidden: int, name: str) -> str:
    try:
        with path.open("rb") as handle:
            # Asked of the open file: between a check by name and the reading it could be swapped.
            mode = os.fstat(handle.fileno()).st_mode
            data = handle.read(SECRET_MAX + 1) if stat.S_ISREG(mode) else b""
    except OSError as error:
        raise SecretError(f"secret {name}: {error.strerror} ({path})") from None
    if not stat.S_ISREG(mode):
        raise SecretError(f"secret {name} must be in a regular file ({path})")
    if mode & forbidden:
        found = f"{stat.S_IMODE(mode):04o}"
        raise SecretError(f"secret {name} must have mode 0600, found {found}; chmod 600 {path}")
    try:
        return _checked_secret(data.decode("utf-8"), str(path))
    except UnicodeDecodeError:
        raise SecretError(f"secret {name} must be text ({path})") from None


def _checked_secret(text: str, where: str) -> str:
    secret = text.rstrip("\r\n")
    if not secret or len(secret) > SECRET_MAX:
        raise SecretError(f"a secret must have 1 to {SECRET_MAX} characters ({where})")
    return secret
