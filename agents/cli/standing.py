"""How a run stands, gathered from its bus and its journal, as one document and as lines.

The coordinator's snapshot and heartbeat say what is decided, the executor's telemetry what it
does, heartbeats who is alive. What nobody says within a few seconds is shown as silent.
"""

import asyncio
from functools import partial
from typing import Any

from rich.table import Table

from agents.cli.console import Screen
from agents.cli.stack import SUPERVISOR, Stack
from agents.cli.table import DASH, number, parameters_line
from protocol.bus.participant import COORDINATOR, Participant, Received
from protocol.errors import JournalError
from protocol.messages import CoordinatorHeartbeat, Heartbeat, Snapshot, utc_text
from protocol.stopfile import stops_in

HEARD_S = 3.0
"""Heartbeats come once a second, telemetry five times."""
SILENT = "silent"
STAGES = {"shadow": "in shadow", "promoted": "in force", "rolled_back": "rolled back"}


class Standing:
    """Gathers what one run says of itself."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.members = (COORDINATOR, *stack.executors, *stack.optimizers)
        self._snapshot: Snapshot | None = None
        self._beats: dict[str, tuple[str, float | None]] = {}
        self._epoch: int | None = None
        self._stops = set(stops_in(stack.folder))
        self._status: dict[str, dict[str, Any]] = {}
        self._profit: dict[str, dict[str, Any]] = {}
        self._seats: list[dict[str, Any]] | None = None
        self._news = asyncio.Event()

    @property
    def stops(self) -> set[str]:
        """Every stop id that somebody holds to be active."""
        return self._stops

    def listen(self, me: Participant) -> None:
        """Say what is listened to; before the participant is entered."""
        for name in self.members:
            me.follow("heartbeat", name, self._hear_beat)
        me.listen("status", COORDINATOR, self._hear_seats)
        for name in self.stack.executors:
            me.listen("status", name, partial(self._hear, self._status))
            me.listen("pnl_report", name, partial(self._hear, self._profit))

    async def gather(self, snapshot: Snapshot, *, complete: bool) -> None:
        """Listen until all have spoken, a few seconds at most.

        Args:
            snapshot: what joining was answered with.
            complete: wait for every heartbeat; else for coordinator and executors alone.
        """
        wanted = self.members if complete else (COORDINATOR, *self.stack.executors)
        self._snapshot = snapshot
        self._stops.update(snapshot.stops)
        try:
            async with asyncio.timeout(HEARD_S):
                while not self._is_whole(wanted):
                    await self._news.wait()
                    self._news.clear()
        except TimeoutError:
            return

    def _is_whole(self, wanted: tuple[str, ...]) -> bool:
        told = all(name in self._beats for name in wanted)
        shown = all(name in self._status for name in self.stack.executors)
        shown = shown and self._seats is not None
        return told and shown

    def _hear_beat(self, received: Received) -> None:
        word, name = received.word, received.header.src
        if isinstance(word, CoordinatorHeartbeat):
            self._epoch = word.epoch
            self._beats[name] = ("up", None)
            for row in word.executors:
                self._stops.update(row.stops)
        elif isinstance(word, Heartbeat):
            self._beats[name] = (word.state, word.lag_ms)
        self._news.set()

    def _hear_seats(self, received: Received) -> None:
        self._seats = received.word.model_dump(mode="json").get("conduct", [])
        self._news.set()

    def _hear(self, kept: dict[str, dict[str, Any]], received: Received) -> None:
        told = received.word.model_dump(mode="json")
        kept[received.header.src] = told
        self._stops.update(told.get("stops", ()))
        self._news.set()

    # --- shown --------------------------------------------------------------------------------
    def document(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        settings, seen = self.stack.settings, self._snapshot
        return {
            "run": str(self.stack.folder),
            "pid": self.stack.pids.get(SUPERVISOR),
            "clock": settings.run.clock.value,
            "speed": settings.run.speed if settings.run.clock.value == "real" else None,
            "mode": None if seen is None else seen.mode.value,
            "generation": None if seen is None else seen.generation,
            "epoch": self._epoch,
            "decided": None
            if seen is None
            else {
                "pair": list(seen.pair),
                "parameters": None if seen.params is None else seen.params.model_dump(),
            },
            "stops": sorted(self._stops),
            "seats": self._seats or [],
            "executors": [self._executor(name) for name in self.stack.executors],
            "members": [self._member(name) for name in self.members],
        }

    def _member(self, name: str) -> dict[str, Any]:
        state, lag_ms = self._beats.get(name, (SILENT, None))
        pid = self.stack.pids.get(name)
        return {"name": name, "pid": pid, "state": state, "lag_ms": lag_ms}

    def _executor(self, name: str) -> dict[str, Any]:
        told, profit = self._status.get(name, {}), self._profit.get(name, {})
        state, _ = self._beats.get(name, (SILENT, None))
        seen = self._journaled()
        now_ns = told.get("venue_time") or seen.get("now_ns")
        first_ns, last_ns = told.get("first_ns"), told.get("last_ns")
        share = None
        if now_ns and first_ns is not None and last_ns is not None:
            share = min(1.0, max(0.0, (now_ns - first_ns) / max(1, last_ns - first_ns)))
        return {
            "name": name,
            "state": state,
            "symbol": told.get("symbol"),
            "venue_time": utc_text(now_ns) if now_ns else None,
            "share": None if share is None else round(share, 4),
            "in_force": {"pair": told["pair"], "parameters": told["parameters"]} if told else None,
            "position": profit.get("position"),
            "open_orders": told.get("open_orders"),
            "equity": told.get("equity"),
            "fills": told.get("fills", seen.get("fills")),
            "round_trips": profit.get("round_trips", seen.get("round_trips")),
            "net_of_holding": seen.get("net"),
            "paused": told.get("paused"),
            "stopped": bool(told["stops"]) if told else None,
            "risk": told.get("risk"),
            "policy": told.get("policy"),
        }

    def _journaled(self) -> dict[str, Any]:
        """Return the newest decision in the executor's journal; empty before the first."""
        from agents.executor.result import Watch
        from market.layout import UNITS

        watch = Watch(self.stack.folder)
        try:
            seen = watch.look()
        except JournalError:
            return {}  # being made, or damaged: the executor says so itself
        finally:
            watch.close()
        if seen is None:
            return {}
        return {
            "now_ns": seen.now_ns,
            "fills": seen.fills,
            "round_trips": seen.round_trips,
            "net": seen.net_units / UNITS,
        }


