"""`counterpoint scout`: says whether a symbol is makeable at a fee, and with what capital."""

import asyncio
import json
import math
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.exits import USAGE, CommandError
from agents.cli.options import Json
from agents.cli.output import put
from agents.cli.record import Speed, Url, Venue, market_of
from agents.cli.talk import Talk

if TYPE_CHECKING:
    from exchange.binance.settings import BinanceSettings
    from exchange.recording import Meta
    from exchange.scout import Bound, Report
    from market.types import I8

FEE = re.compile(r"\s*(-?[0-9]+(?:\.[0-9]+)?)\s*(bps|%)?\s*")
WAIT_S = 0.2
NO_SPREAD_BPS = 0.2
"""A spread below it pays for nothing."""


def fee_of(text: str) -> float:
    """Return basis points of `10bps`, `10` or `0.1%`; negative is a rebate.

    Raises:
        CommandError: it is none of these, or out of range.
    """
    found = FEE.fullmatch(text)
    bps = math.nan if found is None else float(found[1]) * (100.0 if found[2] == "%" else 1.0)
    if not -100.0 <= bps <= 1000.0:
        raise CommandError(
            f"--fee is like 10bps, 0.1% or -0.5bps, in [-100, 1000] bps, found {text!r}", USAGE
        )
    return bps


def scout(
    symbol: Annotated[
        str | None, typer.Argument(help="BTC-USDT; that of --feed by default")
    ] = None,
    *,
    fee: Annotated[
        str | None,
        typer.Option("--fee", help="maker fee: 10bps, 0.1%, -0.5bps; unset: the venue's usual"),
    ] = None,
    minutes: Annotated[float, typer.Option("--minutes", help="of the live market")] = 10.0,
    feed: Annotated[
        Path | None, typer.Option("--feed", help="a recording, in place of the live market")
    ] = None,
    capital: Annotated[
        float, typer.Option("--capital", help="quote asset, for the suggested parameters")
    ] = 100_000.0,
    venue: Venue = "binance",
    url: Url = None,
    speed: Speed = None,
    as_json: Json = False,
) -> None:
    """Watch a market and say whether making it can pay: makeable, not makeable, cannot tell."""
    from exchange.importers.instruments import demand_symbol
    from exchange.recording_folder import load_recording
    from exchange.scout import scout as judge

    bps = None if fee is None else fee_of(fee)
    if not 0 < capital < math.inf:
        raise CommandError(f"--capital must be above 0 and finite, found {capital:g}", USAGE)
    if feed is not None:
        recording = load_recording(feed)
        meta, events = recording.meta, recording.events
        demand_symbol(meta.symbol, symbol, str(feed))
    elif symbol is None:
        raise CommandError("name a symbol, such as BTC-USDT, or give --feed FILE", USAGE)
    elif not 1 <= minutes <= 7 * 24 * 60:
        raise CommandError(f"--minutes must be in [1, 10080], found {minutes:g}", USAGE)
    else:
        meta, events = asyncio.run(watch(market_of(venue, symbol, url, speed), minutes))
    if bps is None:
        bps = usual_fee_bps(meta)
    report = judge(events, meta, fee_bps=bps, capital=capital)
    put(json.dumps(as_dict(report), indent=2) if as_json else as_text(report))


def usual_fee_bps(meta: "Meta") -> float:
    """Return what a maker pays without discounts, of spot or of futures, basis points."""
    from exchange.binance.client import NAMED, USDM, standard_fees

    maker_fee, _ = standard_fees((NAMED if meta.spot else USDM)["live"])
    return float(maker_fee * 10_000)


async def watch(settings: "BinanceSettings", minutes: float) -> "tuple[Meta, I8]":
    """Watch a live market for some of its minutes, or until Ctrl-C; return what came."""
    from fractions import Fraction

    from exchange.binance.instrument import meta_of
    from exchange.binance.public import PublicMarket
    from exchange.event_clocks import EventClocks
    from exchange.recording_live import rows_of
    from protocol.telemetry import setup_logging

    setup_logging("scout", None)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    market, talk = PublicMarket(settings), Talk()
    try:
        events = await market.open()
        first_ns = market.now_ns()
        while not stop.is_set() and (passed := (market.now_ns() - first_ns) / 60e9) < minutes:
            talk(f"watching {market.known.symbol}, {len(events):,} events", passed / minutes)
            if market.lost:
                events += market.break_off()
                events += await market.rebuild()
            events += market.take()
            await market.wait(WAIT_S)
    finally:
        talk.done()
        await market.close()
    meta = meta_of(
        market.known,
        maker_fee=Fraction(0),
        taker_fee=Fraction(0),
        spot=not settings.place.futures,
    )
    return meta, EventClocks().put_in_order(rows_of(events))[0]


