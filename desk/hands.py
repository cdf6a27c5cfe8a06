"""What a person does through the desk: stop, rearm, mode, pause, resume, said as the operator.

Each wish has an id that its asker chose. It is the id of the word on the bus, so what is said twice
is handled once; and what was acknowledged is kept in the store, so that a wish that comes again,
even after everything was started anew, changes nothing. A wish that nobody acknowledged may be
asked for again under the same id until it is.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from desk.errors import DeskError, StoreError
from desk.live import Live
from desk.memory import Memory
from protocol.bus.participant import COORDINATOR, Participant
from protocol.elements import SETS_MAX
from protocol.errors import BusError
from protocol.messages import (
    Ack,
    EmergencyStop,
    Mode,
    ModeChange,
    Nack,
    Pause,
    Rearm,
    Resume,
    Stage,
    Word,
)
from protocol.stopfile import add_stop, lift_stops, stops_in

ANSWER_S: Final = 10.0
"""How long an answer is waited for."""
TTL_MS: Final = 300_000
"""How long a stop goes on being said, acknowledged or not."""

log = structlog.get_logger()


class ReusedIdError(DeskError):
    """An id that stood for another wish."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for.

    Attributes:
        id: 32 hex digits, chosen by the asker.
        action: `stop`, `rearm`, `mode`, `pause` or `resume`.
        reason: kept in the logs; printable ASCII.
        flatten: a stop that closes the position too.
        mode: the one to change to.
    """

    id: str
    action: str
    reason: str = ""
    flatten: bool = False
    mode: Mode | None = None

    def asked(self) -> dict[str, Any]:
        """Return it as plain values, the id left out."""
        mode = None if self.mode is None else self.mode.value
        told = {"action": self.action, "reason": self.reason}
        return {**told, "flatten": self.flatten, "mode": mode}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a wish.

    Attributes:
        acknowledged: by everybody whom it needs.
        refused: somebody said no; saying it again will not help.
        said: by name, the stage that was reached or what was said instead.
        replayed: it was acknowledged before, and nothing was done now.
    """

    acknowledged: bool
    refused: bool
    said: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    replayed: bool = False


