import dataclasses
from itertools import takewhile

import numpy as np
import pytest

from exchange.audit import OTHER_THRESHOLDS, THRESHOLDS, Thresholds, check, look, utc
from exchange.importers.assembly import both_clocks, counts_of
from exchange.importers.detect import import_feed
from exchange.recording import Meta, Recording
from market.audit import (
    SURVEY_AT_TOUCH,
    SURVEY_BATCHES,
    SURVEY_CHANGES,
    SURVEY_CROSSED,
    SURVEY_INSIDE,
    SURVEY_OFF_MARKET,
    SURVEY_SILENCES,
    SURVEY_THROUGH,
    SURVEY_TRADED_LOTS,
    SURVEY_TRADES,
)
from market.layout import (
    BUY,
    EVENT_COLUMNS,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_SEEN,
    EVENT_SIDE,
    KIND_CLEAR,
    KIND_DEPTH,
    KIND_SNAPSHOT,
    KIND_TRADE,
    NO_ASK,
    NO_BID,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
    SELL,
)
from tests.exchange.feeds import spot_day, write

SECOND_NS = 1_000_000_000
START_NS = 1_700_000_000 * SECOND_NS


def recording(rows, **meta):
    """Rows of (seconds, kind, side, price, lots); the exchange's clock is 1 ms before ours."""
    table = np.zeros((len(rows), EVENT_COLUMNS), np.int64)
    for row, (at_s, kind, side, price, lots) in enumerate(rows):
        local_ns = START_NS + round(at_s * SECOND_NS)
        table[row] = kind, side, 0, local_ns - 1_000_000, local_ns, price, lots
    events, _ = both_clocks(table)
    known = {
        "venue": "elsewhere", "symbol": "A-B", "base": "A", "quote": "B", "tick": "0.1",
        "lot": "1", "span_ns": (int(table[0, 4]), int(table[-1, 4])), "counts": counts_of(events),
    }  # fmt: skip
    return Recording(Meta(**{**known, **meta}), events)


CALM = [
    (0.0, KIND_SNAPSHOT, BUY, 100, 5),
    (0.0, KIND_SNAPSHOT, SELL, 102, 5),
    (1.0, KIND_TRADE, BUY, 102, 2),
    (1.5, KIND_DEPTH, SELL, 102, 3),
    (2.0, KIND_TRADE, SELL, 101, 1),
    (3.0, KIND_TRADE, SELL, 99, 1),
    (4.0, KIND_DEPTH, BUY, 101, 2),
    (5.0, KIND_DEPTH, BUY, 100, 0),
]


def test_a_sound_recording_passes():
    """Counted by hand: two trades at odd places, no error, no warning."""
    found = check(recording(CALM))
    assert (found.errors, found.warnings) == ((), ())
    assert found.passed
    assert (found.trades, found.level_changes, found.depth_events) == (3, 3, 3)
    facts = found.facts
    assert (facts["trades_at_touch"], facts["trades_inside"], facts["trades_through"]) == (1, 1, 1)
    assert found.as_dict()["passed"] is True


def test_a_crossed_book_is_an_error_that_says_when():
    """A bid at the best ask after a whole message; one that is mended within it does not count."""
    crossed = [*CALM, (6.0, KIND_DEPTH, BUY, 102, 1)]
    found = check(recording(crossed))
    assert found.crossed_books == 1
    assert "crossed book after 1 of 5 depth batches on the local clock" in found.errors[0]
    assert utc(START_NS + 6 * SECOND_NS) in found.errors[0]
    mended = [*crossed, (6.0, KIND_DEPTH, SELL, 102, 0), (6.0, KIND_DEPTH, SELL, 103, 1)]
    assert check(recording(mended)).passed


def test_a_venue_may_have_its_own_crossing_rate():
    """An order log shows orders before they are matched: 0.1 % is allowed there, no more."""
    rows = [(float(at), KIND_DEPTH, BUY, 99, 1 + at % 2) for at in range(6, 2006)]
    once = [*CALM, (5.5, KIND_DEPTH, BUY, 102, 1), (5.6, KIND_DEPTH, BUY, 102, 0), *rows]
    assert not check(recording(once)).passed
    assert check(recording(once, venue="bitstamp")).passed
    often = [*once[:-1]]
    for at in range(3):
        often += [
            (2007.0 + at, KIND_DEPTH, BUY, 102, 1), (2007.5 + at, KIND_DEPTH, BUY, 102, 0),
        ]  # fmt: skip
    assert not check(recording(often, venue="bitstamp")).passed


