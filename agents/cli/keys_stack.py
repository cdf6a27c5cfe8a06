"""`counterpoint keys stack`: what the containers of `docker-compose.yml` mount beside the keys.

The simulated exchange gets an account with random API keys, one for the executor and one for the
guardian; the database a random password, which its own container and the desk's read; the desk its
tokens. `.env` says as which user the containers run: whoever owns the keys. Keys that root made
are given to a user without rights.
"""

import os
import secrets
from pathlib import Path

from protocol.errors import RosterError
from protocol.tokens import new_tokens

USER = 10001
"""Whom keys are given to that root made: the user of the image."""
FOLDER = "exchange"
ENVIRONMENT = ".env"
TAKERS = ("executor", "guardian")
DATABASE = "postgres:5432:counterpoint:counterpoint"
"""Host, port, name and user of the database, as libpq's password file has them."""
CHOSEN = ("COUNTERPOINT_UID", "COUNTERPOINT_GID")


def make_stack_keys(keys: Path, project: Path) -> Path:
    """Make the exchange's account and API keys, and name the containers' user; never over others.

    Args:
        keys: folder of roster and private keys; they are there.
        project: folder of docker-compose.yml, where `.env` goes.

    Returns:
        The folder of the API keys.

    Raises:
        RosterError: they are there already, or cannot be written.
    """
    folder = keys / FOLDER
    if folder.exists():
        raise RosterError(f"{folder} is there already; move it away to make new API keys")
    try:
        folder.mkdir(mode=0o700)
        pairs = {name: (secrets.token_hex(32), secrets.token_hex(32)) for name in TAKERS}
        for name, (key, secret) in pairs.items():
            write(folder / f"{name}.api-key", key)
            write(folder / f"{name}.api-secret", secret)
        write(folder / "accounts.toml", accounts(*pairs["executor"], *pairs["guardian"]))
        password = secrets.token_hex(32)
        write(folder / "database.password", password)
        write(folder / "database.passfile", f"{DATABASE}:{password}")
        new_tokens(keys)
        user = owner()
        if os.getuid() == 0:
            for path in (*keys.glob("*.key"), *keys.glob("*.token"), *folder.iterdir()):
                os.chown(path, *user)
        write_environment(project / ENVIRONMENT, dict(zip(CHOSEN, map(str, user), strict=True)))
    except OSError as error:
        raise RosterError(f"{error.filename}: cannot be written: {error.strerror}") from None
    return folder


def owner() -> tuple[int, int]:
    """Return user and group of the containers."""
    return (USER, USER) if os.getuid() == 0 else (os.getuid(), os.getgid())


def accounts(key: str, secret: str, other_key: str, other_secret: str) -> str:
    """Return the accounts file of the simulated exchange: one account that two keys reach."""
    return (
        "[[account]]\n"
        'name = "maker"\n'
        f'key = "{key}"\n'
        f'secret = "{secret}"\n'
        f'more_keys = {{ {other_key} = "{other_secret}" }}\n'
    )


def write(path: Path, text: str) -> None:
    """Write a secret that stands nowhere yet, mode 0600."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text if text.endswith("\n") else f"{text}\n")


def write_environment(path: Path, values: dict[str, str]) -> None:
    """Put values into a Compose environment file, and leave its other lines alone."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = [line for line in lines if line.partition("=")[0].strip() not in values]
    text = "".join(f"{line}\n" for line in (*kept, *(f"{k}={v}" for k, v in values.items())))
    path.write_text(text, encoding="utf-8")
