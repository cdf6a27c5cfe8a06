"""What time it is at the exchange, told from here. Nothing here reads a clock: times are given.

Live, that is our wall clock plus an offset which is measured again and again. A replayed feed has
a time of its own, that runs so many times faster: it is told by the stamps of its messages.
"""

from dataclasses import dataclass, field
from typing import Protocol

SAMPLES_KEPT = 8
"""Measurements of the offset that count; the one with the shortest way is believed."""
DRIFT_NS = 20_000_000
"""How far two clocks may drift apart between measurements that both count."""


class Clock(Protocol):
    """The time of a venue."""

    def now_ns(self, wall_ns: int) -> int:
        """Return the venue's time at a time of our wall clock."""
        ...

    def wait_s(self, until_ns: int, wall_ns: int) -> float:
        """Return the wall seconds until a time of the venue; 0 when it has come."""
        ...

    def heard(self, sent_ns: int, wall_ns: int) -> None:
        """Take the stamp of a message that came in just now."""
        ...

    def lost(self) -> None:
        """Take in that no message will come for a while."""
        ...


@dataclass(slots=True)
class Offset:
    """The difference between the exchange's clock and ours, from questions and answers.

    Attributes:
        samples: (round trip, offset) in ns, the newest last; none from before a clock was set.
    """

    samples: list[tuple[int, int]] = field(default_factory=list)

    def measured(self, asked_ns: int, server_ns: int, answered_ns: int) -> None:
        """Take an answer `server_ns` to a question of our time `asked_ns` .. `answered_ns`."""
        trip = answered_ns - asked_ns
        offset = server_ns - asked_ns - trip // 2
        if self.samples:
            # Each lies within half its way of the truth; two that cannot both be true have a clock
            # between them that was set.
            known_trip, known = min(self.samples)
            if abs(offset - known) > (trip + known_trip) // 2 + DRIFT_NS:
                self.samples.clear()
        self.samples.append((trip, offset))
        del self.samples[:-SAMPLES_KEPT]

    @property
    def ns(self) -> int:
        """The exchange's clock less ours; 0 before the first measurement."""
        return min(self.samples)[1] if self.samples else 0


@dataclass(slots=True)
class WallClock:
    """The exchange's time by our clock and a measured offset; it never runs backwards."""

    offset: Offset
    last_ns: int = 0

    def now_ns(self, wall_ns: int) -> int:
        """Return the exchange's time."""
        self.last_ns = max(self.last_ns, wall_ns + self.offset.ns)
        return self.last_ns

    def wait_s(self, until_ns: int, wall_ns: int) -> float:
        """Return the seconds until a time."""
        return max(0.0, (until_ns - self.now_ns(wall_ns)) / 1e9)

    def heard(self, sent_ns: int, wall_ns: int) -> None:
        """Take no notice: a message says when it was sent, not how long it took."""

    def lost(self) -> None:
        """Take no notice: time passes all the same."""


@dataclass(slots=True)
class FeedClock:
    """The time of a replayed feed, told by its messages; it never runs backwards.

    A message can only be late: the one that was least late shows the time best. A little of that
    is given up each time, so that a feed that paused is followed.

    Attributes:
        speed: how many times faster than the wall it runs.
        lead_ns: feed time less `speed` times the wall's; None before the first message.
    """

    speed: float
    lead_ns: int | None = None
    last_ns: int = 0

    def now_ns(self, wall_ns: int) -> int:
        """Return the feed's time; 0 before the first message."""
        if self.lead_ns is None:
            return self.last_ns
        self.last_ns = max(self.last_ns, self.lead_ns + round(self.speed * wall_ns))
        return self.last_ns

    def wait_s(self, until_ns: int, wall_ns: int) -> float:
        """Return the wall seconds until a time of the feed."""
        if self.lead_ns is None:
            return 1.0
        return max(0.0, (until_ns - self.now_ns(wall_ns)) / 1e9 / self.speed)

    def heard(self, sent_ns: int, wall_ns: int) -> None:
        """Take a message's stamp."""
        lead = sent_ns - round(self.speed * wall_ns)
        if self.lead_ns is None:
            self.lead_ns = lead
        behind = self.lead_ns - lead
        self.lead_ns = lead if behind <= 0 else self.lead_ns - behind // 64

    def lost(self) -> None:
        """Stand still: an exchange that went down may have taken its feed's time with it."""
        self.lead_ns = None
