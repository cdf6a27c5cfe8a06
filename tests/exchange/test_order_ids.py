"""Births told from the order ids of a recording, and the tapes that know them."""

import numpy as np
import pytest

from exchange.errors import RecordingError
from exchange.importers.detect import import_feed
from exchange.order_ids import read_births
from exchange.recording import Recording, load, read_members, save
from exchange.tapes import open_tape
from market.births import births
from market.feed_delay import ConstantFeed, delay_feed
from market.layout import (
    EVENT_EXCH_NS,
    EVENT_LOCAL_NS,
    EVENT_SEEN,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
    SEGMENT_EVENT,
)
from market.tape import cut
from tests.exchange.feeds import write
from tests.exchange.order_log import FairExchange, bitstamp_lines
from tests.market.test_tape_store import MAKING, bytes_of

FEED = ConstantFeed(700_000_000)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """An order log of a quarter of an hour, imported."""
    folder = tmp_path_factory.mktemp("log")
    log = FairExchange(2, steps=1500, step_s=1.0).log
    made = import_feed([write(folder / "day.log", bitstamp_lines(log))])
    save(folder / "day.npz", made.recording, made.data)
    return folder / "day.npz"


@pytest.fixture(scope="module")
def nameless(path):
    """The same recording without its ids."""
    save(path.with_name("nameless.npz"), load(path))
    return path.with_name("nameless.npz")


def middle(path):
    """A time in the midst of a recording."""
    events = load(path).events
    return int(events[len(events) // 2, EVENT_LOCAL_NS])


def test_births_are_those_of_the_recording(path):
    """Told from what the file holds."""
    ids = read_members(path)[0]["order_id"]
    born = read_births(path)
    assert born.tobytes() == births(load(path).events, ids).tobytes()
    assert np.unique(born).size > 300


@pytest.mark.parametrize("feed", [None, FEED])
def test_births_of_a_part_count_its_own_events(path, feed):
    """Row by row the same births as in the whole recording, under the numbers of the part."""
    until, events = middle(path), load(path).events
    if feed is not None:
        delay_feed(events, feed)
    part, whole = read_births(path, feed=feed, until_ns=until), read_births(path, feed=feed)
    seen = events[:, EVENT_SEEN]
    shown = (seen & SEEN_EXCHANGE != 0) & (events[:, EVENT_EXCH_NS] <= until)
    shown |= (seen & SEEN_LOCAL != 0) & (events[:, EVENT_LOCAL_NS] <= until)
    (kept,) = np.nonzero(shown)
    assert len(part) == len(kept) == len(cut(events, until)) < len(events)
    told = (seen[kept] & SEEN_EXCHANGE != 0) & (events[kept, EVENT_EXCH_NS] <= until)
    assert (part[told] > 0).sum() > 300
    assert (kept[part[told]] == whole[kept[told]]).all()


@pytest.mark.parametrize("part", [{}, {"feed": FEED}, {"feed": FEED, "until": True}])
def test_a_tape_knows_the_births_of_its_level_changes(path, part):
    """Row by row, with a feed of our own and for a part."""
    told = {"feed": part.get("feed"), "until_ns": middle(path) if "until" in part else None}
    stream = open_tape(path, MAKING, births=True, **told).stream
    born = read_births(path, **told)
    rows = np.setdiff1d(stream.level_events, stream.segments[:, SEGMENT_EVENT])
    known = np.isin(stream.level_events, rows)
    assert known.sum() > 300
    assert (stream.level_born[known] == born[stream.level_events[known]]).all()


def test_the_store_keeps_tapes_with_births_apart(path, tmp_path):
    """Each is found again as it was made."""
    for births_wanted in (True, False, True, False):
        kept = open_tape(path, MAKING, births=births_wanted, store=tmp_path)
        assert bytes_of(kept) == bytes_of(open_tape(path, MAKING, births=births_wanted))
        assert (kept.stream.level_born.size > 0) == births_wanted
    assert len(list(tmp_path.glob("*.tape"))) == 2


def test_a_recording_without_ids_is_refused_with_one_line(nameless, tmp_path):
    """It says what is needed, and nothing is kept."""
    with pytest.raises(RecordingError, match=r"no order ids.*order log.*power:4") as caught:
        open_tape(nameless, MAKING, births=True, store=tmp_path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_events_in_memory_have_no_ids(path):
    """A recording that was loaded is not asked for births."""
    recording: Recording = load(path)
    with pytest.raises(ValueError, match="no order ids"):
        open_tape(recording, MAKING, births=True)


def test_a_part_without_an_id_is_refused(path):
    """The first orders came later."""
    first = int(load(path).events[0, EVENT_LOCAL_NS])
    with pytest.raises(RecordingError, match="in the hours that are used"):
        read_births(path, until_ns=first)


def test_a_changed_file_is_refused(path, tmp_path):
    """Ids that are not those of its meta."""
    changed = tmp_path / "changed.npz"
    data, _ = read_members(path)
    data["order_id"][-1] += 1
    with np.load(path) as members:
        np.savez(changed, data=data, meta=members["meta"])
    with pytest.raises(RecordingError, match="sha256"):
        read_births(changed)
