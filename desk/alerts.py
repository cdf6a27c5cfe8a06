"""Tells alerts to a phone, and that all is well to whoever would miss us.

Letters go out through Apprise: a line a destination in a file that only its owner may read, since
such a URL holds a password. What could not be sent is sent again; the book of what was told stands
in a file, so that a desk that starts anew does not ring for what is known.
"""

import asyncio
import contextlib
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import structlog

from desk.alert_rules import Alert, Book, Bounds, Entry, Facts, Letter, Quiet, Weight, found, judge
from desk.errors import AlertError

LOOK_S: Final = 1.0
SEND_S: Final = 20.0
"""Longest that one destination may take."""
AGAIN_S: Final = 15.0
"""After a letter could not be sent."""
WAITING_MAX: Final = 100
OTHERS: Final = 0o077

log = structlog.get_logger()


def destinations(path: Path) -> tuple[str, ...]:
    """Return the URLs of a file, a line each; empty lines and those after # are left out.

    Raises:
        AlertError: it cannot be read, others may read it, or a line is none of Apprise's.
    """
    import apprise

    try:
        if path.stat().st_mode & OTHERS:
            raise AlertError(f"{path} holds secrets and must be yours alone: chmod 600 {path}")
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise AlertError(f"{path}: {error.strerror}") from None
    urls = []
    for number, line in enumerate(lines, start=1):
        url = line.strip()
        if not url or url.startswith("#"):
            continue
        if apprise.Apprise.instantiate(url) is None:
            raise AlertError(
                f"{path}, line {number}: not a destination that Apprise knows, such as "
                "tgram://TOKEN/CHAT, mailto://USER:PASSWORD@HOST or json://HOST/PATH"
            )
        urls.append(url)
    return tuple(urls)


class Bell:
    """Looks at the facts each second and sends what is due.

    Args:
        facts: what is known now, one for each executor; may ask a database.
        urls: destinations.
        bounds, quiet: see `alert_rules`.
        book: file that outlives the desk.
        clock: wall time, ns.

    Attributes:
        waiting: destination and letter of what is not sent yet, the oldest first.
    """

    def __init__(
        self,
        facts: Callable[[], Iterable[Facts]],
        urls: Sequence[str],
        *,
        bounds: Bounds,
        quiet: Quiet,
        book: Path,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.waiting: deque[tuple[str, Letter]] = deque(maxlen=WAITING_MAX)
        self._facts, self._urls = facts, tuple(urls)
        self._bounds, self._quiet = bounds, quiet
        self._path, self._clock = book, clock
        self._book = read_book(book)

    async def ring(self) -> None:
        """Look and send, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look_on())
            group.create_task(self._send_on())

    def look(self) -> None:
        """Judge what is known now; what is due waits to be sent."""
        self._judge(tuple(self._facts()))

    def _judge(self, known: Iterable[Facts]) -> None:
        alerts = [each for facts in known for each in found(facts, self._bounds)]
        book, letters = judge(self._book, alerts, self._clock(), self._quiet)
        self.waiting.extend((url, letter) for letter in letters for url in self._urls)
        if book != self._book:
            self._book = book
            write_book(self._path, book)
        for letter in letters:
            for each in letter.alerts:
                log.warning("alert", rule=each.rule, subject=each.subject, text=each.text)

    async def send(self) -> bool:
        """Send everything that waits; return whether every destination took what was its own."""
        failed = []
        while self.waiting:
            url, letter = self.waiting.popleft()
            if not await asyncio.wait_for(asyncio.to_thread(_send, url, letter), SEND_S):
                failed.append((url, letter))
        if failed:
            log.warning("alerts_not_sent", count=len(failed))
        self.waiting.extendleft(reversed(failed))
        return not failed

    async def _look_on(self) -> None:
        while True:
            # A database that answers late holds up no emergency stop.
            self._judge(await asyncio.to_thread(lambda: tuple(self._facts())))
            await asyncio.sleep(LOOK_S)

    async def _send_on(self) -> None:
        while True:
            taken = await self.send()
            await asyncio.sleep(LOOK_S if taken else AGAIN_S)


async def ping(url: str, every_s: float, well: Callable[[], bool]) -> None:
    """Fetch a URL again and again while all is well: who watches it is woken when it ends.

    Args:
        url: of a dead man's switch; GET, any answer below 400.
        every_s: between two pings.
        well: whether all is well.
    """
    import aiohttp

    limit = aiohttp.ClientTimeout(total=SEND_S)
    async with aiohttp.ClientSession(timeout=limit) as session:
        while True:
            if well():
                try:
                    async with session.get(url) as answer:
                        answer.raise_for_status()
                except (aiohttp.ClientError, TimeoutError) as error:
                    log.warning("ping_not_sent", error=type(error).__name__)
            await asyncio.sleep(every_s)


def read_book(path: Path) -> Book:
    """Return the book of an earlier life; an empty one when there is none or it is damaged."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {entry.alert.key: entry for entry in map(_entry_of, rows)}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("alert_book_lost", error=str(error))
        return {}


def write_book(path: Path, book: Book) -> None:
    """Keep the book; what is found again after a crash before that is told again."""
    rows = [asdict(entry) for entry in book.values()]
    fresh = path.with_suffix(".new")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    descriptor = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(rows, file)
    fresh.replace(path)


def _entry_of(row: dict[str, Any]) -> Entry:
    told = row.pop("alert")
    return Entry(Alert(**(told | {"weight": Weight(told["weight"])})), **row)


def _send(url: str, letter: Letter) -> bool:
    import apprise

    one = apprise.Apprise()
    one.add(url)
    return bool(one.notify(title=letter.title, body=letter.body))
