"""The flags of `counterpoint evaluate`; what they do is in `evaluate.py`."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from agents.cli.options import Change, Config, Data, Hours, Json, Seed, first_of

Days: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option("--feed", help="recording, once for each day, in order; default: bundled day"),
]
Arms: TypeAlias = Annotated[
    str | None, typer.Option("--arms", help="as N,S1,V,T; default: all but TM,TP,TH,TC")
]
Fees: TypeAlias = Annotated[
    str | None, typer.Option("--fees", help="maker fees in basis points, as -0.5,0,2,7.5")
]
Page: TypeAlias = Annotated[Path | None, typer.Option("--html", help="write a page (.html)")]
Count: TypeAlias = Annotated[
    int | None, typer.Option("--days", help="so many of the recordings, from the first")
]


def evaluate(
    *,
    feeds: Days = None,
    arms: Arms = None,
    fees: Fees = None,
    days: Count = None,
    hours: Hours = None,
    html: Page = None,
    seed: Seed = None,
    data: Data = None,
    config: Config = None,
    change: Change = None,
    as_json: Json = False,
) -> None:
    """Does tuning pay? Ways of trading the same days side by side, with intervals."""
    from agents.cli import evaluate as evaluating
    from agents.cli.flags import resolve, trading

    flags = trading(first_of(feeds), hours, None, seed, data)
    request = evaluating.Request(
        feeds=tuple(feeds or ()), arms=arms, fees=fees, days=days, html=html, as_json=as_json
    )
    raise typer.Exit(evaluating.evaluate(resolve(config, change, flags), request))
