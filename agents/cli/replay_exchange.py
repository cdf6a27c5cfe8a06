"""`counterpoint replay-exchange`: becomes the simulated Binance.

Standard output is one JSON line once it serves: its address, its symbols and its control port.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from agents.cli.exits import USAGE, CommandError
from agents.cli.options import Change, Config, Data, Fee, Feeds, Hours, Seed, TakerFee, first_of
from agents.cli.output import flush

if TYPE_CHECKING:
    from agents.settings import Settings

Synthetic = Annotated[
    bool, typer.Option("--synthetic", help="an artificial day instead of a recording")
]
Port = Annotated[int, typer.Option("--port", help="of REST and WebSockets; 0: any")]
Host = Annotated[str, typer.Option("--host", help="address to serve on")]
Speed = Annotated[str, typer.Option("--speed", help="1, 60, ..., or lockstep")]
Accounts = Annotated[
    Path | None, typer.Option("--accounts", help="who may trade (TOML); default: test, test")
]
Control = Annotated[int | None, typer.Option("--control", help="port for faults and lockstep")]
Latency = Annotated[str, typer.Option("--latency", help="of requests and answers: 5ms, or 5ms,7ms")]
Step = Annotated[int, typer.Option("--step-ms", help="step of lockstep")]
Clients = Annotated[int, typer.Option("--clients", help="that lockstep waits for before it begins")]
State = Annotated[Path | None, typer.Option("--state", help="folder that keeps orders and trades")]
MetricsPort = Annotated[int | None, typer.Option("--metrics-port", help="of /metrics; unset: none")]
MetricsHost = Annotated[str | None, typer.Option("--metrics-host", help="address of /metrics")]
Futures = Annotated[bool, typer.Option("--futures", help="as Binance USD-M futures would")]


def replay_exchange(
    *,
    feeds: Feeds = None,
    synthetic: Synthetic = False,
    port: Port = 9010,
    host: Host = "127.0.0.1",
    speed: Speed = "1",
    accounts: Accounts = None,
    control: Control = None,
    latency: Latency = "0",
    step_ms: Step = 1000,
    clients: Clients = 1,
    state: State = None,
    maker_fee: Fee = None,
    taker_fee: TakerFee = None,
    futures: Futures = False,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = None,
    seed: Seed = None,
    hours: Hours = None,
    data: Data = None,
    config: Config = None,
    change: Change = None,
) -> None:
    """Serve recordings as Binance would: REST, streams, WebSocket API, on this machine."""
    from agents.cli.flags import resolve

    flags = {
        "feed.path": first_of(feeds),
        "feed.maker_fee_bps": maker_fee,
        "feed.taker_fee_bps": taker_fee,
        "data": data,
    }
    options: dict[str, object | None] = {
        "port": port,
        "host": host,
        "speed": speed,
        "accounts": accounts,
        "control": control,
        "latency": latency,
        "step-ms": step_ms,
        "clients": clients,
        "state": state,
        "metrics-port": metrics_port,
        "metrics-host": metrics_host,
        "seed": seed,
        "hours": hours,
    }
    settings = resolve(config, change, flags).settings
    more = [path.resolve() for path in (feeds or [])[1:]]
    become(settings, synthetic=synthetic, more=more, futures=futures, options=options)


def become(
    settings: "Settings",
    *,
    synthetic: bool,
    options: dict[str, object | None],
    more: Sequence[Path] = (),
    futures: bool = False,
) -> NoReturn:
    """Serve the configured recording until asked to end, in this process.

    Args:
        settings: feed, fill model and fees are used.
        synthetic: an artificial day made on the spot, in place of any recording.
        more: recordings of other symbols.
        futures: USD-M futures in place of spot.
        options: of `python -m exchange.simulated`, by name; None: its own default.

    Raises:
        CommandError: a recording and an artificial day are asked for together.
    """
    from agents.cli.run import make_ready, say
    from agents.feeds import feed_path

    if synthetic and settings.feed.path is not None:
        raise CommandError("give either --feed DAY or --synthetic, not both", USAGE)
    arguments = ["--synthetic"]
    if not synthetic:
        make_ready(settings)
        arguments = ["--feed", str(feed_path(settings).resolve())]
        for path in more:
            arguments += ["--feed", str(path)]
    if futures:
        arguments.append("--futures")
    fees = {"maker-fee": settings.feed.maker_fee_bps, "taker-fee": settings.feed.taker_fee_bps}
    told = options | fees | {"fill-model": settings.feed.fill_model}
    for name, value in told.items():
        if value is not None:
            arguments += [f"--{name}", str(value)]
    say("the market is being made ready; a line says where it is served; Ctrl-C ends it")
    flush()
    os.execv(sys.executable, [sys.executable, "-m", "exchange.simulated", *arguments])  # noqa: S606
