"""`counterpoint record`: writes down what a venue shows, without a key, until it is ended."""

import asyncio
import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.exits import ERROR, OK, USAGE, CommandError
from agents.cli.options import Json
from agents.cli.output import put

if TYPE_CHECKING:
    from exchange.binance.settings import BinanceSettings
    from exchange.recorder import Recorder
    from exchange.recording_live import Ended, Wish

FUTURES = "binance-futures"
Venue = Annotated[
    str, typer.Option("--venue", help="binance, binance-futures, testnet or demo (of spot)")
]
Symbol = Annotated[str, typer.Option("--symbol", help="BTC-USDT, BTC/USDT or BTCUSDT")]
Url = Annotated[
    str | None, typer.Option("--url", help="testnet, demo, a simulated exchange, or another host")
]
Speed = Annotated[
    float | None, typer.Option("--speed", help="with --url: how fast its feed runs; default 1")
]


def market_of(venue: str, symbol: str, url: str | None, speed: float | None) -> "BinanceSettings":
    """Return the public market that the flags name.

    Raises:
        CommandError: venue, symbol or address is none, or a speed was given for one that has none.
    """
    from agents.venue_settings import SYMBOL
    from exchange.binance.client import NAMED, environment_of
    from exchange.binance.settings import BinanceSettings, Pace
    from exchange.errors import ExchangeError
    from exchange.importers.instruments import bare

    names = {"binance": "live", FUTURES: "live", "testnet": "testnet", "demo": "demo"}
    if venue not in names:
        raise CommandError(f"--venue must be {', '.join(names)}, found {venue!r}", USAGE)
    replayed = url is not None and url not in NAMED
    if speed is not None and not replayed:
        raise CommandError("--speed is that of a replayed feed: give its --url", USAGE)
    if speed is not None and not 0 < speed <= 10_000:
        raise CommandError(f"--speed must be in (0, 10000], found {speed:g}", USAGE)
    if SYMBOL.fullmatch(symbol.upper()) is None:
        raise CommandError(f"a symbol is like BTC-USDT, found {symbol!r}", USAGE)
    try:
        place = environment_of(url or names[venue], futures=venue == FUTURES)
    except ExchangeError as error:
        raise CommandError(str(error), USAGE) from None
    return BinanceSettings(
        place=place,
        symbol=bare(symbol),
        pace=Pace.FEED if replayed else Pace.WALL,
        speed=speed or 1.0,
    )


def record(
    *,
    symbol: Symbol,
    venue: Venue = "binance",
    url: Url = None,
    speed: Speed = None,
    out: Annotated[Path | None, typer.Option("--out", help="folder of the recording")] = None,
    rotate: Annotated[
        str, typer.Option("--rotate", help="seal a file each 1h, 15m, 1d, or 256MB")
    ] = "1h",
    minutes: Annotated[
        float | None, typer.Option("--minutes", help="how long; default: until ended")
    ] = None,
    maker_fee: Annotated[
        float | None,
        typer.Option("--maker-fee", help="basis points, noted in the recording; unset: the usual"),
    ] = None,
    taker_fee: Annotated[
        float | None, typer.Option("--taker-fee", help="basis points; unset: the usual")
    ] = None,
    as_json: Json = False,
) -> None:
    """Record a market from its public streams: readable while it grows, sealed by the hour."""
    from fractions import Fraction

    from exchange.binance.client import standard_fees
    from exchange.errors import RecordingError
    from exchange.recording_live import Wish, rotation_of

    market = market_of(venue, symbol, url, speed)
    try:
        rotation = rotation_of(rotate)
    except RecordingError as error:
        raise CommandError(f"--rotate: {error}", USAGE) from None
    if minutes is not None and not minutes > 0:
        raise CommandError(f"--minutes must be above 0, found {minutes:g}", USAGE)
    usual = standard_fees(market.place)
    for name, bps in (("--maker-fee", maker_fee), ("--taker-fee", taker_fee)):
        if bps is not None and not -100 <= bps <= 1000:
            raise CommandError(f"{name} must be in [-100, 1000] basis points, found {bps:g}", USAGE)
    fees = [
        each if bps is None else Fraction(str(bps)) / 10_000
        for each, bps in zip(usual, (maker_fee, taker_fee), strict=True)
    ]
    kind = "-futures" if market.place.futures else ""
    wish = Wish(
        market=market,
        folder=out or Path(f"{market.symbol.lower()}-{market.place.name}{kind}"),
        rotation=rotation,
        maker_fee=fees[0],
        taker_fee=fees[1],
        seconds=None if minutes is None else 60 * minutes,
    )
    ended = asyncio.run(run(wish))
    told = summary(wish, ended)
    put(json.dumps(told, indent=2) if as_json else as_text(told))
    raise typer.Exit(ERROR if told["failing"] or told["skipped"] else OK)


async def run(wish: "Wish") -> "Ended":
    """Record until a signal asks to end."""
    from agents.cli.run import say
    from exchange.recording_live import record as record_market
    from protocol.telemetry import setup_logging

    setup_logging("record", None)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    def begun(recorder: "Recorder") -> None:
        meta = recorder.meta
        say(
            f"recording {meta.symbol} from {wish.market.place.streams} into {recorder.folder}; "
            "Ctrl-C ends it"
        )

    return await record_market(wish, stop, begun)


def summary(wish: "Wish", ended: "Ended") -> dict[str, Any]:
    """Return what was recorded, for people and programs."""
    state, recorder = ended.state, ended.recorder
    return {
        "symbol": recorder.meta.symbol,
        "folder": str(wish.folder),
        "events": state.taken,
        "fundings": len(ended.fundings),
        "skipped": state.skipped,
        "losses": ended.losses,
        "clock_raised": state.clock_raised,
        "silences": state.silences,
        "longest_silence_s": round(state.longest_silence_ns / 1e9, 3),
        "failing": state.failing,
        "files": [
            {
                "file": path.name,
                "passed": audit.passed,
                "errors": list(audit.errors),
                "warnings": list(audit.warnings),
            }
            for path, audit in recorder.sealed
        ],
    }


def as_text(told: dict[str, Any]) -> str:
    """Return a summary as lines."""
    funded = f"{told['fundings']} fundings, " if told.get("fundings") else ""
    found = (
        f"{told['folder']}: {told['symbol']}, {told['events']:,} events, "
        f"{funded}{told['losses']} losses of the stream, {told['silences']} silences "
        f"(longest {told['longest_silence_s']:g} s)"
    )
    lines = [found]
    if told["skipped"] or told["failing"]:
        lines.append(f"{told['skipped']:,} events are missing: {told['failing'] or 'disk full'}")
    for each in told["files"]:
        verdict = "passed its check" if each["passed"] else f"NOT passed: {each['errors'][0]}"
        lines.append("; ".join([f"{each['file']}: {verdict}", *each["warnings"]]))
    return "\n".join(lines)
