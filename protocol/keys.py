"""Who takes part and by what keys: identities (private), the roster (public), `keys new`.

Every participant has an Ed25519 key to sign with and a CURVE key for links beyond the host. The
roster lists names, public keys and the types that each may send; weights are no part of the file,
the coordinator gives them at its start. Nothing here opens a socket.

    SettingsError
    `-- KeysError    a roster or key file that is damaged, unknown, or would be overwritten
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal, Self

import zmq
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from zmq.utils import z85

from protocol.codec import loads_strict, parse_as
from protocol.elements import Name, Word
from protocol.errors import CodecError, SettingsError
from protocol.messages import WORDS
from protocol.settings import read_secret
from protocol.topics import EVERYONE, TELEMETRY, TELEMETRY_TYPES

ROSTER_FILE = "roster.json"
KEY_VARIABLE = "COUNTERPOINT_KEY"
COORDINATOR = "coordinator"
EXECUTORS = 4
OPTIMIZERS = 8
PARTICIPANTS_MAX = 64
_MARK = "CPK1"
"""First word of a private key's one line: mark, name, signing seed (hex), CURVE secret (hex)."""
_ANSWERS = ("snapshot_request", "heartbeat", "ack", "nack")
RIGHTS: Mapping[str, tuple[str, ...]] = {
    COORDINATOR: (
        *("round", "decision", "boundary_done", "snapshot", "ack", "nack", "heartbeat"),
        *("journal_page", TELEMETRY),
    ),
    "executor": (
        *("boundary", "no_update", "parameter_update", "vote", *_ANSWERS),
        *("journal_page", TELEMETRY),
    ),
    "optimizer": ("parameter_update", "no_update", "vote", *_ANSWERS, TELEMETRY),
    "operator": ("emergency_stop", "rearm", "mode_change", "pause", "resume", *_ANSWERS),
    "desk": ("journal_request", *_ANSWERS),
}
"""What `keys new` lets each role send."""


class KeysError(SettingsError):
    """A roster or key that is damaged, absent or foreign, or would be overwritten."""


SigningKey = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Participant(Word):
    """One line of the roster file."""

    name: Name
    keys: Annotated[tuple[SigningKey, ...], Field(strict=False, min_length=1, max_length=2)] = (
        Field(description="public Ed25519 keys, hex; two during rotation")
    )
    curve: str = Field(pattern=r"^[!-~]{40}$", description="public CURVE key, Z85")
    may: Annotated[tuple[str, ...], Field(strict=False, max_length=len(WORDS) + 1)] = Field(
        description="types it may send; `telemetry` stands for all of telemetry"
    )

    @model_validator(mode="after")
    def _known(self) -> Self:
        unknown = sorted(set(self.may) - set(WORDS) - {TELEMETRY})
        if unknown or self.name == EVERYONE:
            wrong = f"right {unknown[0][:40]}" if unknown else f"name {EVERYONE}"
            raise PydanticCustomError("roster", "must not hold {wrong}", {"wrong": wrong})
        return self


class _RosterFile(Word):
    version: Literal[1]
    participants: Annotated[
        tuple[Participant, ...], Field(strict=False, max_length=PARTICIPANTS_MAX)
    ]


@dataclass(frozen=True, slots=True)
class Entry:
    """What the roster knows of one participant."""

    listed: Participant
    keys: tuple[Ed25519PublicKey, ...]
    may: frozenset[str]
    weight: int = 0


@dataclass(frozen=True)
class Roster:
    """All participants by name; immutable."""

    entries: Mapping[str, Entry]

    def __contains__(self, name: str) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def keys(self, name: str) -> tuple[Ed25519PublicKey, ...]:
        """Return the public signing keys of `name`, none when it is not listed."""
        entry = self.entries.get(name)
        return entry.keys if entry is not None else ()

    def may(self, name: str, type_name: str) -> bool:
        """Tell whether `name` may send words of this type."""
        entry = self.entries.get(name)
        return entry is not None and type_name in entry.may

    def curve(self, name: str) -> str:
        """Return the public CURVE key of `name`, Z85.

        Raises:
            KeysError: not listed.
        """
        if name not in self.entries:
            raise KeysError(f"{name} is not in the roster")
        return self.entries[name].listed.curve

    def weight(self, name: str) -> int:
        """Return the weight of `name`: above 0 it is a seat."""
        entry = self.entries.get(name)
        return entry.weight if entry is not None else 0

    def seats(self) -> tuple[str, ...]:
        """Return the names of weight above 0, in the roster's order."""
        return tuple(name for name, entry in self.entries.items() if entry.weight > 0)

    def seated(self, names: Iterable[str]) -> "Roster":
        """Return this roster with weight 1 for each of `names` and 0 for all others.

        Raises:
            KeysError: a name is not listed.
        """
        chosen = set(names)
        unknown = sorted(chosen - set(self.entries))
        if unknown:
            raise KeysError(f"seats must be in the roster, found {unknown[0]}")
        weighed = {
            name: replace(entry, weight=int(name in chosen)) for name, entry in self.entries.items()
        }
        return Roster(weighed)

    @classmethod
    def of(cls, participants: Iterable[Participant]) -> "Roster":
        """Return a roster of these, all of weight 0.

        Raises:
            KeysError: a name stands twice, or a key belongs to two names or is no key.
        """
        entries: dict[str, Entry] = {}
        owners: dict[str, str] = {}
        for each in participants:
            if each.name in entries:
                raise KeysError(f"roster: {each.name} must stand once, found it twice")
            for text in each.keys:
                if owners.setdefault(text, each.name) != each.name:
                    raise KeysError(f"roster: {each.name} has the key of {owners[text]}")
            keys = tuple(Ed25519PublicKey.from_public_bytes(bytes.fromhex(k)) for k in each.keys)
            may = frozenset(each.may) | (TELEMETRY_TYPES if TELEMETRY in each.may else frozenset())
            entries[each.name] = Entry(each, keys, may)
        return cls(entries)

    @classmethod
    def load(cls, path: Path) -> "Roster":
        """Read a roster file; `path` may be the folder that holds it.

        Raises:
            KeysError: absent, damaged, or contradicting itself.
        """
        file = path / ROSTER_FILE if path.is_dir() else path
        try:
            listed = parse_as(_RosterFile, loads_strict(file.read_bytes()), whence=str(file))
        except OSError as error:
            hint = "make one with `counterpoint keys new`"
            raise KeysError(f"roster: {error.strerror} ({file}); {hint}") from None
        except CodecError as error:
            raise KeysError(f"roster: {error.detail}") from None
        return cls.of(listed.participants)

    def text(self) -> str:
        """Return the roster as the text of its file."""
        listed = [entry.listed.model_dump(mode="json") for entry in self.entries.values()]
        return json.dumps({"version": 1, "participants": listed}, indent=1) + "\n"


