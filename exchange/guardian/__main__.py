"""Start a guardian beside one executor: `python -m exchange.guardian --folder RUN ...`.

Key and secret come from COUNTERPOINT_GUARDIAN_KEY and COUNTERPOINT_GUARDIAN_SECRET, each also with
_FILE, or from the files of `--key-file` and `--secret-file`. One line of JSON on standard output
says that it guards.
"""

import argparse
import asyncio
import fcntl
import ipaddress
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

from exchange.binance.names import Names
from exchange.errors import ExchangeError, VenueError
from exchange.guardian.account import BinanceAccount, Place
from exchange.guardian.gauges import shown
from exchange.guardian.machine import Rules
from exchange.guardian.shell import Keeper, Log
from protocol.errors import ProtocolError
from protocol.refused import held
from protocol.secret import read_secret
from protocol.telemetry_server import HOST, serving

KEY, SECRET = "COUNTERPOINT_GUARDIAN_KEY", "COUNTERPOINT_GUARDIAN_SECRET"
SIMULATED = "test"
"""Key and secret of a simulated exchange's default account."""
LOCK_NAME = "guardian.lock"
MARGIN_NS = 1_000_000_000
CONFIGURATION = 4


def parser() -> argparse.ArgumentParser:
    """Return what the command line takes."""
    made = argparse.ArgumentParser(prog="python -m exchange.guardian", description=__doc__)
    made.add_argument("--folder", type=Path, required=True, help="the executor's data directory")
    made.add_argument("--rest", required=True, help="address of the exchange, up to /api or /fapi")
    made.add_argument("--symbol", required=True, help="such as BTCUSDT")
    made.add_argument("--token", required=True, help="of the executor's client order ids")
    made.add_argument("--futures", action="store_true", help="USD-M, with countdownCancelAll")
    made.add_argument("--key-file", type=Path, help="API key, mode 0600")
    made.add_argument("--secret-file", type=Path, help="API secret, mode 0600")
    made.add_argument("--silence", type=float, default=3.0, help="seconds without a beat")
    made.add_argument("--window-ms", type=int, default=5_000, help="receive window of requests")
    made.add_argument("--metrics-port", type=int, help="of /metrics; unset: none, 0: a free one")
    made.add_argument("--metrics-host", default=HOST, help="address of /metrics")
    made.add_argument("--countdown", type=float, default=30.0, help="seconds, of the futures")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Guard until asked to end; return the exit code."""
    told = parser().parse_args(arguments)
    try:
        return start(told, os.environ)
    except (ExchangeError, ProtocolError) as error:
        code = error.exit_code
        sys.stderr.write(f"guardian: {error}\n")
    except OSError as error:
        code = CONFIGURATION
        sys.stderr.write(f"guardian: {error.strerror} ({error.filename})\n")
    return held(code, os.environ)


def start(told: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Guard as told.

    Raises:
        SecretError: key or secret is missing, or readable by others.
        VenueError: an address or a figure is wrong, or another guardian is there.
        OSError: the folder cannot be used.
    """
    if not 0.5 <= told.silence <= 60.0:
        raise VenueError(f"--silence must be in [0.5, 60] s, found {told.silence:g}")
    if not 5.0 <= told.countdown <= 600.0:
        raise VenueError(f"--countdown must be in [5, 600] s, found {told.countdown:g}")
    place = Place(
        told.rest.rstrip("/"), told.symbol, Names(told.token).prefix, told.futures, told.window_ms
    )
    key, secret = credentials(told, environ)
    account = BinanceAccount(place, key, secret, time.monotonic_ns)
    told.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = take_lock(told.folder)
    rules = Rules(
        silence_ns=round(told.silence * 1e9),
        settle_ns=told.window_ms * 1_000_000 + MARGIN_NS,
        countdown_ms=round(told.countdown * 1e3) if told.futures else 0,
    )
    try:
        asyncio.run(guard(Keeper(told.folder, account, rules, Log(told.folder)), place, told))
    finally:
        account.close()
        os.close(lock)
    return 0


async def guard(keeper: Keeper, place: Place, told: argparse.Namespace) -> None:
    """Run a keeper, and say on standard output that it does."""
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, keeper.end)
    said: dict[str, object] = {"guards": str(told.folder), "symbol": place.symbol}
    said["prefix"] = place.prefix
    async with AsyncExitStack() as stack:
        if told.metrics_port is not None:
            endpoint = serving(
                told.metrics_port,
                shown(keeper, place.symbol),
                host=told.metrics_host,
                setting="give --metrics-port",
            )
            said["metrics"] = await stack.enter_async_context(endpoint)
        sys.stdout.write(json.dumps({**said, "pid": os.getpid()}) + "\n")
        sys.stdout.flush()
        await keeper.run()


def has_key(told: argparse.Namespace, environ: Mapping[str, str]) -> bool:
    """Return whether a guardian has a key, right or wrong."""
    return is_told(told, environ) or loopback(told.rest)


def is_told(told: argparse.Namespace, environ: Mapping[str, str]) -> bool:
    """Return whether key or secret is given in some way."""
    given = any(name in environ or f"{name}_FILE" in environ for name in (KEY, SECRET))
    return given or told.key_file is not None or told.secret_file is not None


def credentials(told: argparse.Namespace, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return key and secret; those of the default account where nothing is told, on loopback."""
    if not is_told(told, environ) and loopback(told.rest):
        return SIMULATED, SIMULATED
    return (
        read_secret(KEY, environ=environ, file=told.key_file),
        read_secret(SECRET, environ=environ, file=told.secret_file),
    )


def loopback(address: str) -> bool:
    """Return whether an address is on this machine."""
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def take_lock(folder: Path) -> int:
    """Hold a data directory for this guardian alone; return the lock's descriptor.

    Raises:
        VenueError: another guardian is there.
    """
    lock = os.open(folder / LOCK_NAME, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise VenueError(f"another guardian guards {folder} already; one is enough") from None
    return lock


if __name__ == "__main__":
    sys.exit(main())
