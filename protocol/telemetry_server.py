"""Answers `GET /metrics` and `GET /health` of one process, in the loop that does its work.

Small on purpose: a guardian of 24 MB serves with it, too. In the loop, because what is shown is
then never half of a step, and because a process whose loop hangs must not seem well. An answer is
short, whoever asks slowly is let go, and no more than a few are heard at once.
"""

import asyncio
import os
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, TypeAlias

from protocol.errors import SettingsError
from protocol.exposition import Figure, Kind, Labels, counter, gauge, text_of

HOST: Final = "127.0.0.1"
PATIENCE_S: Final = 2.0
ASKED_MAX: Final = 4096
"""Bytes of a question."""
AT_ONCE_MAX: Final = 16
KIND: Final = "text/plain; version=0.0.4; charset=utf-8"
SELF: Final = Path("/proc/self")
Asked: TypeAlias = Callable[[], Iterable[Figure]]
Answering: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def well() -> str | None:
    """Return that nothing is wrong with who answers."""
    return None


@dataclass(frozen=True, slots=True)
class Shown:
    """What a process shows.

    Attributes:
        part: what it is: executor, optimizer, coordinator, guardian, exchange or desk.
        figures: asked at every scrape.
        labels: of the process, beside `part`'s own.
        problem: why it is not well; None while it is.
    """

    part: str
    figures: Asked
    labels: Labels
    problem: Callable[[], str | None] = well

    def text(self) -> str:
        """Return everything, as Prometheus reads it."""
        return text_of((*self.figures(), *process_figures(self.part)), self.labels)


def _release() -> str:
    try:
        return version("counterpoint")
    except PackageNotFoundError:
        return "unknown"


def _started_s() -> float:
    """Return when this process began, s since the epoch; where nobody tells, now."""
    now_s = time.time()
    try:
        ticks = float((SELF / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
        up_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    except (OSError, AttributeError):
        return now_s
    return now_s - (up_s - ticks / os.sysconf("SC_CLK_TCK"))


STARTED_S: Final = _started_s()
RELEASE: Final = _release()


def process_figures(part: str) -> tuple[Figure, ...]:
    """Return what every process shows of itself."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    try:
        pages = int((SELF / "statm").read_text(encoding="utf-8").split()[1])
        memory, files = pages * os.sysconf("SC_PAGE_SIZE"), len([*(SELF / "fd").iterdir()])
    except OSError:
        memory, files = used.ru_maxrss * 1024, 0
    what = ({"version": RELEASE, "part": part}, 1.0)
    return (
        Figure("build_info", "What runs here; always 1", Kind.GAUGE, (what,)),
        gauge("process_start_time_seconds", "Since the epoch", STARTED_S),
        gauge("process_resident_memory_bytes", "Held in memory", memory),
        gauge("process_open_fds", "Open files", files),
        counter("process_cpu_seconds_total", "Processor", used.ru_utime + used.ru_stime),
    )


def answer_to(line: str, shown: Shown) -> tuple[str, str]:
    """Return status and body of the answer to a request line."""
    method, _, rest = line.partition(" ")
    path = rest.partition(" ")[0].partition("?")[0]
    if method not in ("GET", "HEAD"):
        return "405 Method Not Allowed", "GET /metrics or /health\n"
    match path:
        case "/metrics":
            return "200 OK", shown.text()
        case "/health":
            problem = shown.problem()
            return ("200 OK", "ok\n") if problem is None else ("503 Not Well", f"{problem}\n")
        case _:
            return "404 Not Found", "GET /metrics or /health\n"


@asynccontextmanager
async def serving(
    port: int, shown: Shown, *, host: str = HOST, setting: str = "set bus.metrics_port"
) -> AsyncIterator[int]:
    """Answer while entered; yield the port in use, a free one for 0.

    Args:
        host: address to serve on; who reaches it reads every figure.
        setting: what to change when the port cannot be had.

    Raises:
        SettingsError: the port is taken or not allowed.
    """
    try:
        server = await asyncio.start_server(_answering(shown), host, port, limit=ASKED_MAX)
    except OSError as error:
        raise SettingsError(
            f"metrics port must be free, found {port} on {host}: {error.strerror}; {setting}"
        ) from None
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


def _answering(shown: Shown) -> Answering:
    heard = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard += 1
        try:
            if heard > AT_ONCE_MAX:
                return
            async with asyncio.timeout(PATIENCE_S):
                asked = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                line = asked.partition("\r\n")[0]
                status, said = answer_to(line, shown)
                body = said.encode()
                head = f"HTTP/1.1 {status}\r\nContent-Type: {KIND}\r\nConnection: close\r\n"
                head += f"Content-Length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + (b"" if line.startswith("HEAD") else body))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked is gone, or never asked
        finally:
            heard -= 1
            writer.close()

    return answer
