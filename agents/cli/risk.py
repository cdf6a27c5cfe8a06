"""`counterpoint risk`: what could be lost, and the limits that hold it."""

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.exits import USAGE, CommandError
from agents.cli.options import Change, Config, Data, Feed, Feeds, Json
from agents.cli.output import put
from agents.cli.talk import Talk

if TYPE_CHECKING:
    from agents.cli.risk_desk import Seen
    from exchange.importers.bars import Bars

app = typer.Typer(
    help="Risk: what could be lost, and the limits that hold it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
DURATION = re.compile(r"([0-9]+)(s|m|h|d)")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@app.callback()
def risk() -> None:
    """Keep each command a name of its own."""


def duration_ns(text: str) -> int:
    """Return nanoseconds of `30s`, `5m`, `1h` or `1d`.

    Raises:
        CommandError: it is none of these, or longer than a day.
    """
    found = DURATION.fullmatch(text.strip())
    seconds = 0 if found is None else int(found[1]) * SECONDS[found[2]]
    if not 1 <= seconds <= 86_400:
        raise CommandError(
            f"--horizon is like 30s, 5m, 1h, 1d, at most a day, found {text!r}", USAGE
        )
    return seconds * 10**9


def bars_in(path: Path, symbol: str | None) -> "Bars":
    """Return the bars of a file of bars, raw or imported, or the mids of a recording."""
    from exchange.importers.bars import import_bars, load_bars, looks_like_bars
    from exchange.importers.bars_recorded import bars_of_recording
    from exchange.importers.instruments import demand_symbol
    from exchange.recording_folder import load_recording

    if looks_like_bars([path]):
        return import_bars([path], symbol=symbol)
    bars = load_bars(path) if path.suffix == ".npz" and path.is_file() else None
    if bars is None:
        bars = bars_of_recording(load_recording(path))
    demand_symbol(bars.meta.symbol, symbol, str(path))
    return bars


@app.command()
def var(
    paths: Annotated[
        list[Path], typer.Argument(help="recordings or files of bars, one for each symbol")
    ],
    *,
    exposure: Annotated[
        list[float] | None,
        typer.Option("--exposure", help="quote asset, of each symbol in turn; short is negative"),
    ] = None,
    horizon: Annotated[str | None, typer.Option("--horizon", help="30s to 1d")] = None,
    symbol: Annotated[str | None, typer.Option("--symbol", help="of a folder with several")] = None,
    limit: Annotated[
        float | None,
        typer.Option("--limit", help="largest value at risk, quote asset: how much may be held?"),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="of the paths of a long horizon")] = 1,
    as_json: Json = False,
) -> None:
    """Estimate value at risk and expected shortfall at 95 and 99 %, by three methods."""
    from agents.cli.risk_table import as_dict, as_text, estimate

    horizon_ns = None if horizon is None else duration_ns(horizon)
    if exposure is not None and len(exposure) != len(paths):
        raise CommandError(
            f"give one --exposure for each of the {len(paths)} symbols, found {len(exposure)}",
            USAGE,
        )
    if limit is not None and not 0 < limit < math.inf:
        raise CommandError(f"--limit must be above 0, found {limit:g}", USAGE)
    talk = Talk()
    try:
        bars = []
        for number, path in enumerate(paths):
            talk(f"reading {path.name}", number / len(paths))
            bars.append(bars_in(path, symbol))
        talk("estimating", 1.0)
        report = estimate(bars, exposure, horizon_ns, seed)
    finally:
        talk.done()
    put(json.dumps(as_dict(report, limit), indent=2) if as_json else as_text(report, limit))


@app.command()
def limits(
    *,
    feeds: Feeds = None,
    data: Data = None,
    config: Config = None,
    change: Change = None,
    as_json: Json = False,
) -> None:
    """Show every limit, what happens when it binds, and which could never bind."""
    from agents.cli import risk_limits, risk_portfolio
    from agents.cli.flags import resolve
    from agents.feeds import ensure_bundled
    from agents.session import open_session

    flags = {"feed.path": feeds[0] if feeds else None, "data": data}
    settings = resolve(config, change, flags).settings
    if feeds is not None and len(feeds) > 1:
        told = risk_portfolio.limits(settings, feeds)
        put(risk_portfolio.limits_json(told) if as_json else risk_portfolio.limits_text(told))
        return
    ensure_bundled(settings)
    alone = risk_limits.report(open_session(settings))
    put(risk_limits.as_json(alone) if as_json else risk_limits.as_text(alone))


@app.command()
def portfolio(
    *,
    run_folder: Annotated[
        Path | None, typer.Option("--run", help="folder of a run; default: the newest")
    ] = None,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show what the executors on one capital hold together, and what each may carry."""
    from agents.cli import risk_portfolio
    from agents.cli.flags import resolve

    settings = resolve(config, None, {"data": data}).settings
    told = risk_portfolio.standing(run_folder or settings.data / "runs" / "latest")
    put(risk_portfolio.as_json(told) if as_json else risk_portfolio.as_text(told))


Run = Annotated[
    Path | None, typer.Option("--run", help="folder of a run; default: the newest, live or ended")
]


def seen_of(
    run: Path | None,
    feed_path: Path | None,
    data: Path | None,
    config: Path | None,
    change: list[str] | None,
) -> "Seen":
    """Return the account of a run, or of a replay of the recording that is named."""
    from agents.cli import risk_desk
    from agents.cli.audit import folder_of
    from agents.cli.flags import resolve
    from agents.session import open_session

    if run is not None and feed_path is not None:
        raise CommandError("give --run or --feed, not both", USAGE)
    if feed_path is None:
        if change:
            raise CommandError("--set goes with --feed: a run has its own settings", USAGE)
        return risk_desk.of_run(folder_of(run, data, config))
    loaded = resolve(config, change, {"feed.path": feed_path, "data": data})
    return risk_desk.of_recording(open_session(loaded.settings))


@app.command()
def stress(
    *,
    run: Run = None,
    feed_path: Feed = None,
    data: Data = None,
    config: Config = None,
    change: Change = None,
    as_json: Json = False,
) -> None:
    """Ask every scenario of a run's book, position and orders, or of a replay of --feed."""
    from agents.cli.risk_status import stress_document, stress_text
    from risk.stress import HISTORY
    from risk.stress import stress as asked

    seen = seen_of(run, feed_path, data, config, change)
    outcomes = asked(seen.desk())
    sources = {each.name: each.source for each in HISTORY}
    put(stress_document(seen, outcomes) if as_json else stress_text(seen, outcomes, sources))


@app.command()
def status(
    *,
    run: Run = None,
    feed_path: Feed = None,
    data: Data = None,
    config: Config = None,
    change: Change = None,
    as_json: Json = False,
) -> None:
    """Show state, limits with what is left of each, value at risk, stress and cost of closing."""
    from agents.cli.risk_status import status_document, status_of, status_text

    told = status_of(seen_of(run, feed_path, data, config, change))
    put(status_document(told) if as_json else status_text(told))
