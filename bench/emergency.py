"""An emergency stop of an executor at an exchange: how soon nothing of ours is open.

python -m bench.emergency [--trials 200] [--faulty 200] [--kills 10] [--flat 5] [--speed 1]

A simulated exchange over sockets, a coordinator with its hubs and an executor that quotes, each a
process; somebody else's order rests in the same account. A trial is what `counterpoint stop` does
once its process runs: the file, the bus, the wait for `stopped`; then the exchange itself is asked
what is open. Then `rearm`, and orders must be open again. In the second row of trials one request
in ten fails at the exchange: an error or a cut connection, before or after it was carried out.
Then the executor is killed around a stop and started again; keys that are not the operator's ask
it to quote again; and positions are closed.

Exit 0 only if p99 is at most 1 s, with failing requests 3 s, and all else held.
"""

import argparse
import asyncio
import contextlib
import io
import json
import random
import secrets
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from agents.bus import participant_of
from agents.cli.control import rearming, stopping
from agents.cli.exits import OK
from agents.executor.account_keys import token_of
from agents.settings import Settings
from bench.stop_house import House
from bench.stops import spread
from bench.venue_house import FOREIGN, Exchange, VenueHouse
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from protocol.errors import ProtocolError
from protocol.keys import new_keys
from protocol.messages import EmergencyStop, Rearm
from protocol.stopfile import add_stop, stops_in

HEALTHY_S, FAULTY_S = 1.0, 3.0
PATIENCE_S = 90.0
JOIN_EVERY_S = 1.0
FAIL_SHARE = 0.1
PLANNED = 60
"""Requests ahead for which it is drawn whether they fail; a stop needs fewer."""
KINDS = ("error_before", "error_after", "drop_before", "drop_after")
WATCH_S = 2.0


class Stand:
    """Everything that a trial needs.

    Args:
        house: coordinator and executor.
        exchange: where it trades.
        rng: of everything random.
    """

    def __init__(self, house: House, exchange: Exchange, rng: random.Random) -> None:
        self.house, self.exchange, self.rng = house, exchange, rng
        self.prefix = f"cp-{token_of(house.executor, exchange.symbol)}-"

    def names(self) -> list[str]:
        """Return the names of all orders that are open at the exchange."""
        return [row["clientOrderId"] for row in self.exchange.ask("GET", "openOrders")]

    def ours(self) -> list[str]:
        """Return those of the executor."""
        return [name for name in self.names() if name.startswith(self.prefix)]

    def until(self, *, quoting: bool) -> None:
        """Wait until orders of ours are open at the exchange, or none is."""
        end_s = time.monotonic() + PATIENCE_S
        while bool(self.ours()) is not quoting:
            assert time.monotonic() < end_s, f"quoting {quoting} did not become true"
            time.sleep(0.2)

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask the exchange's control port; return its answer."""
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.exchange.control}{path}", data=data, method=method)  # noqa: S310
        with urlopen(request, timeout=10) as answer:  # noqa: S310 - it is ours, on loopback
            return json.loads(answer.read())

    def let_fail(self) -> int:
        """Draw anew which requests of the executor fail; return how many will."""
        self.control("DELETE", "/faults")
        struck = 0
        for place in range(PLANNED):
            if self.rng.random() < FAIL_SHARE:
                kind = self.rng.choice(KINDS)
                fault = {"kind": kind, "request": "order", "skip": place - struck}
                self.control("POST", "/faults", fault)
                struck += 1
        return struck


def stop_s(stand: Stand, *, flatten: bool = False) -> float:
    """Stop as the command does; return the seconds until `stopped`, which must be true."""
    house = stand.house
    began_s = time.monotonic()
    stop_id = secrets.token_hex(16)
    add_stop(house.folder, stop_id, flatten=flatten)
    word = EmergencyStop(scope="all", flatten=flatten, reason="bench")
    with contextlib.redirect_stdout(io.StringIO()):
        code = asyncio.run(stopping(house.stack, word, stop_id, PATIENCE_S))
    took_s = time.monotonic() - began_s
    assert code == OK, "not every executor said `stopped`"
    left = stand.ours()
    assert not left, f"it said stopped, and the exchange has {left}"
    return took_s


def rearmed(stand: Stand) -> None:
    """Lift all stops, as the command does, and wait until it quotes."""
    began_s = time.monotonic()
    with contextlib.redirect_stdout(io.StringIO()):
        code = asyncio.run(rearming(stand.house.stack, "bench"))
    assert code == OK, f"not lifted: exit code {code}"
    stand.until(quoting=True)
    time.sleep(max(0.0, JOIN_EVERY_S - (time.monotonic() - began_s)))


def trials(stand: Stand, count: int, *, failing: bool) -> tuple[list[float], int]:
    """Stop and rearm so often; return the seconds of the stops, and how many requests failed."""
    found, struck = [], 0
    for number in range(count):
        time.sleep(stand.rng.random())
        drawn = stand.let_fail() if failing else 0
        found.append(stop_s(stand))
        struck += drawn - len(stand.control("GET", "/faults"))
        stand.control("DELETE", "/faults")
        rearmed(stand)
        if number % 20 == 19:
            print(f"{number + 1:>4} trials, failing {failing}", file=sys.stderr, flush=True)
    return found, struck


