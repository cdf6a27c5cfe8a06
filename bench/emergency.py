"""An emergency stop of an executor at an exchange: how soon nothing of ours is open.

python -m bench.emergency [--trials 200] [--paths 20] [--kills 10] [--flat 5] [--commands 5]

Two stands, each a simulated exchange over sockets, a coordinator with its hubs and an executor that
quotes, all processes; somebody else's order rests in the same account. A trial is what
`counterpoint stop` does: the file, the word on the bus, the wait for `stopped`; then the exchange
itself is asked what is open; then `rearm`, and orders must be open again. The operator stays on
the bus between trials: one of his joins is granted a second. On one stand all is well; there the
file alone and the bus alone are tried too, and the command as a whole process. On the other one in
ten of the executor's order requests fails: an error or a cut connection, before or after it was
carried out. Then executors are killed around a stop and started again, keys that are not the
operator's ask one to quote again, and positions are closed.

Exit 0 only if p99 is at most 1 s, with failing requests 3 s, and all else held.
"""

import argparse
import asyncio
import contextlib
import json
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from agents.bus import participant_of
from agents.cli.control import answers, say_to
from agents.cli.exits import OK
from agents.cli.stack import operator
from agents.executor.account_keys import token_of
from agents.settings import Settings
from bench.stop_house import House
from bench.stops import spread
from bench.venue_account import FOREIGN
from bench.venue_house import Exchange
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from protocol.bus.participant import COORDINATOR, Participant
from protocol.errors import ProtocolError
from protocol.keys import new_keys
from protocol.messages import Ack, EmergencyStop, Rearm, Stage, Word
from protocol.stopfile import add_stop, lift_stops, stops_in

HEALTHY_S, FAULTY_S = 1.0, 3.0
PATIENCE_S = 90.0
LOOK_S = 0.1
FAIL_SHARE = 0.1
PLANNED = 60
"""Requests ahead for which it is drawn whether they fail; a stop needs fewer."""
KINDS = ("error_before", "error_after", "drop_before", "drop_after")
WATCH_S = 2.0
LEFT_QUOTE = 10.0
"""What may be left of a position: less than the smallest order."""


class Stand:
    """Everything that a trial needs.

    Args:
        house: coordinator and executor.
        exchange: where it trades.
        seed: of everything random.
    """

    def __init__(self, house: House, exchange: Exchange, seed: int) -> None:
        self.house, self.exchange = house, exchange
        self.rng = random.Random(seed)  # noqa: S311 - trials, not secrets
        self.prefix = f"cp-{token_of(house.executor, exchange.symbol)}-"
        self.base = exchange.symbol.removesuffix("USDT")
        self.opening = exchange.balances()[self.base]

    @property
    def parties(self) -> tuple[str, str]:
        """Whom the operator speaks to."""
        return (COORDINATOR, self.house.executor)

    def names(self) -> list[str]:
        """Return the names of all orders that are open at the exchange."""
        return [row["clientOrderId"] for row in self.exchange.ask("GET", "openOrders")]

    def ours(self) -> list[str]:
        """Return those of the executor."""
        return [name for name in self.names() if name.startswith(self.prefix)]

    def until_quoting(self) -> None:
        """Wait until the executor says that orders are open, and the exchange shows some."""
        self.house.until(quoting=True, within_s=PATIENCE_S)
        self.until_open(some=True)

    def until_open(self, *, some: bool) -> None:
        """Wait until orders of ours are open at the exchange, or none is; not long: it counts."""
        end_s = time.monotonic() + PATIENCE_S
        while bool(self.ours()) is not some:
            assert time.monotonic() < end_s, f"some open: {some}, did not become true"
            time.sleep(LOOK_S)

    def left(self) -> float:
        """Return what the account holds beyond what it held at first, in quote."""
        price = float(self.exchange.ask("GET", "ticker/bookTicker")["bidPrice"])
        return (float(self.exchange.balances()[self.base]) - float(self.opening)) * price

    def let_fail(self) -> int:
        """Draw anew which requests of the executor fail; return how many will."""
        self.exchange.control_port("DELETE", "faults")
        struck = 0
        for place in range(PLANNED):
            if self.rng.random() < FAIL_SHARE:
                told = {"kind": self.rng.choice(KINDS), "request": "order", "skip": place - struck}
                self.exchange.control_port("POST", "faults", **told)
                struck += 1
        return struck

    def waiting_faults(self) -> int:
        """Return how many have not happened; they never will."""
        found = len(self.exchange.control_port("GET", "faults"))
        self.exchange.control_port("DELETE", "faults")
        return found