def as_text(report: "Report") -> str:
    """Return a report as a trader reads it."""
    from exchange.scout import HORIZON_S, HORIZONS_S

    meta, ticks = report.meta, f"{report.spread_ticks:g} tick{'s'[: report.spread_ticks != 1]}"
    spread = (
        f"spread      {report.spread_bps:.2f} bps at the median, {ticks}; "
        f"one tick {report.one_tick_share:.0%} of the time: {regime(report)}"
    )
    trades = (
        f"trades      {report.trades_per_minute:.1f} a minute, "
        f"{report.quote_per_minute:,.0f} {meta.quote} a minute"
    )
    heads = ("depth", 8), ("fills/h", 9), ("head of line", 24), ("fills/h", 9), ("end of line", 24)
    title = "".join(f"{name:>{width}}" for name, width in heads)
    after = "".join(f"{f'{each} s':>8}" for each in HORIZONS_S)
    lines = [
        f"{meta.symbol} on {meta.venue}, {watched(report.hours)}, maker fee {report.fee_bps:g} bps",
        "",
        spread,
        trades,
        "",
        f"Orders left alone for ten seconds, judged by mid {HORIZON_S} s after their fill; bps.",
        "At the head of the line any print at the price fills, at its end only one beyond it.",
        "",
        f"{title}   {after}",
    ]
    for each in report.depths:
        row = f"{each.bps:7.2f}{'*' if each.at_touch else ' '}"
        for bound in (each.touch, each.through):
            row += f"{bound.fills / report.hours:9.1f}{span_of(bound):>24}"
        row += "   " + "".join(f"{number(after):>8}" for after in each.markouts)
        lines.append(row + ("  hardly traded" if each.idle else ""))
    lines += ["      * at the best price; mean of its depths; the last columns are the head's", ""]
    lines += advised(report)
    return "\n".join([*lines, f"{report.answer.value.upper()}: {report.reason}."])


def watched(hours: float) -> str:
    """Return a span as text."""
    return f"{hours:.1f} h" if hours >= 2 else f"{60 * hours:.0f} min"


def regime(report: "Report") -> str:
    """Return what the tick does to this market, in words."""
    if report.spread_bps < NO_SPREAD_BPS:
        return "next to nothing; only what is quoted away from it can earn a fee"
    if report.one_tick_share > 0.7:
        return "a large tick; the place in the line is what counts"
    if report.spread_ticks >= 5:
        return "a small tick; the price is what counts"
    return "between a large tick and a small one"


def number(value: float) -> str:
    """Return a figure, or a dash where there is none."""
    return f"{value:.2f}" if math.isfinite(value) else "-"


def span_of(bound: "Bound") -> str:
    """Return a markout with its bounds."""
    if not math.isfinite(bound.lower):
        return f"{number(bound.markout)} [too few]"
    return f"{bound.markout:.2f} [{bound.lower:.2f}, {bound.upper:.2f}]"


def advised(report: "Report") -> list[str]:
    """Return break-even fee, capital and parameters as lines."""
    lines, best, quote = [], report.best, report.meta.quote
    if best is not None:
        lines.append(
            f"break-even  a fee of {best.touch.markout:.2f} bps at the head of the line, "
            f"{number(best.through.markout)} at its end ({best.bps:.2f} bps from mid)"
        )
    if report.advice is None:
        return [*lines, f"parameters  none: {report.advice_problem}", ""]
    facts, told = report.advice.facts, report.advice.parameters
    return [
        *lines,
        f"capital     at least {facts['smallest_capital']:,} {quote}",
        "parameters  " + ", ".join(f"{name} {value:g}" for name, value in told.items()),
        "",
    ]


def as_dict(report: "Report") -> dict[str, Any]:
    """Return a report as JSON values; what is not known is null."""

    def known(value: float) -> float | None:
        return round(value, 6) if math.isfinite(value) else None

    def bound(of: "Bound") -> dict[str, Any]:
        return {
            "fills": of.fills,
            "markout_bps": known(of.markout),
            "lower_bps": known(of.lower),
            "upper_bps": known(of.upper),
        }

    best, advice = report.best, report.advice
    return {
        "symbol": report.meta.symbol,
        "venue": report.meta.venue,
        "answer": report.answer.value,
        "reason": report.reason,
        "fee_bps": report.fee_bps,
        "hours": round(report.hours, 4),
        "spread_ticks": report.spread_ticks,
        "spread_bps": report.spread_bps,
        "one_tick_share": report.one_tick_share,
        "trades_per_minute": report.trades_per_minute,
        "quote_per_minute": report.quote_per_minute,
        "break_even_fee_bps": None if best is None else known(best.touch.markout),
        "smallest_capital": None if advice is None else advice.facts["smallest_capital"],
        "parameters": None if advice is None else advice.parameters,
        "parameters_problem": report.advice_problem,
        "depths": [
            {
                "bps": each.bps,
                "at_touch": each.at_touch,
                "head_of_line": bound(each.touch),
                "end_of_line": bound(each.through),
                "markouts_bps": [known(after) for after in each.markouts],
                "hardly_traded": each.idle,
            }
            for each in report.depths
        ],
    }
