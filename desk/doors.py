"""Who may come in: host, origin, token, pace and size are looked at before anything else runs.

A page of a stranger in the same browser can reach 127.0.0.1, by a name of its own that it lets
point there too. So the Host header must be one of ours, a foreign Origin is refused, nothing is
ever granted by CORS, and no cookie opens anything.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from protocol.tokens import ACT, READ

PREFIX: Final = "/api/v1/"
OPEN: Final = (f"{PREFIX}ping", f"{PREFIX}openapi.json")
"""What needs no token: a sign of life, and the description of the rest."""
STREAM: Final = f"{PREFIX}stream"
BODY_MAX: Final = 16_384
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
READS_A_SECOND: Final = 200.0
ACTS_A_SECOND: Final = 5.0
WRONG_A_SECOND: Final = 5.0


class Bucket:
    """Lets so many through a second, and a burst of two seconds' worth.

    Args:
        rate: a second.
        steady: time in ns that never jumps.
    """

    def __init__(self, rate: float, steady: Callable[[], int]) -> None:
        self._rate = rate
        self._steady = steady
        self._room = self._most = 2.0 * rate
        self._seen_ns = steady()

    def take(self) -> bool:
        """Return whether one more may pass now."""
        now_ns = self._steady()
        passed_s = (now_ns - self._seen_ns) / 1e9
        self._room = min(self._most, self._room + passed_s * self._rate)
        self._seen_ns = now_ns
        if not self._room >= 1.0:
            return False
        self._room -= 1.0
        return True


class Tokens:
    """Tells what a token opens; the tokens themselves are kept as digests alone.

    Args:
        tokens: by scope.
    """

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self._digests = {scope: _digest(token) for scope, token in tokens.items()}

    def scope_of(self, token: str) -> str | None:
        """Return the scope that a token opens; None: nothing. Takes equally long for all."""
        found = None
        digest = _digest(token)
        for scope, known in self._digests.items():
            if hmac.compare_digest(known, digest):
                found = scope
        return found

    def scope_of_header(self, header: str | None) -> str | None:
        """Return the scope that an Authorization header opens."""
        kind, _, token = (header or "").partition(" ")
        return self.scope_of(token.strip()) if kind.lower() == "bearer" else None


class Doors:
    """Stands before an application and lets through what may pass.

    Args:
        app: behind it.
        tokens: that open something.
        hosts: names under which this is served, beside those of loopback.
        steady: time in ns that never jumps.
    """

    def __init__(
        self, app: ASGIApp, *, tokens: Tokens, hosts: tuple[str, ...], steady: Callable[[], int]
    ) -> None:
        self._app = app
        self._tokens = tokens
        self._hosts = frozenset((*LOOPBACK, *hosts))
        self._reads = Bucket(READS_A_SECOND, steady)
        self._acts = Bucket(ACTS_A_SECOND, steady)
        self._wrong = Bucket(WRONG_A_SECOND, steady)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refused = self._refused(scope)
        if refused is None:
            await self._app(scope, receive, _guarded(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refused[1]})
        else:
            await _answer(send, *refused)

    def _refused(self, scope: Scope) -> tuple[HTTPStatus, str] | None:
        """Return why a request may not pass; None: it may."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if _name_of(f"//{host}") not in self._hosts:
            return HTTPStatus.MISDIRECTED_REQUEST, "this desk is not served under that name"
        origin = headers.get("origin")
        if origin is not None and _place_of(origin) != host:
            return HTTPStatus.FORBIDDEN, "requests of other sites are refused"
        path = scope["path"]
        if not path.startswith(PREFIX) or path in OPEN or scope["type"] == "websocket":
            return None if self._reads.take() else _slow()
        return self._refused_inside(scope, headers)

    def _refused_inside(self, scope: Scope, headers: Headers) -> tuple[HTTPStatus, str] | None:
        granted = self._tokens.scope_of_header(headers.get("authorization"))
        if granted is None:
            fine = self._wrong.take()
            line = "a bearer token is needed; `counterpoint keys tokens` tells where it lies"
            return (HTTPStatus.UNAUTHORIZED, line) if fine else _slow()
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return None if self._reads.take() else _slow()
        if granted != ACT:
            return HTTPStatus.FORBIDDEN, f"this token may only {READ}"
        length = headers.get("content-length")
        if length is None or not length.isdigit():
            return HTTPStatus.LENGTH_REQUIRED, "a body must tell its length"
        if int(length) > BODY_MAX:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {BODY_MAX} bytes"
        if scope["path"] == f"{PREFIX}stop":
            return None  # an emergency is never too often
        return None if self._acts.take() else _slow()


def _slow() -> tuple[HTTPStatus, str]:
    return HTTPStatus.TOO_MANY_REQUESTS, "too often; try again in a second"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _name_of(address: str) -> str | None:
    """Return the host's name in an address; None where name or port is none."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    return None if port == 0 else parts.hostname


def _place_of(origin: str) -> str | None:
    """Return host and port of an origin over http; None: it is none of ours."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    return parts.netloc if parts.scheme in ("http", "https") else None


def _guarded(send: Send) -> Send:
    """Return a `send` that adds what every answer carries."""

    async def out(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
        await send(message)

    return out


async def _answer(send: Send, status: HTTPStatus, line: str) -> None:
    body = json.dumps({"detail": line}).encode()
    headers = [(b"content-type", b"application/json"), *HEADERS]
    if status is HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    if status is HTTPStatus.TOO_MANY_REQUESTS:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})
