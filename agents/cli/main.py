"""`counterpoint`: parses a command and hands it on. Heavy libraries load only where used."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from agents.cli import feed
from agents.cli.exits import explain

app = typer.Typer(
    name="counterpoint",
    help="A self-tuning crypto market maker: executor, optimizer and coordinator on a bus.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(feed.app, name="feed")
keys_app = typer.Typer(help="Signing keys and the roster.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
config_app = typer.Typer(help="Show the configuration.", no_args_is_help=True)
app.add_typer(config_app, name="config")

Feed = Annotated[Path | None, typer.Option("--feed", help="recording (.npz); default: bundled day")]
Config = Annotated[Path | None, typer.Option("--config", help="configuration file (TOML)")]
Data = Annotated[Path | None, typer.Option("--data", help="folder for everything written")]
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
Json = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]


@app.command()
def run(
    *,
    feed_path: Feed = None,
    mode: Mode = None,
    hours: Hours = None,
    maker_fee: Fee = None,
    seed: Seed = None,
    optimizers: Annotated[int | None, typer.Option("--optimizers", help="how many")] = None,
    clock: Annotated[str | None, typer.Option("--clock", help="lockstep or real")] = None,
    speed: Annotated[float | None, typer.Option("--speed", help="with --clock real")] = None,
    data: Data = None,
    config: Config = None,
    change: Change = None,
    as_json: Json = False,
) -> None:
    """Run the whole stack on this machine: bus, coordinator, executor, optimizer."""
    from agents.cli import run as running
    from agents.cli.flags import resolve, trading

    flags = trading(feed_path, hours, maker_fee, seed, data) | {
        "coordinator.mode": mode,
        "run.optimizers": optimizers,
        "run.clock": clock,
        "run.speed": speed,
    }
    raise typer.Exit(running.run(resolve(config, change, flags), as_json=as_json))


@app.command()
def executor(
    *,
    feed_path: Feed = None,
    hours: Hours = None,
    maker_fee: Fee = None,
    seed: Seed = None,
    data: Data = None,
    config: Config = None,
    change: Change = None,
    as_json: Json = False,
) -> None:
    """Run the executor alone on a recording, without a bus."""
    from agents.cli import alone
    from agents.cli.flags import resolve, trading

    flags = trading(feed_path, hours, maker_fee, seed, data)
    raise typer.Exit(alone.executor(resolve(config, change, flags), as_json=as_json))


@app.command()
def optimizer(
    *,
    feed_path: Feed = None,
    hours: Hours = None,
    maker_fee: Fee = None,
    seed: Seed = None,
    data: Data = None,
    config: Config = None,
    change: Change = None,
    as_json: Json = False,
) -> None:
    """Run the optimizer alone on a recording: searches, reports, publishes nothing."""
    from agents.cli import alone
    from agents.cli.flags import resolve, trading

    flags = trading(feed_path, hours, maker_fee, seed, data)
    raise typer.Exit(alone.optimizer(resolve(config, change, flags), as_json=as_json))


@app.command()
def backtest(
    *,
    feed_path: Feed = None,
    hours: Hours = None,
    start: Annotated[str | None, typer.Option("--start", help="first moment used, UTC")] = None,
    maker_fee: Fee = None,
    taker_fee: TakerFee = None,
    spread_percentage: Annotated[
        float | None, typer.Option("--spread-percentage", help="full spread, percent of mid")
    ] = None,
    levels: Annotated[int | None, typer.Option("--levels", help="quotes per side")] = None,
    base_quantity: Annotated[
        float | None, typer.Option("--base-quantity", help="base asset, innermost level")
    ] = None,
    max_position: Annotated[
        float | None, typer.Option("--max-position", help="base asset, either way")
    ] = None,
    grid: Annotated[
        str | None,
        typer.Option("--grid", help='all of "spread_percentage=0.05:0.3:6,levels=1,2,3"'),
    ] = None,
    random: Annotated[
        int | None, typer.Option("--random", help="so many sets drawn around the starting one")
    ] = None,
    ranges: Annotated[
        list[str] | None, typer.Option("--range", help="of --random: name=low:high (repeatable)")
    ] = None,
    fills: Annotated[
        str | None, typer.Option("--fills", help="fill model, as power:4, touch, trade-through")
    ] = None,
    guard_interval: Annotated[
        int | None, typer.Option("--guard-interval", help="milliseconds")
    ] = None,
    slices: Annotated[
        int, typer.Option("--slices", help="parts of the span whose profit is told apart")
    ] = 6,
    sort: Annotated[str, typer.Option("--sort", help="figure that ranks the sets")] = "net",
    top: Annotated[int, typer.Option("--top", help="rows shown")] = 10,
    trials: Annotated[
        int | None,
        typer.Option("--trials", help="sets this one was chosen from; deflates its bounds"),
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="write the first row's fills")] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="draw the first row (.svg)")
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            "--calibrate", help="instead: hold the fill models to this log of real orders"
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", help="default: all cores; figures do not vary")
    ] = None,
    seed: Seed = None,
    data: Data = None,
    config: Config = None,
    change: Change = None,
    as_json: Json = False,
) -> None:
    """Backtest one parameter set, or a sweep of them, on a recording."""
    from agents.cli import backtest as testing
    from agents.cli.flags import resolve, trading

    flags = trading(feed_path, hours, maker_fee, seed, data) | {
        "feed.start": start,
        "feed.taker_fee_bps": taker_fee,
        "parameters.spread_percentage": spread_percentage,
        "parameters.levels": levels,
        "parameters.base_quantity": base_quantity,
        "parameters.max_position": max_position,
        "feed.fill_model": fills,
        "executor.guard_interval_ms": guard_interval,
    }
    request = testing.Request(
        grid=grid, random=random, ranges=tuple(ranges or ()), threads=threads, slices=slices,
        sort=sort, top=top, trials=trials, csv=csv, picture=picture, calibrate=calibrate,
        as_json=as_json,
    )  # fmt: skip
    raise typer.Exit(testing.backtest(resolve(config, change, flags), request))


@app.command()
def coordinator(
    *,
    mode: Mode = None,
    optimizers: Annotated[int | None, typer.Option("--optimizers", help="how many seats")] = None,
    data: Data = None,
    config: Config = None,
    change: Change = None,
) -> None:
    """Run the coordinator and its two hubs alone; agents join it."""
    from agents.cli import alone
    from agents.cli.flags import resolve

    flags = {"coordinator.mode": mode, "run.optimizers": optimizers, "data": data}
    raise typer.Exit(alone.coordinator(resolve(config, change, flags)))


@app.command()
def status(*, data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Tell what is running: mode, members, parameters in force, position."""
    from agents.cli import control
    from agents.cli.flags import resolve

    raise typer.Exit(control.status(resolve(config, None, {"data": data}), as_json=as_json))


