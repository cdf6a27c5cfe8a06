"""Signing keys of participants and the roster that says who they are and what they may say.

Private keys are files of mode 0600, one a participant; the roster is public. Weights are not in
the file: the coordinator gives them at its start (`Roster.seated`).
"""

import base64
import json
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import zmq
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from pydantic import Field

from protocol.codec import loads_strict, parse_as
from protocol.elements import Name, Word
from protocol.errors import CodecError, RosterError
from protocol.messages import WORDS
from protocol.secret import read_secret

ROSTER = "roster.json"
FORMAT = 1
EXECUTORS = 4
OPTIMIZERS = 8
_ANSWERS = ("ack", "nack")
_EVERYONE = ("snapshot_request", "heartbeat", *_ANSWERS)
_TELEMETRY = ("status", "market_insight", "fill", "pnl_report", "order", "log")
RIGHTS: Mapping[str, tuple[str, ...]] = {
    "coordinator": (
        "round", "decision", "boundary_done", "snapshot", "journal_page", *_EVERYONE, *_TELEMETRY,
    ),
    "executor": (
        "boundary", "no_update", "parameter_update", "vote", "journal_page", *_EVERYONE,
        *_TELEMETRY,
    ),
    "optimizer": ("parameter_update", "no_update", "vote", *_EVERYONE, *_TELEMETRY),
    "desk": ("journal_request", *_EVERYONE),
    "operator": ("emergency_stop", "rearm", "mode_change", "pause", "resume", *_EVERYONE),
}  # fmt: skip
"""What each kind of participant may send."""


KEY_PATTERN = r"^[A-Za-z0-9+/]{43}=$"
"""32 bytes in base64."""
CURVE_PATTERN = r"^[0-9A-Za-z.:+=^!/*?&<>()\[\]{}@%$#-]{40}$"
"""32 bytes in Z85."""
MEMBERS_MAX = 64
SigningKey = Annotated[str, Field(pattern=KEY_PATTERN)]


class KeyFile(Word):
    """What a private key file holds."""

    name: Name
    sign: SigningKey
    curve: str = Field(pattern=CURVE_PATTERN)


class Row(Word):
    """One participant in the roster's file; two keys while one is replaced by the other."""

    name: Name
    keys: Annotated[tuple[SigningKey, ...], Field(strict=False, min_length=1, max_length=2)]
    curve: str = Field(pattern=CURVE_PATTERN)
    curve_old: str | None = Field(None, pattern=CURVE_PATTERN)
    may_send: Annotated[tuple[str, ...], Field(strict=False, max_length=64)]


class RosterFile(Word):
    """The roster's file."""

    format: int
    members: Annotated[tuple[Row, ...], Field(strict=False, max_length=MEMBERS_MAX)]


@dataclass(frozen=True, slots=True)
class Identity:
    """A name and the private keys that speak for it; never shown, never sent.

    Attributes:
        name: on the bus.
        private: signs.
        curve: secret CURVE key, Z85 text, for links beyond the host.
    """

    name: str
    private: Ed25519PrivateKey = field(repr=False)
    curve: str = field(repr=False)

    @property
    def public(self) -> bytes:
        """The 32 bytes of the public signing key."""
        return self.private.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature of a message."""
        return self.private.sign(message)


@dataclass(frozen=True, slots=True)
class Member:
    """One participant as the roster knows it.

    Attributes:
        name: on the bus.
        keys: public signing keys, two during a rotation.
        curve: public CURVE key, Z85 text.
        may_send: word types.
        curve_old: the one before it, during a rotation.
        weight: > 0 for a seat.
    """

    name: str
    keys: tuple[Ed25519PublicKey, ...]
    curve: str
    may_send: frozenset[str]
    curve_old: str | None = None
    weight: int = 0

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Return whether one of its keys made the signature."""
        for key in self.keys:
            try:
                key.verify(signature, message)
            except InvalidSignature:
                continue
            return True
        return False


