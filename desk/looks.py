"""Serves the files of the page: as they are, with a policy by which they load nothing else."""

from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Response

KINDS: Final = {
    "index.html": "text/html; charset=utf-8",
    "desk.css": "text/css; charset=utf-8",
    **dict.fromkeys(
        ("desk.js", "show.js", "chart.js", "text.js"), "text/javascript; charset=utf-8"
    ),
}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page() -> APIRouter:
    """Return the routes of the page; it holds no secret and needs no token."""
    router = APIRouter(include_in_schema=False)
    for name, kind in KINDS.items():
        path = "/" if name == "index.html" else f"/page/{name}"
        router.add_api_route(path, _file(name, kind), name=name)
    return router


def _file(name: str, kind: str) -> Callable[[], Awaitable[Response]]:
    body = files("desk.page").joinpath(name).read_bytes()

    async def answer() -> Response:
        headers = {"content-security-policy": POLICY}
        return Response(body, media_type=kind, headers=headers)

    return answer