def show(document: dict[str, Any]) -> None:
    """Print a document for a person on stdout."""
    console = Screen(108)
    speed = "" if document["speed"] is None else f", {document['speed']:g} times as fast"
    console.print(f"run         {document['run']}, clock {document['clock']}{speed}")
    if document["pid"] is None and any(each["pid"] for each in document["members"]):
        console.print(
            "supervisor  gone: nothing that dies is started again, and there will be no result; "
            "`counterpoint down` ends the run"
        )
    mode, generation = document["mode"] or "unknown", document["generation"]
    epoch = DASH if document["epoch"] is None else document["epoch"]
    where = DASH if generation is None else generation
    console.print(f"mode        {mode}, generation {where}, coordinator epoch {epoch}")
    decided = document["decided"]
    if decided is not None:
        epoch, version = decided["pair"]
        line = f"epoch {epoch} version {version}: {parameters_line(decided['parameters'])}"
        console.print(f"decided     {line if version else 'nothing yet'}")
    for each in document["executors"]:
        show_executor(console, each)
    stops = document["stops"]
    console.print(f"stops       {', '.join(stops) or 'none'}")
    for each in document["seats"]:
        console.print(seat_line(each))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("member", "state"):
        table.add_column(title)
    for title in ("process", "lag"):
        table.add_column(title, justify="right")
    for each in document["members"]:
        lag = DASH if each["lag_ms"] is None else f"{number(each['lag_ms'], 1)} ms"
        table.add_row(each["name"], each["state"], str(each["pid"] or DASH), lag)
    console.print(table)


def seat_line(each: dict[str, Any]) -> str:
    """Return how one seat stands with the coordinator."""
    until = each["benched_until"]
    told = f"benched until {until[:19]}" if until else f"{each['faults']} faults in a row"
    return (
        f"{'seat':<12}{each['name']}: weight {each['weight']}, reliability "
        f"{each['reliability']:.2f} ({each['wins']} of {each['outcomes']} won), {told}"
    )


def policy_line(told: dict[str, Any]) -> str:
    """Return which policy quotes, and how its candidate stands, where there is one."""
    if told["candidate"] is None:
        return f"{told['in_force']} quotes"
    gain = ""
    if told["lower"] is not None:
        bounds = f"{number(told['lower'], 2)} to {number(told['upper'], 2)}"
        gain = f", a block gains {bounds} at its last look"
    return (
        f"{told['in_force']} quotes; {told['candidate']} is {STAGES[told['stage']]} since "
        f"{utc_text(told['since'])[:19]}: {told['blocks']} blocks, {told['round_trips']} round "
        f"trips{gain}: {told['reason']}"
    )


def show_executor(console: Screen, each: dict[str, Any]) -> None:
    """Print how one executor stands."""
    held = each["in_force"]
    if held is not None:
        epoch, version = held["pair"]
        since = f"epoch {epoch} version {version}" if version else "as started"
        console.print(f"in force    {parameters_line(held['parameters'])} ({since})")
    if each["policy"] is not None:
        console.print(f"policy      {policy_line(each['policy'])}")
    symbol = each["symbol"] or DASH
    base, _, quote = symbol.partition("-")
    share = DASH if each["share"] is None else f"{each['share']:.0%}"
    time_text = (each["venue_time"] or DASH)[:19]
    console.print(
        f"{each['name']:<11} {each['state']}, {symbol}, {share} at {time_text}, risk "
        f"{each['risk'] or DASH}, {number(each['open_orders'], 0)} orders open"
    )
    net = each["net_of_holding"]
    console.print(
        f"            fills {number(each['fills'], 0)}, round trips "
        f"{number(each['round_trips'], 0)}, net of holding "
        f"{DASH if net is None else f'{net:+,.2f}'} {quote}, position "
        f"{each['position'] or DASH} {base}"
    )