class Desk:
    """The operator on one stand's bus; what asks the exchange runs in a thread beside it."""

    def __init__(self, stand: Stand, me: Participant) -> None:
        self.stand, self.me = stand, me
        self._asked: set[str] = set()

    async def say(self, word: Word, message_id: str, wanted: Stage) -> None:
        """Say a word to all, and wait for their answers."""
        said = say_to(self.me, self.stand.parties, word, message_id, PATIENCE_S)
        for name, answer in (await answers(said, PATIENCE_S)).items():
            assert isinstance(answer, Ack), f"{name} answered {answer}"
            assert answer.stage is wanted, f"{name} answered {answer}"

    async def stop_s(self, path: str = "both", *, flatten: bool = False) -> float:
        """Stop by file, by bus or by both; return the seconds until `stopped`, which must be true.

        The file says nothing: there it is the seconds until the exchange shows nothing.
        """
        stand, stop_id = self.stand, secrets.token_hex(16)
        self._asked.add(stop_id)
        began_s = time.monotonic()
        if path != "bus":
            add_stop(stand.house.folder, stop_id, flatten=flatten)
        if path == "file":
            await asyncio.to_thread(stand.until_open, some=False)
            return time.monotonic() - began_s
        word = EmergencyStop(scope="all", flatten=flatten, reason="bench")
        await self.say(word, stop_id, Stage.STOPPED)
        took_s = time.monotonic() - began_s
        left = await asyncio.to_thread(stand.ours)
        assert not left, f"it said stopped, and the exchange has {left}"
        return took_s

    async def rearm(self) -> None:
        """Lift all stops, and wait until it quotes."""
        told = self.stand.house.figures()["stopped"]
        assert told == 1.0, "a stop was asked for, and it says that it is not stopped"
        lifts = tuple({*self._asked, *stops_in(self.stand.house.folder)})
        await self.say(Rearm(lifts=lifts, reason="bench"), secrets.token_hex(16), Stage.RECEIVED)
        lift_stops(self.stand.house.folder, lifts)
        self._asked.clear()
        await asyncio.to_thread(self.stand.until_quoting)

    async def trials(self, count: int, path: str = "both") -> list[float]:
        """Stop and rearm so often, at any moment of a guard step; return the seconds."""
        found = []
        for _ in range(count):
            await asyncio.sleep(self.stand.rng.random())
            found.append(await self.stop_s(path))
            await self.rearm()
        return found

    async def failing(self, count: int) -> tuple[list[float], int]:
        """Do so with failing requests; return the seconds, and how many requests failed."""
        found, struck = [], 0
        for _ in range(count):
            await asyncio.sleep(self.stand.rng.random())
            drawn = await asyncio.to_thread(self.stand.let_fail)
            found.append(await self.stop_s())
            struck += drawn - await asyncio.to_thread(self.stand.waiting_faults)
            await self.rearm()
        return found, struck

    async def flattened(self, count: int) -> list[tuple[float, float]]:
        """Close positions; return of each the seconds, and what was left of it in quote."""
        found, exchange = [], self.stand.exchange
        for _ in range(count):
            seen = len(await asyncio.to_thread(exchange.trades))
            end_s = time.monotonic() + PATIENCE_S
            while time.monotonic() < end_s:
                if len(await asyncio.to_thread(exchange.trades)) > seen:
                    break
                await asyncio.sleep(WATCH_S)  # a list of trades weighs 20 there
            took_s = await self.stop_s(flatten=True)
            found.append((took_s, await asyncio.to_thread(self.stand.left)))
            await self.rearm()
        return found


def at_desk(stand: Stand, work: Any) -> Any:
    """Run `work(desk)` with the operator on the bus."""

    async def run() -> Any:
        async with operator(stand.house.stack, PATIENCE_S) as (me, _):
            task: Coroutine[Any, Any, Any] = work(Desk(stand, me))
            return await task

    return asyncio.run(run())


def by_command(stand: Stand, count: int) -> list[float]:
    """Stop by the command as a whole process, as a person does; return the seconds."""
    found = []
    for _ in range(count):
        time.sleep(1.0 + stand.rng.random())  # the hub grants the operator a join a second
        asked = ("stop", "--data", str(stand.house.data))
        began_s = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "agents.cli.main", *asked], capture_output=True, check=False
        )
        found.append(time.monotonic() - began_s)
        assert done.returncode == OK, done.stderr.decode()
        assert not stand.ours()
        time.sleep(1.0)
        at_desk(stand, Desk.rearm)
    return found


def killed(stand: Stand, count: int) -> int:
    """Kill the executor about a stop and start it again; return how often it stayed stopped."""
    house, held = stand.house, 0
    for _ in range(count):
        add_stop(house.folder, secrets.token_hex(16), flatten=False)
        time.sleep(stand.rng.uniform(0.0, 0.3))
        house.kill(house.executor)
        house.start(house.executor)
        house.until(quoting=False, within_s=PATIENCE_S)
        time.sleep(WATCH_S)
        held += not stand.ours() and FOREIGN in stand.names()
        at_desk(stand, Desk.rearm)
    return held


