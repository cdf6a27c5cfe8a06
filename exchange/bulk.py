"""Fetches Binance's public bulk files by date: whole, verified against their checksums, resumed.

One file a day, `data/<market>/daily/<kind>/<SYMBOL>/<SYMBOL>-<kind>-<date>.zip`, and beside it
`.CHECKSUM`, a line of SHA-256 and name. None of these kinds is an order book that can be replayed:
`KINDS` says what each one is. Nothing here makes a recording of them, and no book is invented.
"""

import datetime as dt
import hashlib
import http.client
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from exchange.errors import FeedDamagedError, FeedError, FeedSymbolError

BASE_URL = "https://data.binance.vision"
MARKETS = {"spot": "spot", "usdm": "futures/um", "coinm": "futures/cm"}
NO_DEPTH = "no depth: "
KINDS = {
    "trades": NO_DEPTH + "every trade, in the venue's own time; fills need a book beside it",
    "aggTrades": NO_DEPTH + "trades joined by taker and price",
    "bookTicker": NO_DEPTH + "the best bid and ask alone, nothing behind them",
    "bookDepth": NO_DEPTH
    + "sums of quantity within some percent of the price, each half minute; no price levels",
}
"""What each kind holds."""
FUTURES_ONLY = frozenset({"bookTicker", "bookDepth"})
TRIES = 5
TIMEOUT_S = 30
CHUNK = 1 << 20
DAYS_MAX = 3_700
CHECKSUM = re.compile(r"([0-9a-f]{64})\s+\*?(\S+)\s*")
NETWORK = (URLError, OSError, http.client.HTTPException)

