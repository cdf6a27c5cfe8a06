"""What words are made of: their base, field types, closed choices and the text of a moment.

Only `messages` (which hands these names on) and the header in `bus` build words from them.
"""

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, ClassVar, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue
from pydantic_core import PydanticCustomError

from protocol.errors import DETAIL_MAX

INT_MAX = 2**63 - 1
PLAIN_DEPTH_MAX = 5
"""Levels of nesting inside a free-form value; the whole body may have 8."""
SETS_MAX = 64
NAME_PATTERN = r"^[a-z0-9_-]{1,24}$"
_UTC = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?Z", re.ASCII
)
_PRINTABLE = re.compile(r"[ -~]*", re.ASCII)


class Mode(StrEnum):
    """How proposals become a decision (PROTOCOL.md 4)."""

    MASTER_SLAVE = "master-slave"
    PEER = "peer"
    HIERARCHICAL = "hierarchical"
    CONSENSUS = "consensus"


class Choice(StrEnum):
    """What a voter says of a candidate."""

    APPROVE = "approve"
    REJECT = "reject"
    ABSTAIN = "abstain"


class Stage(StrEnum):
    """How far the addressee has come with a message."""

    RECEIVED = "received"
    DECIDED = "decided"
    APPLIED = "applied"
    STOPPED = "stopped"


class Direction(StrEnum):
    """The side of an order or fill, as telemetry says it."""

    BUY = "buy"
    SELL = "sell"


def utc_ns(text: str) -> int:
    """Return nanoseconds since the epoch of an ISO time in UTC with `Z`.

    Raises:
        ValueError: naive, of another zone, more than nine decimals, or no such moment.
    """
    match = _UTC.fullmatch(text)
    if match is None:
        raise ValueError("must be UTC as YYYY-MM-DDThh:mm:ss[.fraction]Z")
    moment = datetime.strptime(match[1], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    fraction = int((match[2] or "0").ljust(9, "0"))
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + fraction


def utc_text(time_ns: int) -> str:
    """Return `time_ns` (since the epoch) as ISO text in UTC with `Z`, no trailing zeros."""
    seconds, fraction = divmod(time_ns, 1_000_000_000)
    text = datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return text + (f".{fraction:09d}".rstrip("0") if fraction else "") + "Z"


def _utc(text: str) -> str:
    try:
        utc_ns(text)
    except ValueError:
        raise PydanticCustomError(
            "utc_time", "must be UTC as YYYY-MM-DDThh:mm:ss[.fraction]Z"
        ) from None
    return text


def plain(value: JsonValue, depth: int = 1) -> JsonValue:
    """Return `value` if it holds only short printable text, int64, finite floats, shallow."""
    wrong = ""
    if isinstance(value, str):
        if len(value) > DETAIL_MAX or not _PRINTABLE.fullmatch(value):
            wrong = f"text must be printable ASCII of at most {DETAIL_MAX} characters"
    elif isinstance(value, int):
        if not -INT_MAX - 1 <= value <= INT_MAX:
            wrong = "integers must fit in 64 bits"
    elif isinstance(value, float):
        if not -float("inf") < value < float("inf"):
            wrong = "numbers must be finite"
    elif isinstance(value, dict | list):
        if depth > PLAIN_DEPTH_MAX:
            wrong = f"must be nested at most {PLAIN_DEPTH_MAX} levels deep"
        else:
            for item in [*value, *value.values()] if isinstance(value, dict) else value:
                plain(item, depth + 1)
    if wrong:
        raise PydanticCustomError("plain", wrong)
    return value


def _plain_map(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    plain(value)
    return value


Name: TypeAlias = Annotated[str, Field(pattern=NAME_PATTERN)]
Text: TypeAlias = Annotated[str, Field(max_length=DETAIL_MAX, pattern=r"^[ -~]*$")]
AgentName: TypeAlias = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[ -~]*$")]
MessageId: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Digest: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Symbol: TypeAlias = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9_.:-]{0,39}$")]
Asset: TypeAlias = Annotated[str, Field(pattern=r"^[A-Z0-9]{1,20}$")]
DecimalText: TypeAlias = Annotated[
    str, Field(max_length=64, pattern=r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$")
]
UtcText: TypeAlias = Annotated[
    str, Field(json_schema_extra={"format": "date-time", "pattern": "Z$"}), AfterValidator(_utc)
]
Count: TypeAlias = Annotated[int, Field(ge=0, le=INT_MAX)]
TimeNs: TypeAlias = Annotated[int, Field(ge=0, le=INT_MAX)]
Fraction: TypeAlias = Annotated[float, Field(ge=0, le=1)]
PlainMap: TypeAlias = Annotated[dict[str, JsonValue], AfterValidator(_plain_map)]
# Strict everywhere, with one exception: an array arrives as a list and a choice as its text.
Pair: TypeAlias = Annotated[tuple[Count, Count], Field(strict=False)]
Ids: TypeAlias = Annotated[tuple[MessageId, ...], Field(strict=False, max_length=SETS_MAX)]
ModeText: TypeAlias = Annotated[Mode, Field(strict=False)]


class Word(BaseModel):
    """What may cross a wire: frozen, strict, closed, finite.

    Attributes:
        type_name: its name on the wire; empty for a part of another word.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)
    type_name: ClassVar[str] = ""
