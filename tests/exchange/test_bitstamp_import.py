import json

import pytest

from exchange.audit import check
from exchange.errors import FeedError, FeedFormatError, FeedSequenceError
from exchange.importers.detect import Format, format_of, import_feed
from exchange.importers.instruments import Options
from exchange.importers.order_book import ASK, BID, OrderBook, Resting
from market.layout import (
    BUY,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    EVENT_SIDE,
    KIND_DEPTH,
    KIND_SNAPSHOT,
    KIND_TRADE,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
    SELL,
)
from tests.exchange.feeds import real_feed, write

START_MS = 1_430_438_404_000


def order(at, event, number, side, price, amount):
    body = {
        "price": price, "amount": amount, "datetime": "1430438404", "id": number,
        "order_type": side,
    }  # fmt: skip
    return f"{START_MS + at} order_{event} {json.dumps(body)}"


def trade(at, number, price, amount):
    body = {"price": price, "amount": amount, "id": number}
    return f"{START_MS + at} trade {json.dumps(body)}"


def book(at, bids, asks):
    return f"{START_MS + at} order_book {json.dumps({'bids': bids, 'asks': asks})}"


def opening():
    """An order before the first sample, and the sample: 3.0 at 236.00 of which 1.0 is known."""
    return [
        order(0, "created", 1, BID, "236.00", "1.00000000"),
        book(
            100,
            [["236.00", "3.00000000"], ["235.90", "2.00000000"]],
            [["236.50", "1.50000000"], ["236.60", "4.00000000"]],
        ),
    ]


def made(tmp_path, lines, **options):
    return import_feed([write(tmp_path / "day.log", lines)], options=Options(**options)).recording


def levels(recording):
    """(side, price in cents, amount in 1e-6) of every depth event in order."""
    events = recording.events[recording.events[:, EVENT_KIND] == KIND_DEPTH]
    return [tuple(row) for row in events[:, [EVENT_SIDE, EVENT_PRICE_TICKS, EVENT_LOTS]].tolist()]


def prints(recording, seen=SEEN_EXCHANGE):
    """Trades on one clock."""
    events = recording.events
    return events[(events[:, EVENT_KIND] == KIND_TRADE) & (events[:, EVENT_SEEN] & seen != 0)]


def test_the_first_sample_seeds_the_book(tmp_path):
    """Totals as shown; the part that no known order explains is anonymous."""
    recording = made(tmp_path, [*opening(), order(200, "deleted", 1, BID, "236.00", "1.0")])
    snapshot = recording.events[recording.events[:, EVENT_KIND] == KIND_SNAPSHOT]
    assert snapshot[:, EVENT_LOTS].tolist() == [3_000_000, 2_000_000, 1_500_000, 4_000_000]
    assert levels(recording) == [(BUY, 23600, 2_000_000)]
    meta = recording.meta
    assert (meta.venue, meta.symbol, meta.tick, meta.lot) == (
        "bitstamp", "BTC-USD", "0.01", "0.000001",
    )  # fmt: skip
    assert not meta.exchange_clock


def test_orders_change_their_levels(tmp_path):
    """Created, part filled, moved to another price, deleted: totals follow."""
    recording = made(
        tmp_path,
        [
            *opening(),
            order(200, "created", 2, BID, "235.90", "0.50000000"),
            order(300, "changed", 2, BID, "235.90", "0.20000000"),
            order(400, "changed", 2, BID, "235.80", "0.20000000"),
            order(500, "deleted", 2, BID, "235.80", "0.20000000"),
        ],
    )
    assert levels(recording) == [
        (BUY, 23590, 2_500_000),
        (BUY, 23590, 2_200_000),
        (BUY, 23590, 2_000_000),
        (BUY, 23580, 200_000),
        (BUY, 23580, 0),
    ]


def test_a_birth_after_its_own_death_is_skipped(tmp_path):
    """Such an order would stay in the book for ever."""
    recording = made(
        tmp_path,
        [
            *opening(),
            order(200, "deleted", 9, BID, "235.95", "0.70000000"),
            order(210, "created", 9, BID, "235.95", "0.70000000"),
        ],
    )
    assert recording.meta.counts.orders_ignored == 1
    assert levels(recording) == []


def test_orders_from_before_the_log_shrink_the_anonymous_rest(tmp_path):
    """Their ids are unknown; a deletion says what they held, a later sample what they do not."""
    recording = made(
        tmp_path,
        [
            *opening(),
            order(200, "deleted", 77, BID, "235.90", "1.25000000"),
            book(300, [["236.00", "3.0"], ["235.90", "0.5"]], [["236.50", "1.0"]]),
        ],
    )
    assert levels(recording) == [
        (BUY, 23590, 750_000), (BUY, 23590, 500_000), (SELL, 23650, 1_000_000),
    ]  # fmt: skip


def matched(amount="0.50000000"):
    """A buy that comes in at 236.50 and takes from a resting sell, as the log shows it."""
    return [
        *opening(),
        order(200, "created", 3, ASK, "236.40", "0.50000000"),
        order(300, "created", 4, BID, "236.50", "0.80000000"),
        order(310, "changed", 4, BID, "236.50", "0.30000000"),
        order(320, "deleted", 3, ASK, "236.40", "0.00000000"),
        trade(330, 1, 236.40000000000001, float(amount)),
    ]


def test_an_order_that_is_being_matched_does_not_cross_the_book(tmp_path):
    """It waits outside until its counterpart has left; what rests of it comes in then."""
    recording = made(tmp_path, [*matched(), order(400, "deleted", 4, BID, "236.50", "0.30000000")])
    found = check(recording)
    assert found.crossed_books == 0
    assert (BUY, 23650, 300_000) not in levels(recording)[:2]


