"""What a guardian shows of itself: `GET /metrics` and `GET /health`, on loopback.

Written out by hand: a library for it would double the process. Nobody decides by it; an answer is
short, and whoever asks slowly is let go.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from exchange.errors import VenueError
from exchange.guardian.machine import Phase
from exchange.guardian.shell import Keeper

HOST = "127.0.0.1"
PATIENCE_S = 2.0
ASKED_MAX = 2048
"""Bytes of a question."""
PREFIX = "counterpoint_guardian_"


def figures_of(keeper: Keeper) -> Mapping[str, tuple[str, str, float]]:
    """Return by name, without prefix: what it is, its kind, and its value."""
    state = keeper.state
    reached = keeper.ready and not state.failures
    return {
        "exchange_reached": ("1 while the exchange answers", "gauge", float(reached)),
        "watching": ("1 while a beat is heard", "gauge", float(state.phase is Phase.WATCHING)),
        "alarmed": ("1 after a silence", "gauge", float(state.phase is Phase.ALARMED)),
        "silent_seconds": ("Since the beat last moved", "gauge", state.silent_ns / 1e9),
        "sweeping": ("1 while our orders are cancelled", "gauge", float(state.sweeping)),
        "stops_written": ("Stops since its start", "counter", float(keeper.stops_written)),
        "orders_cancelled": ("Orders since its start", "counter", float(keeper.cancelled)),
    }


def metrics_text(keeper: Keeper) -> str:
    """Return the figures in Prometheus' text format."""
    lines = []
    for name, (what, kind, value) in figures_of(keeper).items():
        full = f"{PREFIX}{name}{'_total' if kind == 'counter' else ''}"
        lines += [f"# HELP {full} {what}", f"# TYPE {full} {kind}", f"{full} {value!r}"]
    return "\n".join(lines) + "\n"


def problem_of(keeper: Keeper) -> str | None:
    """Return why this guardian could not cancel now, None when it could."""
    if not keeper.ready:
        return "the exchange has not answered yet"
    return "the exchange does not answer" if keeper.state.failures else None


def answer_to(line: str, keeper: Keeper) -> tuple[str, str]:
    """Return status and body of the answer to a request line."""
    method, _, rest = line.partition(" ")
    path = rest.partition(" ")[0].partition("?")[0]
    if method not in ("GET", "HEAD"):
        return "405 Method Not Allowed", "GET /metrics or /health\n"
    match path:
        case "/metrics":
            return "200 OK", metrics_text(keeper)
        case "/health":
            problem = problem_of(keeper)
            return ("200 OK", "ok\n") if problem is None else ("503 Not Well", f"{problem}\n")
        case _:
            return "404 Not Found", "GET /metrics or /health\n"


@asynccontextmanager
async def serving(port: int, keeper: Keeper) -> AsyncIterator[int]:
    """Answer while entered; yield the port in use, a free one for 0.

    Raises:
        VenueError: the port is taken or not allowed.
    """
    try:
        server = await asyncio.start_server(_answering(keeper), HOST, port, limit=ASKED_MAX)
    except OSError as error:
        raise VenueError(
            f"metrics port must be free, found {port}: {error.strerror}; give --metrics-port"
        ) from None
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


def _answering(
    keeper: Keeper,
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                asked = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                line = asked.partition("\r\n")[0]
                status, body = answer_to(line, keeper)
                kind = "text/plain; version=0.0.4; charset=utf-8"
                head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\n"
                sent = "" if line.startswith("HEAD") else body
                text = f"{head}Content-Length: {len(body)}\r\n\r\n{sent}"
                writer.write(text.encode("ascii"))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked is gone, or never asked
        finally:
            writer.close()

    return answer