def strangers(stand: Stand, folder: Path) -> int:
    """Let others ask it to quote again; return how many of two were refused."""
    house = stand.house
    at_desk(stand, Desk.stop_s)
    lifts = tuple(stops_in(house.folder))

    async def ask(settings: Settings, name: str) -> None:
        with contextlib.suppress(ProtocolError):
            async with participant_of(settings, name, {}) as me:
                for dst in stand.parties:
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
    at_desk(stand, Desk.rearm)
    return refused


def on_healthy(stand: Stand, told: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of the stand where no request fails."""
    stand.until_quoting()
    figures: dict[str, Any] = {}
    figures |= spread("healthy", at_desk(stand, lambda desk: desk.trials(told.trials)))
    for path in ("file", "bus"):
        found = at_desk(stand, lambda desk, path=path: desk.trials(told.paths, path))
        figures |= spread(path, found)
    figures |= spread("command", by_command(stand, told.commands))
    closed = at_desk(stand, lambda desk: desk.flattened(told.flat))
    figures["flat_max_s"] = max(took for took, _ in closed)
    figures["flat_left_max"] = max(abs(left) for _, left in closed)
    figures["foreign_stays"] = FOREIGN in stand.names()
    return figures


def on_faulty(stand: Stand, told: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return the figures of the stand where requests fail, and executors are killed."""
    stand.until_quoting()
    found, struck = at_desk(stand, lambda desk: desk.failing(told.trials))
    figures: dict[str, Any] = spread("faulty", found) | {"requests_failed": struck}
    figures["killed_stopped"] = killed(stand, told.kills)
    figures["strangers_refused"] = strangers(stand, folder / "forged")
    figures["foreign_stays_too"] = FOREIGN in stand.names()
    return figures


def stand_in(place: Path, feed: Path, number: int, open_: ExitStack) -> Stand:
    """Return a stand that has been started."""
    place.mkdir()
    exchange = Exchange(feed, place, speed="1")
    open_.callback(exchange.kill)
    exchange.start()
    exchange.place_foreign()
    venue: dict[str, object] = {
        "kind": "binance",
        "url": exchange.url,
        "symbol": exchange.symbol,
        "pace": "feed",
        "ignore_foreign": True,
    }
    sections = {"venue": venue, "executor": {"warmup_s": 30, "cycle_s": 1}}
    house = House(place / "data", speed=1.0, sections=sections)
    open_.enter_context(house)
    return Stand(house, exchange, number)


def measure(folder: Path, told: argparse.Namespace) -> dict[str, Any]:
    """Return all figures; both stands at once."""
    feed = folder / "exchange.npz"
    save(feed, synthetic_recording(seed=3, hours=4.0, setting="planted_edge"))
    with ExitStack() as open_:
        one, two = (stand_in(folder / name, feed, n, open_) for n, name in enumerate("ab"))
        with ThreadPoolExecutor(2) as threads:
            healthy = threads.submit(on_healthy, one, told)
            faulty = threads.submit(on_faulty, two, told, folder)
            return healthy.result() | faulty.result()


def main() -> int:
    """Measure; print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200, help="of each of the two kinds")
    parser.add_argument("--paths", type=int, default=20, help="by the file alone, by the bus alone")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--flat", type=int, default=5, help="positions that are closed")
    parser.add_argument("--commands", type=int, default=5, help="whole processes of the command")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cp") as name:
        figures = measure(Path(name), told)
    bounds = {
        "healthy_p99_s": HEALTHY_S,
        "file_p99_s": HEALTHY_S,
        "bus_p99_s": HEALTHY_S,
        "faulty_p99_s": FAULTY_S,
        "flat_left_max": LEFT_QUOTE,
    }
    must = {
        "killed_stopped": told.kills,
        "strangers_refused": 2,
        "foreign_stays": True,
        "foreign_stays_too": True,
    }
    good = all(figures[key] <= bound for key, bound in bounds.items())
    good &= all(figures[key] == wanted for key, wanted in must.items())
    good &= figures["requests_failed"] >= told.trials // 10
    for key, value in figures.items():
        bound = f"  at most {bounds[key]:g}" if key in bounds else ""
        wanted = f"  must be {must[key]:g}" if key in must else ""
        print(f"{key:<18} {float(value):>12.4f}{bound}{wanted}")
    rounded = {key: round(value, 4) for key, value in figures.items()}
    counts = {name: getattr(told, name) for name in ("trials", "paths", "kills", "flat")}
    print(json.dumps({"bench": "emergency", **counts, "good": bool(good), **rounded}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
