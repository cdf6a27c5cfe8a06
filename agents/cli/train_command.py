"""The flags of `counterpoint train`; what they do is in `train.py`."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from agents.cli.options import Change, Config, Data, Fee, Feed, Hours, Json, Seed

Randomise: TypeAlias = Annotated[
    bool, typer.Option("--randomise", help="on artificial markets too, drawn by the seed")
]
Budget: TypeAlias = Annotated[
    int | None, typer.Option("--budget", help="guard steps traded; default 200,000,000")
]
Out: TypeAlias = Annotated[
    Path | None,
    typer.Option("--out", help="the checkpoint (.npz); default: in the data folder"),
]


def train(
    *,
    feed_path: Feed = None,
    hours: Hours = None,
    maker_fee: Fee = None,
    randomise: Randomise = False,
    budget: Budget = None,
    out: Out = None,
    seed: Seed = None,
    data: Data = None,
    config: Config = None,
    change: Change = None,
    as_json: Json = False,
) -> None:
    """Learn what the plan misses, on a recording; write it as a checkpoint."""
    from agents.cli import train as working
    from agents.cli.flags import trading

    request = working.Request(
        randomise=randomise, budget=working.BUDGET if budget is None else budget, out=out,
        as_json=as_json,
    )  # fmt: skip
    flags = trading(feed_path, hours, maker_fee, seed, data)
    raise typer.Exit(working.train(config, change, flags, request))
