"""What paper trading needs of a live public market."""

from typing import Protocol

from exchange.binance.instrument import Instrument
from exchange.binance.rows import Event
from exchange.binance.settings import BinanceSettings
from exchange.recording_fundings import Funding


class PublicFeed(Protocol):
    """A live public market; see `binance.public.PublicMarket`."""

    floor_ns: int
    losses: int

    @property
    def settings(self) -> BinanceSettings:
        """How it is reached; the guard interval is its too."""
        ...

    @property
    def known(self) -> Instrument:
        """The symbol."""
        ...

    @property
    def lost(self) -> str:
        """Why the stream is lost; empty while it is not."""
        ...

    async def open(self) -> list[Event]:
        """Connect; return the whole book."""
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...

    def now_ns(self) -> int:
        """Return the venue's time."""
        ...

    def take(self) -> list[Event]:
        """Return what has come since."""
        ...

    def fundings(self, now_ns: int) -> tuple[Funding, ...]:
        """Return the contract's fundings until a time, as far as they are known then."""
        ...

    def wait_s(self, until_ns: int) -> float:
        """Return the wall seconds until a time of the venue."""
        ...

    async def wait(self, seconds: float) -> None:
        """Wait until something comes, or for so long."""
        ...

    def break_off(self) -> list[Event]:
        """Return what still came before the stream was lost, and that it was."""
        ...

    async def rebuild(self) -> list[Event]:
        """Build all anew; return the book."""
        ...
