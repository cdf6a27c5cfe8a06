"""One desk's life: on the bus, in the store, and behind its port, until it is told to end."""

import asyncio
import contextlib
import os
import time
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import structlog
import uvicorn

from desk.alarm import Watch
from desk.alert_rules import Bounds, Quiet
from desk.alerts import Bell, destinations, ping
from desk.api import application
from desk.catching_up import CatchingUp
from desk.doors import Doors, Tokens
from desk.errors import DeskError
from desk.hands import Hands
from desk.live import Live
from desk.memory import Memory
from desk.settings import DeskSettings
from desk.showing import shown
from desk.store import Store
from desk.stream import Stream
from desk.view import View
from protocol.bus.participant import Participant
from protocol.errors import BusError, RosterError
from protocol.keyring import Keyring
from protocol.tasks import end_all
from protocol.telemetry_server import serving as showing
from protocol.tokens import load_tokens

DESK = "desk"
OPERATOR = "operator"
JOIN_S = 5.0
"""How long one attempt to join waits; there is always another."""

log = structlog.get_logger()


class Server(uvicorn.Server):
    """Leaves signals to the process, which ends more than a server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield


def party(settings: DeskSettings, name: str, environ: Mapping[str, str]) -> Participant:
    """Return a participant of the desk, not yet on the bus.

    Raises:
        RosterError: its key is missing, or does not fit the roster.
    """
    keyring = Keyring(name, settings.keys, environ)
    return Participant(
        keyring.keys.identity,
        keyring.keys.roster,
        settings.hubs.endpoints(),
        clock=time.time_ns,
        telemetry=name == DESK,
        keyring=keyring,
    )


async def serve(settings: DeskSettings, store: Store, ending: asyncio.Event) -> None:
    """Serve until told to end.

    Raises:
        SecretError: the tokens are missing or lie open.
        RosterError: the desk's key is missing.
        DeskError, SettingsError: a port is taken.
    """
    tokens = Tokens(load_tokens(settings.keys, os.environ))
    live = Live(settings.executors, settings.seats)
    async with AsyncExitStack() as stack:
        me = party(settings, DESK, os.environ)
        live.attach(me)
        view = View(
            store, live, run=settings.run, folder=settings.folder, failing=lambda: reader.failing
        )
        stream = Stream(view, settings.executors)
        reader = CatchingUp(store, me, settings.run, stream.rows)
        live.on_news = stream.news
        hand = operator(settings)
        memory = Memory(store, settings.run)
        hands = Hands(hand, live, memory, folder=settings.folder, clock=time.time_ns)
        if settings.metrics_port:
            port, host = settings.metrics_port, settings.metrics_host
            await stack.enter_async_context(showing(port, shown(live, reader), host=host))
        await stack.enter_async_context(me)
        if hand is not None:
            await stack.enter_async_context(hand)
        app = Doors(
            application(view, hands, stream, tokens),
            tokens=tokens,
            hosts=(settings.host,),
            steady=time.monotonic_ns,
        )
        watch = Watch(live, view, lambda: reader.failing)
        works = (
            reading(me, live, reader),
            stream.pump(),
            operating(hand),
            *alerting(settings, watch),
        )
        tasks = [asyncio.create_task(work) for work in works]
        stack.push_async_callback(end_all, tasks)
        await answering(app, settings, ending, tasks)


def operator(settings: DeskSettings) -> Participant | None:
    """Return the operator; None, and a line, where its key is not: such a desk only looks."""
    try:
        return party(settings, OPERATOR, os.environ)
    except RosterError as error:
        log.warning("looks_only", reason=str(error))
        return None


async def joining(me: Participant, live: Live | None = None) -> None:
    """Try to join the bus until a coordinator answers."""
    while not me.joined.is_set():
        try:
            snapshot = await me.join(timeout_s=JOIN_S)
        except BusError as error:
            log.info("bus_silent", name=me.name, reason=str(error))
            continue
        if live is not None:
            live.take_snapshot(snapshot)
        log.info("joined", name=me.name)


async def reading(me: Participant, live: Live, reader: CatchingUp) -> None:
    """Join, then keep the store up to date, for ever."""
    await joining(me, live)
    await reader.keep_up()


def alerting(settings: DeskSettings, watch: Watch) -> Iterator[Coroutine[Any, Any, None]]:
    """Yield what rings and pings, as far as somebody asked for it.

    Raises:
        AlertError: the destinations cannot be used.
    """
    if settings.alerts is not None:
        bell = Bell(
            watch.facts,
            destinations(settings.alerts),
            bounds=Bounds(),
            quiet=Quiet.of(settings.quiet),
            book=settings.alerts.with_suffix(".told"),
        )
        yield bell.ring()
    if settings.ping is not None:
        yield ping(settings.ping, settings.ping_s, watch.well)


async def operating(hand: Participant | None) -> None:
    """Join as the operator, and stay until cancelled."""
    if hand is not None:
        await joining(hand)
    await asyncio.Event().wait()


async def answering(
    app: Doors, settings: DeskSettings, ending: asyncio.Event, tasks: list[asyncio.Task[None]]
) -> None:
    """Answer requests until told to end, or until a task of ours has died.

    Raises:
        DeskError: the port is taken.
    """
    server = Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="websockets-sansio",
            ws_max_size=16_384,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=2,
        )
    )
    serving = asyncio.create_task(_bound(server, settings))
    asked = asyncio.create_task(ending.wait())
    try:
        await asyncio.wait([serving, asked, *tasks], return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving
    finally:
        asked.cancel()
    for task in tasks:
        if task.done() and not task.cancelled() and task.exception() is not None:
            await task  # a deaf desk must not seem alive


async def _bound(server: Server, settings: DeskSettings) -> None:
    try:
        await server.serve()
    except SystemExit:  # how uvicorn says that the port is taken
        raise DeskError(
            f"{settings.host}:{settings.port} cannot be served: it is taken, or not ours; choose "
            "another with --set desk.port=PORT"
        ) from None
