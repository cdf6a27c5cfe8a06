"""Feed time that waits for its clients: it stands still until each has done with the instant.

An extension on the control port that clients which do not know it never see. Per guard step the
exchange sends all that is visible by then, says how much that was in all, and takes what the client
answers with as sent at that step. So a day over sockets depends on recording and requests alone.
"""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from exchange.simulated.hub import Counts, dump
from exchange.simulated.service import Service


@dataclass(eq=False, slots=True)
class Partner:
    """One client in lockstep."""

    key: str
    socket: web.WebSocketResponse
    done: asyncio.Queue[tuple[int, int] | None] = field(default_factory=asyncio.Queue)


class Lockstep:
    """Walks the guard grid with its partners.

    Args:
        service: whose feed time is moved.
        first_ns: first step.
        last_ns: last step.
        interval_ns: between steps.
        clients: that must have joined before the first step.
    """

    def __init__(
        self, service: Service, *, first_ns: int, last_ns: int, interval_ns: int, clients: int = 1
    ) -> None:
        self._service = service
        self._next_ns = first_ns
        self._last_ns = last_ns
        self._interval_ns = interval_ns
        self._clients = clients
        self._partners: list[Partner] = []
        self._joined = asyncio.Event()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Keep one partner's connection."""
        key = request.query.get("key", "")
        if key not in self._service.accounts:
            return web.Response(status=404, text="no account has this key\n")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        partner = Partner(key, socket)
        self._service.hub.count(key)
        self._partners.append(partner)
        self._joined.set()
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    break
                told = json.loads(message.data)
                partner.done.put_nowait((int(told["done"]), int(told["requests"])))
        finally:
            self._partners.remove(partner)
            partner.done.put_nowait(None)
        return socket

    async def run(self) -> None:
        """Walk the grid; wait wherever nobody is there."""
        service = self._service
        while self._next_ns <= self._last_ns:
            while len(self._partners) < self._clients:
                self._joined.clear()
                await self._joined.wait()
            self._clients = 1  # the others wait for nobody who has left
            now_ns = self._next_ns
            service.live_until(now_ns)
            partners = list(self._partners)
            await asyncio.gather(
                *(self._tell(partner, self._step(partner)) for partner in partners)
            )
            for partner in partners:
                await self._hear(partner, now_ns)
            service.send_inbox()
            self._next_ns += self._interval_ns
        for partner in list(self._partners):
            await self._tell(partner, {"end": self._last_ns})

    def _step(self, partner: Partner) -> dict[str, Any]:
        """Return what a partner is told of this step."""
        counts: Counts = self._service.hub.count(partner.key)
        return {
            "step": self._service.now_ns,
            "market": counts.market,
            "user": counts.user,
            "answers": counts.answers,
        }

    async def _tell(self, partner: Partner, told: dict[str, Any]) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            await partner.socket.send_str(dump(told))

    async def _hear(self, partner: Partner, now_ns: int) -> None:
        """Wait until a partner has done with a step and all that it sent has come."""
        while (said := await partner.done.get()) is not None:
            done_ns, requests = said
            if done_ns == now_ns:
                break
        else:
            return
        counts = self._service.hub.count(partner.key)
        while counts.requests < requests and partner in self._partners:
            self._service.arrived.clear()
            await self._service.arrived.wait()
