"""The flags of `counterpoint optimize`; what they do is in `optimize.py`."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from agents.cli.options import Change, Config, Data, Fee, Feed, Hours, Json, Seed

Study: TypeAlias = Annotated[
    str | None,
    typer.Option("--study", help="keep it under this name, or go on with it", metavar="NAME"),
]
Storage: TypeAlias = Annotated[
    str | None,
    typer.Option("--storage", help="database; default: sqlite in the data folder", metavar="URL"),
]
Watch: TypeAlias = Annotated[
    bool, typer.Option("--watch", help="look on at a study that another terminal works on")
]
Budget: TypeAlias = Annotated[
    int | None, typer.Option("--budget", help="candidates a window; default 128")
]
Windows: TypeAlias = Annotated[
    int | None, typer.Option("--windows", help="the newest so many; default: all")
]
Every: TypeAlias = Annotated[
    float | None, typer.Option("--every", help="hours between windows; default: the horizon")
]
Optuna: TypeAlias = Annotated[
    Path | None,
    typer.Option("--export-optuna", help="write an Optuna study (.db)", metavar="FILE"),
]
Report: TypeAlias = Annotated[
    Path | None,
    typer.Option("--report", help="write one self-contained page (.html)", metavar="FILE"),
]
Threads: TypeAlias = Annotated[
    int | None, typer.Option("--threads", help="default: all cores; figures do not vary")
]
Cluster: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--cluster", help="head of a Ray cluster whose workers replay", metavar="HOST:PORT"
    ),
]


def optimize(
    *,
    feed_path: Feed = None,
    hours: Hours = None,
    maker_fee: Fee = None,
    budget: Budget = None,
    windows: Windows = None,
    every: Every = None,
    study: Study = None,
    storage: Storage = None,
    watch: Watch = False,
    report: Report = None,
    export_optuna: Optuna = None,
    threads: Threads = None,
    cluster: Cluster = None,
    seed: Seed = None,
    data: Data = None,
    config: Config = None,
    change: Change = None,
    as_json: Json = False,
) -> None:
    """Search a recording for better parameters, walking forward; store it, go on, look on."""
    from agents.cli import optimize as working
    from agents.cli.flags import trading

    flags = trading(feed_path, hours, maker_fee, seed, data) | {
        "optimizer.budget": budget,
        "optimizer.threads": threads,
        "optimizer.cluster": cluster,
    }
    request = working.Request(
        study=study, storage=storage, watch=watch, windows=windows, every=every,
        optuna=export_optuna, report=report, as_json=as_json,
    )  # fmt: skip
    raise typer.Exit(working.optimize(config, change, flags, request))