def test_a_cleared_book_is_not_crossed():
    """A new beginning at another price does not meet what was there before."""
    again = [
        *CALM,
        (6.0, KIND_CLEAR, 0, 0, 0),
        (6.0, KIND_SNAPSHOT, BUY, 110, 1),
        (6.0, KIND_SNAPSHOT, SELL, 111, 1),
    ]
    found = check(recording(again))
    assert found.passed
    assert any("begun anew 1 times" in line for line in found.warnings)


def changed(change):
    made = recording(CALM)
    events = made.events.copy()
    change(events)
    return Recording(made.meta, events)


def back(events):
    events[4, [EVENT_EXCH_NS, EVENT_LOCAL_NS]] -= 3 * SECOND_NS


def early(events):
    events[:, EVENT_LOCAL_NS] -= 2_000_000


def lost(events):
    events[3, EVENT_SEEN] = SEEN_EXCHANGE


def sideless(events):
    events[3, EVENT_SIDE] = 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (back, "local time runs back 1 times, first at event 4"),
        (back, "exchange time runs back 1 times"),
        (early, "8 events are seen locally before"),
        (lost, "the local clock sees 7 events, the exchange clock 8"),
        (lost, "meta counts 5 level changes, data holds 4"),
        (sideless, "1 levels or trades have no side"),
    ],
)
def test_clocks_and_figures_that_do_not_add_up_are_errors(change, says):
    """Each of these would make a replay wrong."""
    found = check(changed(change))
    assert not found.passed
    assert any(says in line for line in found.errors), found.errors


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        ({"gaps": 2}, "2 updates are missing"),
        ({"trades": 4}, "meta counts 4 trades, data holds 3"),
        ({"level_changes": 9}, "meta counts 11 level changes, data holds 5"),
        ({"depth_messages": 2}, "data holds 4 depth batches, more than the 2 messages"),
    ],
)
def test_the_counts_of_the_import_are_held_against_the_data(counts, says):
    """A recording holds level changes, its meta the messages: both must agree."""
    made = recording(CALM)
    meta = made.meta.model_copy(update={"counts": made.meta.counts.model_copy(update=counts)})
    found = check(Recording(meta, made.events))
    assert any(says in line for line in found.errors), found.errors


def test_silences_and_odd_prints_are_warnings():
    """They are facts of a quiet market, not damage; how long is too long depends on the venue."""
    rows = [*CALM, (40.0, KIND_TRADE, BUY, 110, 1), (41.0, KIND_DEPTH, BUY, 99, 1)]
    assert check(recording(rows)).errors == ()
    warnings = " ".join(check(recording(rows)).warnings)
    assert "1 trades over 200 bps off the market" in warnings
    assert "silences" not in warnings  # 35 s
    futures = " ".join(check(recording(rows, venue="binance-usdm")).warnings)
    assert "1 silences over 10 s, the longest 35.0 s from 2023-11-14 22:13:25.000 UTC" in futures


def test_streams_that_overtake_each_other_are_a_warning():
    """Above the venue's usual share."""
    made = recording(CALM)
    table = made.events.copy()
    table[2, EVENT_EXCH_NS], table[3, EVENT_EXCH_NS] = START_NS + 7, START_NS + 5
    events, _ = both_clocks(table)
    found = check(Recording(made.meta, events))
    assert found.errors == ()
    assert any("another order" in line for line in found.warnings)


def test_an_empty_recording_fails():
    """There is nothing to replay."""
    made = recording(CALM)
    found = check(Recording(made.meta, made.events[:0]))
    assert found.errors == ("it holds no event; import it again",)


def test_every_venue_of_ours_has_its_thresholds():
    """And an unknown one gets the strict crossing rule."""
    assert OTHER_THRESHOLDS.crossed_share == 0
    venues = ("binance-spot", "binance-usdm", "binance-coinm", "bitstamp", "lobster", "synthetic")
    assert all(isinstance(THRESHOLDS[venue], Thresholds) for venue in venues)


