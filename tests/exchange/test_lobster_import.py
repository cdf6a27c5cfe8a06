import pytest

from exchange.audit import check
from exchange.errors import FeedError, FeedFormatError, FeedSequenceError, FeedSymbolError
from exchange.importers.detect import Format, format_of, import_feed
from exchange.importers.instruments import Options
from exchange.importers.lobster import midnight_ns, seconds_ns
from market.layout import (
    BUY,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SIDE,
    KIND_DEPTH,
    KIND_TRADE,
    SELL,
)
from tests.exchange.feeds import write

NAME = "AAPL_2012-06-21_34200000_57600000_{}_2.csv"
NO_ASK, NO_BID = 9_999_999_999, -9_999_999_999
# seconds, type, order id, size, price x 10000, direction; then the two best levels after it.
MESSAGES = [
    "34200.004241176,1,16113575,18,5853300,1",
    "34200.025551909,1,16113584,10,5859400,-1",
    "34200.201743111,4,16113584,4,5859400,-1",
    "34200.300000001,5,0,100,5856350,1",
    "34200.300000002,5,0,7,5856300,1",
    "34200.400000000,3,16113575,18,5853300,1",
    "34200.500000000,6,-1,900,5855000,1",
]
BOOKS = [
    f"5859500,200,5853300,18,5859800,100,{NO_BID},0",
    "5859400,10,5853300,18,5859500,200,5853000,50",
    "5859400,6,5853300,18,5859500,200,5853000,50",
    "5859400,6,5853300,18,5859500,200,5853000,50",
    "5859400,6,5853300,18,5859500,200,5853000,50",
    f"5859400,6,5853000,50,5859500,200,{NO_BID},0",
    f"5859400,6,5853000,50,{NO_ASK},0,{NO_BID},0",
]


def made(tmp_path, messages=MESSAGES, books=BOOKS, **options):
    paths = [
        write(tmp_path / NAME.format("message"), messages),
        write(tmp_path / NAME.format("orderbook"), books),
    ]
    return import_feed(paths, options=Options(**options)).recording


def test_changes_of_the_shown_book_become_depth_events(tmp_path):
    """A level that leaves the window leaves the recording: 585.98 after the second message."""
    recording = made(tmp_path)
    depth = recording.events[recording.events[:, EVENT_KIND] == KIND_DEPTH]
    columns = [EVENT_SIDE, EVENT_PRICE_TICKS, EVENT_LOTS]
    assert depth[:, columns].tolist() == [
        [BUY, 58530, 50], [SELL, 58594, 10], [SELL, 58598, 0],
        [SELL, 58594, 6],
        [BUY, 58533, 0],
        [SELL, 58595, 0],
    ]  # fmt: skip
    found = check(recording)
    assert found.errors == ()


def test_the_aggressor_is_the_other_side_of_the_resting_order(tmp_path):
    """A visible sell was bought; a hidden buy was sold to. Between ticks nobody can rest."""
    recording = made(tmp_path)
    trades = recording.events[recording.events[:, EVENT_KIND] == KIND_TRADE]
    columns = [EVENT_SIDE, EVENT_PRICE_TICKS, EVENT_LOTS]
    assert trades[:, columns].tolist() == [[BUY, 58594, 4], [SELL, 58563, 7]]
    assert recording.meta.counts.trades_ignored == 2


def test_times_are_exact_and_new_york(tmp_path):
    """Nanoseconds after midnight, in summer time that day."""
    assert seconds_ns("34200.004241176") == 34_200_004_241_176
    assert seconds_ns("34200") == 34_200_000_000_000
    assert midnight_ns("2012-06-21") == 1_340_251_200 * 10**9  # 04:00 UTC
    assert midnight_ns("2012-01-03") == 1_325_566_800 * 10**9  # 05:00 UTC
    first = made(tmp_path).events[0, EVENT_EXCH_NS]
    assert first == 1_340_251_200 * 10**9 + 34_200_004_241_176


def test_the_instrument_is_a_stock_in_dollars(tmp_path):
    """One share a lot, a cent a tick."""
    meta = made(tmp_path).meta
    assert (meta.venue, meta.symbol, meta.tick, meta.lot) == ("lobster", "AAPL-USD", "0.01", "1")
    assert meta.notes == {"local_clock": False}
    assert made(tmp_path, symbol="AAPL").meta.symbol == "AAPL-USD"


@pytest.mark.parametrize(
    ("messages", "books", "kind", "says"),
    [
        ([*MESSAGES[:-1], "x,1,1,1,1,1"], BOOKS, FeedFormatError, "csv:7: no LOBSTER message"),
        ([*MESSAGES[:-1], "34201,1,1,1"], BOOKS, FeedFormatError, "csv:7: no LOBSTER message"),
        ([*MESSAGES[:-1], "34201,9,1,1,1,1"], BOOKS, FeedFormatError, "type 9"),
        ([*MESSAGES[:-1], "34199,1,1,1,1,1"], BOOKS, FeedSequenceError, "time runs back"),
        (MESSAGES[:-1], BOOKS, FeedSequenceError, "6 messages but 7 book rows"),
        (MESSAGES, BOOKS[:-1], FeedSequenceError, "7 messages but 6 book rows"),
        (MESSAGES, [*BOOKS[:-1], "1,2,3"], FeedFormatError, "no order book rows"),
        (MESSAGES, ["1,2,3"] * 7, FeedFormatError, "4 columns a level"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(tmp_path, messages, books, kind, says):
    """Damaged, swapped or cut: one line, exit code 4."""
    with pytest.raises(kind, match=says) as caught:
        made(tmp_path, messages, books)
    assert caught.value.exit_code == 4
    assert "\n" not in str(caught.value)


def test_another_stock_or_a_lone_file_is_refused(tmp_path):
    """The names of the two files say which day and stock they are of."""
    with pytest.raises(FeedSymbolError, match="holds AAPL, wanted MSFT"):
        made(tmp_path, symbol="MSFT-USD")
    lone = write(tmp_path / NAME.format("message"), MESSAGES)
    with pytest.raises(FeedError, match="of one day"):
        import_feed([lone])
    assert format_of([lone]) is Format.LOBSTER
