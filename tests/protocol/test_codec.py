import contextlib
import json
import time

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.codec import (
    BODY_MAX,
    decode,
    decode_batch,
    encode,
    encode_batch,
    loads_strict,
    unpack_strict,
)
from protocol.errors import CodecError, NackCode
from protocol.messages import WORDS, CoordinatorHeartbeat, LogRow, ModeChange, Pause, Status
from tests.protocol.words import EXAMPLE, WORD_STRATEGIES, example_document, examples

ENCODINGS = ("json", "msgpack")


def pack(document, enc):
    if enc == "json":
        return json.dumps(document).encode()
    return msgpack.packb(document, use_bin_type=True)


def refusal(name, enc, body):
    """Return the code of a refusal; anything but a CodecError fails the test."""
    with pytest.raises(CodecError) as caught:
        decode(name, enc, body)
    assert all(" " <= letter <= "~" for letter in caught.value.detail)
    assert len(caught.value.detail) <= 200
    return caught.value.code


def changed(old, new):
    text = EXAMPLE.decode().replace(old, new)
    assert text.encode() != EXAMPLE
    return text.encode()


def test_the_specifications_example_round_trips_with_the_same_meaning():
    """Key for key and in order, the time stamp as the same text."""
    word = decode("parameter_update", "json", EXAMPLE)
    body = encode(word)
    assert json.loads(body) == json.loads(EXAMPLE)
    assert list(json.loads(body)) == list(json.loads(EXAMPLE))
    assert json.loads(body)["timestamp"] == "2024-01-20T15:30:45Z"
    assert encode(decode("parameter_update", "json", body)) == body
    assert decode("parameter_update", "msgpack", encode(word, "msgpack")) == word


@pytest.mark.parametrize("enc", ENCODINGS)
@pytest.mark.parametrize("name", sorted(WORD_STRATEGIES))
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_every_word_round_trips_in_both_encodings(name, enc, data):
    """What was encoded decodes to an equal word, and to the same bytes again."""
    word = data.draw(WORD_STRATEGIES[name])
    body = encode(word, enc)
    again = decode(word.type_name, enc, body)
    assert again == word
    assert type(again) is type(word)
    assert encode(again, enc) == body


def test_every_word_has_a_strategy():
    """A new word cannot dodge the round trip."""
    assert {word.type_name for word in examples()} == set(WORDS)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('"levels": 4, ', "", NackCode.SCHEMA),
        ('"levels": 4', '"levels": 4, "depth": 1', NackCode.SCHEMA),
        ('"levels": 4', '"levels": 4, "levels": 4', NackCode.SCHEMA),
        ('"levels": 4', '"levels": 4.0', NackCode.SCHEMA),
        ('"levels": 4', '"levels": true', NackCode.SCHEMA),
        ('"levels": 4', '"levels": "4"', NackCode.SCHEMA),
        ('"levels": 4', '"levels": null', NackCode.SCHEMA),
        ('"levels": 4', '"levels": ' + "9" * 30, NackCode.SCHEMA),
        ('"levels": 4', '"levels": ' + "9" * 5000, NackCode.SCHEMA),
        ('"levels": 4', '"levels": 0', NackCode.BOUNDS),
        ('"levels": 4', '"levels": 51', NackCode.BOUNDS),
        ('"levels": 4', '"levels": 11', NackCode.BOUNDS),
        ("0.18", "0", NackCode.BOUNDS),
        ("0.18", "10.000001", NackCode.BOUNDS),
        ("0.18", "true", NackCode.SCHEMA),
        ("0.18", "NaN", NackCode.SCHEMA),
        ("0.18", "-Infinity", NackCode.SCHEMA),
        ("0.18", "1e999", NackCode.SCHEMA),
        ("0.87", "1.01", NackCode.BOUNDS),
        ("0.05", "-0.01", NackCode.BOUNDS),
        ("1.8", "NaN", NackCode.SCHEMA),
        ("45Z", "45", NackCode.SCHEMA),
        ("45Z", "45+00:00", NackCode.SCHEMA),
        ("45Z", "45+02:00", NackCode.SCHEMA),
        ("45Z", "45z", NackCode.SCHEMA),
        ("45Z", "45Z\\n", NackCode.SCHEMA),
        ("15:30", "25:30", NackCode.SCHEMA),
        ("01-20", "02-30", NackCode.SCHEMA),
        ('"parameter_update"', '"no_update"', NackCode.SCHEMA),
        ("julia_rl", "j" * 65, NackCode.SCHEMA),
        ("julia_rl", "", NackCode.SCHEMA),
        ("julia_rl", "j\\u00fclia", NackCode.SCHEMA),
        ("julia_rl", "j\\ud800", NackCode.SCHEMA),
        ("julia_rl", "j\\nl", NackCode.SCHEMA),
        ('"sqn_score"', '"sqn\\ud800"', NackCode.SCHEMA),
        ('"sharpe_ratio"', '"x": true, "sharpe_ratio"', NackCode.SCHEMA),
        ('"sharpe_ratio"', '"x": "1", "sharpe_ratio"', NackCode.SCHEMA),
        ('"sharpe_ratio"', '"\\u00fc": 1, "sharpe_ratio"', NackCode.SCHEMA),
    ],
)
def test_a_wrong_proposal_is_refused_with_its_code(old, new, code):
    """The shape gives E_SCHEMA, a well-formed value out of range E_BOUNDS."""
    assert refusal("parameter_update", "json", changed(old, new)) is code