@dataclass(frozen=True, slots=True)
class Roster:
    """All participants by name."""

    members: Mapping[str, Member]

    def seated(self, names: Iterable[str], weights: Mapping[str, int] | None = None) -> "Roster":
        """Return the roster in which exactly these have weight: 1, unless another is given."""
        seats = {name: (weights or {}).get(name, 1) for name in names}
        unknown = set(seats) - set(self.members)
        if unknown:
            raise RosterError(f"the roster has no {', '.join(sorted(unknown))}; make new keys")
        return Roster(
            {name: replace(one, weight=seats.get(name, 0)) for name, one in self.members.items()}
        )

    def seats(self) -> tuple[str, ...]:
        """Return the names with weight, sorted."""
        return tuple(sorted(name for name, one in self.members.items() if one.weight > 0))

    def curves(self) -> frozenset[str]:
        """Return every CURVE key by which a host may come in."""
        pairs = [(one.curve, one.curve_old) for one in self.members.values()]
        return frozenset(key for pair in pairs for key in pair if key is not None)

    def knows(self, identity: Identity) -> bool:
        """Return whether it lists the public half of an identity's signing key."""
        member = self.members.get(identity.name)
        own = identity.public
        return member is not None and own in [key.public_bytes_raw() for key in member.keys]


def kind_of(name: str) -> str:
    """Return which rights a default participant has: its name without the number."""
    stem = name.rsplit("-", 1)[0]
    return stem if stem in RIGHTS else name


def default_names() -> list[str]:
    """Return the participants that `keys new` makes."""
    return [
        "coordinator",
        *(f"executor-{n}" for n in range(1, EXECUTORS + 1)),
        *(f"optimizer-{n}" for n in range(1, OPTIMIZERS + 1)),
        "desk",
        "operator",
    ]


def new_keys(folder: Path) -> None:
    """Make the roster and every key pair in a folder of mode 0700; never over existing ones.

    Raises:
        RosterError: there is a roster already, or the folder cannot be written.
    """
    if (folder / ROSTER).exists():
        raise RosterError(f"{folder} holds keys already; move them away to make new ones")
    if any(folder.glob("*.key")):
        raise RosterError(
            f"{folder} holds keys but no {ROSTER}; restore it, or move the folder away"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        rows = []
        for name in default_names():
            key, public, curve = new_pair(name)
            write_private(folder / f"{name}.key", key)
            rights = tuple(sorted(RIGHTS[kind_of(name)]))
            rows.append(Row(name=name, keys=(public,), curve=curve, may_send=rights))
        write_roster(folder, rows)
    except OSError as error:
        raise RosterError(f"{folder}: keys cannot be written: {error.strerror}") from None


def new_pair(name: str) -> tuple[KeyFile, str, str]:
    """Return a new private key file, and what the roster lists of it: signing and CURVE key."""
    private = Ed25519PrivateKey.generate()
    curve_public, curve_secret = zmq.curve_keypair()
    sign = base64.b64encode(private.private_bytes_raw()).decode()
    public = base64.b64encode(private.public_key().public_bytes_raw()).decode()
    return KeyFile(name=name, sign=sign, curve=curve_secret.decode()), public, curve_public.decode()


def write_private(path: Path, key: KeyFile) -> None:
    """Write a private key that stands nowhere yet, and have it on disk.

    Raises:
        OSError: there is such a file, or it cannot be written.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(json.dumps(key.model_dump()) + "\n")
        file.flush()
        os.fsync(handle)


def write_roster(folder: Path, rows: Iterable[Row]) -> None:
    """Put a roster in the place of the old one, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    members = [row.model_dump(exclude_none=True) for row in rows]
    text = json.dumps({"format": FORMAT, "members": members}, indent=1) + "\n"
    draft = folder / f".{ROSTER}"
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / ROSTER)


