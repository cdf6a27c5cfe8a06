"""Keys of a small house, and frames that its members would send."""

import os
import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import protocol.keys as keys_module
from protocol import messages as m
from protocol.bus.frames import Header, Message, Opener, preimage, seal
from protocol.codec import encode
from protocol.keys import Identity, Roster, load_identity, load_roster, new_keys
from protocol.topics import Channel

NOW_NS = 1_700_000_000 * 10**9
_BEGAN_NS = time.monotonic_ns()
SECOND_NS = 10**9
PARAMS = m.QuoteParameters(spread_percentage=0.18, levels=4, base_quantity=0.001, max_position=0.01)
NO_UPDATE = m.NoUpdate(window=(0, 1), digest="0" * 64, reason="nothing better")
STOP = m.EmergencyStop(scope="all", flatten=False, reason="test")


def make_keys(folder: Path) -> None:
    """Make keys for a house with ten optimizers, so that one name begins another."""
    before = keys_module.OPTIMIZERS
    keys_module.OPTIMIZERS = 10
    try:
        new_keys(folder)
    finally:
        keys_module.OPTIMIZERS = before


@cache
def house() -> tuple[Roster, dict[str, Identity]]:
    """Return one roster and everybody's identity; made once."""
    with TemporaryDirectory(prefix="cp") as made:
        folder = Path(made) / "keys"
        make_keys(folder)
        roster = load_roster(folder)
        return roster, {name: load_identity(name, folder, {}) for name in roster.members}


def going() -> int:
    """Return wall time that goes on from NOW_NS: a hub takes what is said twice at once for one."""
    return NOW_NS + time.monotonic_ns() - _BEGAN_NS


def header(
    src: str = "optimizer-1", dst: str = "coordinator", kind: str = "no_update", **more: Any
) -> Header:
    fields: dict[str, Any] = {
        "v": 1,
        "id": os.urandom(16).hex(),
        "type": kind,
        "src": src,
        "dst": dst,
    }
    return Header(**(fields | {"ts": NOW_NS, "ttl": 300_000, "enc": "json"} | more))


def frames(
    word: m.Word = NO_UPDATE,
    *,
    signer: str | None = None,
    channel: Channel = Channel.CONTROL,
    **more: Any,
) -> list[bytes]:
    """Return sealed frames, `signer`'s when it is not the source's own."""
    head = header(kind=word.type_name, **more)
    return list(seal(house()[1][signer or head.src], channel, head, encode(word)))


def signed(topic: bytes, head: bytes, body: bytes, signer: str = "optimizer-1") -> list[bytes]:
    """Return frames of any bytes with a good signature."""
    return [topic, head, body, house()[1][signer].sign(preimage(topic, head, body))]


def message(word: m.Word = NO_UPDATE, **more: Any) -> Message:
    """Return an opened message."""
    opened = Opener(house()[0]).open(frames(word, **more), NOW_NS)
    assert isinstance(opened, Message), opened
    return opened