def survey_twin(events, seen, limits):
    """The survey in dictionaries and plain loops."""
    clock = EVENT_LOCAL_NS if seen == SEEN_LOCAL else EVENT_EXCH_NS
    rows = [row for row in events.tolist() if row[EVENT_SEEN] & seen]
    books = {BUY: {}, SELL: {}}
    count = dict.fromkeys(
        ("batches", "crossed", "touch", "inside", "through", "off", "changes", "silences"), 0
    )
    samples = []
    sample_ns = (rows[0][clock] // SECOND_NS + 1) * SECOND_NS

    def best():
        return max(books[BUY], default=None), min(books[SELL], default=None)

    for place, row in enumerate(rows):
        kind, side, _, _, _, price, lots = row
        if place and row[clock] - rows[place - 1][clock] > limits.silence_s * SECOND_NS:
            count["silences"] += 1
        while sample_ns < row[clock]:
            bid, ask = best()
            samples.append(
                (sample_ns, NO_BID if bid is None else bid, NO_ASK if ask is None else ask)
            )
            sample_ns += SECOND_NS
        bid, ask = best()
        if kind == KIND_TRADE:
            if bid is None or ask is None:
                continue
            beyond = max(price - ask, bid - price)
            where = "through" if beyond > 0 else "inside"
            count["touch" if price == (ask if side == BUY else bid) else where] += 1
            count["off"] += beyond / ((bid + ask) / 2) * 10_000 > limits.off_market_bps
            continue
        books[side].pop(price, None)
        if lots:
            books[side][price] = lots
        count["changes"] += kind == KIND_DEPTH
        run = takewhile(lambda later: later[3:5] == row[3:5], rows[place + 1 :])  # noqa: B023
        same = [later for later in run if later[EVENT_KIND] != KIND_TRADE]
        if not same:
            count["batches"] += 1
            bid, ask = best()
            count["crossed"] += bid is not None and ask is not None and bid >= ask
    return count, samples


def random_events(random, size):
    table = np.zeros((size, EVENT_COLUMNS), np.int64)
    table[:, EVENT_LOCAL_NS] = START_NS + np.sort(random.integers(0, 40, size)) * SECOND_NS // 2
    table[:, EVENT_KIND] = random.choice([KIND_DEPTH, KIND_SNAPSHOT, KIND_TRADE], size)
    table[:, EVENT_SIDE] = random.choice([BUY, SELL], size)
    table[:, EVENT_EXCH_NS] = table[:, EVENT_LOCAL_NS] - random.integers(0, 3, size) * SECOND_NS
    table[:, 5] = 100 + random.integers(-4, 4, size) + np.where(table[:, EVENT_SIDE] == BUY, 0, 3)
    table[:, 6] = random.integers(0, 3, size)
    table[table[:, EVENT_KIND] == KIND_TRADE, 6] += 1
    return both_clocks(table)[0]


def test_the_survey_and_its_slow_twin_agree():
    """Batches, crossings, places of trades, silences and samples, on both clocks."""
    random = np.random.default_rng(11)
    limits = dataclasses.replace(OTHER_THRESHOLDS, silence_s=1.0, off_market_bps=150.0)
    for size in (1, 2, 7, 40, 150, 150, 150):
        events = random_events(random, size)
        for seen in (SEEN_LOCAL, SEEN_EXCHANGE):
            found = look(events, seen, limits)
            count, samples = survey_twin(events, seen, limits)
            meter = found.meter
            assert {
                "batches": meter[SURVEY_BATCHES],
                "crossed": meter[SURVEY_CROSSED],
                "touch": meter[SURVEY_AT_TOUCH],
                "inside": meter[SURVEY_INSIDE],
                "through": meter[SURVEY_THROUGH],
                "off": meter[SURVEY_OFF_MARKET],
                "changes": meter[SURVEY_CHANGES],
                "silences": meter[SURVEY_SILENCES],
            } == count
            assert [tuple(row) for row in found.samples.tolist()] == samples
            trades = events[(events[:, EVENT_KIND] == KIND_TRADE) & (events[:, 2] & seen > 0)]
            assert meter[SURVEY_TRADES] == len(trades)
            assert meter[SURVEY_TRADED_LOTS] == trades[:, 6].sum()


def test_an_imported_day_passes(tmp_path):
    """The hand-written day of the importer's tests is sound on both clocks."""
    made = import_feed([write(tmp_path / "abcusdt_20231114.gz", spot_day())]).recording
    assert check(made).errors == ()