class Hands:
    """Says wishes on the bus and waits for their acknowledgement.

    Args:
        me: the operator on the bus, entered; None: its key is not here.
        live: knows the stops in force.
        memory: of what was acknowledged.
        folder: the run's where it is on this host, for the stop file.
        clock: wall time in ns.
    """

    def __init__(
        self,
        me: Participant | None,
        live: Live,
        memory: Memory,
        *,
        folder: Path | None,
        clock: Callable[[], int],
        answer_s: float = ANSWER_S,
    ) -> None:
        self._me = me
        self._live = live
        self._memory = memory
        self._folder = folder
        self._clock = clock
        self._answer_s = answer_s
        self._open: dict[str, tuple[Wish, asyncio.Task[Outcome]]] = {}

    async def do(self, wish: Wish) -> Outcome:
        """Do what is wished, once; the same wish meanwhile waits for the same answer.

        Raises:
            ReusedIdError: the id stood for another wish.
        """
        known = self._open.get(wish.id)
        if known is not None:
            if known[0].asked() != wish.asked():
                raise ReusedIdError(f"id {wish.id} is open for another action; choose a new one")
            return await asyncio.shield(known[1])
        task = asyncio.create_task(self._once(wish))
        self._open[wish.id] = wish, task
        task.add_done_callback(lambda _: self._open.pop(wish.id))
        return await asyncio.shield(task)  # whoever asked may hang up; what was begun goes on

    async def _once(self, wish: Wish) -> Outcome:
        try:
            kept = await asyncio.to_thread(self._memory.find, wish.id)
        except StoreError as error:
            # An emergency does not wait for a database: the ids on the bus guard the rest.
            log.warning("action_memory_fails", reason=str(error))
            kept = None
        if kept is not None:
            if kept["asked"] != wish.asked():
                raise ReusedIdError(f"id {wish.id} stood for another action; choose a new one")
            return Outcome(**{**kept["answer"], "replayed": True})
        outcome = await self._act(wish)
        log.info("action_answered", id=wish.id, **wish.asked(), acknowledged=outcome.acknowledged)
        if outcome.acknowledged:
            answer = {"acknowledged": True, "refused": False, "said": dict(outcome.said)}
            answer["note"] = outcome.note
            try:
                await asyncio.to_thread(
                    self._memory.keep, wish.id, self._clock(), wish.asked(), answer
                )
            except StoreError as error:
                log.warning("action_memory_fails", reason=str(error))
        return outcome

    async def _act(self, wish: Wish) -> Outcome:
        try:
            match wish.action:
                case "stop":
                    return await self._stop(wish)
                case "rearm":
                    return await self._rearm(wish)
                case "mode":
                    return await self._mode(wish)
                case "pause" | "resume":
                    word = Pause() if wish.action == "pause" else Resume()
                    return await self._say(wish.id, self._live.executors, word, Stage.RECEIVED)
                case _:
                    raise AssertionError(f"{wish.action} is no action")
        except BusError as error:
            return Outcome(acknowledged=False, refused=False, note=str(error))

    def _operator(self) -> Participant:
        if self._me is None:
            raise BusError("the operator's key is not on this host: this desk can only look")
        return self._me

    async def _joined(self) -> Participant:
        """Return the operator once it has joined: a desk that just began is about to."""
        me = self._operator()
        try:
            await asyncio.wait_for(me.joined.wait(), self._answer_s)
        except TimeoutError:
            raise BusError("no coordinator answers: the operator could not join the bus") from None
        return me

    async def _stop(self, wish: Wish) -> Outcome:
        """Say the stop by file and bus; `stopped` of every executor acknowledges it."""
        note = ""
        if self._folder is not None:
            try:
                await asyncio.to_thread(add_stop, self._folder, wish.id, flatten=wish.flatten)
                note = "the stop file holds it too"
            except OSError as error:  # the bus may still work
                note = f"the stop file could not be written: {error.strerror}"
        word = EmergencyStop(scope="all", flatten=wish.flatten, reason=wish.reason)
        try:
            names = (COORDINATOR, *self._live.executors)
            found = await self._say(
                wish.id, names, word, Stage.STOPPED, must=self._live.executors, ttl_ms=TTL_MS
            )
        except BusError as error:
            line = f"{error}; {note}" if note else str(error)
            return Outcome(acknowledged=False, refused=False, note=line)
        return Outcome(found.acknowledged, found.refused, found.said, note)

    async def _rearm(self, wish: Wish) -> Outcome:
        me = await self._joined()
        snapshot = await me.snapshot((0, 0))
        ids = {*snapshot.stops, *self._stops()}
        if not ids:
            return Outcome(acknowledged=True, refused=False, note="no stop is in force")
        ordered = sorted(ids)
        names = (COORDINATOR, *self._live.executors)
        found = Outcome(acknowledged=True, refused=False)
        for first in range(0, len(ordered), SETS_MAX):
            word = Rearm(lifts=tuple(ordered[first : first + SETS_MAX]), reason=wish.reason)
            key = wish.id if first == 0 else secrets.token_hex(16)
            found = await self._say(key, names, word, Stage.RECEIVED)
            if not found.acknowledged:
                return found
        note = f"lifted {', '.join(ordered)}"
        if self._folder is not None:
            try:
                await asyncio.to_thread(lift_stops, self._folder, ids)
            except OSError as error:  # harmless: a lifted id never stops again
                note += f"; the stop file could not be removed: {error.strerror}"
        return Outcome(found.acknowledged, found.refused, found.said, note)

    def _stops(self) -> Iterable[str]:
        for name in self._live.executors:
            yield from self._live.said("status", name).get("stops", ())
            yield from self._live.governed(name).get("stops", ())
        if self._folder is not None:
            yield from stops_in(self._folder)

    async def _mode(self, wish: Wish) -> Outcome:
        me = await self._joined()
        snapshot = await me.snapshot((0, 0))
        if snapshot.mode is wish.mode:
            return Outcome(acknowledged=True, refused=False, note="it is in force already")
        told = {"from": snapshot.mode, "to": wish.mode, "gen": snapshot.generation}
        word = ModeChange.model_validate({**told, "reason": wish.reason})
        return await self._say(wish.id, (COORDINATOR,), word, Stage.DECIDED)

    async def _say(
        self,
        key: str,
        names: tuple[str, ...],
        word: Word,
        wanted: Stage,
        *,
        must: tuple[str, ...] | None = None,
        ttl_ms: int | None = None,
    ) -> Outcome:
        """Say one word to several under one id, and wait.

        Args:
            must: whose answer is needed; None: all of them.
            ttl_ms: how long it goes on being said; None: as long as we wait.
        """
        me = self._operator() if isinstance(word, EmergencyStop) else await self._joined()
        ttl_ms = ttl_ms or round(self._answer_s * 1e3)
        futures = {name: me.post(name, word, message_id=key, ttl_ms=ttl_ms) for name in names}
        needed = [futures[name] for name in must or names]
        await asyncio.wait(needed, timeout=self._answer_s)
        said, refused = {}, False
        for name, future in futures.items():
            done = future.done() and not future.cancelled() and future.exception() is None
            heard = future.result().word if done else None
            refused |= isinstance(heard, Nack)
            said[name] = _told(heard)
        fine = all(said[name] == wanted.value for name in must or names)
        return Outcome(acknowledged=fine, refused=refused and not fine, said=said)


def _told(word: Word | None) -> str:
    """Return an answer in words."""
    match word:
        case Ack():
            return word.stage.value
        case Nack():
            return f"refused: {word.code.value} {word.detail}"
        case None:
            return "no answer yet"
        case _:
            return f"answered {word.type_name}"
