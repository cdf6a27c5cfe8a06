"""Hostile frames by a seed: mutations, replays, forgeries, and nonsense under good signatures.

An adversary has overheard `bases`, holds the key of an insider and one of its own, and, to be worse
than any real one, signs nonsense with everybody's key. Every frame that it makes must come to
nothing at a receiver that has heard the bases already.
"""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgpack
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.bus.frames import Header, preimage, seal
from protocol.codec import encode
from protocol.keys import Identity
from protocol.messages import (
    BoundaryDone,
    Decision,
    EmergencyStop,
    Mode,
    ParameterUpdate,
    PerformanceMetrics,
    QuoteParameters,
    Rearm,
    UpdateData,
    Word,
)
from protocol.topics import Channel

Frames = list[bytes]
SECOND_NS = 10**9
INSIDER = "optimizer-1"
PARAMS = QuoteParameters(spread_percentage=0.18, levels=4, base_quantity=0.001, max_position=0.01)
UPDATE = ParameterUpdate(
    timestamp="2024-01-20T15:30:45Z", source_agent="a", target_agent="b",
    message_type="parameter_update",
    data=UpdateData(
        optimized_params=PARAMS,
        confidence_score=0.87,
        performance_metrics=PerformanceMetrics(sqn_score=2.4, sharpe_ratio=1.8, max_drawdown=0.05),
    ),
)  # fmt: skip
DECISION = Decision(params=PARAMS, basis=(), mode=Mode.MASTER_SLAVE, not_before=1, not_after=2**62)
STOP = EmergencyStop(scope="all", flatten=True, reason="hostile")
REARM = Rearm(lifts=("a" * 32,), reason="hostile")
DONE = BoundaryDone(index=1, decision=None)
WORDS = (
    (DECISION, "coordinator", "executor-1"),
    (DONE, "coordinator", "executor-1"),
    (STOP, "operator", "executor-1"),
    (REARM, "operator", "executor-1"),
    (UPDATE, INSIDER, "coordinator"),
    (UPDATE, INSIDER, "coordinator"),
    (STOP, "operator", "coordinator"),
    (REARM, "operator", "coordinator"),
)
"""Who says what to whom, validly; each is spoiled before it is said."""
DEEP = 2000
BOMBS = (
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\x91" * 60_000,
    b"\x81\xa1a" * 20_000,
    b"\xc7\x04\x01abcd",
    b"\xca\x7f\xc0\x00\x00",
)
"""Arrays, maps and bytes longer than memory, deep nesting, extensions, a lonely NaN."""


def spoiled(word: Word, rng: random.Random) -> tuple[bytes, str]:
    """Return a body that is no valid one of the word's type, and its encoding."""
    document = json.loads(encode(word))
    text = encode(word).decode()
    key = rng.choice(sorted(document))
    value = json.dumps(document[key])
    where: Any = document
    path = []
    while isinstance(where, dict) and where:
        path.append(rng.choice(sorted(where)))
        where = where[path[-1]]

    def put(raw: str) -> bytes:
        """Return the document with raw JSON in place of one value."""
        inner = raw
        for depth in range(len(path) - 1, -1, -1):
            at: Any = document
            for each in path[:depth]:
                at = at[each]
            parts = [
                f"{json.dumps(k)}: {inner if k == path[depth] else json.dumps(v)}"
                for k, v in at.items()
            ]
            inner = "{" + ", ".join(parts) + "}"
        return inner.encode()

    match rng.randrange(14):
        case 0:
            return (text[:-1] + f", {json.dumps(key)}: {value}}}").encode(), "json"
        case 1:
            return (text[:-1] + ', "more": 1}').encode(), "json"
        case 2:
            return json.dumps({k: v for k, v in document.items() if k != key}).encode(), "json"
        case 3:
            return put(rng.choice(("NaN", "Infinity", "-Infinity", "1e999", "-1e999"))), "json"
        case 4:
            return put(str(rng.choice((2**64, -(2**70), 10**300)))), "json"
        case 5:
            return put("[" * DEEP + "]" * DEEP), "json"
        case 6:
            return put(
                rng.choice(('"\\ud800"', '"\\u0000"', '"\\u00e9"', f'"{"x" * 300}"'))
            ), "json"
        case 7:
            return encode(word).replace(b'"', b'"\xff', 1), "json"
        case 8:
            return put(rng.choice(("{}", '{"a": 1}', "[[]]"))), "json"
        case 9:
            bodies = (b"", b"null", b"[]", b'"x"', b"{", b"\x00" * 64, text.encode()[:-1])
            return rng.choice(bodies), "json"
        case 10:
            return rng.choice(BOMBS), "msgpack"
        case 11:
            return text.encode(), "msgpack"
        case 12:
            return msgpack.packb(document), "json"
        case _:
            return _out_of_bounds(word, document, rng), "json"