@dataclass(frozen=True, slots=True)
class Identity:
    """A participant's own name and private keys; never shown, never sent.

    Attributes:
        curve_secret: CURVE secret key, Z85.
    """

    name: str
    signing: Ed25519PrivateKey = field(repr=False)
    curve_secret: bytes = field(repr=False)

    def sign(self, data: bytes) -> bytes:
        """Return the Ed25519 signature of `data`, 64 bytes."""
        return self.signing.sign(data)

    @property
    def curve_public(self) -> bytes:
        """The public CURVE key, Z85."""
        return zmq.curve_public(self.curve_secret)

    def listed(self, may: Iterable[str]) -> Participant:
        """Return this participant's line of a roster."""
        public = self.signing.public_key().public_bytes_raw().hex()
        curve = self.curve_public.decode("ascii")
        return Participant(name=self.name, keys=(public,), curve=curve, may=tuple(may))

    def text(self) -> str:
        """Return the private keys as one line: keep it secret."""
        curve = z85.decode(self.curve_secret).hex()
        return f"{_MARK} {self.name} {self.signing.private_bytes_raw().hex()} {curve}\n"

    @classmethod
    def parse(cls, text: str, *, whence: str) -> "Identity":
        """Read the line that `text()` wrote. The error never quotes it.

        Raises:
            KeysError: it is no private key of ours.
        """
        parts = text.split()
        try:
            mark, name, seed, curve = parts
            signing = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
            secret = bytes.fromhex(curve)
        except ValueError:
            mark, secret = "", b""
        if mark != _MARK or len(secret) != 32:
            raise KeysError(f"a key must read `{_MARK} NAME SEED CURVE` ({whence})") from None
        return cls(name, signing, z85.encode(secret))

    @classmethod
    def load(cls, name: str, folder: Path, *, environ: Mapping[str, str]) -> "Identity":
        """Return the identity of `name`: from COUNTERPOINT_KEY, COUNTERPOINT_KEY_FILE, or folder.

        Raises:
            SecretError: absent, or a file that others may read.
            KeysError: damaged, or the key of somebody else.
        """
        path = folder / f"{name}.key"
        found = cls.parse(read_secret(KEY_VARIABLE, environ=environ, file=path), whence=str(path))
        if found.name != name:
            raise KeysError(f"the key must be {name}'s, found {found.name[:24]}'s ({path})")
        return found


def new_identity(name: str) -> Identity:
    """Make both key pairs of `name` from the machine's entropy."""
    _, secret = zmq.curve_keypair()
    return Identity(name, Ed25519PrivateKey.generate(), secret)


def names() -> tuple[str, ...]:
    """Return everybody whom `keys new` makes keys for."""
    executors = (f"executor-{index}" for index in range(1, EXECUTORS + 1))
    optimizers = (f"optimizer-{index}" for index in range(1, OPTIMIZERS + 1))
    return (COORDINATOR, *executors, *optimizers, "desk", "operator")


def new_keys(folder: Path) -> Roster:
    """Make `roster.json` and `NAME.key` (0600) for everybody in `folder`, which is made if absent.

    The roster is written last: a folder with a roster is whole.

    Raises:
        KeysError: a roster or key is there already, or the folder cannot be written.
    """
    made = [new_identity(name) for name in names()]
    roster = Roster.of(each.listed(RIGHTS[each.name.split("-")[0]]) for each in made)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        taken = sorted([*folder.glob(ROSTER_FILE), *folder.glob("*.key")])
        if taken:
            raise KeysError(f"keys are not overwritten, found {taken[0]}; move the folder away")
        for each in made:
            _write(folder / f"{each.name}.key", each.text(), 0o600)
        _write(folder / ROSTER_FILE, roster.text(), 0o644)
    except OSError as error:
        raise KeysError(f"keys: {error.strerror} ({error.filename})") from None
    return roster


def _write(path: Path, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        os.fchmod(descriptor, mode)
        file.write(text)