def test_an_integer_is_a_valid_float():
    """1 is a number; 1.0 is no integer."""
    word = decode("parameter_update", "json", changed("0.18", "1"))
    assert word.data.optimized_params.spread_percentage == 1.0


def test_further_metrics_are_kept_in_order_of_name():
    """Equal words give equal bytes whatever order the proposer wrote them in."""
    body = changed('"sqn_score"', '"zeta": 1, "alpha": -2.5, "sqn_score"')
    metrics = json.loads(encode(decode("parameter_update", "json", body)))["data"][
        "performance_metrics"
    ]
    assert list(metrics) == ["sqn_score", "sharpe_ratio", "max_drawdown", "alpha", "zeta"]


def test_a_refusal_says_what_is_allowed_found_and_where():
    """An operator reads one line at night."""
    with pytest.raises(CodecError) as caught:
        decode("parameter_update", "json", changed('"levels": 4', '"levels": 0'))
    assert caught.value.detail == (
        "data.optimized_params.levels must be in [1, 50], found 0 (parameter_update)"
    )
    with pytest.raises(CodecError, match="base_quantity x levels must be at most max_position"):
        decode("parameter_update", "json", changed('"levels": 4', '"levels": 11'))


def test_nesting_is_allowed_to_the_eighth_level():
    """Eight levels pass, nine do not, and ten thousand do not reach the parser's stack."""
    assert loads_strict(b"[" * 8 + b"]" * 8)
    assert unpack_strict(b"\x91" * 8 + b"\x01")
    for depth in (9, 10_000, 60_000):
        for read, body in (
            (loads_strict, b"[" * depth + b"]" * depth),
            (loads_strict, b'{"a":' * min(depth, 12_000)),
            (unpack_strict, b"\x91" * depth + b"\x01"),
        ):
            with pytest.raises(CodecError):
                read(body)
    assert loads_strict(b'["' + b"[" * 50 + b'"]') == ["[" * 50]


def test_hostile_text_is_refused_in_linear_time():
    """Unterminated strings full of escapes once made such scanners quadratic."""
    started = time.perf_counter()
    for body in (b'[[[[[[[[["' + b'\\"' * 30_000, b"[" * 9 + b'"\\' * 30_000, b'"' * 65_000):
        assert refusal("status", "json", body) is NackCode.SCHEMA
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    "body",
    [
        b"\x82\xa1a\x01\xa1a\x02",  # a duplicate key
        b"\x81\x01\x02",  # a key that is no text
        b"\x81\xc4\x01a\x02",  # a binary key
        b"\x81\xa1a\xc4\x01x",  # a binary value
        b"\x81\xa1a\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",  # NaN
        b"\x81\xa1a\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00",  # infinity
        b"\x81\xa1a\xcf\xff\xff\xff\xff\xff\xff\xff\xff",  # 2^64 - 1
        b"\x81\xa1a\xd6\xff\x00\x00\x00\x01",  # a time stamp
        b"\x81\xa1a\xd4\x05\x00",  # an extension
        b"\x81\xa1\xff\x01",  # a key that is not UTF-8
        b"\x81\x90\x01",  # a list for a key
        b"\xdd\xff\xff\xff\xff",  # four billion items, announced
        b"\xc1",
        b"",
        b"\x80\x80",
    ],
)
def test_msgpack_obeys_the_rules_of_json(body):
    """One set of rules, whichever encoding."""
    assert refusal("status", "msgpack", body) is NackCode.SCHEMA


def test_a_body_beyond_64_kib_is_refused_both_ways():
    """The limit holds for what is read and for what is written."""
    fat = b'{"a":"' + b"x" * BODY_MAX + b'"}'
    assert refusal("status", "json", fat) is NackCode.SCHEMA
    rows = LogRow(
        level="info", event="x", time_ns=1, fields={f"k{i}": "y" * 200 for i in range(400)}
    )
    with pytest.raises(CodecError, match="at most 65536 bytes"):
        encode(rows)


def test_unknown_types_encodings_and_shapes_are_refused():
    """Total means: whatever is asked."""
    assert refusal("gossip", "json", b"{}") is NackCode.SCHEMA
    assert refusal("pause", "yaml", b"{}") is NackCode.SCHEMA
    for body in (b"[]", b"1", b"null", b'"x"', b"", b"\xef\xbb\xbf{}", b"{} {}", b"\xff"):
        assert refusal("pause", "json", body) is NackCode.SCHEMA
    assert decode("pause", "json", b" {} ") == Pause()
    with pytest.raises(CodecError):
        encode(Pause(), "yaml")


