"""`python -m exchange.simulated`: serves a recorded or artificial market as Binance would."""

import argparse
import asyncio
import errno
import ipaddress
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from exchange.errors import ExchangeError, SimulationError
from exchange.simulated import control, rest
from exchange.simulated.building import LOCKSTEP, Built, Wanted, build, days_of
from exchange.simulated.service import Service
from exchange.simulated.showing import shown
from protocol.errors import ProtocolError
from protocol.heap import settle_heap
from protocol.refused import held
from protocol.tasks import end_all
from protocol.telemetry_server import HOST, serving

GRACE_S = 1.0
USAGE = 2
CLIENTS_MAX = 100


def parser() -> argparse.ArgumentParser:
    """Return what the command line understands."""
    found = argparse.ArgumentParser(prog="python -m exchange.simulated", description=__doc__)
    found.add_argument(
        "--feed", type=Path, action="append", help="recording (.npz); again for another symbol"
    )
    found.add_argument("--synthetic", action="store_true", help="an artificial day instead")
    found.add_argument("--seed", type=int, default=1, help="of the artificial day")
    found.add_argument("--hours", type=float, default=24.0, help="of the artificial day")
    found.add_argument("--host", default="127.0.0.1", help="address to serve on")
    found.add_argument("--port", type=int, default=9010, help="0: any that is free")
    found.add_argument("--control", type=int, help="port for faults and lockstep; loopback only")
    found.add_argument("--speed", default="1", help="feed seconds a second, or lockstep")
    found.add_argument("--step-ms", type=int, default=1000, help="step of lockstep")
    found.add_argument("--clients", type=int, default=1, help="that lockstep waits for at first")
    found.add_argument("--accounts", type=Path, help="who may trade (TOML); default: test, test")
    found.add_argument("--latency", default="0", help="of requests and answers, as 5ms or 5ms,7ms")
    found.add_argument("--fill-model", default="power:4", help="how a place in a line is told")
    found.add_argument("--maker-fee", type=float, help="basis points; default: the recording's")
    found.add_argument("--taker-fee", type=float, help="basis points")
    found.add_argument("--state", type=Path, help="folder that keeps orders and trades")
    found.add_argument("--listen-keys", action="store_true", help="serve the old user stream too")
    found.add_argument("--futures", action="store_true", help="USD-M futures, below /fapi")
    found.add_argument("--metrics-port", type=int, help="of /metrics; unset: none, 0: a free one")
    found.add_argument("--metrics-host", default=HOST, help="address of /metrics")
    found.add_argument("--check", metavar="SYMBOL", help="say whether it can be served, and end")
    found.add_argument("--called", help="the recording in what --check says")
    return found


def wanted_of(told: argparse.Namespace) -> Wanted:
    """Return what the command line asks for.

    Raises:
        SimulationError: two options contradict each other, or a figure is out of range.
    """
    feeds = told.feed or []
    if told.synthetic == bool(feeds):
        raise SimulationError("give either --feed DAY or --synthetic")
    if told.accounts is None and not ipaddress.ip_address(told.host).is_loopback:
        raise SimulationError(
            f"the account test is for loopback only, found --host {told.host}; give --accounts FILE"
        )
    try:
        speed = None if told.speed == LOCKSTEP else float(told.speed)
    except ValueError:
        speed = 0.0
    if speed is not None and not 0 < speed <= 10_000:
        raise SimulationError(f"--speed must be in (0, 10000] or lockstep, found {told.speed}")
    if speed is None and told.control is None:
        raise SimulationError("--speed lockstep needs --control PORT, where its clients wait")
    if not 1 <= told.step_ms <= 60_000:
        raise SimulationError(f"--step-ms must be in [1, 60000], found {told.step_ms}")
    if not 1 <= told.clients <= CLIENTS_MAX:
        raise SimulationError(f"--clients must be in [1, {CLIENTS_MAX}], found {told.clients}")
    return Wanted(
        feeds=tuple(feeds),
        speed=speed,
        seed=told.seed,
        hours=told.hours,
        accounts=told.accounts,
        latency=told.latency,
        fill_model=told.fill_model,
        maker_fee_bps=told.maker_fee,
        taker_fee_bps=told.taker_fee,
        step_ms=told.step_ms,
        state=told.state,
        listen_keys=told.listen_keys,
        futures=told.futures,
        clients=told.clients,
    )


