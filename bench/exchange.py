"""Loads the simulated exchange: many clients, many orders, the depth of the busiest recording.

    python -m bench.exchange [--feed DAY] [--clients 20] [--orders 100] [--seconds 60]

Every client hears depth and trades of the whole market on one connection and its own events on
another, and places and cancels post-only orders over REST. All clients live in a second process.
The bar: no diff is missing, no request fails, 95 % of the orders asked for are served.
Without --feed the busy synthetic market is served.
"""

import argparse
import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import numpy as np

from exchange.importers.synthetic import synthetic_recording
from exchange.recording import load, save

TICKS = os.sysconf("SC_CLK_TCK")
ACCOUNT = """
[[account]]
name = "c{number}"
key = "c{number}"
secret = "c{number}"
balances = {{ {base} = "1000000", {quote} = "100000000" }}
"""


@dataclass(slots=True)
class Heard:
    """What all clients together have seen."""

    diffs: int = 0
    trades: int = 0
    events: int = 0
    gaps: int = 0
    failures: int = 0
    places_ms: list[float] = field(default_factory=list)
    cancels_ms: list[float] = field(default_factory=list)


def signed(key: str, parameters: dict[str, object]) -> str:
    """Return a query with time and signature."""
    query = urlencode({**parameters, "timestamp": int(time.time() * 1000)})
    seal = hmac.new(key.encode(), query.encode(), hashlib.sha256).hexdigest()
    return f"{query}&signature={seal}"


async def listen(session: aiohttp.ClientSession, url: str, symbol: str, heard: Heard) -> None:
    """Follow depth and trades; count gaps."""
    names = f"{symbol.lower()}@depth@100ms/{symbol.lower()}@trade"
    last = None
    async with session.ws_connect(f"{url}/stream?streams={names}", max_msg_size=0) as socket:
        async for message in socket:
            told = json.loads(message.data)["data"]
            if told["e"] == "trade":
                heard.trades += 1
                continue
            heard.diffs += 1
            heard.gaps += last is not None and told["U"] != last + 1
            last = told["u"]


async def listen_to_self(session: aiohttp.ClientSession, url: str, key: str, heard: Heard) -> None:
    """Follow the user stream."""
    told: dict[str, object] = {"apiKey": key, "timestamp": int(time.time() * 1000)}
    query = "&".join(f"{name}={told[name]}" for name in sorted(told))
    told["signature"] = hmac.new(key.encode(), query.encode(), hashlib.sha256).hexdigest()
    async with session.ws_connect(f"{url}/ws-api/v3") as socket:
        method = "userDataStream.subscribe.signature"
        await socket.send_json({"id": 1, "method": method, "params": told})
        async for message in socket:
            heard.events += b'"event"' in message.data.encode()


async def trade(
    session: aiohttp.ClientSession,
    url: str,
    key: str,
    order: dict[str, object],
    every_s: float,
    heard: Heard,
) -> None:
    """Place and cancel for ever, so many requests a second."""
    due = time.monotonic()
    number = 0
    while True:
        for method in ("POST", "DELETE"):
            name = f"{key}-{number}"
            if method == "POST":
                told = {**order, "newClientOrderId": name}
            else:
                told = {"symbol": order["symbol"], "origClientOrderId": name}
            began = time.perf_counter()
            address = f"{url}/api/v3/order?{signed(key, told)}"
            headers = {"X-MBX-APIKEY": key}
            async with session.request(method, address, headers=headers) as answer:
                await answer.read()
                heard.failures += answer.status != 200
            took = (time.perf_counter() - began) * 1000
            (heard.places_ms if method == "POST" else heard.cancels_ms).append(took)
            due += every_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        number += 1


