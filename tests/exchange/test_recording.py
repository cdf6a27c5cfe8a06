import json
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.errors import RecordingError
from exchange.recording import (
    BUY_EVENT,
    DEPTH_CLEAR_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    Meta,
    Recording,
    decode,
    encode,
    load,
    save,
    scale_of,
)
from market.layout import (
    BUY,
    EVENT_COLUMNS,
    EVENT_KIND,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    EVENT_SIDE,
    KIND_CLEAR,
    KIND_DEPTH,
    KIND_TRADE,
    RECORDING_DTYPE,
    SCALE_LOT,
    SCALE_MAKER_FEE,
    SCALE_MIN_NOTIONAL,
    SCALE_TICK_LOT,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
    SELL,
)

META = Meta(
    venue="binance-spot", symbol="NEXO-USDT", base="NEXO", quote="USDT", tick="0.001", lot="0.01",
    min_notional="5", maker_fee_bps=-0.5, span_ns=(1, 3),
)  # fmt: skip


def events(rows):
    table = np.zeros((len(rows), EVENT_COLUMNS), np.int64)
    table[:] = rows
    return table


ROWS = events([
    [KIND_DEPTH, BUY, SEEN_EXCHANGE | SEEN_LOCAL, 1, 2, 1214, 6338],
    [KIND_TRADE, SELL, SEEN_EXCHANGE, 2, 3, 1215, 1],
    [KIND_TRADE, SELL, SEEN_LOCAL, 2, 3, 1215, 1],
    [KIND_CLEAR, 0, SEEN_EXCHANGE | SEEN_LOCAL, 3, 3, 0, 0],
])  # fmt: skip


def test_a_recording_returns_as_it_was_saved(tmp_path):
    """Events, counts and instrument survive the file."""
    path = tmp_path / "day.npz"
    written = save(path, Recording(META, ROWS))
    found = load(path)
    assert (found.events == ROWS).all()
    assert found.meta == written
    assert len(found.meta.sha256) == 64


def test_the_same_recording_gives_the_same_bytes(tmp_path):
    """A file carries no time of writing, so a digest of it means something."""
    one, two = tmp_path / "one.npz", tmp_path / "two.npz"
    save(one, Recording(META, ROWS))
    save(two, Recording(META, ROWS))
    assert one.read_bytes() == two.read_bytes()
    assert not list(tmp_path.glob("*.partial"))


def test_records_carry_hftbacktests_flags(tmp_path):
    """Another program of that ecosystem reads `data` as its own."""
    path = tmp_path / "day.npz"
    save(path, Recording(META, ROWS))
    with np.load(path, allow_pickle=False) as members:
        data = members["data"]
        meta = json.loads(bytes(members["meta"][()]))
    assert data.dtype == RECORDING_DTYPE
    assert data["ev"].tolist() == [
        EXCH_EVENT | LOCAL_EVENT | BUY_EVENT | DEPTH_EVENT,
        EXCH_EVENT | SELL_EVENT | TRADE_EVENT,
        LOCAL_EVENT | SELL_EVENT | TRADE_EVENT,
        EXCH_EVENT | LOCAL_EVENT | DEPTH_CLEAR_EVENT,
    ]
    assert data["px"].tolist() == [1.214, 1.215, 1.215, 0.0]
    assert data["qty"].tolist() == [63.38, 0.01, 0.01, 0.0]
    assert meta["symbol"] == "NEXO-USDT"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**10)), min_size=1, max_size=20),
    st.sampled_from(["0.01", "0.001", "0.00000001", "0.25", "0.5", "1", "5", "10"]),
    st.sampled_from(["1", "0.1", "0.00001", "100"]),
)
def test_ticks_and_lots_survive_their_decimal_figures(figures, tick, lot):
    """Whole steps become the nearest doubles and come back whole."""
    rows = events([[KIND_DEPTH, BUY, 3, 1, 1, ticks, lots] for ticks, lots in figures])
    again = decode(encode(rows, tick=tick, lot=lot), tick=tick, lot=lot)
    assert (again == rows).all()


