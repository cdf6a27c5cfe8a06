"""One executor's life: lock, journal, recovery, then the shell, alone or on the bus."""

import fcntl
import json
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import structlog

from agents.bus_settings import EXECUTOR_PORT
from agents.executor.recovery import RecoveryError, open_journal, recover
from agents.executor.rehearsal import rehearse
from agents.executor.result import executor_part, journaled
from agents.executor.shell import Shell
from agents.executor.showing import shown
from agents.session import Session, open_session, parameter_row
from agents.settings import Clock, Settings
from market.policy import cap_lots as cap_lots_of
from protocol.heap import settle_heap
from protocol.telemetry_server import serving
from risk.limits import Limits

LOCK_NAME = "executor.lock"
RESULT_NAME = "executor.json"

log = structlog.get_logger()


class Run:
    """An executor from its start to its end in one run folder.

    Args:
        settings: resolved.
        folder: for journal, lock, stop file and result.
        alone: without a bus.
    """

    def __init__(self, settings: Settings, folder: Path, *, alone: bool) -> None:
        self.settings = settings
        self.folder = folder
        self.alone = alone
        self.shell: Shell | None = None
        self._ending = False

    def end(self) -> None:
        """End cleanly after the present step."""
        self._ending = True
        if self.shell is not None:
            self.shell.end()

    async def serve(self) -> int:
        """Live through the recording; return 0 at its end, also when told to end early.

        Raises:
            RecoveryError: another executor holds the folder, or the journal does not fit.
        """
        lock = take_lock(self.folder)
        try:
            live = self._trade if self.settings.venue.recorded else self._trade_at_venue
            complete = await live()
            if self.shell is not None:
                self.shell.pulse.end()
            if self.shell is not None and self.shell.state.now_ns:
                write_result(self.folder, self.shell.state.session, complete=complete)
        finally:
            os.close(lock)
        return 0

    async def _trade(self) -> bool:
        session = open_session(self.settings)
        log.info("session_opened", symbol=session.meta.symbol, first_ns=session.first_ns)
        make_ready(session)
        lockstep = not self.alone and self.settings.run.clock is Clock.LOCKSTEP
        with open_journal(self.folder) as journal:
            found = recover(journal, session, lockstep=lockstep)
            if found.state.now_ns:
                log.info("recovered", now_ns=found.state.now_ns, horizon_ns=found.horizon_ns)
            return await self._run(Shell(found, journal, self.folder))

    async def _trade_at_venue(self) -> bool:
        # Loaded only here: what speaks to an exchange takes a second to load.
        from agents.executor.live import open_live
        from agents.executor.shell_live import LiveShell

        settings, folder = self.settings, self.folder
        with open_journal(folder) as journal:
            live = await open_live(settings, journal, folder, os.environ, lambda: self._ending)
            if live is None:
                return False
            try:
                make_ready(live.state.session)
                return await self._run(LiveShell(live, journal, folder))
            finally:
                await live.connection.close()

    async def _run(self, shell: Shell) -> bool:
        self.shell = shell
        if self._ending:
            shell.end()
        await shell.catch_up()
        bus = self.settings.bus
        async with AsyncExitStack() as stack:
            if bus.metrics_port:
                port = bus.metrics_port + EXECUTOR_PORT
                await stack.enter_async_context(serving(port, shown(shell), host=bus.metrics_host))
            return await (shell.run() if self.alone else self._run_on_bus(shell))

    async def _run_on_bus(self, shell: Shell) -> bool:
        from agents.executor.peer_link import beside
        from agents.executor.shell_bus import joined

        async with (
            joined(self.settings, shell) as link,
            beside(self.settings, shell, link.participant) as others,
        ):
            complete = await shell.run()
            if others is not None and complete:
                await others.linger()
            if self.settings.desk.open and complete:
                await link.desk.linger()
            return complete


def make_ready(session: Session) -> None:
    """Say which limits are idle, and do beforehand what would hold up an answer later."""
    for name, reason in idle_limits(session).items():
        log.info("limit_cannot_bind", limit=name, reason=reason)
    rehearse(session)
    settle_heap()


def idle_limits(session: Session) -> dict[str, str]:
    """Return, by name, the limits that could never bind in this session, each with the reason."""
    scale = session.setup.scale
    cap_lots = int(cap_lots_of(parameter_row(session.baseline), scale))
    return Limits.of_row(session.setup.limits).idle(
        scale,
        position_cap_lots=max(1, cap_lots),
        interval_s=session.settings.executor.guard_interval_ms / 1e3,
    )


def take_lock(folder: Path) -> int:
    """Hold a run folder for this process alone; return the lock's descriptor.

    Raises:
        RecoveryError: another executor holds it.
    """
    lock = os.open(folder / LOCK_NAME, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise RecoveryError(
            f"another executor is at work in {folder}; end it, or use another folder"
        ) from None
    return lock


def write_result(folder: Path, session: Session, *, complete: bool) -> dict[str, Any]:
    """Write the executor's part of the result as JSON, whole or not at all; return it."""
    lived = journaled(folder, session)
    tape = session.tapes().advance(lived.last_ns)
    document = executor_part(lived, session, tape, complete=complete)
    draft = folder / f"{RESULT_NAME}.draft"
    draft.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    draft.replace(folder / RESULT_NAME)
    return document
