"""`counterpoint feed`: import raw market data, check a recording, describe it, make one.

Standard output is data, standard error is talk. Whatever is wrong is one line and exit code 4.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.exits import CONFIGURATION, ERROR, USAGE, CommandError
from agents.cli.feed_bars import import_bars, play_bars
from agents.cli.feed_download import download
from agents.cli.talk import Talk

if TYPE_CHECKING:
    from exchange.audit import Audit
    from exchange.importers.instruments import Options
    from exchange.recording import Meta, Recording

app = typer.Typer(
    help="Recordings: import, check, describe, make an artificial day.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Paths = Annotated[list[Path], typer.Argument(help="files or folders of raw data, or a recording")]
Out = Annotated[Path, typer.Option("--out", help="the recording to write (.npz)")]
Json = Annotated[bool, typer.Option("--json", help="print JSON instead of text")]
FormatName = Annotated[
    str | None,
    typer.Option("--format", help="binance, tardis, lobster, bitstamp, hftbacktest; else detected"),
]
Symbol = Annotated[
    str | None, typer.Option("--symbol", help="BASE-QUOTE; data of another symbol is refused")
]
Tick = Annotated[str | None, typer.Option("--tick", help="price step; else inferred")]
Lot = Annotated[str | None, typer.Option("--lot", help="quantity step; else inferred")]
MakerFee = Annotated[
    float | None, typer.Option("--maker-fee", help="basis points; negative: a rebate")
]
TakerFee = Annotated[float | None, typer.Option("--taker-fee", help="basis points")]

SECOND_NS = 1_000_000_000


def read(paths: list[Path], name: str | None, options: "Options") -> tuple["Recording", Any]:
    """Return a recording and its records if they hold order ids; raw data is imported."""
    from exchange.importers.detect import Format, import_feed
    from exchange.importers.instruments import NOTHING_GIVEN, demand_symbol
    from exchange.recording_folder import load_recording

    if name is not None and name not in set(Format):
        raise CommandError(f"--format must be one of {', '.join(Format)}, found {name!r}", USAGE)
    if is_recording(paths) or (paths[0].suffix == ".npz" and options == NOTHING_GIVEN):
        recording = load_recording(paths[0])
        demand_symbol(recording.meta.symbol, options.symbol, str(paths[0]))
        return recording, None
    talk = Talk()
    try:
        made = import_feed(
            paths, name=None if name is None else Format(name), options=options, progress=talk
        )
    finally:
        talk.done()
    return made.recording, made.data


def is_recording(paths: list[Path]) -> bool:
    """Return whether `paths` is one recording with its meta: a file, or a folder of segments."""
    from exchange.recording import read_members
    from exchange.segments import is_segment_folder

    if len(paths) == 1 and is_segment_folder(paths[0]):
        return True
    return len(paths) == 1 and paths[0].suffix == ".npz" and read_members(paths[0])[1] is not None


def span(meta: "Meta") -> str:
    """Return the span of a recording as a person reads it."""
    from exchange.audit import utc

    first, last = meta.span_ns
    hours = (last - first) / (3600 * SECOND_NS)
    length = f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.1f} min"
    return f"{utc(first)} to {utc(last)} ({length})"


def headline(meta: "Meta", *, trades: int) -> str:
    """Return the counts of a recording in one line."""
    counts = meta.counts
    return (
        f"{counts.depth_messages:,} depth events ({counts.level_changes:,} level changes), "
        f"{trades:,} trades, {counts.gaps:,} gaps"
    )


@app.command("import")
def import_(
    paths: Paths,
    *,
    out: Out,
    name: FormatName = None,
    symbol: Symbol = None,
    tick: Tick = None,
    lot: Lot = None,
    min_notional: Annotated[
        str | None, typer.Option("--min-notional", help="smallest order, quote asset")
    ] = None,
    maker_fee: MakerFee = None,
    taker_fee: TakerFee = None,
    contract_size: Annotated[
        str | None, typer.Option("--contract-size", help="of an inverse contract, quote asset")
    ] = None,
    venue: Annotated[str | None, typer.Option("--venue", help="name of the venue")] = None,
    as_json: Json = False,
) -> None:
    """Turn raw market data into a recording, or price bars into a file of bars."""
    from exchange.importers.bars import looks_like_bars
    from exchange.importers.instruments import Options
    from exchange.recording import save

    demand_npz(out)
    if name is None and looks_like_bars(paths):
        import_bars(paths, out, symbol, as_json=as_json)
        return
    if is_recording(paths) and paths[0].is_file():
        raise CommandError(f"{paths[0]} is a recording already; copy it, or import its raw data")
    options = Options(
        symbol=symbol,
        tick=tick,
        lot=lot,
        min_notional=min_notional,
        maker_fee_bps=maker_fee,
        taker_fee_bps=taker_fee,
        contract_size=contract_size,
        venue=venue,
    )
    recording, data = read(paths, name, options)
    meta = save(out, recording, data)
    if as_json:
        print(json.dumps({"path": str(out), **meta.model_dump(mode="json")}, indent=2))
        return
    print(f"{out}: {meta.symbol} on {meta.venue}, {span(meta)}")
    print(headline(meta, trades=meta.counts.trades))
    print(f"tick {meta.tick}, lot {meta.lot}, {recording.events.shape[0]:,} events", end="")
    offset = f", {meta.clock_offset_ns / 1e6:.3f} ms added to local times"
    print(offset if meta.clock_offset_ns else "")


def demand_npz(out: Path) -> None:
    """Refuse a name under which nobody would find a recording."""
    if out.suffix != ".npz":
        raise CommandError(f"--out must end in .npz, found {out}", USAGE)
    if not out.parent.is_dir():
        raise CommandError(f"--out {out}: no such folder; make it first", ERROR)


@app.command()
def check(
    paths: Paths,
    *,
    name: FormatName = None,
    symbol: Symbol = None,
    tick: Tick = None,
    lot: Lot = None,
    as_json: Json = False,
) -> None:
    """Audit a recording: errors end with exit code 4, warnings do not."""
    from exchange.audit import check as audit
    from exchange.importers.instruments import Options

    recording, _ = read(paths, name, Options(symbol=symbol, tick=tick, lot=lot))
    found = audit(recording)
    where = ", ".join(map(str, paths))
    if as_json:
        print(json.dumps({"path": where, **found.as_dict()}, indent=2))
    else:
        report(where, recording.meta, found)
    if not found.passed:
        more = f" (and {len(found.errors) - 1} more errors)" if len(found.errors) > 1 else ""
        raise CommandError(f"{where}: check failed: {found.errors[0]}{more}", CONFIGURATION)


def report(where: str, meta: "Meta", found: "Audit") -> None:
    """Print an audit for a person."""
    facts = found.facts
    print(f"{where}: {meta.symbol} on {meta.venue}, {span(meta)}")
    print(f"{headline(meta, trades=found.trades)}, {found.crossed_books:,} crossed books")
    if facts:
        print(
            f"trades by the book they met: {facts['trades_at_touch']:,} at the touch, "
            f"{facts['trades_through']:,} through it, {facts['trades_inside']:,} inside; "
            f"{facts['trades_buys']:,} bought"
        )
        print(
            f"longest silence {facts['longest_silence_s']:.1f} s, {facts['events_split']:,} of "
            f"{facts['events']:,} events split between the clocks, "
            f"{facts['clock_offset_ms']:.3f} ms added to local times"
        )
    for kind, lines in (("warning", found.warnings), ("error", found.errors)):
        for line in lines:
            print(f"{kind}: {line}")
    print("passed" if found.passed else "failed")


@app.command()
def info(
    paths: Paths,
    *,
    capital: Annotated[float, typer.Option("--capital", help="quote asset")] = 100_000.0,
    hours: Annotated[float, typer.Option("--hours", help="looked at, from the beginning")] = 1.0,
    maker_fee: MakerFee = None,
    name: FormatName = None,
    symbol: Symbol = None,
    tick: Tick = None,
    lot: Lot = None,
    as_json: Json = False,
) -> None:
    """Describe a market and suggest starting parameters for it."""
    from exchange.advice import suggest
    from exchange.importers.instruments import Options

    if not 0 < hours <= 24 * 366:
        raise CommandError(f"--hours must be above 0 and at most a year, found {hours:g}", USAGE)
    if not 0 < capital <= 9e10:
        raise CommandError(f"--capital must be above 0 and at most 9e10, found {capital:g}", USAGE)
    recording, _ = read(paths, name, Options(symbol=symbol, tick=tick, lot=lot))
    meta = recording.meta
    if maker_fee is not None:
        meta = meta.model_copy(update={"maker_fee_bps": maker_fee})
    until_ns = meta.span_ns[0] + round(hours * 3600 * SECOND_NS)
    advice = suggest(recording.events, meta, capital=capital, until_ns=until_ns)
    if as_json:
        instrument = meta.model_dump(mode="json", exclude={"counts", "notes"})
        document = {"parameters": advice.parameters, "facts": advice.facts, "meta": instrument}
        print(json.dumps(document, indent=2))
        return
    facts = advice.facts
    print(f"{meta.symbol} on {meta.venue}, {span(meta)}")
    print(
        f"first {facts['minutes']:.0f} min: mid {facts['mid']:g}, tick {facts['tick']} "
        f"({facts['tick_bps']:.3g} bps), lot {facts['lot']}, smallest order "
        f"{facts['smallest_order']:g} with its margin"
    )
    print(
        f"spread p50 {facts['spread_bps_p50']:.3g} bps, p90 {facts['spread_bps_p90']:.3g} bps; "
        f"30 s move of mid, standard deviation {facts['mid_move_30s_bps']:.3g} bps"
    )
    print(
        f"{facts['trades_per_minute']:.1f} trades a minute, {facts['traded_base_per_hour']:,.6g} "
        f"{facts['quantities']} an hour; {facts['silences_over_10s']} silences over 10 s, the "
        f"longest {facts['longest_silence_s']:.1f} s"
    )
    print(
        f"suggested for a capital of {capital:,.10g} {meta.quote} (at least "
        f"{facts['smallest_capital']:,}) at a maker fee of {meta.maker_fee_bps:g} bps:"
    )
    for key, value in advice.parameters.items():
        print(f"  {key} = {value}")


app.command()(download)


@app.command()
def synth(
    *,
    out: Out,
    seed: Annotated[int, typer.Option("--seed", help="of everything random")] = 1,
    hours: Annotated[float, typer.Option("--hours", help="length of the day")] = 24.0,
    setting: Annotated[
        str,
        typer.Option(
            "--setting",
            help="default, zero_edge, planted_edge, busy, climates-value or climates-queue",
        ),
    ] = "default",
    maker_fee: Annotated[float, typer.Option("--maker-fee", help="basis points")] = 0.0,
    taker_fee: Annotated[float, typer.Option("--taker-fee", help="basis points")] = 4.0,
    informed_share: Annotated[
        float | None, typer.Option("--informed-share", help="of market orders, 0 to 1")
    ] = None,
    symbol: Annotated[
        str | None,
        typer.Option("--symbol", help="BASE-QUOTE it is called; of bars: the one to play"),
    ] = None,
    from_bars: Annotated[
        Path | None, typer.Option("--from-bars", help="play these price bars as a market")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="UTC, first bar played: 2018-01-16T12:00")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make an artificial day, or one of price bars: the same seed gives the same bytes."""
    from exchange.importers.synthetic import called, synthetic_recording
    from exchange.recording import save

    demand_npz(out)
    if from_bars is not None:
        if setting != "default" or informed_share is not None:
            raise CommandError("--setting and --informed-share do not go with --from-bars", USAGE)
        fees = (maker_fee, taker_fee)
        play_bars(from_bars, out, symbol, start, hours, seed, fees, as_json=as_json)
        return
    if start is not None:
        raise CommandError("--from goes with --from-bars alone", USAGE)
    print(f"making {hours:g} h; the first time compiles for some seconds", file=sys.stderr)
    recording = synthetic_recording(
        seed=seed,
        hours=hours,
        setting=setting,
        maker_fee_bps=maker_fee,
        taker_fee_bps=taker_fee,
        informed_share=informed_share,
    )
    if symbol is not None:
        recording = called(recording, symbol)
    meta = save(out, recording)
    if as_json:
        print(json.dumps({"path": str(out), **meta.model_dump(mode="json")}, indent=2))
        return
    print(f"{out}: {meta.symbol}, {setting}, seed {seed}, {span(meta)}")
    print(headline(meta, trades=meta.counts.trades))