def _out_of_bounds(word: Word, document: Any, rng: random.Random) -> bytes:
    """Return a well-formed document that says something impossible."""
    match word:
        case ParameterUpdate():
            data = document["data"]
            rng.choice(
                (
                    lambda: data.update(confidence_score=rng.choice((1.5, -0.1, True))),
                    lambda: data["optimized_params"].update(levels=rng.choice((0, 51, 4.5, True))),
                    lambda: data["optimized_params"].update(spread_percentage=rng.choice((0, 11))),
                    lambda: data["optimized_params"].update(max_position=0.0039),
                    lambda: data["performance_metrics"].update(max_drawdown=1.01),
                    lambda: document.update(timestamp="2024-01-20T15:30:45"),
                    lambda: document.update(timestamp="2024-01-20T15:30:45+01:00"),
                )
            )()
        case Decision():
            document["params"].update(levels=rng.choice((0, 51, True, "4")))
        case BoundaryDone():
            document["index"] = rng.choice((True, -1, "1", 1.5))
        case EmergencyStop():
            document["flatten"] = rng.choice((0, 1, "true", None))
        case _:
            document["lifts"] = rng.choice(("a" * 32, ["a"], ["A" * 32], [1], None))
    return json.dumps(document).encode()


@dataclass(slots=True)
class Adversary:
    """Makes hostile frames.

    Attributes:
        keys: of everybody.
        bases: valid frames that were said and heard before, young enough to be played again.
        rng: of every choice.
        kinds: what is made, with how often; see the methods.
    """

    keys: Mapping[str, Identity]
    bases: Sequence[Sequence[bytes]]
    rng: random.Random
    kinds: Mapping[str, int]
    stranger: Ed25519PrivateKey

    def make(self, now_ns: int) -> tuple[str, Frames]:
        """Return the next kind and its frames."""
        (kind,) = self.rng.choices(tuple(self.kinds), tuple(self.kinds.values()))
        maker: Callable[[int], Frames] = getattr(self, kind)
        return kind, maker(now_ns)

    def _base(self) -> Frames:
        return list(self.rng.choice(self.bases))

    def _said(self, now_ns: int, *, body: bytes | None = None, **more: Any) -> Frames:
        """Return frames signed by `signer`, or by the source that they name."""
        word, src, dst = self.rng.choice(WORDS)
        fields: dict[str, Any] = {
            "v": 1, "id": self.rng.randbytes(16).hex(), "type": word.type_name, "src": src,
            "dst": dst, "ts": now_ns, "ttl": 60_000, "enc": "json",
        }  # fmt: skip
        if word.type_name == "decision":
            fields |= {"epoch": 2**40, "version": 2**40, "gen": 0}
        signer = more.pop("signer", None)
        header = Header(**(fields | more))
        name = signer or (header.src if header.src in self.keys else INSIDER)
        return list(
            seal(self.keys[name], Channel.CONTROL, header, encode(word) if body is None else body)
        )

    def flipped(self, _: int) -> Frames:
        """Flip one bit of one frame."""
        frames = self._base()
        at = self.rng.randrange(len(frames))
        raw = bytearray(frames[at] or b"\0")
        raw[self.rng.randrange(len(raw))] ^= 1 << self.rng.randrange(8)
        frames[at] = bytes(raw)
        return frames

    def resized(self, _: int) -> Frames:
        """Cut a frame, or let it grow, now and then beyond every bound."""
        frames = self._base()
        at = self.rng.randrange(len(frames))
        raw = frames[at]
        if self.rng.random() < 0.5:
            frames[at] = raw[: self.rng.randrange(len(raw))] if raw else b"x"
        else:
            frames[at] = raw + self.rng.randbytes(self.rng.choice((1, 1, 64, 1024, 65_537)))
        return frames

    def counted(self, _: int) -> Frames:
        """Leave a frame out, or put one more in."""
        frames = self._base()
        at = self.rng.randrange(len(frames))
        if self.rng.random() < 0.5:
            del frames[at]
        else:
            frames.insert(at, self.rng.choice((b"", frames[at])))
        return frames

    def swapped(self, _: int) -> Frames:
        """Put a frame of one message into another, or change the order of frames."""
        frames, other = self._base(), self._base()
        at = self.rng.randrange(4)
        if self.rng.random() < 0.7:
            frames[at] = other[at]
        else:
            self.rng.shuffle(frames)
        return frames

    def replayed(self, _: int) -> Frames:
        """Say again what was said: inside its ttl it may be answered again, never handled."""
        return self._base()

    def late(self, now_ns: int) -> Frames:
        """Say what was valid once, or will be one day. Stops alone ignore clocks."""
        offset_ns = self.rng.choice((-400, -91, 300, 10_000)) * SECOND_NS
        while True:
            frames = self._said(now_ns, ts=now_ns + offset_ns)
            if b"emergency_stop" not in frames[0]:
                return frames

    def misaddressed(self, now_ns: int) -> Frames:
        """Say a good word to somebody else, or under a topic that its header belies."""
        frames = self._said(now_ns, dst="executor-2")
        if self.rng.random() < 0.5:
            kind = self.rng.choice((b"decision", b"emergency_stop", b"rearm", b"parameter_update"))
            frames[0] = b"ctl." + self.rng.choice((b"executor-1", b"coordinator")) + b"." + kind
            (src,) = {json.loads(frames[1])["src"]}
            frames[3] = self.keys[src].sign(preimage(*frames[:3]))
        return frames

    def spoilt(self, now_ns: int) -> Frames:
        """Sign nonsense with the right key."""
        word, src, dst = self.rng.choice(WORDS)
        body, enc = spoiled(word, self.rng)
        header = Header(
            v=1, id=self.rng.randbytes(16).hex(), type=word.type_name, src=src, dst=dst,
            ts=now_ns, ttl=60_000, enc=enc, epoch=2**40, version=2**40, gen=0,
        )  # fmt: skip
        return list(seal(self.keys[src], Channel.CONTROL, header, body))

    def misheaded(self, now_ns: int) -> Frames:
        """Sign a header that is none: twice a key, a boolean, a foreign field, no source."""
        frames = self._said(now_ns)
        head = frames[1]
        src = json.loads(head)["src"]
        frames[1] = self.rng.choice(
            (
                head[:-1] + b',"v":1}',
                head.replace(b'"v":1', b'"v":true'),
                head[:-1] + b',"more":1}',
                head[:-1] + b',"ref":"x"}',
                head.replace(b'"ttl":60000', b'"ttl":300001'),
                head.replace(b'"ttl":60000', b'"ttl":1e3'),
                b"[" * 500 + head,
                head + b" " + head,
            )
        )
        frames[3] = self.keys[src].sign(preimage(*frames[:3]))
        return frames

    def overreaching(self, now_ns: int) -> Frames:
        """Let the insider say, in its own name, what it has no right to."""
        while True:
            frames = self._said(now_ns, src=INSIDER)
            if b"parameter_update" not in frames[0]:
                return frames

    def forged(self, now_ns: int) -> Frames:
        """Let the insider sign as somebody else."""
        src = self.rng.choice(("coordinator", "operator", "executor-1"))
        return self._said(now_ns, src=src, signer=INSIDER)

    def unlisted(self, now_ns: int) -> Frames:
        """Let a stranger say good words under a good signature of its own."""
        frames = self._said(now_ns, src=f"mallory-{self.rng.randrange(100)}", signer=INSIDER)
        frames[3] = self.stranger.sign(preimage(*frames[:3]))
        return frames

    def foreign(self, now_ns: int) -> Frames:
        """Speak another version of the protocol."""
        return self._said(now_ns, v=self.rng.choice((2, 255)))

    def random(self, _: int) -> Frames:
        """Send noise."""
        count = self.rng.choice((1, 2, 3, 4, 4, 4, 5, 64))
        return [self.rng.randbytes(self.rng.randrange(100)) for _ in range(count)]


KINDS = {
    "flipped": 22, "resized": 10, "counted": 8, "swapped": 10, "replayed": 8, "late": 4,
    "misaddressed": 4, "spoilt": 12, "misheaded": 4, "overreaching": 4, "forged": 4,
    "unlisted": 4, "foreign": 2, "random": 4,
}  # fmt: skip
NEVER_FORWARDED = frozenset(
    {"flipped", "resized", "counted", "misheaded", "overreaching", "forged", "unlisted", "random"}
)
"""What no hub may let through, whatever a receiver would make of it."""
