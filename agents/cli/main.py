"""`counterpoint`: parses a command and hands it on. Heavy libraries load only where used."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from agents.cli import audit, desk_store, feed, keys, risk
from agents.cli.backtest_command import backtest
from agents.cli.evaluate_command import evaluate
from agents.cli.exits import CLOSED, explain
from agents.cli.guardian import guardian
from agents.cli.incident import incident
from agents.cli.menu import menu
from agents.cli.optimize_command import optimize
from agents.cli.options import (
    Change,
    Config,
    Data,
    Fee,
    Feed,
    Feeds,
    Hours,
    Json,
    Mode,
    OneRun,
    Plain,
    Seed,
    first_of,
)
from agents.cli.output import flush
from agents.cli.promote import promote
from agents.cli.record import record
from agents.cli.replay_exchange import replay_exchange
from agents.cli.replay_session import replay_session
from agents.cli.report import report
from agents.cli.scout import scout
from agents.cli.train_command import train
from agents.cli.venue_options import (
    Control,
    KeyFile,
    Pace,
    SecretFile,
    SkipLadder,
    Speed,
    Symbol,
    Symbols,
    Url,
    Venue,
    demand_speed,
    venue_flags,
)
from agents.cli.worker import worker
from protocol.refused import held

app = typer.Typer(
    name="counterpoint",
    help="A self-tuning crypto market maker: executor, optimizer and coordinator on a bus.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(feed.app, name="feed")
app.add_typer(audit.app, name="audit")
app.add_typer(keys.app, name="keys")
app.add_typer(risk.app, name="risk")
app.add_typer(desk_store.app, name="desk")
config_app = typer.Typer(help="Show the configuration.", no_args_is_help=True)
app.add_typer(config_app, name="config")
app.command()(backtest)
app.command()(evaluate)
app.command()(guardian)
app.command()(incident)
app.command()(menu)
app.command()(optimize)
app.command()(promote)
app.command()(record)
app.command()(report)
app.command()(scout)
app.command()(train)
app.command()(worker)
app.command("replay-exchange")(replay_exchange)
app.command("replay-session")(replay_session)


@app.command()
def run(
    *,
    feeds: Feeds = None,
    mode: Mode = None,
    hours: Hours = None,
    maker_fee: Fee = None,
    seed: Seed = None,
    optimizers: Annotated[int | None, typer.Option("--optimizers", help="how many")] = None,
    clock: Annotated[str | None, typer.Option("--clock", help="lockstep or real")] = None,
    speed: Speed = None,
    venue: Venue = None,
    url: Url = None,
    symbols: Symbols = None,
    key_file: KeyFile = None,
    secret_file: SecretFile = None,
    pace: Pace = None,
    control: Control = None,
    skip_ladder: SkipLadder = False,
    accept_plain: Plain = None,
    desk: Annotated[bool, typer.Option("--desk", help="open the desk, and let it stay")] = False,
    data: Data = None,
    config: Config = None,
    change: Change = None,
    as_json: Json = False,
) -> None:
    """Run the whole stack on this machine: bus, coordinator, executor, optimizer."""
    from agents.cli import run as running
    from agents.cli.flags import resolve, trading

    flags = trading(first_of(feeds), hours, maker_fee, seed, data) | {
        "coordinator.mode": mode,
        "coordinator.accept_plain": accept_plain,
        "run.optimizers": optimizers,
        "run.clock": clock,
        "run.speed": speed,
        "desk.open": True if desk else None,
        "ladder.skip": True if skip_ladder else None,
    }
    flags |= venue_flags(venue, url, first_of(symbols), key_file, secret_file, pace, control)
    loaded = resolve(config, change, flags)
    demand_speed(loaded.settings, speed, "--clock real")
    if len(feeds or ()) > 1 or len(symbols or ()) > 1:
        from agents.cli import run_several

        raise typer.Exit(run_several.run(loaded, feeds or (), symbols or (), as_json=as_json))
    raise typer.Exit(running.run(loaded, as_json=as_json))


@app.command()
def executor(
    *,
    feed_path: Feed = None,
    hours: Hours = None,
    maker_fee: Fee = None,
    seed: Seed = None,
    speed: Speed = None,
    venue: Venue = None,
    url: Url = None,
    symbol: Symbol = None,
    key_file: KeyFile = None,
    secret_file: SecretFile = None,
    pace: Pace = None,
    control: Control = None,
    skip_ladder: SkipLadder = False,
    data: Data = None,
    config: Config = None,
    change: Change = None,
    as_json: Json = False,
) -> None:
    """Run the executor alone on a recording, without a bus."""
    from agents.cli import alone
    from agents.cli.flags import resolve, trading

    flags = trading(feed_path, hours, maker_fee, seed, data)
    flags |= {"run.speed": speed, "ladder.skip": True if skip_ladder else None}
    flags |= venue_flags(venue, url, symbol, key_file, secret_file, pace, control)
    loaded = resolve(config, change, flags)
    demand_speed(loaded.settings, speed, "--set run.clock=real")
    raise typer.Exit(alone.executor(loaded, as_json=as_json))


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
def coordinator(
    *,
    mode: Mode = None,
    optimizers: Annotated[int | None, typer.Option("--optimizers", help="how many seats")] = None,
    accept_plain: Plain = None,
    data: Data = None,
    config: Config = None,
    change: Change = None,
) -> None:
    """Run the coordinator and its two hubs alone; agents join it."""
    from agents.cli import alone
    from agents.cli.flags import resolve

    flags = {
        "coordinator.mode": mode,
        "coordinator.accept_plain": accept_plain,
        "run.optimizers": optimizers,
        "data": data,
    }
    raise typer.Exit(alone.coordinator(resolve(config, change, flags)))


@app.command()
def status(
    *, run: OneRun = None, data: Data = None, config: Config = None, as_json: Json = False
) -> None:
    """Tell what is running: mode, members, parameters in force, position."""
    from agents.cli import control
    from agents.cli.flags import resolve_at_any_rate

    loaded = resolve_at_any_rate(config, data)
    raise typer.Exit(control.status(loaded, as_json=as_json, run=run))


@app.command()
def mode(
    name: Annotated[
        str, typer.Argument(help="master-slave, peer, hierarchical or consensus", metavar="NAME")
    ],
    *,
    reason: Annotated[str, typer.Option("--reason", help="kept in the log")] = "operator",
    run: OneRun = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Switch the running system to another coordination mode."""
    from agents.cli import control
    from agents.cli.flags import resolve

    loaded = resolve(config, None, {"data": data})
    raise typer.Exit(control.mode(loaded, name, reason=reason, run=run))


