"""REST and stream under `/api/v1`: what the view knows, and what a person may do.

`desk.doors` has seen host, origin, token and pace before anything here runs. Reading runs in
threads, so that a slow database holds up no emergency stop, which does not touch it.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

import structlog
from fastapi import APIRouter, FastAPI, Query, Request, Security, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from desk.doors import PREFIX, Tokens
from desk.errors import DeskError, StoreError
from desk.hands import Hands, Outcome, ReusedIdError, Wish
from desk.looks import page
from desk.stream import Stream
from desk.view import API, UnknownExecutorError, View
from protocol.elements import INT_MAX, MessageId, Mode, Text

GREETING_S: Final = 5.0
"""How long a stream waits for the token of who opened it."""
SEND_S: Final = 10.0
"""How long a listener may take for one message."""
POLICY: Final = 1008
CROWDED: Final = 1013
_ASKED = {
    401: {"description": "no token that opens anything"},
    403: {"description": "a token without the right, or a foreign origin"},
    404: {"description": "no such executor"},
    421: {"description": "not served under that host name"},
    429: {"description": "too often"},
    503: {"description": "the store is out of reach; trading goes on"},
}
_DONE: dict[int | str, dict[str, Any]] = {
    **{code: {"description": _ASKED[code]["description"]} for code in (401, 403, 421, 429)},
    400: {"description": "a body that is no text"},
    409: {"description": "refused, or the id stood for another action"},
    411: {"description": "a body must tell its length"},
    413: {"description": "the body is too long"},
    504: {"description": "not acknowledged by everybody yet; ask again with the same id"},
}
_READ: dict[int | str, dict[str, Any]] = {code: dict(told) for code, told in _ASKED.items()}
log = structlog.get_logger()

Executor = Annotated[
    str | None,
    Query(pattern="^[a-z0-9_-]{1,24}$", description="whose; the run's first where none is given"),
]
Limit = Annotated[int, Query(ge=1, le=500, description="rows at most, the newest")]
Before = Annotated[int | None, Query(ge=0, le=INT_MAX, description="only what has a lower id")]
Since = Annotated[int, Query(ge=0, le=INT_MAX, description="venue time, ns")]
Points = Annotated[int, Query(ge=2, le=5_000, description="about how many; thinned evenly")]
Map = dict[str, Any]


class Action(BaseModel):
    """What every action carries."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: MessageId = Field(description="32 hex digits of yours; asked again, it is not done again")
    reason: Text = Field("operator", description="kept in the logs")


class StopAction(Action):
    """Cancels everything; the executors stay stopped until a rearm."""

    flatten: bool = Field(False, description="close the position too")


class ModeAction(Action):
    """Changes how proposals become decisions."""

    mode: Mode


class Answer(BaseModel):
    """What came of an action."""

    id: str
    action: Literal["stop", "rearm", "mode", "pause", "resume"]
    acknowledged: bool = Field(description="by everybody whom it needs")
    said: dict[str, str] = Field(description="by name: the stage reached, or why not")
    note: str
    replayed: bool = Field(description="it was acknowledged before; nothing was done now")


def application(view: View, hands: Hands, stream: Stream, tokens: Tokens) -> FastAPI:
    """Return the application, without its doors."""
    app = FastAPI(
        title="counterpoint desk",
        version=API,
        description="Amounts are decimal text, times are of the venue, UTC. See docs/desk.md.",
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        openapi_url=f"{PREFIX}openapi.json",
    )
    app.include_router(page())
    app.include_router(_alive(view))
    app.include_router(_reading(view))
    app.include_router(_acting(hands))
    app.add_api_websocket_route(f"{PREFIX}stream", _listening(stream, tokens))
    for kind, code in ((UnknownExecutorError, 404), (ReusedIdError, 409), (StoreError, 503)):
        app.add_exception_handler(kind, _failing(code))
    return app


def _failing(code: int) -> Callable[[Request, Exception], JSONResponse]:
    def answer(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, DeskError), "registered for ours alone"
        return JSONResponse({"detail": str(error)}, status_code=code)

    return answer


def _alive(view: View) -> APIRouter:
    router = APIRouter(prefix=PREFIX.rstrip("/"), tags=["open"])

    @router.get("/ping", responses={code: _READ[code] for code in (403, 421, 429)})
    async def ping() -> dict[str, str]:
        """Say that the desk lives."""
        return {"status": "pong", "version": str(view.version()["version"])}

    return router


