import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.topics import TOPIC_MAX, Channel, Topic, parse_topic

names = st.from_regex(r"[a-z0-9_-]{1,24}", fullmatch=True)
types = st.from_regex(r"[a-z_]{1,24}", fullmatch=True)


@given(st.sampled_from(Channel), types, names)
def test_a_topic_reads_back_as_it_was_written(channel, kind, name):
    """Encoding and parsing are inverse, and every topic fits its frame."""
    topic = Topic(channel, kind, name)
    assert len(topic.encode()) <= TOPIC_MAX
    assert parse_topic(topic.encode()) == topic


@given(st.binary(max_size=80))
def test_any_bytes_are_a_topic_or_none(raw):
    """Nothing raises; what is parsed encodes to the very bytes."""
    topic = parse_topic(raw)
    assert topic is None or topic.encode() == raw


@pytest.mark.parametrize(
    "raw",
    [b"", b"ctl.", b"ctl.a", b"ctl.a.", b"ctl..b", b"ctl.a.b.c", b"ctl.a.b\n", b"CTL.a.b",
     b"xx.a.b", b"st.a.", b"ctl." + b"a" * 25 + b".b", b"ctl.\xff.b", b"tm.1.a"],
)  # fmt: skip
def test_what_is_nearly_a_topic_is_none(raw):
    """No empty part, no fourth part, no newline at the end, no long name."""
    assert parse_topic(raw) is None


def test_the_subscription_of_a_name_does_not_reach_a_longer_name():
    """`ctl.a.` ends in a dot: `ctl.a-1.` does not begin with it."""
    assert (
        not Topic(Channel.CONTROL, "round", "optimizer-10").encode().startswith(b"ctl.optimizer-1.")
    )
