"""Turns flags, environment and the configuration file into settings."""

import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

from agents.cli.exits import USAGE, CommandError
from agents.settings import Settings
from protocol.errors import SettingsError
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


def resolve_at_any_rate(config: Path | None, data: Path | None) -> Loaded[Settings]:
    """Return settings for a command that must work, however wrong the configuration is.

    What is wrong is said; of it only the data folder and the bus are then believed, as far as
    they can be read: a run's own settings lie in its folder.
    """
    try:
        return resolve(config, None, {"data": data})
    except SettingsError as error:
        line = f"counterpoint: {error}; going on without the configuration"
        print(line, file=sys.stderr, flush=True)
    given = {**salvaged(config), "data": data or salvaged(config).get("data")}
    try:
        return load_settings(Settings, flags=given)
    except SettingsError:
        return load_settings(Settings, flags={"data": data})


def salvaged(config: Path | None) -> dict[str, object]:
    """Return what a broken configuration says of the data folder and the bus, by dotted key."""
    found: dict[str, object] = {}
    try:
        told = tomllib.loads((config or FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        told = {}
    bus = told.get("bus")
    for key, value in (bus if isinstance(bus, dict) else {}).items():
        found[f"bus.{key}"] = value
    if "data" in told:
        found["data"] = told["data"]
    for name, value in os.environ.items():
        part, _, key = name.removeprefix("COUNTERPOINT__").lower().partition("__")
        if name.startswith("COUNTERPOINT__") and part in {"data", "bus"}:
            found[f"{part}.{key}" if key else part] = value
    return found
