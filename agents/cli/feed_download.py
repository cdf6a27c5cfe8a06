"""`counterpoint feed download`: Binance's public bulk files, by date."""

import datetime as dt
import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from agents.cli.exits import USAGE, CommandError
from agents.cli.talk import Talk


def day_of(flag: str, text: str) -> dt.date:
    """Return a day as it was typed."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{flag} must be a day as 2024-07-23, found {text!r}", USAGE) from None


def download(
    symbol: Annotated[str, typer.Argument(help="BTC-USDT, BTCUSDT; BTCUSD_PERP for coinm")],
    *,
    first: Annotated[str, typer.Option("--from", help="first day, as 2024-07-23")],
    last: Annotated[str | None, typer.Option("--to", help="last day; else the first")] = None,
    kind: Annotated[
        str, typer.Option("--kind", help="trades, aggTrades, bookTicker, bookDepth")
    ] = "trades",
    market: Annotated[str, typer.Option("--market", help="spot, usdm, coinm")] = "spot",
    out: Annotated[Path, typer.Option("--out", help="folder of the files")] = Path(),
    url: Annotated[str | None, typer.Option("--url", help="of another server")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of text")] = False,
) -> None:
    """Fetch Binance's public files by date, verified; none of them holds depth."""
    from exchange.bulk import BASE_URL, KINDS, Wanted
    from exchange.bulk import download as fetch

    start = day_of("--from", first)
    wanted = Wanted(
        market=market,
        kind=kind,
        symbol=symbol.upper().replace("-", "").replace("/", ""),
        first=start,
        last=start if last is None else day_of("--to", last),
        base_url=BASE_URL if url is None else url,
    )
    wanted.check()
    print(f"{kind} hold {KINDS[kind]}", file=sys.stderr)
    talk = Talk()
    try:
        done = fetch(wanted, out, pause=time.sleep, progress=talk)
    finally:
        talk.done()
    if as_json:
        files = [
            {"path": str(each.path), "sha256": each.sha256, "bytes_sent": each.bytes_sent}
            for each in done
        ]
        print(json.dumps({"holds": KINDS[kind], "depth": False, "files": files}, indent=2))
        return
    for each in done:
        state = f"{each.bytes_sent:,} bytes" if each.bytes_sent else "there already"
        print(f"{each.path}: {state}, sha256 {each.sha256[:12]} as stated")
    print(f"{len(done)} files of {kind}: {KINDS[kind]}; they make no recording by themselves")