def _reading(view: View) -> APIRouter:
    router = APIRouter(
        prefix=PREFIX.rstrip("/"),
        tags=["read"],
        dependencies=[Security(HTTPBearer(auto_error=False, description="scope read or act"))],
        responses=_READ,
    )
    for name in ("status", "balance", "position", "performance", "markouts"):
        router.add_api_route(f"/{name}", _of_executor(getattr(view, name)), name=name)
    for name in ("health", "version", "processes"):
        router.add_api_route(f"/{name}", _plain(getattr(view, name)), name=name)
    for name in ("proposals", "decisions", "logs"):
        router.add_api_route(f"/{name}", _limited(getattr(view, name)), name=name)
    for name in ("parameters", "risk"):
        router.add_api_route(f"/{name}", _limited_of_executor(getattr(view, name)), name=name)

    @router.get("/orders")
    def orders(
        executor: Executor = None,
        before: Before = None,
        limit: Limit = 100,
        *,
        resting: Annotated[bool, Query(description="only those that rest")] = False,
    ) -> Map:
        return view.orders(executor, before=before, limit=limit, resting=resting)

    @router.get("/fills")
    def fills(executor: Executor = None, before: Before = None, limit: Limit = 100) -> Map:
        return view.fills(executor, before=before, limit=limit)

    @router.get("/equity")
    def equity(executor: Executor = None, since_ns: Since = 0, points: Points = 500) -> Map:
        return view.equity(executor, since_ns=since_ns, points=points)

    for route, method in ((orders, view.orders), (fills, view.fills), (equity, view.equity)):
        route.__doc__ = method.__doc__
    return router


def _of_executor(ask: Callable[..., Map]) -> Callable[..., Map]:
    def answer(executor: Executor = None) -> Map:
        return ask(executor)

    answer.__doc__ = ask.__doc__
    return answer


def _plain(ask: Callable[..., Map]) -> Callable[..., Map]:
    def answer() -> Map:
        return ask()

    answer.__doc__ = ask.__doc__
    return answer


def _limited(ask: Callable[..., Map]) -> Callable[..., Map]:
    def answer(limit: Limit = 100) -> Map:
        return ask(limit=limit)

    answer.__doc__ = ask.__doc__
    return answer


def _limited_of_executor(ask: Callable[..., Map]) -> Callable[..., Map]:
    def answer(executor: Executor = None, limit: Limit = 100) -> Map:
        return ask(executor, limit=limit)

    answer.__doc__ = ask.__doc__
    return answer


def _acting(hands: Hands) -> APIRouter:
    router = APIRouter(
        prefix=PREFIX.rstrip("/"),
        tags=["act"],
        dependencies=[Security(HTTPBearer(auto_error=False, description="scope act"))],
        responses=_DONE,
    )

    async def done(action: str, asked: Action, **more: Any) -> JSONResponse:
        wish = Wish(id=asked.id, action=action, reason=asked.reason, **more)
        outcome = await hands.do(wish)
        return JSONResponse(_answered(wish, outcome).model_dump(), status_code=_code(outcome))

    @router.post("/stop", response_model=Answer)
    async def stop(asked: StopAction) -> JSONResponse:
        """Cancel everything now and stay stopped; answered once nothing of ours is open."""
        return await done("stop", asked, flatten=asked.flatten)

    @router.post("/rearm", response_model=Answer)
    async def rearm(asked: Action) -> JSONResponse:
        """Lift every stop that is in force."""
        return await done("rearm", asked)

    @router.post("/mode", response_model=Answer)
    async def mode(asked: ModeAction) -> JSONResponse:
        """Change how proposals become decisions."""
        return await done("mode", asked, mode=asked.mode)

    @router.post("/pause", response_model=Answer)
    async def pause(asked: Action) -> JSONResponse:
        """Withdraw the quotes; everything else goes on."""
        return await done("pause", asked)

    @router.post("/resume", response_model=Answer)
    async def resume(asked: Action) -> JSONResponse:
        """Quote again after a pause."""
        return await done("resume", asked)

    return router


def _answered(wish: Wish, outcome: Outcome) -> Answer:
    told: Map = {"id": wish.id, "action": wish.action, "said": dict(outcome.said)}
    told |= {"acknowledged": outcome.acknowledged, "note": outcome.note}
    return Answer(**told, replayed=outcome.replayed)


def _code(outcome: Outcome) -> int:
    if outcome.acknowledged:
        return 200
    return 409 if outcome.refused else 504


def _listening(stream: Stream, tokens: Tokens) -> Callable[[WebSocket], Any]:
    async def listen(socket: WebSocket) -> None:
        """Push updates to one listener until it leaves."""
        await socket.accept()
        granted = tokens.scope_of_header(socket.headers.get("authorization"))
        if granted is None:
            granted = tokens.scope_of(await _greeting(socket))
        listener = None if granted is None else stream.join()
        if listener is None:
            await socket.close(POLICY if granted is None else CROWDED)
            return
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_push(socket, listener.take))
                group.create_task(_until_gone(socket))
        except* (WebSocketDisconnect, RuntimeError, TimeoutError):
            log.debug("listener_left")  # or it does not read
        finally:
            stream.leave(listener)

    return listen


async def _greeting(socket: WebSocket) -> str:
    """Return the token of a first message `{"token": "..."}`; empty when there is none."""
    try:
        async with asyncio.timeout(GREETING_S):
            said = json.loads(await socket.receive_text())
    except (TimeoutError, ValueError, KeyError, RecursionError, WebSocketDisconnect):
        return ""
    token = said.get("token") if isinstance(said, dict) else None
    return token if isinstance(token, str) else ""


async def _push(socket: WebSocket, take: Callable[[], Any]) -> None:
    while True:
        for message in await take():
            async with asyncio.timeout(SEND_S):
                await socket.send_json(message)


async def _until_gone(socket: WebSocket) -> None:
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000))
