"""The control port: faults, status of the symbol, clock, disconnects, lockstep. On loopback only.

| request              | body or query                                                          |
| -------------------- | ---------------------------------------------------------------------- |
| GET /status          |                                                                        |
| GET, POST, DELETE /faults | a fault as in `faults.py`                                         |
| POST /symbol         | `symbol` where there are several; `status`, `tick`, `step`,             |
|                      | `min_quantity`, `min_notional`, `max_position`                         |
| POST /clock          | `offset_ms`, added to the server's wall time                           |
| POST /disconnect     | `kind` (market, api, user or all), `code` (1001; 1006 cuts), `announce` |
| POST /expire         | the user streams say that they have ended, and tell nothing more       |
| POST /withhold       | `symbol` as above; `diffs`: so many depth updates never come           |
| GET /lockstep?key=K  | a WebSocket, see `lockstep.py`                                         |
"""

import dataclasses
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from exchange.recording import units
from exchange.simulated.hub import Connection, dump
from exchange.simulated.instrument import CONTRACT_STATUSES, STATUSES
from exchange.simulated.lockstep import Lockstep
from exchange.simulated.market import Market
from exchange.simulated.parameters import DECIMAL
from exchange.simulated.service import Service

KINDS: dict[str, Callable[[Connection], bool]] = {
    "all": lambda _: True,
    "market": lambda each: each.kind == "market" and each.raw_user is None,
    "api": lambda each: each.kind == "api",
    "user": lambda each: bool(each.subscriptions) or each.raw_user is not None,
}
OFFSET_MAX_MS = 366 * 86_400_000
STEPS = ("tick", "step")
"""Filters that others are multiples of."""
FILTERS = ("tick", "step", "min_quantity", "min_notional", "max_position")


def is_amount(value: Any, *, above_zero: bool) -> bool:
    """Return whether a value is decimal text of a filter, at most 20 digits before the point."""
    if not isinstance(value, str) or re.fullmatch(DECIMAL, value) is None:
        return False
    return units(value) > 0 or not above_zero


def application(service: Service, lockstep: Lockstep | None) -> web.Application:
    """Return the control port as an application of aiohttp."""
    desk = Desk(service)
    app = web.Application()
    app.router.add_get("/status", desk.status)
    app.router.add_get("/faults", desk.faults)
    app.router.add_post("/faults", desk.checked(desk.add_fault))
    app.router.add_delete("/faults", desk.clear_faults)
    app.router.add_post("/symbol", desk.checked(desk.change_symbol))
    app.router.add_post("/clock", desk.checked(desk.change_clock))
    app.router.add_post("/disconnect", desk.checked(desk.disconnect))
    app.router.add_post("/expire", desk.checked(desk.expire))
    app.router.add_post("/withhold", desk.checked(desk.withhold))
    if lockstep is not None:
        app.router.add_get("/lockstep", lockstep.serve)
    return app


def said(told: Any, status: int = 200) -> web.Response:
    """Return JSON."""
    return web.Response(status=status, text=dump(told) + "\n", content_type="application/json")