@app.command()
def mode(
    name: Annotated[
        str, typer.Argument(help="master-slave, peer, hierarchical or consensus", metavar="NAME")
    ],
    *,
    reason: Annotated[str, typer.Option("--reason", help="kept in the log")] = "operator",
    data: Data = None,
    config: Config = None,
) -> None:
    """Switch the running system to another coordination mode."""
    from agents.cli import control
    from agents.cli.flags import resolve

    raise typer.Exit(control.mode(resolve(config, None, {"data": data}), name, reason=reason))


@app.command()
def stop(
    *,
    reason: Annotated[str, typer.Option("--reason", help="kept in the log")] = "operator",
    flatten: Annotated[bool, typer.Option("--flatten", help="also close the position")] = False,
    timeout: Annotated[float, typer.Option("--timeout", help="seconds to wait")] = 10.0,
    data: Data = None,
    config: Config = None,
) -> None:
    """Emergency: cancel everything now and stay stopped until `rearm`."""
    from agents.cli import control
    from agents.cli.flags import resolve

    loaded = resolve(config, None, {"data": data})
    code = control.stop(loaded, reason=reason, flatten=flatten, timeout_s=timeout)
    raise typer.Exit(code)


@app.command()
def rearm(
    *,
    reason: Annotated[str, typer.Option("--reason", help="kept in the log")] = "operator",
    data: Data = None,
    config: Config = None,
) -> None:
    """Lift every stop that is in force."""
    from agents.cli import control
    from agents.cli.flags import resolve

    raise typer.Exit(control.rearm(resolve(config, None, {"data": data}), reason=reason))


@app.command()
def pause(*, data: Data = None, config: Config = None) -> None:
    """Withdraw the quotes; everything else goes on."""
    from agents.cli import control
    from agents.cli.flags import resolve

    raise typer.Exit(control.pause(resolve(config, None, {"data": data}), quoting=False))


@app.command()
def resume(*, data: Data = None, config: Config = None) -> None:
    """Quote again after `pause`."""
    from agents.cli import control
    from agents.cli.flags import resolve

    raise typer.Exit(control.pause(resolve(config, None, {"data": data}), quoting=True))


@app.command()
def down(*, data: Data = None, config: Config = None) -> None:
    """End the running stack cleanly: quotes cancelled, journals closed."""
    from agents.cli import control
    from agents.cli.flags import resolve

    raise typer.Exit(control.down(resolve(config, None, {"data": data})))


@app.command()
def doctor(
    *,
    feed_path: Feed = None,
    data: Data = None,
    config: Config = None,
    change: Change = None,
    as_json: Json = False,
) -> None:
    """Check this machine and this configuration before money does."""
    from agents.cli import doctor as checks
    from agents.cli.flags import resolve

    loaded = resolve(config, change, {"feed.path": feed_path, "data": data})
    raise typer.Exit(checks.doctor(loaded, as_json=as_json))


@keys_app.command("new")
def keys_new(*, data: Data = None, config: Config = None) -> None:
    """Make the roster and every participant's key pairs."""
    from agents.cli.flags import resolve
    from protocol.keys import new_keys

    folder = resolve(config, None, {"data": data}).settings.keys_folder
    new_keys(folder)
    print(folder)


@config_app.command("show")
def config_show(*, config: Config = None, change: Change = None, as_json: Json = False) -> None:
    """Print every setting with its value and where it came from."""
    from agents.cli import configuration
    from agents.cli.flags import resolve

    configuration.show(resolve(config, change, {}), as_json=as_json)


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON Schema of the configuration."""
    from agents.cli import configuration

    configuration.schema()


def main() -> None:
    """Run the command line; every failure is one line and an exit code."""
    try:
        app(standalone_mode=True)
    except Exception as error:  # noqa: BLE001 - the last door: explain() turns it into one line
        sys.exit(explain(error, Path("counterpoint-data")))


if __name__ == "__main__":
    main()