async def clients(url: str, symbol: str, count: int, rate: float, seconds: float) -> Heard:
    """Let all clients work for a while; return what they saw."""
    heard = Heard()
    sockets = url.replace("http", "ws")
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.get(f"{url}/api/v3/ticker/bookTicker?symbol={symbol}") as answer:
            bid = float((await answer.json())["bidPrice"])
        price = f"{bid * 0.9:.1f}"
        quantity = f"{max(0.001, 200 / bid):.3f}"
        order: dict[str, object] = {
            "symbol": symbol, "side": "BUY", "type": "LIMIT_MAKER", "price": price,
            "quantity": quantity,
        }  # fmt: skip
        work = []
        for number in range(count):
            key = f"c{number}"
            work += [
                listen(session, sockets, symbol, heard),
                listen_to_self(session, sockets, key, heard),
                trade(session, url, key, order, count / rate, heard),
            ]
        tasks = [asyncio.create_task(each) for each in work]
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()
    return heard


def percentiles(values: list[float]) -> dict[str, float]:
    """Return p50, p99 and the worst, ms."""
    cuts = np.percentile(values, [50, 99, 100]) if values else np.zeros(3)
    return {
        name: round(float(cut), 2) for name, cut in zip(("p50", "p99", "max"), cuts, strict=True)
    }


def processor_s(pid: int) -> float:
    """Return the processor seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure(feed: Path, folder: Path, told: argparse.Namespace) -> dict[str, object]:
    """Serve a recording to the clients; return the figures."""
    meta = load(feed).meta
    accounts = folder / "accounts.toml"
    rows = (
        ACCOUNT.format(number=each, base=meta.base, quote=meta.quote)
        for each in range(told.clients)
    )
    accounts.write_text("".join(rows), encoding="utf-8")
    arguments = ["--feed", str(feed), "--port", "0", "--accounts", str(accounts)]
    with subprocess.Popen(
        [sys.executable, "-m", "exchange.simulated", *arguments], stdout=subprocess.PIPE
    ) as server:
        try:
            assert server.stdout is not None
            ready = json.loads(server.stdout.readline())
            began, used = time.monotonic(), processor_s(server.pid)
            work = clients(ready["url"], ready["symbol"], told.clients, told.orders, told.seconds)
            heard = asyncio.run(work)
            lasted, used = time.monotonic() - began, processor_s(server.pid) - used
        finally:
            with contextlib.suppress(ProcessLookupError):
                server.kill()
    served = len(heard.places_ms) + len(heard.cancels_ms)
    return {
        "feed": meta.symbol + " " + meta.venue,
        "clients": told.clients,
        "seconds": round(lasted, 1),
        "requests_per_s": round(served / lasted, 1),
        "place_ms": percentiles(heard.places_ms),
        "cancel_ms": percentiles(heard.cancels_ms),
        "diffs_per_s": round(heard.diffs / lasted, 1),
        "trades_per_s": round(heard.trades / lasted, 1),
        "user_events_per_s": round(heard.events / lasted, 1),
        "gaps": heard.gaps,
        "failures": heard.failures,
        "server_processor_share": round(used / lasted, 2),
    }


def main() -> int:
    """Print a table and one JSON line; return 0 when the bar holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feed", type=Path)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--orders", type=float, default=100.0, help="requests a second in all")
    parser.add_argument("--seconds", type=float, default=60.0)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        feed = told.feed
        if feed is None:
            feed = folder / "busy.npz"
            save(feed, synthetic_recording(seed=1, hours=0.1, setting="busy"))
        figures = measure(feed, folder, told)
    bars = {
        "no diff is missing": figures["gaps"] == 0 and float(str(figures["diffs_per_s"])) > 0,
        "no request fails": figures["failures"] == 0,
        "95 % of the orders": float(str(figures["requests_per_s"])) >= 0.95 * told.orders,
    }
    for name, value in figures.items():
        print(f"{name:<26}{value}")
    for name, holds in bars.items():
        print(f"{'holds' if holds else 'FAILS':<7}{name}")
    print(json.dumps({"bench": "exchange", **figures, "holds": all(bars.values())}))
    return 0 if all(bars.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
