"""Makes `docs/vectors/{keys,frames,digests}.json`: the wire, for other languages to repeat.

`python -m tests.protocol.wire_vectors` writes the files; a test compares them with what is made
now. The keys are made from their names, so anybody knows them: they are for tests alone.
"""

import base64
import hashlib
import json
import random
from pathlib import Path

import zmq
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from zmq.utils import z85

from protocol import messages as m
from protocol.bus.frames import Header, Message, open_frames, preimage, seal
from protocol.codec import encode, encode_batch
from protocol.keys import FORMAT, RIGHTS, Identity, RosterFile, kind_of, roster_of
from protocol.merge import digest, quantise
from protocol.topics import Channel
from tests.protocol.merge_vectors import random_set
from tests.protocol.party import PARAMS

FOLDER = Path(__file__).parents[2] / "docs" / "vectors"
NAMES = ("coordinator", "executor-1", "optimizer-1", "optimizer-2", "operator")
NOW_NS = 1_700_000_000 * 10**9
SECOND_NS = 10**9
DIGESTS = 200
UPDATE = m.ParameterUpdate(
    timestamp="2023-11-14T22:13:20Z",
    source_agent="julia_rl",
    target_agent="python_optimizer",
    message_type="parameter_update",
    data=m.UpdateData(
        optimized_params=PARAMS,
        performance_metrics=m.PerformanceMetrics(
            sqn_score=2.45, sharpe_ratio=1.8, max_drawdown=0.05
        ),
        confidence_score=0.87,
    ),
)


# --- keys -------------------------------------------------------------------------------------
def seed_of(name, part="sign"):
    """32 bytes that follow from a name."""
    return hashlib.sha256(f"counterpoint test vector {part} {name}".encode()).digest()


def identity(name):
    """A test participant."""
    curve = z85.encode(seed_of(name, "curve")).decode()
    return Identity(name, Ed25519PrivateKey.from_private_bytes(seed_of(name)), curve)


def public_of(name):
    """Its public key as the roster writes it."""
    return base64.b64encode(identity(name).private.public_key().public_bytes_raw()).decode()


def roster_document():
    """The roster of the test participants."""
    rows = [
        {
            "name": name,
            "keys": [public_of(name)],
            "curve": zmq.curve_public(identity(name).curve.encode()).decode(),
            "may_send": sorted(RIGHTS[kind_of(name)]),
        }
        for name in NAMES
    ]
    return {"format": FORMAT, "members": rows}


def roster():
    """The same, read."""
    return roster_of(RosterFile.model_validate(roster_document()), Path("keys.json"))


def keys():
    """Seeds, and both texts that follow from each."""
    members = [
        {
            "name": name,
            "seed": seed_of(name).hex(),
            "sign": base64.b64encode(seed_of(name)).decode(),
            "public": public_of(name),
        }
        for name in NAMES
    ]
    about = "known to everybody: for tests alone"
    return {"format": 1, "about": about, "members": members, "roster": roster_document()}


# --- frames -----------------------------------------------------------------------------------
def head(src, dst, kind, **more):
    """A header whose id follows from what it is."""
    fields = {
        "v": 1,
        "id": hashlib.sha256(f"{src} {dst} {kind}".encode()).hexdigest()[:32],
        "type": kind,
        "src": src,
        "dst": dst,
        "ts": NOW_NS,
        "ttl": 60_000,
        "enc": "json",
    }
    return Header(**(fields | more))


def said(word, src, dst="coordinator", channel=Channel.CONTROL, **more):
    """Four frames that a participant says."""
    found = head(src, dst, word.type_name, **more)
    return list(seal(identity(src), channel, found, encode(word)))


def signed(topic, header, body, signer):
    """Four frames of any bytes under a good signature."""
    return [topic, header, body, identity(signer).sign(preimage(topic, header, body))]


def taken():
    """Messages of every direction that an agent meets."""
    ref = "ab" * 16
    beat = m.CoordinatorHeartbeat(
        epoch=3,
        executors=(
            m.ExecutorState(
                executor="executor-1", epoch=3, version=7, digest=digest(PARAMS),
                mode=m.Mode.CONSENSUS, generation=2, stops=(),
            ),
        ),
    )  # fmt: skip
    snapshot = m.Snapshot(
        pair=(3, 7), params=PARAMS, not_before=NOW_NS, not_after=NOW_NS + SECOND_NS,
        mode=m.Mode.CONSENSUS, generation=2, round=None, stops=(),
    )  # fmt: skip
    decision = m.Decision(
        params=PARAMS, basis=(ref,), mode=m.Mode.CONSENSUS, not_before=NOW_NS,
        not_after=NOW_NS + SECOND_NS,
    )  # fmt: skip
    received = m.Ack(stage=m.Stage.RECEIVED)
    vote = m.Vote(round=4, candidate=digest(PARAMS), choice=m.Choice.APPROVE, reason="not worse")
    nack = m.Nack(code=m.NackCode.STEP, detail="levels must be in [3, 5] to be one step, found 9")
    status = m.Status.model_validate({"venue_time": 1_700_000_000_000_000_000, "pair": [3, 7]})
    tm = head("executor-1", "executor-1", "status", enc="msgpack")
    telemetry = seal(identity("executor-1"), Channel.TELEMETRY, tm, encode_batch([status]))
    me = "optimizer-2"
    return [
        ("join", me, said(m.SnapshotRequest(have=(0, 0)), me)),
        ("snapshot", "coordinator", said(snapshot, "coordinator", me, ref=ref)),
        ("proposal", me, said(UPDATE, me, gen=2)),
        ("received", "coordinator", said(received, "coordinator", me, ref=ref)),
        ("refused", "coordinator", said(nack, "coordinator", me, ref=ref)),
        ("vote", me, said(vote, me, gen=2)),
        ("decision", "coordinator",
         said(decision, "coordinator", "executor-1", epoch=3, version=7, gen=2)),
        ("heartbeat", "coordinator", said(beat, "coordinator", "coordinator", Channel.STATE)),
        ("telemetry", "executor-1", list(telemetry)),
    ]  # fmt: skip


