import gzip
import re

import numpy as np
import pytest

from exchange.audit import check
from exchange.errors import (
    FeedDamagedError,
    FeedError,
    FeedFormatError,
    FeedSequenceError,
    FeedSymbolError,
)
from exchange.importers.detect import Format, format_of, import_feed
from exchange.importers.instruments import Options
from exchange.importers.reading import files_of
from exchange.recording import save
from market.layout import (
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    KIND_DEPTH,
    KIND_SNAPSHOT,
    KIND_TRADE,
    SEEN_LOCAL,
)
from tests.exchange.feeds import (
    NEXO,
    START_NS,
    diff,
    frame,
    real_feed,
    snapshot,
    spot_day,
    trade,
    write,
)

MS = 1_000_000


def made(tmp_path, lines, *, name="abcusdt_20231114.gz", **options):
    return import_feed([write(tmp_path / name, lines)], options=Options(**options)).recording


def local_rows(recording, kind):
    events = recording.events
    chosen = ((events[:, EVENT_SEEN] & SEEN_LOCAL) != 0) & (events[:, EVENT_KIND] == kind)
    return events[chosen]


def test_early_diffs_wait_for_the_snapshot(tmp_path):
    """What the snapshot contains is dropped, what is newer is applied after it, at its arrival."""
    recording = made(tmp_path, spot_day())
    counts = recording.meta.counts
    assert (counts.depth_messages, counts.level_changes) == (5, 6)
    assert (counts.depth_dropped, counts.levels_dropped) == (1, 1)
    assert (counts.trades, counts.snapshots, counts.snapshot_levels) == (2, 1, 4)
    kinds = recording.events[:, EVENT_KIND].tolist()
    assert kinds[:5] == [KIND_SNAPSHOT] * 4 + [KIND_DEPTH]
    early = local_rows(recording, KIND_DEPTH)[0]
    offset = recording.meta.clock_offset_ns
    assert early[EVENT_LOCAL_NS] == START_NS + 150 * MS + offset
    assert early[EVENT_PRICE_TICKS : EVENT_LOTS + 1].tolist() == [1002, 40]
    assert check(recording).passed


def test_tick_and_lot_are_read_from_the_figures(tmp_path):
    """The smallest decimal step, unless a flag says otherwise."""
    assert made(tmp_path, spot_day()).meta.tick == "0.01"
    assert made(tmp_path, spot_day()).meta.lot == "0.1"
    given = made(tmp_path, spot_day(), tick="0.005", lot="0.01").meta
    assert (given.tick, given.lot) == ("0.005", "0.01")
    with pytest.raises(FeedFormatError, match=r"no multiple of the tick 0\.1"):
        made(tmp_path, spot_day(), tick="0.1")
    with pytest.raises(FeedFormatError, match="no multiple of the lot 3"):
        made(tmp_path, spot_day(), lot="3")


def refused(tmp_path, lines, kind, says, **options):
    with pytest.raises(kind, match=says) as caught:
        made(tmp_path, lines, **options)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("gone", [1, 4, 6])
def test_a_removed_diff_is_refused(tmp_path, gone):
    """Before the snapshot, after it, and in the middle: the chain of update ids breaks."""
    lines = spot_day()
    del lines[gone]
    refused(tmp_path, lines, FeedSequenceError, r"abcusdt_20231114.gz:\d+: an update is missing")


def test_a_diff_missing_right_after_the_snapshot_is_refused(tmp_path):
    """The first diff must continue from the snapshot's own number."""
    lines = spot_day()[2:]
    refused(tmp_path, lines, FeedSequenceError, "missing after the snapshot: found U 104")


@pytest.mark.parametrize("first", range(7))
def test_a_swapped_pair_is_refused(tmp_path, first):
    """Whichever two neighbours change places, local time or an id shows it."""
    lines = spot_day()
    lines[first], lines[first + 1] = lines[first + 1], lines[first]
    refused(tmp_path, lines, FeedSequenceError, "runs back|missing|out of order")


