"""The error tree of `protocol` and the codes by which one participant refuses another.

    ProtocolError
    |-- CodecError      bytes that are no word of ours; carries the nack code to answer with
    |-- SettingsError   a file, variable or flag that says something impossible
    |   `-- SecretError a secret that is absent or lies open
    |-- JournalError    a journal that is damaged, foreign, or contradicts itself
    `-- SealError       somebody but the gate tried to approve an order: a bug

Every message is one printable line: what, allowed, found, whence. Nothing here decides.
"""

from enum import StrEnum

DETAIL_MAX = 200
"""Longest text that a word may carry, characters (PROTOCOL.md 2)."""


class NackCode(StrEnum):
    """Why a message was refused (PROTOCOL.md 3)."""

    VERSION = "E_VERSION"
    SCHEMA = "E_SCHEMA"
    FORBIDDEN = "E_FORBIDDEN"
    REPLAY = "E_REPLAY"
    EXPIRED = "E_EXPIRED"
    FENCED = "E_FENCED"
    STALE_GENERATION = "E_STALE_GENERATION"
    STALE_VERSION = "E_STALE_VERSION"
    BOUNDS = "E_BOUNDS"
    STEP = "E_STEP"
    RISK_VETO = "E_RISK_VETO"
    CONFIDENCE = "E_CONFIDENCE"
    NOT_CHOSEN = "E_NOT_CHOSEN"
    BUSY = "E_BUSY"
    HALTED = "E_HALTED"
    MODE = "E_MODE"


def printable(text: str, limit: int = DETAIL_MAX) -> str:
    """Return `text` as printable ASCII of at most `limit` characters; the rest is escaped, cut."""
    clean = text.encode("ascii", "backslashreplace").decode("ascii")
    clean = "".join(c if " " <= c <= "~" else f"\\x{ord(c):02x}" for c in clean)
    return clean if len(clean) <= limit else clean[: limit - 3] + "..."


class ProtocolError(Exception):
    """The root: whatever `protocol` refuses.

    Attributes:
        exit_code: how a command that meets it ends.
    """

    exit_code = 4


class CodecError(ProtocolError):
    """Bytes, or a document, that are no word of ours.

    Attributes:
        code: what to answer with.
        detail: one printable ASCII line of at most 200 characters, fit for a nack.
    """

    def __init__(self, code: NackCode, detail: str) -> None:
        self.code = code
        self.detail = printable(detail)
        super().__init__(f"{code.value}: {self.detail}")


class SettingsError(ProtocolError):
    """A setting that is unknown, mistyped or out of range; the line says where it stands."""


class SecretError(SettingsError):
    """A secret that is absent, empty, or readable by others."""


class JournalError(ProtocolError):
    """A journal that is damaged, of another schema version, or contradicts an entry."""


class SealError(ProtocolError):
    """The seal of `Approved` was claimed twice, by a stranger, or forged."""


class RosterError(ProtocolError):
    """Keys or the roster are missing, damaged, readable by others, or do not fit together."""


class BusError(ProtocolError):
    """The bus cannot be opened, or a message found no answer within its time."""

    exit_code = 5


class InUseError(BusError):
    """A log folder or an address that somebody else holds; it may be free a moment later."""

    exit_code = 1


class EndpointError(BusError):
    """An address or socket folder that cannot be used: a matter of configuration."""

    exit_code = 4
