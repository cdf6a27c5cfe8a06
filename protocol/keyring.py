"""Keys that change while a process runs: the roster and its own key, read anew when they do.

`roster.json` and the private key's file are looked at once a second. A roster that cannot be used
is refused with a log line and the old one kept: a slip of the hand must not silence everybody.
Who else's keys are valid, and for what, is the roster's affair (`protocol/keys.py`).
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import structlog

from protocol.errors import ProtocolError, RosterError
from protocol.keys import ROSTER, Identity, Roster, key_path, load_identity, load_roster

EVERY_S = 1.0
"""Between two looks at the files."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Keys:
    """What one process goes by: who it is, and who the others are."""

    identity: Identity
    roster: Roster


Stamp: TypeAlias = tuple[tuple[int, int, int] | None, ...]


class Keyring:
    """The keys of one process, shared by whatever in it signs or verifies.

    Args:
        name: whose process it is.
        folder: of roster and private keys.
        environ: may hold the private key.
        seats: given weight in every roster that is read.
        weights: of those whose weight is not 1.

    Attributes:
        keys: the newest that could be used.

    Raises:
        RosterError: key or roster is missing or damaged, or they do not fit.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        environ: Mapping[str, str],
        *,
        seats: Iterable[str] = (),
        weights: Mapping[str, int] | None = None,
    ) -> None:
        self._name = name
        self._folder = folder
        self._environ = dict(environ)
        self._seats = tuple(seats)
        self._weights = weights
        self._stamp = self._look()
        identity, roster = load_identity(name, folder, environ), self._roster()
        if not roster.knows(identity):
            raise RosterError(f"the roster lists no key of this {name}; copy it anew")
        self.keys = Keys(identity, roster)

    def refresh(self) -> None:
        """Read the files anew if they have changed; `keys` is another object then."""
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            roster = self._roster()
        except RosterError as error:
            log.warning("roster_refused", why=str(error))
            return
        self.keys = Keys(self._own(roster), roster)
        log.info("keys_renewed", members=len(roster.members))

    async def renewals(self) -> AsyncIterator[Keys]:
        """Yield the keys whenever they have changed, for ever."""
        held = self.keys
        while True:
            await asyncio.sleep(EVERY_S)
            self.refresh()
            if self.keys is not held:
                held = self.keys
                yield held

    def _own(self, roster: Roster) -> Identity:
        """Return the key to sign with: what stands in its file once the roster lists it."""
        held = self.keys.identity
        try:
            found = load_identity(self._name, self._folder, self._environ)
        except ProtocolError as error:
            log.warning("own_key_refused", why=str(error))
            found = held
        if roster.knows(found):
            return found
        if not roster.knows(held):
            log.warning("own_key_not_listed", name=self._name)
        return held

    def _roster(self) -> Roster:
        roster = load_roster(self._folder).seated(self._seats, self._weights)
        if self._name not in roster.members:
            raise RosterError(f"{self._folder / ROSTER}: lists no {self._name}")
        return roster

    def _look(self) -> Stamp:
        own = key_path(self._name, self._folder, self._environ)
        return tuple(_stamp(path) for path in (self._folder / ROSTER, own))


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    """Return what changes whenever a file is written or replaced; None when there is none."""
    try:
        found = None if path is None else path.stat()
    except OSError:
        return None
    return None if found is None else (found.st_mtime_ns, found.st_ino, found.st_size)
