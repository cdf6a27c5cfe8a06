"""The options that several commands share, each with its name and its help."""

from pathlib import Path
from typing import Annotated, TypeVar

import typer

Value = TypeVar("Value")

Feed = Annotated[Path | None, typer.Option("--feed", help="recording (.npz); default: bundled day")]
Feeds = Annotated[
    list[Path] | None,
    typer.Option("--feed", help="recording (.npz), once for each symbol; default: bundled day"),
]
Config = Annotated[Path | None, typer.Option("--config", help="configuration file (TOML)")]
Data = Annotated[Path | None, typer.Option("--data", help="folder for everything written")]
OneRun = Annotated[
    str | None,
    typer.Option("--run", help="one run alone: its folder, or how its name begins; default: all"),
]
Mode = Annotated[str | None, typer.Option("--mode", help="coordination mode")]
Seed = Annotated[int | None, typer.Option("--seed", help="seed of everything random")]
Hours = Annotated[float | None, typer.Option("--hours", help="hours of the recording to use")]
Fee = Annotated[
    float | None, typer.Option("--maker-fee", help="maker fee in basis points; negative: a rebate")
]
TakerFee = Annotated[float | None, typer.Option("--taker-fee", help="basis points")]
Change = Annotated[
    list[str] | None,
    typer.Option("--set", help="any setting: --set optimizer.budget=48 (repeatable)"),
]
Plain = Annotated[
    int | None,
    typer.Option(
        "--accept-plain", help="loopback port for unsigned parameter_update", metavar="PORT"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]


def first_of(values: list[Value] | None) -> Value | None:
    """Return the first of what may be given more than once."""
    return values[0] if values else None