def test_swapped_contents_under_right_times_are_refused(tmp_path):
    """Ids are checked too: of diffs, and of trades."""
    lines = spot_day()
    stamps = [line.split(" ", 1) for line in lines]
    for one, two in ((4, 6), (3, 5)):
        changed = [*stamps]
        changed[one] = [stamps[one][0], stamps[two][1]]
        changed[two] = [stamps[two][0], stamps[one][1]]
        swapped = [" ".join(parts) for parts in changed]
        refused(tmp_path, swapped, FeedSequenceError, "update is missing|trade 7 follows trade 8")


def test_a_truncated_gzip_is_refused(tmp_path):
    """A copy that broke off says after which line."""
    path = write(tmp_path / "abcusdt_20231114.gz", spot_day() * 1)
    whole = path.read_bytes()
    for length in (len(whole) - 1, len(whole) - 9, len(whole) // 2, 30):
        path.write_bytes(whole[:length])
        with pytest.raises(FeedError, match=r"cut off after line|damaged after line") as caught:
            import_feed([path], name=Format.BINANCE)
        assert "\n" not in str(caught.value)


def test_a_damaged_gzip_is_refused(tmp_path):
    """A flipped byte fails the checksum."""
    path = write(tmp_path / "abcusdt_20231114.gz", spot_day())
    whole = bytearray(path.read_bytes())
    whole[-6] ^= 0xFF
    path.write_bytes(bytes(whole))
    with pytest.raises(FeedDamagedError, match="damaged after line 8"):
        import_feed([path], name=Format.BINANCE)


def test_another_symbol_is_refused(tmp_path):
    """By the flag, by one line among many, by the stream's name, by the file's name."""
    refused(tmp_path, spot_day(), FeedSymbolError, "holds ABCUSDT, wanted BTC-USDT",
            symbol="BTC-USDT")  # fmt: skip
    mixed = [*spot_day(), diff(500, 108, 108, bids=[("9.97", "1.0")], symbol="XYZUSDT")]
    refused(tmp_path, mixed, FeedSymbolError, ":9: holds XYZUSDT, wanted ABCUSDT")
    renamed = [line.replace('"ABCUSDT"', '"XYZUSDT"') for line in spot_day()]
    refused(tmp_path, renamed, FeedSymbolError, "stream: holds ABCUSDT, wanted XYZUSDT")
    refused(tmp_path, spot_day(), FeedSymbolError, "name says XYZUSDT", name="xyzusdt_20231114.gz")
    assert made(tmp_path, spot_day(), symbol="abc/usdt").meta.symbol == "ABC-USDT"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("1700000000600000000", "allowed is '<local time> <json>'"),
        ("x {}", "allowed is '<local time> <json>'"),
        ("17000000006 {}", "local time 17000000006 is neither micro- nor nanoseconds"),
        ("1700000000600000000 {", "no Binance message"),
        ("1700000000600000000 []", "no Binance message"),
        ("1700000000600000000 {}", "no Binance message"),
        ('1700000000600000000 {"e": "depthUpdate", "s": "ABCUSDT"}', "no Binance message"),
        ('1700000000600000000 {"e": "trade", "s": "ABCUSDT", "t": "8"}', "no Binance message"),
        ('1700000000600000000 {"lastUpdateId": 9}', None),
    ],
)
def test_a_damaged_line_is_named(tmp_path, line, says):
    """File, line and what stood there; a later snapshot adds nothing and is only counted."""
    lines = [*spot_day(), line]
    if says is None:
        assert made(tmp_path, lines).meta.counts.snapshots_ignored == 1
    else:
        refused(tmp_path, lines, FeedFormatError, rf"abcusdt_20231114.gz:9: {says}")


def test_every_truncated_line_gives_our_error(tmp_path):
    """However short the last line is, the importer's own error names it."""
    lines = spot_day()
    for length in range(1, len(lines[-1]), 7):
        refused(tmp_path, [*lines[:-1], lines[-1][:length]], FeedError, "gz:8: ")


