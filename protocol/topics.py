"""The three kinds of topics, written and read: control, state, telemetry (PROTOCOL.md 1).

A topic ends where a name or a type ends, and ZeroMQ subscribes by prefix: `st.decision.maker` also
delivers what `maker-2` says. So whoever receives compares the whole topic, never its beginning.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from protocol.messages import WORDS

TOPIC_MAX = 64
"""Longest topic, bytes."""
EVERYONE = "all"
"""The `dst` of state and telemetry; no participant may bear this name."""
TELEMETRY = "telemetry"
"""The right to say every word of telemetry."""
TELEMETRY_TYPES = frozenset({"status", "market_insight", "fill", "pnl_report", "order", "log"})
STATE_TYPES = frozenset({"decision", "heartbeat"})
"""What may be published as state; a heartbeat is nothing else."""
_NAME = re.compile(r"[a-z0-9_-]{1,24}", re.ASCII)


class Plane(StrEnum):
    """What a topic begins with."""

    CONTROL = "ctl"
    STATE = "st"
    TELEMETRY = "tm"


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic taken apart.

    Attributes:
        type_name: a word of `messages.WORDS`.
        name: the addressee on the control plane, else the sender.
    """

    plane: Plane
    type_name: str
    name: str

    def encode(self) -> bytes:
        """Return the topic as it travels."""
        inner = (self.name, self.type_name)
        first, second = inner if self.plane is Plane.CONTROL else inner[::-1]
        return f"{self.plane.value}.{first}.{second}".encode("ascii")


def is_name(text: str) -> bool:
    """Tell whether `text` may name a participant."""
    return _NAME.fullmatch(text) is not None and text != EVERYONE


def topic_of(type_name: str, *, src: str, dst: str) -> Topic:
    """Return the topic that a header of this type, sender and addressee must travel under."""
    if type_name in TELEMETRY_TYPES:
        return Topic(Plane.TELEMETRY, type_name, src)
    if dst == EVERYONE:
        return Topic(Plane.STATE, type_name, src)
    return Topic(Plane.CONTROL, type_name, dst)


def parse_topic(data: bytes) -> Topic | None:
    """Return the topic in `data`; None when it is none of ours. Any bytes are welcome."""
    if len(data) > TOPIC_MAX:
        return None
    try:
        parts = data.decode("ascii").split(".")
    except UnicodeDecodeError:
        return None
    if len(parts) != 3 or parts[0] not in ("ctl", "st", "tm"):
        return None
    plane = Plane(parts[0])
    name, type_name = (parts[1], parts[2]) if plane is Plane.CONTROL else (parts[2], parts[1])
    if not is_name(name) or type_name not in WORDS:
        return None
    if (plane is Plane.TELEMETRY) != (type_name in TELEMETRY_TYPES):
        return None
    if plane is Plane.STATE and type_name not in STATE_TYPES:
        return None
    if plane is Plane.CONTROL and type_name == "heartbeat":
        return None
    return Topic(plane, type_name, name)


def own_prefix(name: str) -> bytes:
    """Return what `name` subscribes to in order to hear what is addressed to it."""
    return f"{Plane.CONTROL.value}.{name}.".encode("ascii")


def plane_prefix(plane: Plane, type_name: str | None = None, src: str | None = None) -> bytes:
    """Return what to subscribe to for a type of states or telemetry, of one sender or of all."""
    text = f"{plane.value}."
    if type_name is not None:
        text += f"{type_name}."
        text += src or ""
    return text.encode("ascii")