def test_the_newer_of_two_shrinking_orders_is_the_aggressor(tmp_path):
    """Both shrank by the traded amount; the one that came later took."""
    recording = made(tmp_path, matched())
    trades = prints(recording)
    assert trades[:, [EVENT_SIDE, EVENT_PRICE_TICKS, EVENT_LOTS]].tolist() == [
        [BUY, 23640, 500_000]
    ]
    assert recording.meta.counts.aggressors_inferred == 1


def test_a_trade_happens_before_its_orders_shrink(tmp_path):
    """The log shows it later; a queue known by its level alone must not lose the amount twice."""
    recording = made(tmp_path, matched())
    (happened,) = prints(recording)[:, EVENT_EXCH_NS].tolist()
    assert happened == (START_MS + 310) * 1_000_000 - 1
    local = prints(recording, SEEN_LOCAL)[:, EVENT_LOCAL_NS]
    assert local.tolist() == [(START_MS + 330) * 1_000_000]


def test_an_order_that_waited_beside_the_book_enters_under_its_own_id(tmp_path):
    """Not under that of the order whose leaving let it in."""
    lines = [line.replace("236.50", "236.45") for line in matched()[2:]]
    data = import_feed([write(tmp_path / "day.log", [*opening(), *lines])]).data
    assert data["order_id"][data["px"] == 236.45].tolist() == [4]


def test_a_lone_resting_order_was_hit_by_the_other_side(tmp_path):
    """When only the resting order is known, its counterpart was the aggressor."""
    recording = made(
        tmp_path,
        [
            *opening(),
            order(200, "created", 5, BID, "236.10", "0.40000000"),
            order(2000, "changed", 5, BID, "236.10", "0.10000000"),
            trade(2010, 1, 236.1, 0.3),
        ],
    )
    assert prints(recording)[:, EVENT_SIDE].tolist() == [SELL]


def test_an_aggressor_nobody_saw_is_guessed_from_mid(tmp_path):
    """And counted as guessed, which the check repeats."""
    recording = made(tmp_path, [*opening(), trade(200, 1, 236.5, 0.2), trade(300, 2, 236.0, 0.1)])
    assert prints(recording)[:, EVENT_SIDE].tolist() == [BUY, SELL]
    assert recording.meta.counts.aggressors_guessed == 2
    assert any("guessed" in line for line in check(recording).warnings)


def test_records_carry_the_order_id(tmp_path):
    """A queue model that knows orders can find them."""
    path = write(tmp_path / "day.log", [*opening(), order(200, "created", 8, BID, "235.9", "1.0")])
    made = import_feed([path])
    assert made.data["order_id"].tolist() == [0, 0, 0, 0, 8]


@pytest.mark.parametrize(
    ("line", "kind", "says"),
    [
        ("x", FeedFormatError, "allowed is '<local ms> <event> <json>'"),
        (f"{START_MS + 200} order_lost {{}}", FeedFormatError, "order_changed"),
        (f"{START_MS + 200} order_created {{}}", FeedFormatError, "no Bitstamp event"),
        (f"{START_MS + 200} order_book {{", FeedFormatError, "no Bitstamp event"),
        (order(200, "created", 2, 7, "1", "1"), FeedFormatError, "no Bitstamp event"),
        (order(50, "created", 2, 0, "1", "1"), FeedSequenceError, "runs back by 50 ms"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, line, kind, says):
    """File and line; our error, never another."""
    with pytest.raises(kind, match=says) as caught:
        made(tmp_path, [*opening(), line])
    assert "day.log:3: " in str(caught.value)


def test_a_log_without_a_sample_cannot_begin(tmp_path):
    """There is no book to change."""
    with pytest.raises(FeedError, match="no order_book in it"):
        made(tmp_path, [order(0, "created", 1, BID, "236.00", "1.0")])


def test_a_log_is_of_the_symbol_that_a_flag_names(tmp_path):
    """The log itself names none: it is BTC-USD, its venue's main market, unless told otherwise."""
    assert made(tmp_path, opening()).meta.symbol == "BTC-USD"
    assert made(tmp_path, opening(), symbol="BTC-EUR").meta.symbol == "BTC-EUR"
    assert format_of([write(tmp_path / "x", opening())]) is Format.BITSTAMP


def test_totals_never_fall_below_nothing():
    """Even when the log takes out more than it put in."""
    book = OrderBook()
    book.place(1, Resting(BID, 10.0, 5), 0)
    book.take(BID, 10.0, 9)
    assert book.total(BID, 10.0) == 0
    assert book.best(BID) is None
    book.place(2, Resting(ASK, 11.0, 3), 0)
    book.place(3, Resting(BID, 11.0, 4), 10)  # would cross: held
    assert book.best(BID) is None
    book.settle(now_ns=20, patience_ns=5)
    assert book.best(BID) == 11.0


@pytest.mark.slow
def test_the_real_log_keeps_to_the_crossing_rate_of_its_manifest():
    """At most 0.1 % crossed; the exchange's own best prices are met more often than 99 %."""
    recording = import_feed([real_feed("bitstamp-spot-btcusd-20150501")]).recording
    found = check(recording)
    counts = recording.meta.counts
    assert (counts.depth_messages, counts.trades) == (118_960 + 4_516 + 119_048, 4_251)
    assert found.errors == ()
    assert found.crossed_books <= 0.001 * found.facts["depth_batches"]
    own = recording.meta.notes["own_book"]
    assert own["best_prices_equal"] > 0.99 * own["samples"]
    assert counts.aggressors_inferred >= 4_249