def test_a_recording_without_snapshot_or_data_is_refused(tmp_path):
    """The second file of a recording alone has no beginning."""
    lines = [line for line in spot_day() if "lastUpdateId" not in line]
    refused(tmp_path, lines, FeedSequenceError, "no depth snapshot")
    refused(tmp_path, spot_day()[2:3], FeedError, "no depth diff and no trade")
    with pytest.raises(FeedError, match="no such file"):
        import_feed([tmp_path / "absent.gz"])
    with pytest.raises(FeedFormatError, match="allowed are binance, tardis"):
        import_feed([write(tmp_path / "poem.csv", ["roses are red"])])


def test_microseconds_are_told_by_their_size(tmp_path):
    """The same day in either unit gives the same recording."""
    short = [re.sub(r"^(\d{16})\d{3}", r"\1", line) for line in spot_day()]
    one = made(tmp_path, spot_day())
    two = made(tmp_path, short)
    assert (one.events == two.events).all()


def test_a_local_clock_that_runs_early_gets_one_offset(tmp_path):
    """No event is seen before it happened; the distances between events stay."""
    late = [diff(500, 108, 108, bids=[("9.97", "1.0")], lag_ms=-40)]
    recording = made(tmp_path, spot_day() + late)
    assert recording.meta.clock_offset_ns == 40 * MS
    events = recording.events
    assert (events[:, EVENT_LOCAL_NS] >= events[:, EVENT_EXCH_NS]).all()
    assert events[0, EVENT_LOCAL_NS] == START_NS + (150 + 40) * MS
    assert recording.meta.span_ns == (START_NS + 190 * MS, START_NS + 540 * MS)


def futures_day(symbol="ABCUSDT", **more):
    return [
        diff(0, 90, 99, bids=[("9.0", "4")], symbol=symbol, previous=80),
        snapshot(50, 105, [["10.0", "5"]], [["10.1", "3"]]),
        diff(100, 101, 108, asks=[("10.1", "2")], symbol=symbol, previous=99),
        trade(120, 5, "10.1", "1", symbol=symbol, X="MARKET", **more),
        trade(140, 6, "55.0", "1", symbol=symbol, X="INSURANCE_FUND", **more),
        diff(200, 120, 125, bids=[("10.0", "4")], symbol=symbol, previous=108),
    ]


def test_futures_chain_by_the_previous_update(tmp_path):
    """Update ids of futures have holes; `pu` names the update before."""
    meta = made(tmp_path, futures_day()).meta
    assert (meta.venue, meta.spot, meta.inverse) == ("binance-usdm", False, False)
    assert meta.counts.depth_dropped == 1
    del (lines := futures_day())[2]
    refused(tmp_path, lines, FeedSequenceError, "found pu 108, allowed 99")


def test_prints_that_no_market_order_made_are_left_out(tmp_path):
    """An insurance-fund print far off the market is no trade that could fill us."""
    recording = made(tmp_path, futures_day())
    assert recording.meta.counts.trades_ignored == 1
    assert local_rows(recording, KIND_TRADE)[:, EVENT_PRICE_TICKS].tolist() == [101]


def test_coin_margined_contracts_are_inverse(tmp_path):
    """Quantities are contracts of a fixed quote value, and the meta says so."""
    lines = futures_day("BTCUSD_PERP", ps="BTCUSD")
    meta = made(tmp_path, lines, name="btcusd_perp_20231114.gz").meta
    assert (meta.venue, meta.symbol, meta.inverse) == ("binance-coinm", "BTC-USD", True)
    assert (meta.contract_size, meta.lot, meta.spot) == ("100", "1", False)
    other = made(tmp_path, futures_day("ADAUSD_240628", ps="ADAUSD"), name="a.gz").meta
    assert (other.symbol, other.contract_size) == ("ADA-USD", "10")
    assert made(tmp_path, lines, name="a.gz", contract_size="50").meta.contract_size == "50"