def key_path(name: str, folder: Path, environ: Mapping[str, str]) -> Path | None:
    """Return the file that `load_identity` reads; None when the environment holds the key."""
    variable = f"COUNTERPOINT_KEY_{name.upper().replace('-', '_')}"
    if variable in environ:
        return None
    return Path(environ.get(f"{variable}_FILE", folder / f"{name}.key"))


def load_identity(name: str, folder: Path, environ: Mapping[str, str]) -> Identity:
    """Return the identity of a participant.

    Its key comes from the environment (`COUNTERPOINT_KEY_NAME` or `COUNTERPOINT_KEY_NAME_FILE`,
    upper case, `_` for `-`) or from `NAME.key` in the folder, which must be of mode 0600.

    Raises:
        RosterError: missing, readable by others, or no key.
    """
    variable = f"COUNTERPOINT_KEY_{name.upper().replace('-', '_')}"
    path = folder / f"{name}.key"
    if variable in environ or f"{variable}_FILE" in environ:
        text = read_secret(variable, environ=environ)
    else:
        try:
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise RosterError(f"{path} is readable by others; chmod 600 {path}")
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise RosterError(
                f"{path}: {error.strerror}; make keys with `counterpoint keys new`"
            ) from None
    try:
        found = parse_as(KeyFile, loads_strict(text.encode()), whence="key")
        raw = base64.b64decode(found.sign, validate=True)
        private = Ed25519PrivateKey.from_private_bytes(raw)
        zmq.curve_public(found.curve.encode())
    except (CodecError, ValueError, zmq.ZMQError):  # whose texts might quote the secret
        raise RosterError(f"{path}: holds no private key of this program") from None
    if found.name != name:
        raise RosterError(f"{path}: is the key of {found.name}, not of {name}")
    return Identity(name, private, found.curve)


def load_roster(folder: Path) -> Roster:
    """Return the roster of a folder.

    Raises:
        RosterError: missing, damaged, of another format, or contradicting itself.
    """
    return roster_of(load_listed(folder), folder / ROSTER)


def load_listed(folder: Path) -> RosterFile:
    """Return what the roster's file in a folder lists.

    Raises:
        RosterError: missing, damaged, or of another format.
    """
    path = folder / ROSTER
    try:
        document = loads_strict(path.read_bytes())
        form = document.get("format") if isinstance(document, dict) else None
        if type(form) is int and form != FORMAT:
            raise RosterError(f"{path}: format {form}, this program reads {FORMAT}")
        return parse_as(RosterFile, document, whence=ROSTER)
    except OSError as error:
        raise RosterError(
            f"{path}: {error.strerror}; make keys with `counterpoint keys new`"
        ) from None
    except CodecError as error:
        raise RosterError(
            f"{path}: is damaged; restore it or make new keys: {error.detail}"
        ) from None


def roster_of(listed: RosterFile, path: Path) -> Roster:
    """Return the roster that a file lists.

    Raises:
        RosterError: a name stands twice, a key belongs to two, or a type is no word.
    """
    members: dict[str, Member] = {}
    owners: dict[bytes, str] = {}
    for row in listed.members:
        if row.name in members:
            raise RosterError(f"{path}: {row.name} must stand once, found it twice")
        unknown = sorted(set(row.may_send) - set(WORDS))
        if unknown:
            line = f"{path}: {row.name} may send words, found {unknown[0][:24]!r}, which is none"
            raise RosterError(line)
        keys = []
        for text in row.keys:
            raw = base64.b64decode(text, validate=True)
            if owners.setdefault(raw, row.name) != row.name:
                raise RosterError(f"{path}: {row.name} has a key of {owners[raw]}")
            try:
                keys.append(Ed25519PublicKey.from_public_bytes(raw))
            except ValueError:
                raise RosterError(f"{path}: {row.name} has a key that is none") from None
        members[row.name] = Member(
            row.name, tuple(keys), row.curve, frozenset(row.may_send), row.curve_old
        )
    return Roster(members)
