import gzip
import json
import zipfile

import numpy as np
import pytest

from exchange.errors import FeedDamagedError, FeedError, FeedFormatError, FeedSymbolError
from exchange.importers.bars import (
    CLOSE,
    VOLUME,
    import_bars,
    load_bars,
    looks_like_bars,
    save_bars,
)
from exchange.importers.bars_recorded import bars_of_recording, bars_of_steps
from exchange.importers.synthetic import synthetic_recording
from market.layout import NO_ASK, STEP_ASK, STEP_BID, STEP_COLUMNS, STEP_NOW_NS
from tests.exchange.feeds import real_feed

MINUTE_NS = 60 * 10**9


def bar(minute, close, **more):
    row = {"O": 1.0, "H": max(1.0, close), "L": min(1.0, close), "C": close, "V": 2.0, "BV": 1.0}
    return row | {"T": f"2017-11-19T05:{minute:02d}:00"} | more


def bittrex(folder, rows, name="BTC_ETH-5.json.gz"):
    path = folder / name
    path.write_bytes(gzip.compress(json.dumps(rows).encode()))
    return path


def test_bars_are_put_in_order_and_the_last_of_one_time_is_kept(tmp_path):
    """Doubled stamps and a row out of order are what Bittrex gave; absent bars stay absent."""
    rows = [bar(20, 1.2), bar(0, 1.1), bar(5, 1.3), bar(5, 1.4)]
    bars = import_bars([bittrex(tmp_path, rows)])
    assert (bars.meta.symbol, bars.meta.period_ns) == ("ETH-BTC", 5 * MINUTE_NS)
    assert bars.meta.doubles == 1
    assert bars.figures[:, CLOSE].tolist() == [1.1, 1.4, 1.2]
    assert (np.diff(bars.times_ns) // MINUTE_NS).tolist() == [5, 15]
    assert int(bars.times_ns[0]) == 1_511_067_600 * 10**9


def test_saved_bars_come_back_as_they_were(tmp_path):
    """Round trip; a file without bars says so."""
    bars = import_bars([bittrex(tmp_path, [bar(0, 1.1), bar(5, 0.9)])])
    save_bars(tmp_path / "eth.npz", bars)
    back = load_bars(tmp_path / "eth.npz")
    assert back is not None
    assert back.meta == bars.meta
    assert np.array_equal(back.times_ns, bars.times_ns)
    assert np.array_equal(back.figures, bars.figures)
    np.savez(tmp_path / "other.npz", data=np.zeros(3))
    assert load_bars(tmp_path / "other.npz") is None
    whole = (tmp_path / "eth.npz").read_bytes()
    for end in (10, len(whole) // 2, len(whole) - 5):
        (tmp_path / "cut.npz").write_bytes(whole[:end])
        with pytest.raises(FeedDamagedError, match=r"cut\.npz"):
            load_bars(tmp_path / "cut.npz")


@pytest.mark.parametrize(
    "row",
    [
        bar(0, 1.1, C=1.5),
        bar(0, 1.1, L=0.0),
        bar(0, 1.1, V=-1.0),
        bar(0, 1.1, C="many"),
        bar(0, 1.1, T="yesterday"),
        {"O": 1.0},
        3,
    ],
)
def test_an_impossible_bar_is_refused_in_one_line(tmp_path, row):
    """A close above the high is no price that anybody paid."""
    with pytest.raises(FeedFormatError) as caught:
        import_bars([bittrex(tmp_path, [bar(0, 1.0), row])])
    assert "BTC_ETH-5" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_cut_of_a_packed_file_gives_our_error(tmp_path):
    """A download that broke off is told as one."""
    whole = bittrex(tmp_path, [bar(minute, 1.1) for minute in range(0, 60, 5)]).read_bytes()
    path = tmp_path / "BTC_ETH-5.json.gz"
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(FeedError, match="BTC_ETH-5"):
            import_bars([path])


def archive(folder, name, lines):
    with zipfile.ZipFile(folder / name, "w") as file:
        file.writestr("inside.csv", "\n".join(lines))
    return folder / name


def test_minute_archives_join_their_days_and_trades_go_before_quotes(tmp_path):
    """Lean's files: milliseconds since midnight, one file a day."""
    archive(tmp_path, "btcusd_20180405_trade.zip", ["60000,10,12,9,11,3"])
    archive(tmp_path, "btcusd_20180404_trade.zip", ["0,10,11,9,10,1", "60000,10,11,9,9.5,2"])
    archive(tmp_path, "btcusd_20180404_quote.zip", ["0,1,1,1,1,5,3,3,3,3,5"])
    archive(tmp_path, "ethusd_20180404_quote.zip", ["0,1,1,1,1,5,3,3,3,3,5"])
    assert looks_like_bars([tmp_path])
    with pytest.raises(FeedSymbolError, match="BTC-USD, ETH-USD; choose one with --symbol"):
        import_bars([tmp_path])
    with pytest.raises(FeedSymbolError, match="no XRP-USD"):
        import_bars([tmp_path], symbol="XRP-USD")
    bars = import_bars([tmp_path], symbol="BTC-USD")
    assert bars.figures[:, CLOSE].tolist() == [10.0, 9.5, 11.0]
    assert bars.figures[:, VOLUME].tolist() == [1.0, 2.0, 3.0]
    assert bars.times_ns[-1] - bars.times_ns[0] == 24 * 60 * MINUTE_NS + MINUTE_NS
    mids = import_bars([tmp_path], symbol="ETH-USD")
    assert mids.figures.tolist() == [[2.0, 2.0, 2.0, 2.0, 0.0]]


@pytest.mark.parametrize("lines", [["0,1,2"], ["zero,1,1,1,1,1"], [""]])
def test_an_archive_of_something_else_is_refused(tmp_path, lines):
    """Columns are counted."""
    with pytest.raises(FeedError, match="btcusd_20180404_trade"):
        import_bars([archive(tmp_path, "btcusd_20180404_trade.zip", lines)])


def test_other_files_are_no_bars(tmp_path):
    """Names tell; what is absent is left for the next reader to complain of."""
    (tmp_path / "day.npz").write_bytes(b"PK")
    assert not looks_like_bars([tmp_path / "day.npz"])
    assert not looks_like_bars([tmp_path / "absent"])
    with pytest.raises(FeedFormatError, match="no bars"):
        import_bars([tmp_path / "day.npz"])


def test_bars_of_a_recording_are_those_of_its_mids():
    """A step without a two-sided book says nothing; a close is the last mid of its period."""
    steps = np.zeros((4, STEP_COLUMNS), dtype=np.int64)
    steps[:, STEP_NOW_NS] = [MINUTE_NS // 2, MINUTE_NS, MINUTE_NS + 1, 2 * MINUTE_NS]
    steps[:, STEP_BID] = [10, 12, 14, 16]
    steps[:, STEP_ASK] = [12, 14, 16, NO_ASK]
    bars = bars_of_steps(steps, venue="v", symbol="A-B", tick=0.5, period_ns=MINUTE_NS)
    assert bars.figures[:, : CLOSE + 1].tolist() == [[5.5, 6.5, 5.5, 6.5], [7.5, 7.5, 7.5, 7.5]]
    assert bars.times_ns.tolist() == [0, MINUTE_NS]
    with pytest.raises(FeedError, match="no two-sided book"):
        bars_of_steps(steps[3:], venue="v", symbol="A-B", tick=0.5, period_ns=MINUTE_NS)


def test_a_synthetic_day_gives_a_bar_a_cycle():
    """Half an hour is sixty cycles."""
    bars = bars_of_recording(synthetic_recording(seed=1, hours=0.5))
    assert 59 <= len(bars.times_ns) <= 61
    assert (np.diff(bars.times_ns) == 30 * 10**9).all()


def test_the_real_bars_are_as_their_manifest_says():
    """About 22,750 bars of five minutes, 10 to 18 doubled stamps."""
    folder = real_feed("ohlcv-bittrex-5m-20171119")
    bars = import_bars([folder / "BTC_ETH-5.json.gz"])
    assert 22_700 <= len(bars.times_ns) <= 22_800
    assert 10 <= bars.meta.doubles <= 18
