"""Which orders of a recording are real resting ones, and what became of them."""

import json

import numpy as np
import pytest

from exchange.errors import RecordingError
from exchange.ghosts import find_ghosts, read_orders, touched
from exchange.importers.detect import import_feed
from exchange.importers.reading import numbered_lines
from exchange.recording import encode, save
from market.ghosts import (
    GHOST_BORN_NS,
    GHOST_DONE_NS,
    GHOST_END_NS,
    GHOST_FILLED_LOTS,
    GHOST_FIRST_NS,
    GHOST_ID,
    GHOST_LOTS,
    GHOST_TOUCHED_NS,
)
from market.layout import BUY, NEVER, SELL
from tests.exchange.feeds import real_feed, spot_day, write
from tests.exchange.order_log import OrderLog
from tests.exchange.test_bitstamp_import import ASK, BID, opening, order, trade

MS = 1_000_000


def market():
    """A book with bid 0 (id 1) and ask 5 (id 2)."""
    log = OrderLog()
    log.buy(1, 0, 50)
    log.sell(2, 5, 50)
    return log


def ghosts_of(log):
    return {int(row[GHOST_ID]): row for row in find_ghosts(log.orders())}


def test_a_fill_is_a_decrement_that_a_print_explains_and_a_cancel_is_the_rest():
    """Part filled, then withdrawn: first fill known, never whole, ended by its cancel."""
    log = market()
    log.buy(3, 1, 30)
    born = log.now_ns - MS
    filled = log.now_ns
    log.sold(1, 10, (3, 10))
    log.wait(5)
    gone = log.now_ns
    log.buy(3, 1, -20)
    ghost = ghosts_of(log)[3]
    columns = [
        GHOST_LOTS, GHOST_BORN_NS, GHOST_TOUCHED_NS, GHOST_FIRST_NS, GHOST_DONE_NS, GHOST_END_NS,
        GHOST_FILLED_LOTS,
    ]  # fmt: skip
    assert ghost[columns].tolist() == [30, born, born, filled, NEVER, gone, 10]


def test_an_order_filled_in_two_prints_is_done_by_the_second():
    """Its end is the print that completed it."""
    log = market()
    log.buy(3, 1, 30)
    log.sold(1, 10, (3, 10))
    log.wait(1)
    second = log.now_ns
    log.sold(1, 20, (3, 20))
    ghost = ghosts_of(log)[3]
    assert ghost[[GHOST_DONE_NS, GHOST_END_NS]].tolist() == [second, second]
    assert ghost[GHOST_FILLED_LOTS] == 30


@pytest.mark.parametrize(
    ("price", "lots", "side", "late_s"), [(2, 30, SELL, 0), (1, 28, SELL, 0), (5, 30, BUY, 0),
                                          (1, 30, SELL, 3)]
)  # fmt: skip
def test_a_print_explains_only_its_own_decrement(price, lots, side, late_s):
    """Another price, other lots, the wrong aggressor or three seconds away: that was a cancel."""
    log = market()
    log.buy(3, 1, 30)
    (log.sold if side == SELL else log.bought)(price, lots)
    log.wait(late_s)
    log.buy(3, 1, -30)
    assert ghosts_of(log)[3][GHOST_FIRST_NS] == NEVER


def test_one_print_fills_one_order():
    """Two orders of the same size leave; the one nearer in time was filled, the other withdrawn."""
    log = market()
    log.buy(3, 1, 30)
    log.buy(4, 1, 30)
    log.sold(1, 30, (3, 30))
    log.buy(4, 1, -30)
    found = ghosts_of(log)
    assert found[3][GHOST_DONE_NS] != NEVER
    assert found[4][GHOST_FIRST_NS] == NEVER


def test_the_touch_reaches_an_order_when_its_price_is_the_best():
    """At birth when it improves it; when the better ones have left; or never."""
    log = market()
    log.buy(3, -1, 30)
    log.buy(4, -2, 30)
    reached = log.now_ns
    log.buy(1, 0, -50)
    log.buy(3, -1, -30)
    log.buy(5, 1, 10)
    log.buy(4, -2, -30)
    found = ghosts_of(log)
    assert found[3][GHOST_TOUCHED_NS] == reached
    assert found[4][GHOST_TOUCHED_NS] == reached + MS
    assert found[5][GHOST_TOUCHED_NS] == found[5][GHOST_BORN_NS]
    log = market()
    log.buy(3, -1, 30)
    log.buy(3, -1, -30)
    orders = find_ghosts(log.orders())
    assert touched(orders)[:, GHOST_ID].tolist() == [1, 2]


