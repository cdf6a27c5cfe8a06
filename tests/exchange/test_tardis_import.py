import pytest

from exchange.audit import check
from exchange.errors import FeedError, FeedFormatError, FeedSequenceError, FeedSymbolError
from exchange.importers.detect import Format, format_of, import_feed
from exchange.importers.instruments import Options
from market.layout import (
    BUY,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SIDE,
    KIND_CLEAR,
    KIND_DEPTH,
    KIND_SNAPSHOT,
    KIND_TRADE,
    SELL,
)
from tests.exchange.feeds import write

BOOK = "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount"
TRADES = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
START_US = 1_700_000_000_000_000


def level(at_us, snapshot, side, price, amount, *, symbol="BTCUSDT", lag_us=3):
    stamp = START_US + at_us
    mark = "true" if snapshot else "false"
    return f"binance-futures,{symbol},{stamp - lag_us},{stamp},{mark},{side},{price},{amount}"


def trade(at_us, number, side, price, amount, lag_us=3):
    stamp = START_US + at_us
    return f"binance-futures,BTCUSDT,{stamp - lag_us},{stamp},{number},{side},{price},{amount}"


def book_rows():
    return [
        BOOK,
        level(0, False, "bid", 1, 1),  # before the first snapshot: dropped
        level(10, True, "bid", 100.0, 5),
        level(10, True, "ask", 100.1, 4),
        level(10, True, "ask", 100.2, 6),
        level(20, False, "ask", 100.1, 0),
        level(20, False, "bid", 100.1, 2.5),
        level(40, True, "bid", 99.0, 1),
        level(40, True, "ask", 99.1, 1),
        level(50, False, "bid", 99.0, 3),
    ]


def trade_rows():
    return [TRADES, trade(20, 1, "buy", 100.1, 4), trade(45, 2, "sell", 99.0, 0.5)]


def made(tmp_path, *, book=None, trades=None, **options):
    paths = [write(tmp_path / "binance_book.csv.gz", book_rows() if book is None else book)]
    if trades != []:
        paths.append(write(tmp_path / "binance_trades.csv.gz", trades or trade_rows()))
    return import_feed(paths, options=Options(**options)).recording


def test_two_tables_become_one_recording(tmp_path):
    """In the order of local times, trades before the levels that they changed."""
    recording = made(tmp_path)
    events = recording.events
    assert events[:, EVENT_KIND].tolist() == [
        KIND_SNAPSHOT, KIND_SNAPSHOT, KIND_SNAPSHOT,
        KIND_TRADE, KIND_DEPTH, KIND_DEPTH,
        KIND_CLEAR, KIND_SNAPSHOT, KIND_SNAPSHOT, KIND_TRADE, KIND_DEPTH,
    ]  # fmt: skip
    taken = events[events[:, EVENT_KIND] == KIND_TRADE]
    assert taken[:, EVENT_SIDE].tolist() == [BUY, SELL]
    assert taken[:, EVENT_PRICE_TICKS].tolist() == [1001, 990]
    assert taken[:, EVENT_LOTS].tolist() == [40, 5]
    assert events[3, EVENT_LOCAL_NS] == (START_US + 20) * 1000
    meta = recording.meta
    assert (meta.venue, meta.symbol, meta.spot) == ("binance-usdm", "BTC-USDT", False)


def test_a_second_snapshot_begins_the_book_anew(tmp_path):
    """What was there before is cleared, and the check warns of the lost connection."""
    recording = made(tmp_path)
    counts = recording.meta.counts
    assert (counts.snapshots, counts.clears, counts.depth_dropped) == (2, 1, 1)
    found = check(recording)
    assert found.errors == ()
    assert found.crossed_books == 0
    assert any("begun anew" in line for line in found.warnings)


def test_trades_with_an_unknown_taker_are_left_out(tmp_path):
    """They cannot fill anybody's order on a known side."""
    recording = made(tmp_path, trades=[TRADES, trade(20, 1, "unknown", 100.1, 4)])
    assert recording.meta.counts.trades_ignored == 1


@pytest.mark.parametrize(
    ("row", "kind", "says"),
    [
        ("binance-futures,BTCUSDT,1", FeedFormatError, "no Tardis row"),
        (level(60, False, "bid", "x", 1), FeedFormatError, "no Tardis row"),
        (level(60, False, "middle", 99.0, 1), FeedFormatError, "bid or ask, found 'middle'"),
        (level(60, False, "bid", 99.0, 1, symbol="ETHUSDT"), FeedSymbolError, "holds ETHUSDT"),
        (level(30, False, "bid", 99.0, 1), FeedSequenceError, "runs back by 0.020 ms"),
        (level(60, False, "bid", 99.0, 1).replace("binance-f", "okex-f"), FeedError, "one venue"),
        (level(60, False, "bid", "nan", 1), FeedFormatError, "a price is nan"),
        (level(60, False, "bid", 99.0, -1), FeedFormatError, "a quantity is -1"),
    ],
)
def test_a_damaged_row_is_refused(tmp_path, row, kind, says):
    """One line, exit code 4."""
    with pytest.raises(kind, match=says) as caught:
        made(tmp_path, book=[*book_rows(), row])
    assert caught.value.exit_code == 4
    assert "\n" not in str(caught.value)


def test_tables_that_do_not_make_a_recording_are_refused(tmp_path):
    """Trades alone, no snapshot, other columns, another symbol."""
    only = write(tmp_path / "trades.csv", trade_rows())
    with pytest.raises(FeedError, match="add the incremental_book_L2"):
        import_feed([only])
    with pytest.raises(FeedError, match="is_snapshot true"):
        made(tmp_path, book=book_rows()[:2])
    other = write(tmp_path / "other.csv", ["a,b,c", "1,2,3"])
    with pytest.raises(FeedFormatError, match="allowed are the columns"):
        import_feed([only, other], name=Format.TARDIS)
    with pytest.raises(FeedSymbolError, match="wanted ETH-USDT"):
        made(tmp_path, symbol="ETH-USDT")


def test_the_format_is_told_from_the_header(tmp_path):
    """Either table shows it."""
    assert format_of([write(tmp_path / "a.csv", trade_rows())]) is Format.TARDIS
    assert format_of([write(tmp_path / "b.csv.gz", book_rows())]) is Format.TARDIS