class Desk:
    """Carries out what the control port is asked for."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def checked(
        self, deed: Callable[[dict[str, Any]], Awaitable[Any]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Return a handler that takes a JSON object and says what is wrong with one."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                told = json.loads(await request.text() or "{}")
            except (ValueError, RecursionError):
                told = None
            if not isinstance(told, dict):
                return said({"error": "the body must be a JSON object; found something else"}, 400)
            try:
                return said(await deed(told))
            except (ValueError, TypeError, ArithmeticError) as error:
                return said({"error": str(error)}, 400)

        return handle

    async def status(self, _: web.Request) -> web.StreamResponse:
        """Tell feed time, clients and what was sent."""
        service = self._service
        first = symbol_status(service, service.first)
        told = {
            "symbol": first["symbol"],
            "status": first["status"],
            "feed_ns": service.feed_now(),
            "server_ns": service.wall_ns(),
            "update_id": first["update_id"],
            "on_their_way": service.core.waiting,
            "countdowns": first["countdowns"],
            "connections": len(service.hub.connections),
            "counts": {key: dataclasses.asdict(each) for key, each in service.hub.counts.items()},
            "ended": service.ended,
        }
        if len(service.markets) > 1:
            told["symbols"] = [symbol_status(service, each) for each in service.markets.values()]
        return said(told)

    async def faults(self, _: web.Request) -> web.StreamResponse:
        """List the faults that wait."""
        return said([dataclasses.asdict(each) for each in self._service.faults.waiting])

    async def clear_faults(self, _: web.Request) -> web.StreamResponse:
        """Let nothing go wrong any more."""
        self._service.faults.waiting.clear()
        return said({})

    async def add_fault(self, told: dict[str, Any]) -> Any:
        """Add a fault."""
        return dataclasses.asdict(self._service.faults.add(told))

    async def change_symbol(self, told: dict[str, Any]) -> Any:
        """Change a symbol's status or filters from now on."""
        house = self._market(told).house
        values: dict[str, Any] = {}
        statuses = CONTRACT_STATUSES if house.is_futures else STATUSES
        for name, value in told.items():
            if name == "symbol":
                continue
            if name == "status" and value in statuses:
                values[name] = value
            elif name in FILTERS and is_amount(value, above_zero=name in STEPS):
                values[name] = units(value)
            else:
                allowed = (
                    f"status ({', '.join(statuses)}) or decimal text for {', '.join(FILTERS)}, "
                    f"above zero for {' and '.join(STEPS)}"
                )
                raise ValueError(f"{name} must be {allowed}; found {value!r}")
        house.instrument = house.instrument.changed(**values)
        return {}

    async def change_clock(self, told: dict[str, Any]) -> Any:
        """Put the server's wall clock off."""
        offset = told.get("offset_ms", 0)
        if isinstance(offset, bool) or not isinstance(offset, int | float):
            raise TypeError(f"offset_ms must be milliseconds, a number; found {offset!r}")
        if not abs(offset) <= OFFSET_MAX_MS:
            raise ValueError(f"offset_ms must be within a year, found {offset!r}")
        self._service.offset_ns = round(offset * 1e6)
        return {}

    async def disconnect(self, told: dict[str, Any]) -> Any:
        """End connections from this side."""
        kind = told.get("kind", "all")
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, found {kind!r}")
        hub = self._service.hub
        if told.get("announce"):
            for each in hub.connections:
                if KINDS[kind](each):
                    event = {"e": "serverShutdown", "E": self._service.wall_ns() // 10**6}
                    each.send(dump({"event": event} if each.kind == "api" else event))
        ended = await hub.disconnect(int(told.get("code", 1001)), "going away", KINDS[kind])
        return {"ended": ended}

    async def expire(self, _: dict[str, Any]) -> Any:
        """End all user streams with a word; their connections stay."""
        return {"ended": self._service.hub.expire(self._service.wall_ns() // 10**6)}

    async def withhold(self, told: dict[str, Any]) -> Any:
        """Keep depth updates of a symbol from everybody."""
        public = self._market(told).public
        public.withheld += int(told.get("diffs", 1))
        return {"withheld": public.withheld}

    def _market(self, told: dict[str, Any]) -> Market:
        """Return the market of a symbol that is told; it need not be where there is one alone.

        Raises:
            ValueError: it is not served, or not told.
        """
        markets = self._service.markets
        symbol = told.get("symbol")
        if symbol is None and len(markets) == 1:
            return self._service.first
        if symbol not in markets:
            raise ValueError(f"symbol must be one of {', '.join(markets)}; found {symbol!r}")
        return markets[symbol]


def symbol_status(service: Service, market: Market) -> dict[str, Any]:
    """Return how a symbol stands."""
    symbol = market.instrument.symbol
    return {
        "symbol": symbol,
        "status": market.instrument.status,
        "update_id": market.public.update_id,
        "countdowns": service.countdowns(symbol),
    }
