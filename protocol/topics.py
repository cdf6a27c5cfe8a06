"""Topics of the bus: `ctl.<dst>.<type>`, `st.<type>.<src>`, `tm.<type>.<src>`."""

import re
from dataclasses import dataclass
from enum import StrEnum

TOPIC_MAX = 64
PATTERN = re.compile(
    r"(?:ctl\.(?P<dst>[a-z0-9_-]{1,24})\.(?P<ctl>[a-z_]{1,24})"
    r"|(?P<kind>st|tm)\.(?P<type>[a-z_]{1,24})\.(?P<src>[a-z0-9_-]{1,24}))"
)


class Channel(StrEnum):
    """What kind of talk a topic carries."""

    CONTROL = "ctl"
    STATE = "st"
    TELEMETRY = "tm"


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic, parsed; `party` is the destination of control, the source of the others."""

    channel: Channel
    type_name: str
    party: str

    def encode(self) -> bytes:
        """Return the topic as the first frame."""
        if self.channel is Channel.CONTROL:
            return f"ctl.{self.party}.{self.type_name}".encode("ascii")
        return f"{self.channel.value}.{self.type_name}.{self.party}".encode("ascii")


def parse_topic(raw: bytes) -> Topic | None:
    """Return the topic of a first frame, or None when it is none."""
    if len(raw) > TOPIC_MAX:
        return None
    try:
        text = raw.decode("ascii")
    except UnicodeDecodeError:
        return None
    found = PATTERN.fullmatch(text)
    if found is None:
        return None
    if found["dst"] is not None:
        return Topic(Channel.CONTROL, found["ctl"], found["dst"])
    return Topic(Channel(found["kind"]), found["type"], found["src"])
