"""The flags of `counterpoint backtest`; what they do is in `backtest.py`."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from agents.cli.exits import USAGE, CommandError
from agents.cli.options import Change, Config, Data, Fee, Feed, Hours, Json, Seed, TakerFee

Start: TypeAlias = Annotated[str | None, typer.Option("--start", help="first moment used, UTC")]
Spread: TypeAlias = Annotated[
    float | None, typer.Option("--spread-percentage", help="full spread, percent of mid")
]
Levels: TypeAlias = Annotated[int | None, typer.Option("--levels", help="quotes per side")]
Base: TypeAlias = Annotated[
    float | None, typer.Option("--base-quantity", help="base asset, innermost level")
]
Position: TypeAlias = Annotated[
    float | None, typer.Option("--max-position", help="base asset, either way")
]
Grid: TypeAlias = Annotated[
    str | None, typer.Option("--grid", help='all of "spread_percentage=0.05:0.3:6,levels=1,2,3"')
]
Random: TypeAlias = Annotated[
    int | None, typer.Option("--random", help="so many sets drawn around the starting one")
]
Ranges: TypeAlias = Annotated[
    list[str] | None, typer.Option("--range", help="of --random: name=low:high (repeatable)")
]
Fills: TypeAlias = Annotated[
    str | None, typer.Option("--fills", help="fill model, as power:4, touch, trade-through")
]
Latency: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--latency", help="5ms; orders,cancels,reports; sampled:5ms,40ms,SEED; measured:1.0"
    ),
]
Guard: TypeAlias = Annotated[int | None, typer.Option("--guard-interval", help="milliseconds")]
Slices: TypeAlias = Annotated[
    int, typer.Option("--slices", help="parts of the span whose profit is told apart")
]
Sort: TypeAlias = Annotated[str, typer.Option("--sort", help="figure that ranks the sets")]
Top: TypeAlias = Annotated[int, typer.Option("--top", help="rows shown")]
Trials: TypeAlias = Annotated[
    int | None,
    typer.Option("--trials", help="sets this one was chosen from, if more than are tried here"),
]
Csv: TypeAlias = Annotated[
    Path | None, typer.Option("--csv", help="write the first row's fills (.csv)")
]
Picture: TypeAlias = Annotated[
    Path | None, typer.Option("--picture", help="draw the first row (.svg)")
]
Calibrate: TypeAlias = Annotated[
    Path | None,
    typer.Option("--calibrate", help="instead: hold the fill models to this log of real orders"),
]
Threads: TypeAlias = Annotated[
    int | None, typer.Option("--threads", help="default: all cores; figures do not vary")
]


def backtest(
    *,
    feed_path: Feed = None,
    hours: Hours = None,
    start: Start = None,
    maker_fee: Fee = None,
    taker_fee: TakerFee = None,
    spread_percentage: Spread = None,
    levels: Levels = None,
    base_quantity: Base = None,
    max_position: Position = None,
    grid: Grid = None,
    random: Random = None,
    ranges: Ranges = None,
    fills: Fills = None,
    latency: Latency = None,
    guard_interval: Guard = None,
    slices: Slices = 6,
    sort: Sort = "net",
    top: Top = 10,
    trials: Trials = None,
    csv: Csv = None,
    picture: Picture = None,
    calibrate: Calibrate = None,
    threads: Threads = None,
    seed: Seed = None,
    data: Data = None,
    config: Config = None,
    change: Change = None,
    as_json: Json = False,
) -> None:
    """Backtest one parameter set, or a sweep of them, on a recording."""
    from agents.cli import backtest as testing
    from agents.cli.flags import resolve, trading

    for flag, text in (("--latency", latency), ("--start", start), ("--grid", grid)):
        if text is not None and not text.strip():
            raise CommandError(f"{flag} is empty; give a value or leave it out", USAGE)
    flags = trading(feed_path, hours, maker_fee, seed, data) | {
        "feed.start": start,
        "feed.taker_fee_bps": taker_fee,
        "parameters.spread_percentage": spread_percentage,
        "parameters.levels": levels,
        "parameters.base_quantity": base_quantity,
        "parameters.max_position": max_position,
        "feed.fill_model": fills,
        "executor.latency": latency,
        "executor.guard_interval_ms": guard_interval,
    }
    request = testing.Request(
        grid=grid, random=random, ranges=tuple(ranges or ()), threads=threads, slices=slices,
        sort=sort, top=top, trials=trials, csv=csv, picture=picture, calibrate=calibrate,
        as_json=as_json,
    )  # fmt: skip
    raise typer.Exit(testing.backtest(resolve(config, change, flags), request))