@pytest.mark.parametrize(("column", "flag"), [("px", "--tick"), ("qty", "--lot")])
def test_a_figure_off_the_grid_is_refused(column, flag):
    """Half a tick would be rounded away in silence; it is named instead."""
    data = encode(ROWS, tick="0.001", lot="0.01")
    data[column][0] += 0.00049
    with pytest.raises(RecordingError, match=f"event 0 is no multiple.*{flag}"):
        decode(data, tick="0.001", lot="0.01")


def test_a_clear_without_a_price_clears_the_whole_side():
    """Some data sets write NaN there."""
    data = encode(ROWS[3:], tick="0.001", lot="0.01")
    data["px"] = np.nan
    row = decode(data, tick="0.001", lot="0.01")[0]
    assert (row[EVENT_KIND], row[EVENT_SIDE], row[EVENT_PRICE_TICKS]) == (KIND_CLEAR, 0, 0)
    assert (row[EVENT_LOTS], row[EVENT_SEEN]) == (0, 3)


def damaged(tmp_path, change):
    path = tmp_path / "day.npz"
    save(path, Recording(META, ROWS))
    change(path)
    return path


def cut(path):
    path.write_bytes(path.read_bytes()[:-200])


def flip(path):
    data = encode(ROWS, tick="0.001", lot="0.01")
    data["qty"][0] = 63.39
    with zipfile.ZipFile(path) as file:
        meta = np.lib.format.read_array(file.open("meta.npy"))
    np.savez(path, data=data, meta=meta)


def strip(path):
    np.savez(path, data=encode(ROWS, tick="0.001", lot="0.01"))


def foreign(path):
    np.savez(path, other=np.zeros(3))


def columns(path):
    np.savez(path, data=np.zeros((3, 6)))


def text(path):
    path.write_text("not a zip")


def lone_array(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def strange_meta(path):
    np.savez(path, data=encode(ROWS, tick="0.001", lot="0.01"), meta=np.array(b'{"venue": 3}'))


def no_json(path):
    np.savez(path, data=encode(ROWS, tick="0.001", lot="0.01"), meta=np.array(b"{"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (cut, "damaged"),
        (flip, "sha256"),
        (strip, "no meta.*--tick TICK --lot LOT"),
        (foreign, "no member `data`"),
        (columns, "columns"),
        (text, "damaged"),
        (lone_array, "no member `data`"),
        (strange_meta, "meta is wrong at"),
        (no_json, "damaged"),
        (lambda path: path.unlink(), "no such file"),
    ],
)
def test_a_damaged_file_is_refused_with_one_line(tmp_path, change, says):
    """Cut, changed, foreign or absent: our error, never another one."""
    path = damaged(tmp_path, change)
    with pytest.raises(RecordingError, match=says) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 4


def test_every_truncation_gives_our_error(tmp_path):
    """Wherever a copy broke off, the reader says so."""
    path = tmp_path / "day.npz"
    save(path, Recording(META, ROWS))
    whole = path.read_bytes()
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(RecordingError):
            load(path)


def test_the_scale_counts_in_whole_units():
    """One tick on one lot, in 1e-8 of the quote asset; fees keep their sign."""
    scale = scale_of(META)
    assert scale[SCALE_TICK_LOT] == 1000  # 0.001 x 0.01
    assert scale[SCALE_LOT] == 1_000_000
    assert scale[SCALE_MIN_NOTIONAL] == 500_000_000
    assert scale[SCALE_MAKER_FEE] == -5000


@pytest.mark.parametrize(
    ("change", "says"),
    [({"inverse": True}, "inverse"), ({"tick": "0.001", "lot": "0.000001"}, "larger --lot")],
)
def test_what_cannot_be_counted_exactly_has_no_scale(change, says):
    """Inverse contracts, and steps finer than money."""
    with pytest.raises(RecordingError, match=says):
        scale_of(META.model_copy(update=change))


@pytest.mark.parametrize("step", ["0", "-1", "x", "NaN", "Infinity", "1e-13"])
def test_a_step_is_a_positive_decimal(step):
    """Anything else is named."""
    with pytest.raises(RecordingError, match="tick or lot"):
        encode(ROWS, tick=step, lot="1")