def test_what_trades_as_a_taker_does_not_rest():
    """It shows in the book for a moment, then a print of its own side explains its decrement."""
    log = market()
    log.sell(2, 5, -50)  # the maker leaves first
    log.buy(3, 5, 80)  # so the taker is let into the book
    log.bought(5, 50, (9, 0))
    log.buy(3, 5, -50)
    born = log.now_ns - MS
    log.wait(1)
    log.sold(5, 30, (3, 30))
    ghost = ghosts_of(log)[3]
    assert ghost[[GHOST_LOTS, GHOST_BORN_NS, GHOST_FILLED_LOTS]].tolist() == [30, born, 30]
    log = market()
    log.sell(2, 5, -50)
    log.buy(3, 5, 50)
    log.bought(5, 50)
    log.buy(3, 5, -50)
    assert 3 not in ghosts_of(log)


def test_an_order_that_moves_or_crosses_is_no_resting_one():
    """A market order shows at one price after another; a crossing one ours would be refused for."""
    log = market()
    log.buy(3, 1, 30)
    log.buy(3, 1, -30)
    log.buy(3, 2, 30)
    log.buy(4, 5, 10)
    assert set(ghosts_of(log)) == {1, 2}


def test_an_order_still_open_at_the_end_is_censored_there():
    """Nothing is known of it after."""
    log = market()
    log.buy(3, 1, 30)
    log.sell(4, 9, 1)
    ghost = ghosts_of(log)[3]
    assert ghost[[GHOST_DONE_NS, GHOST_END_NS]].tolist() == [NEVER, log.now_ns - MS]


def test_a_sequence_of_ghosts_is_the_same_from_log_and_recording(tmp_path):
    """Imported and saved, or read raw: the same orders."""
    lines = [
        *opening(),
        order(200, "created", 3, BID, "236.10", "0.40000000"),
        order(300, "created", 4, ASK, "236.40", "0.30000000"),
        order(350, "changed", 77, BID, "236.00", "0.50000000"),  # its birth is not in the log
        order(400, "changed", 3, BID, "236.10", "0.10000000"),
        trade(410, 1, 236.1, 0.3),
        order(500, "deleted", 4, ASK, "236.40", "0.30000000"),
    ]
    path = write(tmp_path / "day.log", lines)
    made = import_feed([path])
    save(tmp_path / "day.npz", made.recording, made.data)
    raw = find_ghosts(read_orders(path))
    assert raw[:, [GHOST_ID, GHOST_LOTS, GHOST_FILLED_LOTS]].tolist() == [
        [3, 400_000, 300_000], [4, 300_000, 0],
    ]  # fmt: skip
    assert (raw == find_ghosts(read_orders(tmp_path / "day.npz"))).all()


def test_a_recording_without_order_ids_is_refused_with_what_is_needed(tmp_path):
    """One line that says which kind of file."""
    recording = market().recording()
    save(tmp_path / "levels.npz", recording)
    with pytest.raises(RecordingError, match=r"levels\.npz: no order ids in it.*Bitstamp") as told:
        read_orders(tmp_path / "levels.npz")
    assert "\n" not in str(told.value)
    raw = write(tmp_path / "raw.gz", spot_day())
    with pytest.raises(RecordingError, match=r"raw\.gz: no order log; .*ids"):
        read_orders(raw)
    ids = np.arange(1, 3, dtype=np.uint64)
    save(tmp_path / "ids.npz", recording, encode(recording.events, tick="0.01", lot="0.001",
                                                 order_ids=ids))  # fmt: skip
    assert len(find_ghosts(read_orders(tmp_path / "ids.npz"))) == 2


@pytest.mark.slow
def test_the_real_log_holds_thousands_of_orders_that_the_touch_reached():
    """And what the log itself says of them (deleted with nothing left: filled) is what we find."""
    path = real_feed("bitstamp-spot-btcusd-20150501") / "2015-05-01.log.bz2"
    found = touched(find_ghosts(read_orders(path)))
    assert len(found) >= 3_000
    filled = set()
    for _, line in numbered_lines(path):
        if b" order_deleted " in line:
            body = json.loads(line.split(b" ", 2)[2])
            if float(body["amount"]) == 0.0:
                filled.add(body["id"])
    done = found[found[:, GHOST_DONE_NS] != NEVER][:, GHOST_ID].tolist()
    rest = found[found[:, GHOST_DONE_NS] == NEVER][:, GHOST_ID].tolist()
    assert len(done) > 1_500
    assert sum(number not in filled for number in done) < 0.005 * len(done)
    assert sum(number in filled for number in rest) < 0.03 * len(done)