def killed(stand: Stand, count: int) -> int:
    """Kill the executor about a stop and start it again; return how often it stayed stopped."""
    house, held = stand.house, 0
    for _ in range(count):
        add_stop(house.folder, secrets.token_hex(16), flatten=False)
        time.sleep(stand.rng.uniform(0.0, 0.3))
        house.kill(house.executor)
        house.start(house.executor)
        stand.until(quoting=False)
        house.until(quoting=False, within_s=PATIENCE_S)
        time.sleep(WATCH_S)
        held += not stand.ours() and FOREIGN in stand.names()
        rearmed(stand)
    return held


def strangers(stand: Stand, folder: Path) -> int:
    """Let others ask it to quote again; return how many of two were refused."""
    house = stand.house
    stop_s(stand)
    lifts = tuple(stops_in(house.folder))

    async def ask(settings: Settings, name: str) -> None:
        with contextlib.suppress(ProtocolError):
            async with participant_of(settings, name, {}) as me:
                for dst in ("coordinator", house.executor):
                    me.post(dst, Rearm(lifts=lifts, reason="stranger"), ttl_ms=2_000)
                await asyncio.sleep(WATCH_S)

    new_keys(folder)
    forged = house.settings.bus.model_copy(update={"keys": folder})
    refused = 0
    for settings, name in (
        (house.settings, "optimizer-1"),  # of the roster, without the right
        (house.settings.model_copy(update={"bus": forged}), "operator"),  # the name, another key
    ):
        asyncio.run(ask(settings, name))
        time.sleep(WATCH_S)
        refused += house.figures()["stopped"] == 1.0 and not stand.ours()
    rearmed(stand)
    return refused


def flattened(stand: Stand, count: int) -> list[tuple[float, float]]:
    """Close positions; return of each the seconds, and what was left of it in base asset."""
    found = []
    base = stand.exchange.symbol.removesuffix("USDT")
    target = float(stand.exchange.balances()[base])
    for _ in range(count):
        seen = len(stand.exchange.trades())
        end_s = time.monotonic() + PATIENCE_S
        while len(stand.exchange.trades()) < seen + 1 and time.monotonic() < end_s:
            time.sleep(2.0)  # a list of trades weighs 20 at an exchange that counts
        took_s = stop_s(stand, flatten=True)
        found.append((took_s, float(stand.exchange.balances()[base]) - target))
        rearmed(stand)
    return found


def measure(stand: Stand, folder: Path, told: argparse.Namespace) -> dict[str, Any]:
    """Return all figures."""
    stand.until(quoting=True)
    figures: dict[str, Any] = {}
    closed = flattened(stand, told.flat)
    figures |= spread("healthy", trials(stand, told.trials, failing=False)[0])
    faulty, figures["requests_failed"] = trials(stand, told.faulty, failing=True)
    figures |= spread("faulty", faulty)
    figures["killed_stopped"] = killed(stand, told.kills)
    figures["strangers_refused"] = strangers(stand, folder / "forged")
    figures["flat_max_s"] = max((took for took, _ in closed), default=0.0)
    figures["flat_left"] = max((abs(left) for _, left in closed), default=0.0)
    figures["foreign_stays"] = FOREIGN in stand.names()
    return figures


def main() -> int:
    """Measure; print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--faulty", type=int, default=200)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--flat", type=int, default=5)
    parser.add_argument("--speed", type=float, default=1.0, help="feed seconds a wall second")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cp") as name:
        folder = Path(name)
        feed = folder / "exchange.npz"
        save(feed, synthetic_recording(seed=3, hours=4.0, setting="planted_edge"))
        exchange = Exchange(feed, folder, speed=f"{told.speed:g}")
        exchange.start()
        try:
            venue = {"kind": "binance", "url": exchange.url, "symbol": exchange.symbol}
            venue |= {"pace": "feed", "ignore_foreign": True}
            sections: dict[str, dict[str, object]] = {
                "venue": venue,
                "executor": {"warmup_s": 60, "cycle_s": 2},
            }
            VenueHouse.place_foreign(_Account(exchange))  # type: ignore[arg-type]
            with House(folder / "data", speed=told.speed, sections=sections) as house:
                stand = Stand(house, exchange, random.Random(1))  # noqa: S311 - trials
                figures = measure(stand, folder, told)
        finally:
            exchange.kill()
    bounds = {"healthy_p99_s": HEALTHY_S, "faulty_p99_s": FAULTY_S}
    good = all(figures[key] <= bound for key, bound in bounds.items() if key in figures)
    good &= figures["killed_stopped"] == told.kills and figures["strangers_refused"] == 2
    good &= figures["foreign_stays"] and figures["requests_failed"] >= told.faulty // 10
    for key, value in figures.items():
        bound = f"  at most {bounds[key]:g}" if key in bounds else ""
        print(f"{key:<18} {float(value):>12.4f}{bound}")
    rounded = {key: round(value, 4) for key, value in figures.items()}
    counts = {"trials": told.trials, "faulty": told.faulty, "kills": told.kills, "flat": told.flat}
    print(json.dumps({"bench": "emergency", **counts, "good": bool(good), **rounded}))
    return 0 if good else 1


class _Account:
    """What `place_foreign` needs of a house."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange


if __name__ == "__main__":
    sys.exit(main())
