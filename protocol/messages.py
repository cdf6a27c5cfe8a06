"""Every word of PROTOCOL.md 3 as a frozen, strict type, and nothing that acts on one.

A word is checked where it is made and never again: closed keys, no NaN, no boolean for a number,
no float for an integer (an integer for a float is fine), text of printable ASCII. How words become
bytes is in `codec`; who may say them is in `bus`. Times are integer nanoseconds of venue time
unless a name says otherwise; `[epoch, version]` pairs order decisions.
"""

from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from protocol.elements import (
    SETS_MAX,
    AgentName,
    Choice,
    Count,
    Digest,
    Direction,
    Fraction,
    Ids,
    MessageId,
    Mode,
    ModeText,
    Name,
    Pair,
    PlainMap,
    Stage,
    Text,
    TimeNs,
    UtcText,
    Word,
    plain,
    utc_ns,
    utc_text,
)
from protocol.errors import NackCode
from protocol.reports import Fill, LogRow, MarketInsight, OrderRow, PnlReport, Status

ROWS_MAX = 4096
# Handed on, so that users of words need one import; the words themselves follow.
__all__ = ["Choice", "Direction", "Mode", "NackCode", "Name", "Pair", "Stage", "Word"]
__all__ += ["Fill", "LogRow", "MarketInsight", "OrderRow", "PnlReport", "Status"]
__all__ += ["utc_ns", "utc_text"]


class QuoteParameters(Word):
    """The four dials the optimizer may turn."""

    spread_percentage: float = Field(
        gt=0, le=10, description="full spread in percent of mid: 0.18 is 18 basis points"
    )
    levels: int = Field(ge=1, le=50, description="quotes per side")
    base_quantity: float = Field(gt=0, description="base asset, at the innermost level")
    max_position: float = Field(gt=0, description="base asset, bound of the position either way")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        total = Decimal(repr(self.base_quantity)) * self.levels
        if not total <= Decimal(repr(self.max_position)):
            raise PydanticCustomError(
                "out_of_range",
                "base_quantity x levels must be at most max_position {bound}, found {total}",
                {"bound": repr(self.max_position), "total": str(total)},
            )
        return self


class PerformanceMetrics(Word):
    """What the proposer measured; more numbers may follow the three, kept in order of name."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float] = Field(init=False)

    sqn_score: float = Field(description="system quality number of the replayed round trips")
    sharpe_ratio: float = Field(description="annualised over 365 days")
    max_drawdown: float = Field(ge=0, le=1, description="fraction of the peak equity")

    @model_validator(mode="after")
    def _orders(self) -> Self:
        extra = self.__pydantic_extra__
        for name in extra:
            plain(name)
        ordered = sorted(extra.items())
        extra.clear()
        extra.update(ordered)
        return self


class UpdateData(Word):
    """What a proposal proposes, and on what grounds."""

    optimized_params: QuoteParameters
    performance_metrics: PerformanceMetrics
    confidence_score: Fraction = Field(
        description="estimated probability of beating the set in force"
    )


class ParameterUpdate(Word):
    """A proposal: the public contract, key for key. Authority comes from the signature."""

    type_name: ClassVar[str] = "parameter_update"
    timestamp: UtcText
    source_agent: AgentName
    target_agent: AgentName
    message_type: Literal["parameter_update"]
    data: UpdateData


class NoUpdate(Word):
    """Nothing better was found; renews the set in force."""

    type_name: ClassVar[str] = "no_update"
    window: Pair = Field(description="first and last venue time looked at, ns")
    digest: Digest = Field(description="of the set in force that is renewed")
    reason: Text


class Boundary(Word):
    """Feed time has reached a tuning boundary and waits there."""

    type_name: ClassVar[str] = "boundary"
    index: Count
    venue_time: TimeNs
    promoted: bool = Field(
        default=False,
        description="whether the executor quotes by its candidate, which earned that in shadow",
    )


class BoundaryDone(Word):
    """All seats have answered a boundary; feed time may go on."""

    type_name: ClassVar[str] = "boundary_done"
    index: Count
    decision: Pair | None = Field(description="the pair decided at this boundary, or null")
    not_after: TimeNs | None = Field(
        default=None, description="until when the set in force is renewed, or null if it is not"
    )


class RoundSet(Word):
    """One seat's proposal as it is put to the voters."""

    id: MessageId
    src: Name
    timestamp: UtcText
    params: QuoteParameters
    performance_metrics: PerformanceMetrics
    confidence_score: Fraction
    weight: int = Field(ge=0, le=100_000_000, description="the logged weight, in 1e-8")


class Round(Word):
    """Sets put to voters or peers, and the candidate that follows from them."""

    type_name: ClassVar[str] = "round"
    round: Count
    incumbent: QuoteParameters
    sets: Annotated[tuple[RoundSet, ...], Field(strict=False, max_length=SETS_MAX)]
    candidate: QuoteParameters
    deadline: TimeNs = Field(description="venue time; in lockstep it decides nothing")


SHADOW_REPLAY = "shadow replay"
"""How the reason of a vote begins when a replay speaks against the set: quarantine counts it."""


