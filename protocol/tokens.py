"""Bearer tokens by which a person's browser or program may ask a desk: made here, read here.

There are two, each a file of mode 0600 beside the keys: `read` looks at everything, `act` may also
stop, rearm, pause, resume and change the mode. None stands anywhere else, and there is no default.
"""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from protocol.errors import SecretError
from protocol.secret import read_secret

READ: Final = "read"
ACT: Final = "act"
SCOPES: Final = (READ, ACT)
TOKEN_BYTES: Final = 32
TOKEN_MIN: Final = 32
"""Shortest token that is taken, characters."""


def token_path(folder: Path, scope: str) -> Path:
    """Return the file of a scope's token in a folder of keys."""
    return folder / f"desk-{scope}.token"


def new_tokens(folder: Path, *, renew: bool = False) -> list[Path]:
    """Make the tokens that are missing; return their files.

    Args:
        renew: make every one anew, in place of the old ones.

    Raises:
        SecretError: the folder cannot be written.
    """
    made = []
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for scope in SCOPES:
            path = token_path(folder, scope)
            if path.exists() and not renew:
                continue
            draft = path.with_suffix(".draft")
            draft.unlink(missing_ok=True)
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(TOKEN_BYTES) + "\n")
            draft.replace(path)
            made.append(path)
    except OSError as error:
        raise SecretError(f"{folder}: tokens cannot be written: {error.strerror}") from None
    return made


def load_tokens(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the tokens by scope.

    From `COUNTERPOINT_DESK_READ_TOKEN` (or `..._FILE`), else from the folder; likewise `ACT`.

    Raises:
        SecretError: one is missing, readable by others, too short, or both are one.
    """
    found = {}
    for scope in SCOPES:
        name, path = f"COUNTERPOINT_DESK_{scope.upper()}_TOKEN", token_path(folder, scope)
        told = name in environ or f"{name}_FILE" in environ
        if not told and not path.exists():
            raise SecretError(f"{path} is missing; make it with `counterpoint keys tokens`")
        found[scope] = read_secret(name, environ=environ, file=path)
        if len(found[scope]) < TOKEN_MIN:
            raise SecretError(f"a token must have at least {TOKEN_MIN} characters ({name})")
    if found[READ] == found[ACT]:
        raise SecretError("the tokens of read and act must differ; `counterpoint keys tokens`")
    return found
