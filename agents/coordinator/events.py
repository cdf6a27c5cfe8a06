"""What the core is told, and what it asks its shell to do. Nothing here acts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from agents.coordinator.records import Record
from protocol.errors import NackCode
from protocol.messages import Decision, Pair, QuoteParameters, Stage, Word


@dataclass(frozen=True, slots=True)
class Started:
    """The process has read its log and holds its lock."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A verified message that was addressed to the coordinator and not handled before."""

    src: str
    id: str
    word: Word
    ref: str | None = None
    pair: Pair | None = None
    generation: int | None = None


@dataclass(frozen=True, slots=True)
class Malformed:
    """Something verified that is no word of ours; whoever said it will be told so."""

    src: str
    id: str
    code: NackCode
    detail: str


@dataclass(frozen=True, slots=True)
class Tallied:
    """Refusals of the last minute that have no entry of their own, and what the hub dropped.

    Attributes:
        refused: count by code, by who was refused.
        dropped: count by reason.
    """

    refused: Mapping[str, Mapping[str, int]]
    dropped: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Answered:
    """What the addressee answered to a posted message; None: it stayed silent for the whole ttl.

    `pair` is that of the answer's header: the highest one that the executor has judged.
    """

    id: str
    word: Word | None
    pair: Pair | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """Venue time has passed; only told when the clock is real.

    Attributes:
        seen_ns: venue time as the executor last told it; what `step` goes by is guessed from it.
        pair: the newest one that it had applied by then; None: it has told nothing yet.
        promoted: its candidate quotes.
    """

    seen_ns: int = 0
    pair: Pair | None = None
    promoted: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """What was asked for by `Measure` of the same key is known.

    Attributes:
        nets: net profit against holding, quote asset, of each set in the order asked for.
    """

    key: str
    nets: tuple[float, ...]


Event: TypeAlias = Started | Heard | Malformed | Answered | Tick | Measured | Tallied


@dataclass(frozen=True, slots=True)
class Append:
    """Put these on disk, in this order, before any later effect."""

    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer the message `ref` of `dst`; the latest answer is the one that is repeated."""

    dst: str
    ref: str
    word: Word


@dataclass(frozen=True, slots=True)
class Post:
    """Say `word` to `dst` until it answers finally. The same id may be asked for again."""

    dst: str
    id: str
    word: Word
    ref: str | None = None
    pair: Pair | None = None
    generation: int | None = None
    until: Stage | None = None
    """The stage that is final where it is not the word's usual one: a round of peers."""


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Stop resending a posted message: its answer no longer matters."""

    id: str


@dataclass(frozen=True, slots=True)
class Measure:
    """Replay each set, flat at first, from one venue time to another; then tell `Measured`.

    Attributes:
        promoted: by the executor's candidate.
    """

    key: str
    sets: tuple[QuoteParameters, ...]
    first_ns: int
    last_ns: int
    promoted: bool = False


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish the decision as state."""

    word: Decision
    pair: Pair
    generation: int


@dataclass(frozen=True, slots=True)
class Fenced:
    """Somebody newer decides: end this process, say nothing more."""

    detail: str


Effect: TypeAlias = Append | Reply | Post | Withdraw | Measure | Publish | Fenced
