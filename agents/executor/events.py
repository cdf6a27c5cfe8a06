"""What the pure step is told, and what it asks its shell to do. Nothing here acts."""

from dataclasses import dataclass
from typing import TypeAlias

from agents.executor.promotion import Finding
from agents.executor.state import Frozen
from agents.weighing import Weighed
from exchange.port import MarketStep
from market.types import I8
from protocol.journal import Entry
from protocol.messages import Ack, Decision, Mode, Nack, Pair, Round, Vote
from protocol.orders import Approved


@dataclass(frozen=True, slots=True)
class DecisionHeard:
    """A set that shall come into force; `ref` is its message, empty when a snapshot told it."""

    src: str
    ref: str
    pair: Pair
    word: Decision


@dataclass(frozen=True, slots=True)
class RoundHeard:
    """Sets are put to us as a voter, or shown to us as a peer; the mode says which."""

    src: str
    ref: str
    word: Round
    mode: Mode = Mode.MASTER_SLAVE


@dataclass(frozen=True, slots=True)
class Shadowed:
    """The shadow replay of a round is done.

    Attributes:
        incumbent, candidate: what each would have done on the newest window.
    """

    asked: RoundHeard
    incumbent: Weighed
    candidate: Weighed


@dataclass(frozen=True, slots=True)
class Compared:
    """The policy in shadow was judged beside the live one.

    Attributes:
        since_ns: of the stage that was judged.
    """

    found: Finding
    since_ns: int


@dataclass(frozen=True, slots=True)
class DoneHeard:
    """All seats have answered a boundary."""

    src: str
    ref: str
    index: int
    decision: Pair | None
    not_after_ns: int | None


@dataclass(frozen=True, slots=True)
class StopHeard:
    """Cancel everything and stay stopped; `src` is empty when a file or snapshot told it."""

    id: str
    flatten: bool
    src: str = ""


@dataclass(frozen=True, slots=True)
class RearmHeard:
    """Stop ids are lifted, for good; `src` is empty when nobody waits for an answer on the bus."""

    src: str
    ref: str
    lifts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PauseHeard:
    """Quotes are withdrawn, or allowed again."""

    src: str
    ref: str
    paused: bool


@dataclass(frozen=True, slots=True)
class Alone:
    """The coordinator has been silent for too long, or is back."""

    alone: bool


@dataclass(frozen=True, slots=True)
class Cleared:
    """The venue shows nothing of ours open, before the step that tells what became of it."""


@dataclass(frozen=True, slots=True)
class PeerHeard:
    """How another executor on the same capital stands (`peers.Told`); None: it is lost."""

    name: str
    row: tuple[int | float, ...] | None


Event: TypeAlias = (
    MarketStep
    | DecisionHeard
    | RoundHeard
    | Shadowed
    | Compared
    | DoneHeard
    | StopHeard
    | RearmHeard
    | PauseHeard
    | Alone
    | Cleared
    | PeerHeard
)


@dataclass(frozen=True, slots=True)
class Write:
    """Put these on disk in one transaction, before any later effect."""

    entries: tuple[Entry, ...]
    state: Frozen | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Send an order."""

    order: Approved


@dataclass(frozen=True, slots=True)
class Cancel:
    """Send a cancel."""

    order_id: int


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer the message `ref` of `dst`; the latest answer is the one that is repeated.

    `pair` goes into its header: the highest one judged, when it answers a decision. A refusal
    without one comes from the bus, for which a frame was too old, and judged nothing.
    """

    dst: str
    ref: str
    word: Ack | Nack
    pair: Pair | None = None


@dataclass(frozen=True, slots=True)
class Say:
    """Say a vote to the coordinator until it has received it."""

    ref: str
    word: Vote


@dataclass(frozen=True, slots=True)
class Reach:
    """Tell coordinator and seats that feed time waits at a boundary."""

    index: int
    time_ns: int


@dataclass(frozen=True, slots=True)
class Shadow:
    """Replay the round's set beside the incumbent, then tell `Shadowed`."""

    asked: RoundHeard


@dataclass(frozen=True, slots=True)
class Compare:
    """Judge the policy in shadow beside the live one, then tell `Compared`."""


@dataclass(frozen=True, slots=True)
class Show:
    """Fills to be shown on telemetry: i8[n, FILLED_COLUMNS]."""

    filled: I8


Effect: TypeAlias = Write | Place | Cancel | Reply | Say | Reach | Shadow | Compare | Show