def test_book_tickers_and_other_streams_are_only_counted(tmp_path):
    """They say nothing that the diffs do not."""
    extra = [
        frame(START_NS + 500 * MS, {"u": 1, "s": "ABCUSDT"}, stream="abcusdt@bookTicker"),
        frame(START_NS + 501 * MS, {"e": "aggTrade", "s": "ABCUSDT"}, stream="abcusdt@aggTrade"),
    ]
    counts = made(tmp_path, spot_day() + extra).meta.counts
    assert (counts.tickers, counts.other) == (1, 1)


def test_missing_trade_numbers_are_counted(tmp_path):
    """A hole among trades does not spoil the book, so it is a warning."""
    recording = made(tmp_path, [*spot_day(), trade(500, 11, "10.00", "1.0")])
    assert recording.meta.counts.trade_ids_missing == 2
    assert any("trade numbers" in line for line in check(recording).warnings)


def test_far_levels_off_the_tick_are_left_out(tmp_path):
    """Old orders may rest on a finer grid than today's; they never become the touch."""
    far = diff(500, 108, 109, bids=[("1.234", "1.0"), ("9.95", "2.0")])
    recording = made(tmp_path, [*spot_day(), far])
    assert recording.meta.tick == "0.01"
    assert recording.meta.counts.off_grid == 1
    assert check(recording).passed


REAL = {
    NEXO: (68_182, 136_315, 12_458, "0.001", "0.01"),
    "binance-usdm-btcusdt-20240718": (9_022, 400_859, 10_701, "0.1", "0.001"),
    "binance-usdm-ethusdt-20240718": (8_929, 355_138, 13_655, "0.01", "0.001"),
    "binance-usdm-btcusdt-20240808": (6_551, 443_521, 21_313, "0.1", "0.001"),
    "binance-usdm-ethusdt-20240808": (6_586, 428_662, 14_076, "0.01", "0.001"),
    "binance-spot-btcusdt-20240808": (6_495, 298_111, 19_904, "0.01", "0.00001"),
    "binance-spot-ethusdt-20240808": (6_470, 272_764, 14_515, "0.01", "0.0001"),
}


@pytest.mark.parametrize("name", REAL)
def test_real_recordings_have_the_counts_of_their_manifest(name):
    """Depth events, level changes, trades; no gap, no crossed book, no error."""
    recording = import_feed([real_feed(name)]).recording
    found = check(recording)
    meta = recording.meta
    depth, changes, trades, tick, lot = REAL[name]
    assert (found.depth_events, found.level_changes, found.trades) == (depth, changes, trades)
    assert (found.gaps, found.crossed_books, found.errors) == (0, 0, ())
    assert (meta.tick, meta.lot) == (tick, lot)


def test_a_real_recording_is_imported_to_the_same_bytes(tmp_path):
    """Import is a pure function of its files."""
    folder = real_feed(NEXO)
    for name in ("one.npz", "two.npz"):
        made = import_feed([folder])
        save(tmp_path / name, made.recording, made.data)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_a_real_file_with_one_diff_removed_or_swapped_is_refused(tmp_path):
    """Random places in the first real file; the line is named every time."""
    path = files_of([real_feed(NEXO)])[0]
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    random = np.random.default_rng(3)
    diffs = [row for row, line in enumerate(lines) if "depthUpdate" in line]
    for row in random.choice(diffs[:-1], 6, replace=False).tolist():
        removed = lines[:row] + lines[row + 1 :]
        swapped = [*lines[:row], lines[row + 1], lines[row], *lines[row + 2 :]]
        for changed in (removed, swapped):
            with pytest.raises(FeedSequenceError, match=r"nexousdt_20240723.gz:\d+: "):
                import_feed([write(tmp_path / "nexousdt_20240723.gz", changed)])


def test_the_format_is_told_from_the_first_line(tmp_path):
    """Whatever the file is called."""
    assert format_of([write(tmp_path / "x.gz", spot_day())]) is Format.BINANCE