Progress = Callable[[str, float], None]
Pause = Callable[[float], None]
Got = TypeVar("Got")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which files.

    Attributes:
        market: a key of MARKETS.
        kind: a key of KINDS.
        symbol: as Binance writes it; a coin-margined one with its date or `_PERP`.
        first, last: days, both included.
        base_url: where the files are served.
    """

    market: str
    kind: str
    symbol: str
    first: dt.date
    last: dt.date
    base_url: str = BASE_URL

    def check(self) -> None:
        """Refuse what no server can have.

        Raises:
            FeedError: which word is wrong, and what is allowed.
        """
        if self.market not in MARKETS:
            raise FeedError(f"market must be one of {', '.join(MARKETS)}, found {self.market!r}")
        if self.kind not in KINDS:
            raise FeedError(f"kind must be one of {', '.join(KINDS)}, found {self.kind!r}")
        if self.market == "spot" and self.kind in FUTURES_ONLY:
            raise FeedError(f"{self.kind} exists for usdm and coinm alone; spot has trades")
        if not re.fullmatch(r"[A-Z0-9]{2,24}(_[A-Z0-9]{4,6})?", self.symbol):
            raise FeedSymbolError(
                f"symbol must be as BTCUSDT or BTCUSD_PERP, found {self.symbol!r}"
            )
        if not 0 <= (self.last - self.first).days < DAYS_MAX:
            raise FeedError(
                f"the last day must not be before the first, nor {DAYS_MAX} days after it; found "
                f"{self.first} to {self.last}"
            )
        if urlsplit(self.base_url).scheme not in {"http", "https"}:
            raise FeedError(f"the URL must begin with http or https, found {self.base_url!r}")

    def names(self) -> Iterator[tuple[str, str]]:
        """Return (URL, file name) of each day."""
        folder = f"data/{MARKETS[self.market]}/daily/{self.kind}/{self.symbol}"
        for number in range((self.last - self.first).days + 1):
            day = self.first + dt.timedelta(days=number)
            name = f"{self.symbol}-{self.kind}-{day.isoformat()}.zip"
            yield f"{self.base_url.rstrip('/')}/{folder}/{name}", name


@dataclass(frozen=True, slots=True)
class Fetched:
    """One file: where it lies, its SHA-256, and how many bytes were sent for it this time."""

    path: Path
    sha256: str
    bytes_sent: int


def download(wanted: Wanted, folder: Path, *, pause: Pause, progress: Progress) -> list[Fetched]:
    """Fetch every day that is not there yet; what is there is verified again.

    Args:
        wanted: which files.
        folder: where to; made when it is not there.
        pause: waits so many seconds before another try.
        progress: told the file's name and the fraction of all.

    Raises:
        FeedError: a day is not served, or the network failed too often: run it again, it resumes.
        FeedDamagedError: a file is not what its checksum says.
    """
    wanted.check()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FeedError(f"{folder}: cannot be made: {error.strerror or error}") from None
    names = list(wanted.names())
    done = []
    for number, (url, name) in enumerate(names):

        def tell(share: float, number: int = number, name: str = name) -> None:
            progress(name, (number + share) / len(names))

        done.append(fetch(url, folder / name, pause=pause, tell=tell))
        tell(1.0)
    return done


def fetch(url: str, path: Path, *, pause: Pause, tell: Callable[[float], None]) -> Fetched:
    """Fetch one file, from where an earlier try ended, and verify it.

    Raises:
        FeedError: as `download`.
    """
    digest = checksum(url, path.name, pause)
    if path.exists() and sha256(path) == digest:
        return Fetched(path, digest, 0)
    part = path.with_name(path.name + ".part")
    sent = _within_tries(url, lambda: _receive(url, part, tell), pause)
    if sha256(part) != digest and sent < part.stat().st_size:
        part.unlink()  # what was there before may have been of another file
        sent += _within_tries(url, lambda: _receive(url, part, tell), pause)
    found = sha256(part)
    if found != digest:
        part.unlink()
        raise FeedDamagedError(
            f"{url}: sha256 {found[:12]} came, its CHECKSUM says {digest[:12]}; taken away, "
            "run the command again"
        )
    part.replace(path)
    return Fetched(path, digest, sent)


def checksum(url: str, name: str, pause: Pause) -> str:
    """Return the SHA-256 that the server states for a file.

    Raises:
        FeedError: there is none, or it is of another file.
    """

    def receive() -> str:
        with urlopen(Request(f"{url}.CHECKSUM"), timeout=TIMEOUT_S) as answer:  # noqa: S310  # http or https: `Wanted.check`
            return str(answer.read(CHUNK).decode("ascii", "replace"))

    text = _within_tries(f"{url}.CHECKSUM", receive, pause)
    match = CHECKSUM.fullmatch(text.strip().lower())
    if match is None or match[2] != name.lower():
        raise FeedDamagedError(
            f"{url}.CHECKSUM: allowed is '<sha256>  {name}', found {text[:80]!r}"
        )
    return match[1]


def sha256(path: Path) -> str:
    """Return the digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _receive(url: str, part: Path, tell: Callable[[float], None]) -> int:
    """Append what is missing of a file; return the bytes that came."""
    held = part.stat().st_size if part.exists() else 0
    request = Request(url, headers={"Range": f"bytes={held}-"} if held else {})  # noqa: S310  # as above
    try:
        answer = urlopen(request, timeout=TIMEOUT_S)  # noqa: S310  # as above
    except HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and held:
            return 0  # nothing is missing; the checksum judges
        raise
    came = 0
    with answer:
        whole = answer.status != http.HTTPStatus.PARTIAL_CONTENT
        held = 0 if whole else held
        length = answer.headers.get("Content-Length")
        total = held + int(length) if length else 0
        with part.open("wb" if whole else "ab") as file:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                came += len(chunk)
                tell((held + came) / total if total else 0.0)
        if total and held + came != total:
            raise http.client.IncompleteRead(b"", total - held - came)
    return came


def _within_tries(url: str, deed: Callable[[], Got], pause: Pause) -> Got:
    """Do it, again when the network or the server failed; a no is a no."""
    for attempt in range(1, TRIES + 1):
        try:
            return deed()
        except HTTPError as error:
            if error.code == http.HTTPStatus.NOT_FOUND:
                raise FeedError(
                    f"{url}: not there; a day is served from the next one on, and not every "
                    "symbol has every kind: see the folder at the server"
                ) from None
            if error.code < http.HTTPStatus.INTERNAL_SERVER_ERROR and error.code != 429:
                raise FeedError(f"{url}: the server says {error.code} {error.reason}") from None
            reason = f"{error.code} {error.reason}"
        except NETWORK as error:
            reason = str(error) or type(error).__name__
        if attempt < TRIES:
            pause(2.0**attempt)
    raise FeedError(f"{url}: failed {TRIES} times ({reason}); run the command again, it resumes")