@app.command("log")
def decision_log(
    *,
    last: Annotated[
        int | None, typer.Option("--last", min=1, help="only the end: chapters")
    ] = None,
    decision: Annotated[
        str | None, typer.Option("--decision", help="what led to one: EPOCH.VERSION")
    ] = None,
    run_folder: Annotated[
        Path | None, typer.Option("--run", help="folder of a run; default: the newest")
    ] = None,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Tell the story of the decisions: who proposed, voted, refused, what came into force."""
    from agents.cli import log_command
    from agents.cli.flags import resolve

    loaded = resolve(config, None, {"data": data})
    code = log_command.log(loaded, run=run_folder, last=last, decision=decision, as_json=as_json)
    raise typer.Exit(code)


@app.command()
def stop(
    *,
    reason: Annotated[str, typer.Option("--reason", help="kept in the log")] = "operator",
    flatten: Annotated[bool, typer.Option("--flatten", help="also close the position")] = False,
    timeout: Annotated[float, typer.Option("--timeout", help="seconds to wait")] = 10.0,
    run: OneRun = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Emergency: cancel everything now and stay stopped until `rearm`."""
    from agents.cli import control
    from agents.cli.flags import resolve_at_any_rate

    loaded = resolve_at_any_rate(config, data)
    code = control.stop(loaded, reason=reason, flatten=flatten, timeout_s=timeout, run=run)
    raise typer.Exit(code)


@app.command()
def rearm(
    *,
    reason: Annotated[str, typer.Option("--reason", help="kept in the log")] = "operator",
    run: OneRun = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Lift every stop that is in force."""
    from agents.cli import control
    from agents.cli.flags import resolve

    loaded = resolve(config, None, {"data": data})
    raise typer.Exit(control.rearm(loaded, reason=reason, run=run))


@app.command()
def pause(*, run: OneRun = None, data: Data = None, config: Config = None) -> None:
    """Withdraw the quotes; everything else goes on."""
    from agents.cli import control
    from agents.cli.flags import resolve_at_any_rate

    raise typer.Exit(control.pause(resolve_at_any_rate(config, data), quoting=False, run=run))


@app.command()
def resume(*, run: OneRun = None, data: Data = None, config: Config = None) -> None:
    """Quote again after `pause`."""
    from agents.cli import control
    from agents.cli.flags import resolve

    loaded = resolve(config, None, {"data": data})
    raise typer.Exit(control.pause(loaded, quoting=True, run=run))


@app.command()
def down(*, run: OneRun = None, data: Data = None, config: Config = None) -> None:
    """End the running stack cleanly: quotes cancelled, journals closed."""
    from agents.cli import control
    from agents.cli.flags import resolve_at_any_rate

    raise typer.Exit(control.down(resolve_at_any_rate(config, data), run=run))


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


@config_app.command("show")
def config_show(
    *, data: Data = None, config: Config = None, change: Change = None, as_json: Json = False
) -> None:
    """Print every setting with its value and where it came from."""
    from agents.cli import configuration
    from agents.cli.flags import resolve

    configuration.show(resolve(config, change, {"data": data}), as_json=as_json)


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON Schema of the configuration."""
    from agents.cli import configuration

    configuration.schema()


def main() -> None:
    """Run the command line; every failure is one line and an exit code."""
    out = sys.stdout
    try:
        try:
            app(standalone_mode=True)
        finally:
            if sys.stdout is not out:
                sys.exit(CLOSED)  # the parser met a closed pipe and put a mute in its place
            flush()
    except Exception as error:  # noqa: BLE001 - the last door: explain() turns it into one line
        sys.exit(held(explain(error, Path("counterpoint-data")), os.environ))


if __name__ == "__main__":
    main()
