"""How an executor trades at Binance, what it knows from before, and what it finds there."""

from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

from exchange.binance.client import Environment
from exchange.binance.instrument import Instrument, Trading
from exchange.errors import VenueError
from exchange.order_life import LiveOrder


class StartRefusedError(VenueError):
    """The account or the symbol is not what the configuration and the journal say."""

    exit_code = 4


class Pace(StrEnum):
    """Whose time the venue keeps."""

    WALL = "wall"  # the exchange's own, live
    FEED = "feed"  # of a replayed feed, told by its messages
    LOCKSTEP = "lockstep"  # of a replayed feed that waits for us


class Road(StrEnum):
    """How requests about orders travel."""

    REST = "rest"
    SOCKET = "socket"  # the WebSocket API, over the connection of the user stream


@dataclass(frozen=True, slots=True)
class BinanceSettings:
    """How to trade.

    Attributes:
        place: where the exchange is.
        symbol: as Binance writes it, `BTCUSDT`.
        key, secret: of the account; HMAC. Without a key only the public market is open.
        token: the executor's, in the names of its orders; the same over restarts.
        interval_ns: guard interval.
        maker_fee, taker_fee: configured, parts of the notional; None: whatever the account pays.
        confirmed: whether the user has confirmed that real money is at stake; only with it is a
            venue opened at the environment `live`.
        ignore_foreign: whether orders of others in the symbol are no reason to refuse a start.
        pace: whose time it is.
        road: how orders and cancels travel; questions are asked by REST.
        speed: how much faster than the wall the feed runs, with pace FEED.
        control: address of the simulated exchange's control port, with pace LOCKSTEP.
        receive_window_ms: how long a request may be on its way.
        margin_ms: added to that: then a request certainly cannot take effect any more.
        patience_s: how long an answer is waited for before it is in doubt.
        silence_s: a stream that says nothing for so long, not even a ping, is lost.
        poll_s: between two looks at clock, symbol and open orders.
        settle_s: how long a reconciliation may take.
    """

    place: Environment
    symbol: str
    key: str = ""
    secret: str = field(default="", repr=False)
    token: str = ""
    interval_ns: int = 10**9
    maker_fee: Fraction | None = None
    taker_fee: Fraction | None = None
    confirmed: bool = False
    ignore_foreign: bool = False
    pace: Pace = Pace.WALL
    road: Road = Road.REST
    speed: float = 1.0
    control: str = ""
    receive_window_ms: int = 5_000
    margin_ms: int = 2_000
    patience_s: float = 10.0
    silence_s: float = 60.0
    poll_s: float = 60.0
    settle_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Record:
    """What the journal knows of an account; the default is that of a new one.

    Attributes:
        orders: that may still be open, or owe a fill, with the fills taken so far.
        highest_id: the last order id that was ever used.
        last_trade_id: the newest trade taken; None: none was, the account begins now.
        quote_units, base_units: what our ledger holds; None with a new account.
        since_ns: when the journal began; fundings from before are none of the ledger's.
        now_ns: of the last step that it knows; 0 before any.
        fundings: numbers of those that the ledger has.
    """

    orders: tuple[LiveOrder, ...] = ()
    highest_id: int = 0
    last_trade_id: int | None = None
    quote_units: int | None = None
    base_units: int | None = None
    since_ns: int | None = None
    now_ns: int = 0
    fundings: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Condition:
    """Whether the symbol can be traded as it could at the start.

    Attributes:
        trading: what its status lets one do.
        changes: steps and filters that are not what they were; a new start is needed.
    """

    trading: Trading = Trading.OPEN
    changes: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether orders may be placed."""
        return self.trading is Trading.OPEN and not self.changes


@dataclass(frozen=True, slots=True)
class Opening:
    """What a start found.

    Attributes:
        known: the symbol.
        maker_fee, taker_fee: what the account pays, parts of the notional.
        quote_units, base_units: free and locked in the account, 1e-8.
        foreign: client ids of open orders that are not ours.
        last_trade_id: the newest trade of the account, taken or from before.
    """

    known: Instrument
    maker_fee: Fraction
    taker_fee: Fraction
    quote_units: int
    base_units: int
    foreign: tuple[str, ...]
    last_trade_id: int
