"""Delays of orders, cancels and reports, and of the feed."""

import numpy as np
import pytest

from market import latency
from market.feed_delay import ConstantFeed, DelayedSource, SampledFeed, delay_feed
from market.latency_text import LatencyError, parse_feed, parse_latency
from market.layout import (
    DELAY_CANCEL_NS,
    DELAY_ORDER_NS,
    DELAY_RESPONSE_NS,
    EVENT_EXCH_NS,
    EVENT_LOCAL_NS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    SEEN_EXCHANGE,
    STEP_NOW_NS,
)
from market.tape import build_tape
from market.tape_stream import ArraySource
from tests.market import day

MS, SECOND = 10**6, 10**9
NOW = 1_700_000_000 * SECOND + 100 * MS * np.arange(20_000)
FEED = np.random.default_rng(1).integers(-5 * MS, 60 * MS, len(NOW))
MODELS = {
    "constant": latency.ConstantLatency(5 * MS, 6 * MS, 7 * MS),
    "sampled": latency.SampledLatency(20 * MS, 400 * MS),
    "given": latency.GivenLatency((1 * MS, 900 * MS, 5 * MS)),
    "measured": latency.MeasuredLatency(2.5),
    "table": latency.TableLatency(
        tuple((int(at), int(at) + 30 * MS, int(at) + 90 * MS) for at in NOW[::100])
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_rows_in_pieces_are_the_rows_at_once_and_nothing_overtakes(name):
    """Also where a round trip is longer than the interval."""
    whole = latency.DelayLine(MODELS[name]).extend(NOW, FEED)
    line, rng, parts, done = latency.DelayLine(MODELS[name]), np.random.default_rng(2), [], 0
    while done < len(NOW):
        last = done + int(rng.integers(0, 900))
        parts.append(line.extend(NOW[done:last], FEED[done:last]))
        done = last
    assert np.concatenate(parts).tobytes() == whole.tobytes()
    assert (whole >= 0).all()
    assert (np.diff(NOW[:, None] + whole, axis=0) >= 0).all()


def test_sampled_delays_have_the_median_and_the_percentile_they_were_told():
    """Of the draws; what is overtaken waits, so a tape's rows are longer."""
    drawn = latency.SampledLatency(5 * MS, 40 * MS).draw(NOW, FEED)
    assert np.median(drawn, axis=0) == pytest.approx(5 * MS, rel=0.03)
    assert np.quantile(drawn, 0.99, axis=0) == pytest.approx(40 * MS, rel=0.1)
    assert len({tuple(column) for column in drawn[:50].T.tolist()}) == 3
    other = latency.SampledLatency(5 * MS, 40 * MS, seed=2).draw(NOW, FEED)
    assert (other != drawn).mean() > 0.99


def test_a_delay_depends_on_its_time_and_not_on_where_the_recording_begins():
    """Cutting the front off changes no draw."""
    model = latency.SampledLatency(5 * MS, 40 * MS)
    assert (model.draw(NOW[500:], FEED[500:]) == model.draw(NOW, FEED)[500:]).all()


def test_given_delays_are_drawn_from_the_given_ones():
    """Each of them, and nothing else."""
    drawn = latency.GivenLatency((3, 5, 8)).draw(NOW, FEED)
    assert set(np.unique(drawn)) == {3, 5, 8}


def test_measured_delays_follow_the_feed():
    """A clock that runs ahead counts as no delay."""
    drawn = latency.MeasuredLatency(0.5).draw(np.array([1, 2]), np.array([10, -4]))
    assert drawn.tolist() == [[5, 5, 5], [0, 0, 0]]


def test_a_table_is_interpolated_between_its_round_trips():
    """Half way between 30 and 50 ms there, and at the ends the nearest."""
    start = int(NOW[0])
    trips = ((start, start + 30 * MS, start + 40 * MS), (start + SECOND,) * 3)
    trips = (trips[0], (start + SECOND, start + SECOND + 50 * MS, start + SECOND + 90 * MS))
    at = np.array([start - SECOND, start + SECOND // 2, start + 9 * SECOND])
    rows = latency.TableLatency(trips).draw(at, at)
    assert rows[:, DELAY_ORDER_NS].tolist() == [30 * MS, 40 * MS, 50 * MS]
    assert rows[:, DELAY_CANCEL_NS].tolist() == [30 * MS, 40 * MS, 50 * MS]
    assert rows[[0, 2], DELAY_RESPONSE_NS].tolist() == [10 * MS, 40 * MS]


def test_a_tape_measures_the_delay_of_the_last_event_that_it_saw():
    """Local less exchange time, at each step."""
    events = day.split_events()
    told = {**day.TOLD, "latency": latency.MeasuredLatency(1.0)}
    tape = build_tape(events, settings=day.OBSERVER, **told)
    local = events[events[:, EVENT_SEEN] & 2 != 0]
    now_ns = tape.steps[:, STEP_NOW_NS]
    last = np.searchsorted(local[:, EVENT_LOCAL_NS], now_ns, side="right") - 1
    arrivals = now_ns + local[last, EVENT_LOCAL_NS] - local[last, EVENT_EXCH_NS]
    assert (now_ns + tape.stream.delays[:, 0] == np.maximum.accumulate(arrivals)).all()


@pytest.mark.parametrize("feed", [ConstantFeed(30 * MS), SampledFeed(5 * MS, 900 * MS)])
def test_a_delayed_feed_reaches_us_in_the_exchanges_order(feed):
    """Every event of the exchange, once, never before it happened; pieces change nothing."""
    events = day.split_events()
    whole = events.copy()
    delay_feed(whole, feed)
    seen = events[:, EVENT_SEEN] & SEEN_EXCHANGE != 0
    assert (whole[seen, EVENT_SEEN] == 3).all()
    assert not whole[~seen, EVENT_SEEN].any()
    assert (np.diff(whole[seen, EVENT_LOCAL_NS]) >= 0).all()
    assert (whole[seen, EVENT_LOCAL_NS] >= whole[seen, EVENT_EXCH_NS]).all()
    for column in (EVENT_EXCH_NS, EVENT_PRICE_TICKS):
        assert (whole[:, column] == events[:, column]).all()
    source, pieces, buffer = DelayedSource(ArraySource(events), feed), [], np.empty((777, 7), int)
    while count := source.read(buffer):
        pieces.append(buffer[:count].copy())
    assert np.concatenate(pieces).tobytes() == whole.tobytes()


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("0", latency.ConstantLatency()),
        ("5ms", latency.ConstantLatency(5 * MS, 5 * MS, 5 * MS)),
        ("5ms,7.5ms", latency.ConstantLatency(5 * MS, 5 * MS, 7_500_000)),
        ("5ms, 4us, 1s", latency.ConstantLatency(5 * MS, 4_000, SECOND)),
        ("sampled:5ms,40ms", latency.SampledLatency(5 * MS, 40 * MS)),
        ("sampled:5ms,40ms,9", latency.SampledLatency(5 * MS, 40 * MS, 9)),
        ("measured:1.5", latency.MeasuredLatency(1.5)),
    ],
)
def test_a_latency_is_read_from_its_text_and_writes_it_again(text, model):
    """What a model prints gives the model back."""
    assert parse_latency(text) == model
    assert parse_latency(model.text()) == model


def test_latencies_are_read_from_files(tmp_path):
    """Delays to draw from, and round trips."""
    delays, trips = tmp_path / "delays.txt", tmp_path / "trips.csv"
    delays.write_text("5\n8\n", encoding="utf-8")
    trips.write_text("1,2,5\n7,9,9\n", encoding="utf-8")
    assert parse_latency(f"given:{delays}") == latency.GivenLatency((5, 8))
    assert parse_latency(f"table:{trips}") == latency.TableLatency(((1, 2, 5), (7, 9, 9)))


@pytest.mark.parametrize(
    "text",
    [
        "", "5", "-5ms", "nan ms", "5ms,5ms,5ms,5ms", "sampled:5ms", "sampled:40ms,5ms", "2h",
        "sampled:0,5ms", "sampled:5ms,9ms,x", "measured:", "measured:-1", "measured:nan", "9999s",
        "given:/nowhere/at/all", "table:/nowhere/at/all", "drawn:5ms",
    ],
)  # fmt: skip
def test_a_wrong_latency_is_one_line_that_says_what_is_right(text):
    """What was found, and examples."""
    with pytest.raises(LatencyError, match=r"5ms") as caught:
        parse_latency(text)
    assert "\n" not in str(caught.value)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("content", ["", "1,2\n", "1,2,x\n", "5,4,6\n", "1,2,3\n1,2,3\n"])
def test_a_wrong_table_is_refused(content, tmp_path):
    """Columns, numbers and the order of time."""
    path = tmp_path / "trips.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(LatencyError, match=r"trips\.csv"):
        parse_latency(f"table:{path}")


def test_a_feed_is_read_from_its_text():
    """Recorded, constant or sampled."""
    assert parse_feed("recorded") is None
    assert parse_feed("5ms") == ConstantFeed(5 * MS)
    assert parse_feed("sampled:5ms,40ms,3") == SampledFeed(5 * MS, 40 * MS, 3)
    with pytest.raises(LatencyError, match="recorded"):
        parse_feed("soon")
