"""Turns flags, environment and the configuration file into settings."""

import os
from collections.abc import Mapping
from pathlib import Path

from agents.cli.exits import USAGE, CommandError
from agents.settings import Settings
from protocol.settings import Loaded, load_settings

FILE = Path("counterpoint.toml")


def trading(
    feed: Path | None,
    hours: float | None,
    maker_fee: float | None,
    seed: int | None,
    data: Path | None,
) -> dict[str, object]:
    """Return, by dotted key, the flags of every command that trades a recording."""
    return {
        "feed.path": feed,
        "feed.hours": hours,
        "feed.maker_fee_bps": maker_fee,
        "seed": seed,
        "data": data,
    }


def resolve(
    config: Path | None, change: list[str] | None, flags: Mapping[str, object]
) -> Loaded[Settings]:
    """Read `config` (or counterpoint.toml when it is here), the environment, then the flags.

    Args:
        config: configuration file, or None.
        change: `section.key=value` texts of `--set`.
        flags: by dotted key; None means not given.
    """
    given: dict[str, object] = dict(flags)
    for text in change or []:
        key, sign, value = text.partition("=")
        if not sign or not key.strip():
            raise CommandError(f"--set takes section.key=value, found {text!r}", USAGE)
        given[key.strip()] = value.strip()
    file = config if config is not None else (FILE if FILE.is_file() else None)
    return load_settings(Settings, file=file, environ=os.environ, flags=given)
