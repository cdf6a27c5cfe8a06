"""The options of every command that trades at a venue over the network."""

from pathlib import Path
from typing import Annotated

import typer

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
ENVIRONMENTS = ("live", "testnet", "demo")


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
    if venue in ENVIRONMENTS:
        kind, url = "binance", url or venue
    elif venue is None and url is not None:
        kind = "binance"
    return {
        "venue.kind": kind,
        "venue.url": url,
        "venue.symbol": symbol,
        "venue.key_file": key_file,
        "venue.secret_file": secret_file,
        "venue.pace": pace,
        "venue.control": control,
    }
