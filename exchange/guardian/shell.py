"""The thin shell of a guardian: it owns the clock, the files and the requests, and decides nothing.

It looks at the beat ten times a second. Requests and writes run beside that in threads, so that an
exchange or a disc that does not answer never keeps it from looking.
"""

import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO, assert_never

from exchange.guardian.account import Account, UnreachedError
from exchange.guardian.machine import (
    CLEAN_ANSWERS,
    Arm,
    Armed,
    Effect,
    Event,
    Looked,
    Phase,
    Rules,
    State,
    Sweep,
    Swept,
    Tell,
    WriteStop,
    Wrote,
    step,
)
from protocol.beat import Beat, read_beat
from protocol.errors import printable
from protocol.stopfile import add_prepared, prepare_stop, stops_in

LOOK_S = 0.1
ANSWER_S = 5.0
"""Longest wait for an answer, names and connections included."""
END_S = 10.0
"""How long an end waits for a sweep that is under way."""
LOG_NAME = "guardian.log"
LOG_BYTES_MAX = 8 * 1024 * 1024
BAD = frozenset(
    {
        "beat_stopped",
        "beat_returned",
        "silent_too_often",
        "stop_not_written",
        "exchange_not_reached",
    }
)


class Log:
    """Facts as JSON lines in a file, and short on stderr; a full disc is no reason to end.

    Args:
        folder: of the file `guardian.log`.
        talk: where the short lines go.
    """

    def __init__(self, folder: Path, talk: TextIO = sys.stderr) -> None:
        self._path = folder / LOG_NAME
        self._talk = talk

    def __call__(self, event: str, **keys: object) -> None:
        """Write one line."""
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        level = "warning" if event in BAD else "info"
        row = {"time": moment, "level": level, "component": "guardian", "event": event, **keys}
        said = " ".join(f"{key}={printable(str(value))}" for key, value in keys.items())
        mark = " WARNING" if event in BAD else ""
        try:
            self._talk.write(f"{moment[11:19]} guardian{mark} {event} {said}".rstrip() + "\n")
            self._talk.flush()
        except (OSError, ValueError):
            pass  # nobody listens
        try:
            if self._path.exists() and self._path.stat().st_size > LOG_BYTES_MAX:
                self._path.replace(self._path.with_suffix(".log.1"))
            file = os.open(self._path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
            try:
                os.write(file, json.dumps(row, default=str).encode() + b"\n")
            finally:
                os.close(file)
        except OSError:
            pass  # a full disc keeps nobody from cancelling


class Keeper:
    """Guards the executor of one data directory.

    Args:
        folder: the executor's data directory.
        account: where its orders are.
        rules: times.
        log: takes facts.
    """

    def __init__(self, folder: Path, account: Account, rules: Rules, log: Log) -> None:
        self.state = State()
        self._folder = folder
        self._account = account
        self._rules = rules
        self._log = log
        self._stop_id = ""
        self._used = False
        self._aim = b""
        self._reason = ""
        self._ending = False
        self._last: Beat | None = None
        self.ready = False
        self.cancelled = 0
        self.stops_written = 0
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        # A name server that hangs may hold every other thread; the stop file has its own.
        self._files = ThreadPoolExecutor(1, thread_name_prefix="stop")

    def end(self) -> None:
        """End; a sweep that is under way is finished first, within bounds."""
        self._ending = True
        self._last = self.state.beat
        self._wake.set()

    async def run(self) -> None:
        """Guard until told to end."""
        self._prepare()
        give_up_s = float("inf")
        while True:
            if self._ending and give_up_s == float("inf"):
                give_up_s = time.monotonic() + END_S
            self._take(Looked(read_beat(self._folder), self._is_stopped()))
            if not self._ending:
                await self._pause(LOOK_S)
            elif self._may_go() or time.monotonic() > give_up_s:
                break
            else:
                await asyncio.sleep(LOOK_S)
        if self.state.armed and self.state.phase is Phase.WATCHING:
            await self._arm(Arm(0))  # nobody renews it from now on
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=ANSWER_S)
        self._log("guardian_ended", phase=self.state.phase.value, at_work=self.state.at_work)

    def _may_go(self) -> bool:
        """Return whether an end leaves nothing behind that this guardian knows of.

        An executor that beats on is left alone; one that does not is waited for, it may be dead.
        After a clean end two answers that show nothing are enough, without the receive window.
        """
        state = self.state
        match state.phase:
            case Phase.WAITING:
                return not state.at_work or (state.clean >= CLEAN_ANSWERS and not state.stop_due)
            case Phase.WATCHING:
                return not state.at_work and state.beat != self._last
            case Phase.ALARMED:
                return not state.at_work
            case _:
                assert_never(state.phase)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    def _take(self, event: Event) -> None:
        self.state, effects = step(self.state, event, time.monotonic_ns(), self._rules)
        for effect in effects:
            self._perform(effect)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Tell():
                self._tell(effect.event)
            case Sweep():
                self._spawn(self._sweep(effect))
            case WriteStop():
                self._spawn(self._write(effect))
            case Arm():
                self._spawn(self._arm(effect))
            case _:
                assert_never(effect)

    def _tell(self, event: str) -> None:
        told: dict[str, object] = {}
        match event:
            case "exchange_not_reached":
                told = {"reason": self._reason, "tries": self.state.failures}
            case "stop_written":
                lifted_by = "whoever starts after it" if self._aim else "rearm"
                told = {"id": self._stop_id, "lifted_by": lifted_by, "folder": self._folder}
            case "stop_not_written":
                told = {"reason": self._reason, "folder": self._folder}
            case "beat_stopped":
                told = {"silent_s": round(self.state.silent_ns / 1e9, 1)}
            case "switch_not_set":
                told = {"reason": self._reason}
            case _:
                pass
        self._log(event, **told)

    async def _sweep(self, effect: Sweep) -> None:
        began_s = time.monotonic()
        found: int | None = None
        wait_ns = 0
        try:
            async with asyncio.timeout(ANSWER_S):
                found = await asyncio.to_thread(
                    self._account.sweep, cancel=effect.cancel, still=self._holds
                )
        except UnreachedError as error:
            self._reason, wait_ns = str(error), round(error.wait_s * 1e9)
        except TimeoutError:
            self._reason = f"no answer within {ANSWER_S:g} s"
        except Exception as error:  # noqa: BLE001 - whatever it was, it is to be asked again
            self._reason = f"not understood: {error!r}"  # a proxy's page, or another exchange
        if found and effect.cancel:
            self.cancelled += found
            took_ms = round((time.monotonic() - began_s) * 1e3)
            self._log("orders_cancelled", found=found, took_ms=took_ms)
        if found is not None and not self.ready:
            self.ready = True
            self._log("guardian_ready", open_orders=found)
        self._take(Swept(effect.number, found, wait_ns))

    async def _write(self, effect: WriteStop) -> None:
        done = False
        try:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._files, self._put_stop, effect.silent)
            done = True
        except Exception as error:  # noqa: BLE001 - whatever it was, it is to be written again
            self._reason = str(error)
        self._take(Wrote(done))

    async def _arm(self, effect: Arm) -> None:
        done = False
        try:
            async with asyncio.timeout(ANSWER_S):
                await asyncio.to_thread(self._account.arm, effect.countdown_ms)
            done = True
        except Exception as error:  # noqa: BLE001 - whatever it was, it is to be set again
            self._reason = str(error) or f"no answer within {ANSWER_S:g} s"
        self._take(Armed(done))

    # --- the stop file --------------------------------------------------------------------------
    def _prepare(self) -> None:
        """Make the next stop ready, while the disc has room."""
        self._stop_id, self._used = secrets.token_hex(16), False
        try:
            prepare_stop(self._folder, self._stop_id)
        except OSError as error:
            self._log("stop_not_prepared", reason=str(error))

    def _put_stop(self, silent: bytes) -> None:
        if self._used:
            if self._is_stopped() and self._aim in {silent, b""}:
                return  # it still holds
            self._prepare()  # a lifted id never stops again, and one aimed at another not this one
        self._aim = silent
        add_prepared(self._folder, self._stop_id, silent=silent.hex())
        self._used = True
        self.stops_written += 1

    def _holds(self) -> bool:
        """Return whether nobody has lifted our stop; asked in a thread."""
        state = self.state
        if state.phase is Phase.WAITING or state.stop_due or not self._used:
            return True  # no stop of ours belongs to it, or it is not written yet
        return self._is_stopped()

    def _is_stopped(self) -> bool:
        if not self._used:
            return False
        try:
            return self._stop_id in stops_in(self._folder)
        except OSError:
            return True

    # --- tasks ----------------------------------------------------------------------------------
    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