def check(told: argparse.Namespace) -> None:
    """See whether a recording can be served as that of a symbol.

    Raises:
        SimulationError: why not, and what to do.
    """
    feed = (told.feed or [None])[0]
    called = told.called or str(feed)
    try:
        found = days_of(wanted_of(told))[0].recording.meta.symbol
    except ExchangeError as error:
        raise SimulationError(str(error).replace(str(feed), called)) from None
    if found != told.check:
        raise SimulationError(f"{called} is of {found}, not of {told.check}; set SYMBOL={found}")


def is_ours(record: logging.LogRecord) -> bool:
    """Return whether a line of the server is about us, not about a client that broke off."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, ConnectionError | HttpProcessingError)


async def open_port(
    app: web.Application, host: str, port: int, option: str = "--port"
) -> tuple[web.AppRunner, int]:
    """Serve an application; return its runner and the port.

    Raises:
        SimulationError: the port is taken.
    """
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=GRACE_S)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        why = error.strerror or str(error)
        if error.errno == errno.EADDRINUSE:
            why = "is taken"
        elif error.errno is not None and error.errno > 0:
            why = os.strerror(error.errno).lower()
        raise SimulationError(f"port {port} on {host}: {why}; give another {option}") from None
    return runner, int(runner.addresses[0][1])


async def say_end(service: Service) -> None:
    """Say so when a feed has ended, and with it all."""
    await service.over.wait()
    for market in service.markets.values():
        known = market.instrument
        line = f"the feed has ended: {known.symbol} is {known.status}, its open orders have expired"
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - nobody would look for the status


async def serve(built: Built, told: argparse.Namespace) -> None:
    """Serve until a signal asks to end.

    Raises:
        SimulationError, SettingsError: a port is taken.
    """
    async with AsyncExitStack() as stack:
        ready: dict[str, Any] = {}
        if told.metrics_port is not None:
            endpoint = serving(
                told.metrics_port,
                shown(built.service),
                host=told.metrics_host,
                setting="give --metrics-port",
            )
            ready["metrics"] = await stack.enter_async_context(endpoint)
        await _serve(built, told, ready)


async def _serve(built: Built, told: argparse.Namespace, ready: dict[str, Any]) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, ended.set)
    logging.getLogger("aiohttp.server").addFilter(is_ours)
    runner, port = await open_port(rest.application(built.service), told.host, told.port)
    runners = [runner]
    symbols = list(built.service.markets)
    ready |= {"url": f"http://{told.host}:{port}", "symbol": symbols[0]}
    if len(symbols) > 1:
        ready["symbols"] = symbols
    if told.control is not None:
        app = control.application(built.service, built.lockstep)
        try:
            other, number = await open_port(app, "127.0.0.1", told.control, "--control")
        except SimulationError:
            await runner.cleanup()
            raise
        runners.append(other)
        ready["control"] = f"http://127.0.0.1:{number}"
    settle_heap()
    print(json.dumps(ready), flush=True)  # noqa: T201 - whoever started this waits for the line
    feed = built.lockstep.run() if built.lockstep is not None else built.service.run()
    running = asyncio.create_task(feed)
    saying = asyncio.create_task(say_end(built.service))
    waiting = asyncio.create_task(ended.wait())
    if built.lockstep is not None:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
            await waiting
    else:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    await end_all([running, saying])
    await built.service.hub.disconnect(1001, "shutdown", lambda _: True)
    for each in runners:
        await each.cleanup()
    for store in built.stores:
        store.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return the exit code."""
    told = parser().parse_args(arguments)
    try:
        if told.check is not None:
            check(told)
        else:
            asyncio.run(serve(build(wanted_of(told)), told))
    except KeyboardInterrupt:  # before it served; afterwards the loop takes the signal
        return 0
    except (ExchangeError, ProtocolError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - the one line that a user sees
        return held(error.exit_code, os.environ)
    return 0


if __name__ == "__main__":
    sys.exit(main())
