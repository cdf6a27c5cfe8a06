"""The options of every command that trades at a venue over the network."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.exits import USAGE, CommandError

if TYPE_CHECKING:
    from agents.settings import Settings

Venue = Annotated[
    str | None,
    typer.Option(
        "--venue",
        help="recording, binance, binance-futures, testnet, demo, live, paper or paper-futures",
    ),
]
Url = Annotated[
    str | None, typer.Option("--url", help="live, testnet, demo, or a simulated exchange's address")
]
Symbol = Annotated[str | None, typer.Option("--symbol", help="such as BTC-USDT")]
Symbols = Annotated[
    list[str] | None, typer.Option("--symbol", help="such as BTC-USDT, once for each executor")
]
KeyFile = Annotated[Path | None, typer.Option("--key-file", help="API key, mode 0600")]
SecretFile = Annotated[Path | None, typer.Option("--secret-file", help="API secret, mode 0600")]
Pace = Annotated[
    str | None, typer.Option("--pace", help="wall, or with a replayed feed: feed, lockstep")
]
Control = Annotated[
    str | None, typer.Option("--control", help="control port's address, for --pace lockstep")
]
Speed = Annotated[
    float | None, typer.Option("--speed", help="of a feed: with --clock real, or --pace feed")
]

LIVE = "live"
ENVIRONMENTS = (LIVE, "testnet", "demo")
SkipLadder = Annotated[
    bool, typer.Option("--skip-ladder", help="real money though rungs of the ladder are missing")
]


def venue_flags(
    venue: str | None,
    url: str | None,
    symbol: str | None,
    key_file: Path | None,
    secret_file: Path | None,
    pace: str | None,
    control: str | None,
) -> dict[str, object]:
    """Return, by dotted key, the flags of a venue; an environment's name says both at once."""
    kind: str | None = venue
    real: bool | None = None
    if venue in ENVIRONMENTS:
        kind, url = "binance", url or venue
        real = True if venue == LIVE else None
    elif venue is None and url is not None:
        kind = "binance"
    return {
        "venue.kind": kind,
        "venue.url": url,
        "venue.real": real,
        "venue.symbol": symbol,
        "venue.key_file": key_file,
        "venue.secret_file": secret_file,
        "venue.pace": pace,
        "venue.control": control,
    }


def demand_speed(settings: "Settings", speed: float | None, clock: str) -> None:
    """Refuse a speed that nothing would keep.

    Args:
        settings: resolved.
        speed: of the flag; None: not given.
        clock: how the command is told the clock `real`.

    Raises:
        CommandError: what keeps it.
    """
    if speed is None:
        return
    if settings.venue.recorded and settings.run.clock.value != "real":
        found, needed = f"clock {settings.run.clock.value}", clock
    elif not settings.venue.recorded and settings.venue.pace.value != "feed":
        found, needed = f"pace {settings.venue.pace.value}", "--pace feed"
    else:
        return
    raise CommandError(
        f"--speed {speed:g} needs {needed}, found {found}, which keeps none; give {needed}, or "
        "leave --speed out",
        USAGE,
    )