def dropped():
    """Frames that must not be taken, each for one reason."""
    me = "optimizer-2"
    good = said(UPDATE, me, gen=2)
    late = said(UPDATE, me, ts=NOW_NS - 61 * SECOND_NS)
    early = said(UPDATE, me, ts=NOW_NS + 31 * SECOND_NS)
    flipped = [*good[:3], bytes([good[3][0] ^ 1]) + good[3][1:]]
    twice = good[1].replace(b'"dst"', b'"src":"operator","dst"')
    body = b'{"scope":"all","flatten":false,"reason":"x"}'
    stop = encode(head(me, "coordinator", "emergency_stop"))
    stranger = encode(head("stranger", "coordinator", "parameter_update"))
    second = good[1].replace(b'"v":1', b'"v":2')
    return [
        ("a bit of the signature is turned", None, flipped),
        ("a byte of the body is another", None, [*good[:2], good[2].replace(b"0.18", b"0.19"),
                                                 good[3]]),
        ("the signature is another participant's", "optimizer-1",
         signed(*good[:3], "optimizer-1")),
        ("the topic is not the header's", me, signed(b"ctl.executor-1.parameter_update",
                                                      *good[1:3], me)),
        ("the topic is none", me, signed(b"ctl.Coordinator.parameter_update", *good[1:3], me)),
        ("the header names two sources", me, signed(good[0], twice, good[2], me)),
        ("the source stands in no roster", me, signed(good[0], stranger, good[2], me)),
        ("a word that its sender may not say", me,
         signed(b"ctl.coordinator.emergency_stop", stop, body, me)),
        ("its time is over", me, late),
        ("its time is to come", me, early),
        ("another version", me, signed(good[0], second, good[2], me)),
        ("the header is no JSON", me, signed(good[0], good[1][:-1], good[2], me)),
        ("a frame is missing", None, good[:3]),
        ("a signature of 63 bytes", None, [*good[:3], good[3][:-1]]),
    ]  # fmt: skip


def frame_case(name, signer, frames):
    """One case: the bytes, what was signed, and what becomes of it."""
    opened = open_frames(frames, roster(), NOW_NS)
    good = isinstance(opened, Message)
    plain = None
    if good and opened.header.enc == "json":
        plain = json.loads(opened.body)
    elif good:
        plain = [{"venue_time": NOW_NS, "pair": [3, 7]}]
    return {
        "name": name,
        "now_ns": NOW_NS,
        "topic": frames[0].decode("latin-1"),
        "header": frames[1].decode("latin-1"),
        "body": plain,
        "frames": [part.hex() for part in frames],
        "signer": signer,
        "signed": None if signer is None else preimage(*frames[:3]).hex(),
        "why": None if good else opened.why,
    }


def frames():
    """All messages, those to take and those to drop; `why` is null for the former."""
    rule = "signed = CPT1, then topic, header, body, each behind its length (4 bytes, big-endian)"
    return {"format": 1, "rule": rule, "cases": [frame_case(*each) for each in taken() + dropped()]}


# --- digests ----------------------------------------------------------------------------------
def odd_set(dice):
    """A valid set off the grid: halves of a unit, many digits, very small, very large."""
    levels = dice.randint(1, 50)
    spread = dice.choice(
        [
            min(10.0, dice.randint(0, 10**9) / 1e8 + 5e-9),
            dice.uniform(1e-9, 10.0),
            float(f"{dice.randint(1, 9999)}e-12"),
        ]
    )
    base = dice.choice(
        [
            dice.randint(0, 10**6) / 1e8 + 5e-9,
            float(f"{dice.randint(1, 999)}e{dice.randint(-12, 18)}"),
            float(f"{dice.randint(1, 2**53)}e{dice.randint(-20, 6)}"),
        ]
    )
    position = base * levels * dice.uniform(1.001, 40.0)
    return m.QuoteParameters(
        spread_percentage=spread, levels=levels, base_quantity=base, max_position=position
    )


def random_sets(seed, count):
    """Valid sets, half of them off the grid."""
    dice = random.Random(seed)
    return [(odd_set if dice.random() < 0.5 else random_set)(dice) for _ in range(count)]


def digests():
    """Sets with their integers, as text since they may pass 2^53, and their digests."""
    cases = [
        {"params": each.model_dump(), "units": list(map(str, quantise(each))),
         "digest": digest(each)}
        for each in [PARAMS, *random_sets(6, DIGESTS - 1)]
    ]  # fmt: skip
    rule = "integers of 1e-8 of the shortest decimal text, halves to even; SHA-256 of a,b,c,d"
    return {"format": 1, "rule": rule, "cases": cases}


MADE = {"keys": keys, "frames": frames, "digests": digests}


def text(name):
    """A file as it should be."""
    return json.dumps(MADE[name](), indent=1) + "\n"


if __name__ == "__main__":
    for each in MADE:
        (FOLDER / f"{each}.json").write_text(text(each), encoding="utf-8")
