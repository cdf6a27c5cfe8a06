"""Where the executor trades: the table `venue` of the configuration. Keys are never settings."""

import re
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from agents.section import FilePath, Section

SYMBOL = re.compile(r"[A-Z0-9]{2,12}[-/]?[A-Z0-9]{2,12}")
LIVE = "live"
_KEY = "unset: COUNTERPOINT_VENUE_KEY and COUNTERPOINT_VENUE_SECRET, or each with _FILE"

_GUARDIAN = _KEY.replace("VENUE", "GUARDIAN")


class VenueKind(StrEnum):
    """What is traded at."""

    RECORDING = "recording"
    BINANCE = "binance"
    USDM = "binance-futures"
    PAPER = "paper"
    PAPER_USDM = "paper-futures"


PAPERS = frozenset({VenueKind.PAPER, VenueKind.PAPER_USDM})


class VenuePace(StrEnum):
    """Whose time a venue keeps."""

    WALL = "wall"
    FEED = "feed"
    LOCKSTEP = "lockstep"


class VenueRoad(StrEnum):
    """How orders travel."""

    REST = "rest"
    SOCKET = "socket"


class VenueTable(Section):
    """Where the executor trades, and how it is reached."""

    kind: Annotated[VenueKind, Field(strict=False)] = Field(
        VenueKind.RECORDING,
        description="recording: in this process; binance: over the network; binance-futures: the "
        "same for USD-M; paper, paper-futures: the live public market of either, our orders filled "
        "as in a backtest, no key",
    )
    url: str = Field(
        "testnet",
        description="live, testnet, demo, or the http address of a simulated exchange; of paper, "
        "when nothing is told: live",
    )
    symbol: str | None = Field(None, description="BTC-USDT, BTC/USDT or BTCUSDT")
    key_file: FilePath | None = Field(None, description=f"of mode 0600, holds the API key; {_KEY}")
    secret_file: FilePath | None = Field(None, description=f"the same for the secret; {_KEY}")
    guardian_key_file: FilePath | None = Field(
        None, description=f"the guardian's own API key, mode 0600; {_GUARDIAN}"
    )
    guardian_secret_file: FilePath | None = Field(
        None, description=f"the same for its secret; {_GUARDIAN}"
    )
    confirm_live: str = Field(
        "", description="the symbol once more: without it nothing is traded with real money"
    )
    real: bool = Field(
        default=False,
        description="treat it as real money wherever the address leads: --venue live; what leads "
        "to the live exchange always is",
    )
    pace: Annotated[VenuePace, Field(strict=False)] = Field(
        VenuePace.WALL,
        description="wall: real time; feed: of a replayed feed, run.speed times faster; lockstep: "
        "of one that waits for us",
    )
    control: str | None = Field(
        None, description="http address of a simulated exchange's control port, for lockstep"
    )
    orders: Annotated[VenueRoad, Field(strict=False)] = Field(
        VenueRoad.REST,
        description="how orders and cancels travel; socket: over the WebSocket API",
    )
    ignore_foreign: bool = Field(
        default=False, description="trade although others have orders in the symbol"
    )
    receive_window_ms: int = Field(
        5_000, ge=100, le=60_000, description="how long a request may be on its way"
    )
    folder: FilePath | None = Field(
        None, description="of session and recording; unset: the run's folder"
    )

    @model_validator(mode="before")
    @classmethod
    def _paper_is_of_the_live_market(cls, told: Any) -> Any:
        """Paper risks nothing, and a testnet's market is nobody's."""
        if isinstance(told, dict) and str(told.get("kind")) in PAPERS:
            return {"url": LIVE, **told}
        return told

    @property
    def recorded(self) -> bool:
        """Whether it is a recording, all there from the start."""
        return self.kind is VenueKind.RECORDING

    @property
    def guarded(self) -> bool:
        """Whether orders rest at an exchange, in the wall's time, when the executor dies."""
        return not (self.recorded or self.paper) and self.pace is not VenuePace.LOCKSTEP

    @property
    def futures(self) -> bool:
        """Whether it is USD-M futures."""
        return self.kind in {VenueKind.USDM, VenueKind.PAPER_USDM}

    @property
    def paper(self) -> bool:
        """Whether nothing is sent: a public market, and our own reckoning of our orders."""
        return self.kind in PAPERS

    @property
    def code(self) -> str:
        """The symbol as the exchange writes it; empty without one."""
        return re.sub("[-/]", "", self.symbol or "")

    @model_validator(mode="after")
    def _says_what_is_traded(self) -> Self:
        """A venue over the network needs a symbol, and lockstep an address."""
        if self.symbol is not None and not SYMBOL.fullmatch(self.symbol):
            raise PydanticCustomError(
                "out_of_range",
                "venue.symbol must be like BTC-USDT, found {found}",
                {"found": self.symbol},
            )
        if not self.recorded and self.symbol is None:
            raise PydanticCustomError(
                "out_of_range", "venue.symbol must be given (--symbol BTC-USDT), found none"
            )
        if self.futures and self.orders is VenueRoad.SOCKET:
            raise PydanticCustomError(
                "out_of_range",
                "venue.orders must be rest at USD-M futures, found socket",
            )
        if self.pace is VenuePace.LOCKSTEP and self.control is None:
            raise PydanticCustomError(
                "out_of_range", "venue.control must be given with venue.pace lockstep, found none"
            )
        return self