class Vote(Word):
    """One voter's judgement of one candidate."""

    type_name: ClassVar[str] = "vote"
    round: Count
    candidate: Digest
    choice: Annotated[Choice, Field(strict=False)]
    reason: Text | None = None


class Decision(Word):
    """A set that shall come into force; its pair and generation stand in the header."""

    type_name: ClassVar[str] = "decision"
    params: QuoteParameters
    basis: Ids = Field(description="the proposals it rests on")
    mode: ModeText
    not_before: TimeNs
    not_after: TimeNs

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.not_before <= self.not_after:
            raise PydanticCustomError(
                "out_of_range",
                "not_after must be at least not_before {first}, found {last}",
                {"first": self.not_before, "last": self.not_after},
            )
        return self


class Ack(Word):
    """How far the addressee has come; the header's `ref` says with what."""

    type_name: ClassVar[str] = "ack"
    stage: Annotated[Stage, Field(strict=False)]
    digest: Digest | None = None


class Nack(Word):
    """A refusal; the header's `ref` says of what."""

    type_name: ClassVar[str] = "nack"
    code: Annotated[NackCode, Field(strict=False)]
    detail: Text
    retry_after_ms: Count | None = None


class Heartbeat(Word):
    """A sign of life of everybody but the coordinator."""

    type_name: ClassVar[str] = "heartbeat"
    state: Text
    lag_ms: float = Field(ge=0, description="how late its loop runs")


class ExecutorState(Word):
    """What the coordinator holds to be in force at one executor."""

    executor: Name
    epoch: Count
    version: Count
    digest: Digest | None = Field(description="null while nothing was decided: pair (0, 0)")
    mode: ModeText
    generation: Count
    stops: Ids = Field(description="active stop ids")


class CoordinatorHeartbeat(Word):
    """The coordinator's sign of life: the state everybody repairs his own by."""

    type_name: ClassVar[str] = "heartbeat"
    epoch: Count = Field(description="of the coordinator's present start")
    executors: Annotated[tuple[ExecutorState, ...], Field(strict=False, max_length=SETS_MAX)]


class SnapshotRequest(Word):
    """What the asker has; asking is how a participant joins."""

    type_name: ClassVar[str] = "snapshot_request"
    have: Pair


class Snapshot(Word):
    """The whole state in force. The five of the decision are null at pair (0, 0)."""

    type_name: ClassVar[str] = "snapshot"
    pair: Pair
    params: QuoteParameters | None
    not_before: TimeNs | None
    not_after: TimeNs | None
    mode: ModeText
    generation: Count
    round: Round | None
    stops: Ids


class ModeChange(Word):
    """The operator's order to decide otherwise from now on."""

    model_config = ConfigDict(populate_by_name=True)
    type_name: ClassVar[str] = "mode_change"
    old: ModeText = Field(alias="from")
    to: ModeText
    gen: Count
    reason: Text


class EmergencyStop(Word):
    """Cancel everything and stay stopped until this message's id is lifted."""

    type_name: ClassVar[str] = "emergency_stop"
    scope: Name = Field(description="an executor, or `all`")
    flatten: bool
    reason: Text


class Rearm(Word):
    """Lifts stops by their ids, for good."""

    type_name: ClassVar[str] = "rearm"
    lifts: Ids
    reason: Text


class Pause(Word):
    """Quotes are withdrawn; nothing else changes."""

    type_name: ClassVar[str] = "pause"


class Resume(Word):
    """Quotes are allowed again."""

    type_name: ClassVar[str] = "resume"


class JournalRequest(Word):
    """Asks the owner of a journal for what follows a sequence number.

    An executor's journal has several tables, each with a numbering of its own (`docs/desk.md`); a
    coordinator has the decision log alone, and `table` is not read there.
    """

    type_name: ClassVar[str] = "journal_request"
    after: Count
    table: Text | None = None


class JournalRow(Word):
    """One entry of a journal."""

    seq: Count
    time_ns: TimeNs
    kind: Text
    body: PlainMap


class JournalPage(Word):
    """What followed, oldest first, as much as fits; an empty page means: that was all."""

    type_name: ClassVar[str] = "journal_page"
    rows: Annotated[tuple[JournalRow, ...], Field(strict=False, max_length=ROWS_MAX)]


Message: TypeAlias = type[Word]
WORDS: dict[str, Message] = {
    word.type_name: word
    for word in (
        ParameterUpdate,
        NoUpdate,
        Boundary,
        BoundaryDone,
        Round,
        Vote,
        Decision,
        Ack,
        Nack,
        Heartbeat,
        SnapshotRequest,
        Snapshot,
        ModeChange,
        EmergencyStop,
        Rearm,
        Pause,
        Resume,
        JournalRequest,
        JournalPage,
        Status,
        MarketInsight,
        Fill,
        PnlReport,
        OrderRow,
        LogRow,
    )
}
"""Words by wire name; a heartbeat with `executors` is a `CoordinatorHeartbeat`: `word_type`."""


def word_type(type_name: str, document: Any) -> Message | None:
    """Return the type of a document called `type_name`, None when there is no such word."""
    if type_name == "heartbeat" and isinstance(document, dict) and "executors" in document:
        return CoordinatorHeartbeat
    return WORDS.get(type_name)
