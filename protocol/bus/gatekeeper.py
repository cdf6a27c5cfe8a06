"""What the control hub lets through: who may say how much of what. Pure but for its memory.

Whoever can connect can play back what he overheard, and the true owner must not pay for it: what
is said again has an allowance of its own, apart from what is new, which only the owner can sign.
`now_ns` is wall time; should it step back, allowances are kept, never lost.
"""

from collections import Counter, OrderedDict

from protocol.bus.frames import NEVER_ANSWERED, STOPS, Message, Opener, Unfit
from protocol.keys import Roster
from protocol.topics import Channel

RATE = 200.0
"""Control messages a second of one sender; bursts of one second's worth."""
SECOND_NS = 1_000_000_000
ECHO_NS = 10_000_000
"""Nobody says the same bytes twice within this time (resends: 20 ms at least); replays do."""
ECHOES_MAX = 4096
"""Frames remembered as just forwarded."""
TURNS_MAX = 330
"""Snapshot requests of a sender remembered: one a second for the longest ttl, and 30 s."""
FORWARDED = "forwarded"
"""What is counted beside the reasons of dropping."""


class Rates:
    """A token bucket for each sender.

    Args:
        rate: a second.
        burst: what may come at once; None: one second's worth.
    """

    def __init__(self, rate: float = RATE, burst: float | None = None) -> None:
        self._rate = rate
        self._burst = rate if burst is None else burst
        self._tokens: dict[str, tuple[float, int]] = {}

    def take(self, name: str, now_ns: int) -> bool:
        """Return whether a sender may say one more thing now."""
        tokens, since_ns = self._tokens.get(name, (self._burst, now_ns))
        tokens = min(self._burst, tokens + max(0, now_ns - since_ns) * 1e-9 * self._rate)
        allowed = tokens >= 1.0
        self._tokens[name] = (tokens - 1.0 if allowed else tokens, now_ns)
        return allowed


class OnceASecond:
    """Lets one thing of a name pass each second."""

    def __init__(self) -> None:
        self._last_ns: dict[str, int] = {}

    def take(self, name: str, now_ns: int) -> bool:
        """Return whether a second has passed since the last one of this name."""
        last_ns = self._last_ns.get(name)
        if last_ns is not None and 0 <= now_ns - last_ns < SECOND_NS:
            return False
        self._last_ns[name] = now_ns
        return True


class Echoes:
    """Lets the same signed bytes pass once in `ECHO_NS`: dropping an echo loses nothing."""

    def __init__(self) -> None:
        self._last_ns: OrderedDict[bytes, int] = OrderedDict()

    def take(self, signature: bytes, now_ns: int) -> bool:
        """Return whether these bytes were not forwarded just now."""
        last_ns = self._last_ns.get(signature)
        if last_ns is not None and 0 <= now_ns - last_ns < ECHO_NS:
            return False
        self._last_ns[signature] = now_ns
        self._last_ns.move_to_end(signature)
        if len(self._last_ns) > ECHOES_MAX:
            self._last_ns.popitem(last=False)
        return True


class Gatekeeper:
    """Decides about one control message at a time.

    Attributes:
        counts: why messages were dropped, and how many were forwarded.
    """

    def __init__(self, roster: Roster) -> None:
        self.roster = roster
        self.counts: Counter[str] = Counter()
        self._opener = Opener(roster)
        self._rates = Rates()
        self._repeats = Rates()
        self._echoes = Echoes()
        self._busy = OnceASecond()
        self._unfit = OnceASecond()
        self._new_snapshots = OnceASecond()
        self._snapshots: dict[str, OrderedDict[str, None]] = {}

    def trust(self, roster: Roster) -> None:
        """Go by another roster from now on."""
        self.roster = roster
        self._opener.trust(roster)

    def judge(self, frames: list[bytes], now_ns: int) -> tuple[bool, Message | None]:
        """Return (forward it, the message whose sender must hear E_BUSY)."""
        opened = self._opener.open(frames, now_ns)
        if isinstance(opened, Unfit):
            self.counts[opened.why] += 1
            return self._answerable(opened, now_ns), None
        header = opened.header
        if opened.topic.channel is Channel.TELEMETRY:
            self.counts["channel"] += 1
            return False, None
        if not self._echoes.take(frames[3], now_ns):
            self.counts["echo"] += 1
            return False, None
        if header.type == "snapshot_request" and not self._may_ask(opened, now_ns):
            self.counts["snapshot"] += 1
            return False, None
        allowance = self._repeats if opened.again else self._rates
        if header.type not in STOPS and not allowance.take(header.src, now_ns):
            self.counts["rate"] += 1
            said = opened.topic.channel is Channel.CONTROL and header.type not in NEVER_ANSWERED
            new = said and not opened.again
            tell = new and self._busy.take(header.src, now_ns)
            return False, opened if tell else None
        self.counts[FORWARDED] += 1
        return True, None

    def _answerable(self, unfit: Unfit, now_ns: int) -> bool:
        """Return whether the addressee may see an unfit message, so as to answer it.

        Late ones and those of another version only, one a second of a sender: old frames played
        again must spend nobody's allowance.
        """
        message = unfit.message
        if message is None or unfit.why not in {"expired", "version"}:
            return False
        if message.topic.channel is not Channel.CONTROL or message.header.type in NEVER_ANSWERED:
            return False
        return self._unfit.take(message.header.src, now_ns)

    def _may_ask(self, message: Message, now_ns: int) -> bool:
        """Return whether a snapshot request may pass: one new one a second, and its resends.

        One that had its turn takes nobody else's when it is played again.
        """
        source, key = message.header.src, message.header.id
        had = self._snapshots.setdefault(source, OrderedDict())
        if key == next(reversed(had), None):
            return True
        if key in had or not self._new_snapshots.take(source, now_ns):
            return False
        had[key] = None
        if len(had) > TURNS_MAX:
            had.popitem(last=False)
        return True