@pytest.mark.parametrize("enc", ENCODINGS)
@pytest.mark.parametrize("word", examples(), ids=lambda word: type(word).__name__)
def test_every_truncation_of_every_word_is_our_error(word, enc):
    """Half a message is never a message."""
    body = encode(word, enc)
    for end in range(len(body)):
        refusal(word.type_name, enc, body[:end])


def mistyped(document, path=()):
    """Yield (path, document with one value replaced by another type)."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for name, value in list(items):
        for other in (None, True, "x\n", 1.5, -1, [], {}, [[]], {"x": {}}, 10**18):
            if type(other) is type(value) and other == value:
                continue
            copy = dict(document) if isinstance(document, dict) else list(document)
            copy[name] = other
            yield (*path, name), copy
        if isinstance(value, dict | list):
            for where, inner in mistyped(value, (*path, name)):
                copy = dict(document) if isinstance(document, dict) else list(document)
                copy[name] = inner
                yield where, copy


@pytest.mark.parametrize("enc", ENCODINGS)
@pytest.mark.parametrize("word", examples(), ids=lambda word: type(word).__name__)
def test_every_mistyping_of_every_word_is_a_word_or_our_error(word, enc):
    """Nothing but a word or a CodecError leaves the decoder, and a word stays canonical."""
    document = json.loads(encode(word))
    for _, wrong in mistyped(document):
        try:
            found = decode(word.type_name, enc, pack(wrong, enc))
        except CodecError:
            continue
        assert decode(word.type_name, enc, encode(found, enc)) == found


@pytest.mark.parametrize("word", examples(), ids=lambda word: type(word).__name__)
def test_keys_missing_or_extra_are_refused_in_every_word(word):
    """Closed keys; only what is marked optional may be absent, only a status is free."""
    document = json.loads(encode(word))
    if not isinstance(word, Status):
        assert refusal(word.type_name, "json", pack(document | {"zz": 1}, "json"))
        fields = type(word).model_fields
        required = {field.alias or name for name, field in fields.items() if field.is_required()}
        for name in document.keys() & required:
            rest = {key: value for key, value in document.items() if key != name}
            assert refusal(word.type_name, "json", pack(rest, "json")) is NackCode.SCHEMA


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(WORDS)), st.sampled_from(ENCODINGS), st.binary(max_size=300))
def test_random_bytes_are_a_word_or_our_error(name, enc, body):
    """The decoder is total."""
    with contextlib.suppress(CodecError):
        decode(name, enc, body)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(WORDS)),
    st.sampled_from(ENCODINGS),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    ),
)
def test_random_documents_are_a_word_or_our_error(name, enc, document):
    """Also when they parse."""
    with contextlib.suppress(CodecError):
        decode(name, enc, pack(document, enc))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_flipped_bytes_are_a_word_or_our_error(data):
    """One damaged byte of a good message."""
    word = data.draw(st.sampled_from(examples()))
    enc = data.draw(st.sampled_from(ENCODINGS))
    body = bytearray(encode(word, enc))
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(CodecError):
        decode(word.type_name, enc, bytes(body))


def test_the_python_name_of_a_renamed_key_is_no_key():
    """`from` is the word's key; what our code calls it stays ours."""
    word = ModeChange(old="peer", to="consensus", gen=3, reason="drill")
    document = json.loads(encode(word))
    assert list(document) == ["from", "to", "gen", "reason"]
    document["old"] = document.pop("from")
    assert refusal("mode_change", "json", pack(document, "json")) is NackCode.SCHEMA


def test_a_heartbeat_with_executors_is_the_coordinators():
    """Two bodies share one name; the key tells them apart."""
    beat = CoordinatorHeartbeat(epoch=3, executors=())
    assert decode("heartbeat", "json", encode(beat)) == beat
    assert refusal("heartbeat", "json", b'{"executors":[],"state":"x"}') is NackCode.SCHEMA


def test_a_batch_is_an_array_of_one_type():
    """Telemetry travels in batches; one wrong word refuses its batch."""
    rows = [Status.model_validate({"n": n}) for n in range(3)]
    assert decode_batch("status", "msgpack", encode_batch(rows)) == tuple(rows)
    assert decode_batch("status", "json", encode_batch([], "json")) == ()
    with pytest.raises(CodecError):
        encode_batch([Pause(), rows[0]])
    for body in (b"{}", b"[1]", b"[{}", b'[{"a":NaN}]'):
        with pytest.raises(CodecError):
            decode_batch("status", "json", body)


def test_the_example_document_is_the_specifications():
    """The strategies and the specification speak of the same word."""
    assert example_document() == json.loads(EXAMPLE)
