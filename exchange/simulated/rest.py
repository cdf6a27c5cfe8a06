"""The HTTP side: every REST endpoint, and the doors of the WebSockets."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from exchange.simulated.api import ENDPOINTS, Answer, Endpoint, Request, perform
from exchange.simulated.hub import dump
from exchange.simulated.parameters import read_query
from exchange.simulated.refusals import Refusal
from exchange.simulated.service import Service
from exchange.simulated.signing import rest_payload
from exchange.simulated.sockets import stream, unit_of, websocket_api
from exchange.simulated.usdm import endpoints as usdm

BODY_MAX = 64 * 1024
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def handler_of(service: Service, endpoint: Endpoint) -> Handler:
    """Return what serves one endpoint."""

    async def handle(request: web.Request) -> web.StreamResponse:
        body = (await request.read()).decode("utf-8", "replace")
        query = request.raw_path.partition("?")[2]  # the bytes as they were sent
        try:
            parameters = read_query(query, body)
        except Refusal as refusal:
            return answered(request, Answer(refusal.status, refusal.body()))
        asked = Request(
            endpoint=endpoint,
            parameters=parameters,
            address=request.remote or "",
            key=request.headers.get("X-MBX-APIKEY"),
            sealed=lambda: rest_payload(query, body),
            unit_ns=unit_of(request.headers.get("X-MBX-TIME-UNIT", "")),
        )
        return answered(request, await perform(service, asked))

    return handle


def answered(request: web.Request, answer: Answer) -> web.Response:
    """Return an answer as HTTP; of a dropped one only the end of the connection is seen."""
    if answer.drop:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)
    return web.Response(
        status=answer.status,
        text=dump(answer.told),
        content_type="application/json",
        headers=answer.headers,
    )


USDM_DOORS = ("public", "market", "private")
COMMON = ("ping", "time")
"""Asked of spot by clients of futures too: python-binance does as it is created."""


def application(service: Service) -> web.Application:
    """Return the exchange as an application of aiohttp."""
    app = web.Application(client_max_size=BODY_MAX)
    futures = service.is_futures
    served = [
        (f"/api/{version}", endpoint)
        for endpoint in ENDPOINTS
        for version in ("v1", "v3")
        if not futures or endpoint.name in COMMON
    ]
    if futures:
        served += [
            (f"/fapi/{version}", endpoint)
            for endpoint in usdm.ENDPOINTS
            for version in ("v1", "v2", "v3")
        ]
    for root, endpoint in served:
        path = f"{root}/{endpoint.path}"
        app.router.add_route(endpoint.method, path, handler_of(service, endpoint))

    async def streams(request: web.Request) -> web.StreamResponse:
        return await stream(service, request)

    async def api(request: web.Request) -> web.StreamResponse:
        return await websocket_api(service, request)

    for door in ("", *(f"/{name}" for name in USDM_DOORS if futures)):
        for path in ("/ws", "/ws/{name:.+}", "/stream", "/stream/ws", "/stream/ws/{name:.+}"):
            app.router.add_get(door + path, streams)
    if not futures:
        app.router.add_get("/ws-api/v3", api)
    app.router.add_route("*", "/{other:.*}", nothing_here)
    return app


async def nothing_here(_: web.Request) -> web.StreamResponse:
    """Answer a path that is not served."""
    body: dict[str, Any] = {"code": -1000, "msg": "This path is not served here."}
    return web.Response(status=404, text=dump(body), content_type="application/json")
