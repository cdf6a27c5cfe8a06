"""The busy market: its shape is what engines are timed on, so its shape is tested."""

import numpy as np
import pytest

from exchange.errors import FeedError
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import decode
from market.book import apply, crossed, new_book, window_for
from market.layout import (
    BUY,
    EVENT_KIND,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SIDE,
    KIND_SNAPSHOT,
    KIND_TRADE,
    TOUCH_ASK,
    TOUCH_BID,
)
from market.synthetic_busy import TRADE_SHARE, busy_records

COUNT = 60_000
SECONDS = 0.7127e-3 * COUNT


@pytest.fixture(scope="module")
def data():
    return busy_records(seed=3, events=COUNT, seconds=SECONDS)


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(data):
    """A timing can be repeated by whoever knows the seed."""
    again = busy_records(seed=3, events=COUNT, seconds=SECONDS)
    assert data.tobytes() == again.tobytes()
    assert data.tobytes() != busy_records(seed=4, events=COUNT, seconds=SECONDS).tobytes()


def test_the_book_never_crosses_and_trades_meet_it(data):
    """Best bid below best ask after every event; a print stands at or through the touch."""
    events = decode(data, tick="0.1", lot="0.001")
    levels, touch = new_book(*window_for(events))
    inside = 0
    for kind, side, price, lots in events[
        :, [EVENT_KIND, EVENT_SIDE, EVENT_PRICE_TICKS, EVENT_LOTS]
    ].tolist():
        if kind == KIND_TRADE:
            inside += touch[TOUCH_BID] < price < touch[TOUCH_ASK]
            assert lots > 0
            assert price >= touch[TOUCH_ASK] if side == BUY else price <= touch[TOUCH_BID]
        else:
            apply(levels, touch, kind, side, price, lots)
            assert not crossed(touch)
    assert inside == 0


def test_shares_rates_and_distances_are_those_of_the_model(data):
    """4.4 % trades, the wanted length, most updates hundreds of ticks behind the touch."""
    kind = data["ev"] & np.uint64(0xFF)
    later = kind[kind != KIND_SNAPSHOT]
    assert (later == KIND_TRADE).mean() == pytest.approx(TRADE_SHARE, abs=0.004)
    length_s = (data["exch_ts"][-1] - data["exch_ts"][0]) / 1e9
    assert length_s == pytest.approx(SECONDS, rel=0.1)
    for clock in ("exch_ts", "local_ts"):
        assert (np.diff(data[clock]) >= 0).all()
    assert (data["local_ts"] > data["exch_ts"]).all()
    trades = np.where(kind == KIND_TRADE, data["px"], np.nan)
    last = trades[np.maximum.accumulate(np.where(np.isnan(trades), 0, np.arange(COUNT)))]
    distance = np.abs(data["px"] - last)[kind == 1] * 10
    assert 300 < np.nanmedian(distance) < 550


def test_a_busy_recording_can_be_asked_for_like_any_other():
    """The importer knows the setting, keeps it bounded, and says what is allowed."""
    recording = synthetic_recording(seed=1, hours=0.01, setting="busy")
    assert recording.meta.symbol == "BUSY-USDT"
    assert recording.meta.counts.trades > 1000
    with pytest.raises(FeedError, match=r"a second to 4 hours, found 24"):
        synthetic_recording(seed=1, hours=24.0, setting="busy")
    with pytest.raises(FeedError, match="seed must be >= 0"):
        synthetic_recording(seed=-1, hours=0.01, setting="busy")
