"""Real orders replayed as ours: what each fill model says of them, where the answer is known."""

import numpy as np
import pytest

from exchange.ghosts import find_ghosts
from market.ghosts import (
    FATE_COLUMNS,
    FATE_DONE_NS,
    FATE_FIRST_NS,
    FATE_LOTS,
    GHOST_DONE_NS,
    GHOST_FILLED_LOTS,
    GHOST_FIRST_NS,
    GHOST_ID,
    replay_ghosts,
)
from market.layout import NEVER
from market.queueing import QUEUE_COLUMNS, fill_model
from tests.exchange.order_log import FairExchange, OrderLog

QUEUES = ("risk-averse", "power:3", "power-share:1", "power-front:1", "log", "log-share", "fifo")
BOTH = pytest.mark.parametrize("mirror", [1, -1])


def replayed(orders, model, *, after_ns=0):
    """Return (ghosts, fates)."""
    ghosts = find_ghosts(orders)
    fates = np.zeros((len(ghosts), FATE_COLUMNS), np.int64)
    replay_ghosts(
        orders.recording.events, orders.order_ids, orders.deltas, orders.bests, orders.born,
        ghosts, fill_model(model), after_ns, np.zeros(QUEUE_COLUMNS), fates,
    )  # fmt: skip
    return ghosts, fates


def fate_of(log, number, model, *, after_ns=0):
    """Return the row of one order's fate."""
    ghosts, fates = replayed(log.orders(), model, after_ns=after_ns)
    return fates[ghosts[:, GHOST_ID] == number][0].tolist()


def behind_five(mirror):
    """An order of 4 behind 3 and 2; the 3 are cancelled, the 2 are hit, then it is hit itself."""
    log = OrderLog(mirror=mirror)
    log.sell(1, 5, 50)
    log.buy(2, 0, 3)
    log.buy(3, 0, 2)
    log.buy(4, 0, 4)
    log.buy(2, 0, -3)
    log.sold(0, 2, (3, 2))
    second = log.now_ns
    log.sold(0, 4, (4, 4))
    return log, second


@BOTH
@pytest.mark.parametrize("model", QUEUES)
def test_an_order_behind_five_lots_of_which_three_left_waits_for_two(model, mirror):
    """Every queue says so, as it really was: filled whole by the second print."""
    log, second = behind_five(mirror)
    assert fate_of(log, 4, model) == [second, second, 4]


@BOTH
def test_the_bounds_are_too_early_and_too_late(mirror):
    """Touch is hit by the first print already, trade-through by none."""
    log, second = behind_five(mirror)
    assert fate_of(log, 4, "touch") == [second - 2_000_000, second, 4]
    assert fate_of(log, 4, "trade-through") == [NEVER, NEVER, 0]


@BOTH
def test_its_own_size_is_not_in_the_book(mirror):
    """Ahead 500, behind 100: of 200 cancelled a sixth stands behind, 333 are left ahead.

    Were its own 400 lots taken for others' behind it, half would be, and 400 be left ahead.
    """
    log = OrderLog(mirror=mirror)
    log.sell(1, 5, 50)
    log.buy(2, 0, 500)
    log.buy(3, 0, 400)
    log.buy(4, 0, 100)
    log.buy(2, 0, -200)
    log.sold(0, 400, (2, 300), (3, 100))
    log.buy(3, 0, -300)
    assert fate_of(log, 3, "power:1")[FATE_LOTS] == 66


@BOTH
def test_its_own_part_fills_are_no_cancels_before_it(mirror):
    """Three times a third: a partial fill moves neither its place nor the lots of others."""
    log = OrderLog(mirror=mirror)
    log.sell(1, 5, 50)
    log.buy(2, 0, 300)
    times = []
    log.buy(3, 0, 50)
    for _ in range(3):
        times.append(log.now_ns)
        log.sold(0, 100, (2, 100))
    for model in QUEUES:
        assert fate_of(log, 2, model) == [times[0], times[-1], 300]
        assert fate_of(log, 3, model) == [NEVER, NEVER, 0]


@BOTH
def test_lots_that_were_really_filled_are_no_longer_taken_off_the_level(mirror):
    """A late model goes on waiting behind what others hold: three here, not one."""
    log = OrderLog(mirror=mirror)
    log.sell(1, 5, 50)
    log.buy(2, 0, 5)
    log.buy(3, 0, 4)
    log.buy(4, 0, 6)
    log.buy(2, 0, -5)  # the strict queue cannot know that these stood before it
    log.sold(0, 2, (3, 2))
    log.buy(4, 0, -3)
    log.sold(0, 2, (3, 2))
    assert fate_of(log, 3, "risk-averse") == [NEVER, NEVER, 0]
    assert fate_of(log, 3, "fifo")[FATE_LOTS] == 4


@BOTH
def test_nothing_is_said_of_an_order_after_its_cancel(mirror):
    """Censored: a print after it was withdrawn is no fill, not even for the most hopeful model."""
    log = OrderLog(mirror=mirror)
    log.sell(1, 5, 50)
    log.buy(2, 0, 10)
    log.buy(3, 0, 10)
    log.buy(3, 0, -10)
    log.sold(0, 10, (2, 10))
    assert fate_of(log, 3, "touch", after_ns=10**9) == [NEVER, NEVER, 0]


@BOTH
def test_a_model_that_is_late_is_seen_to_be_late(mirror):
    """A filled order's ghost waits on for a while: how late the fill comes is known, but no fill
    by the real end.
    """
    log = OrderLog(mirror=mirror)
    log.sell(1, 5, 50)
    log.buy(2, 0, 10)
    log.sold(0, 10, (2, 10))
    log.wait(3)
    beyond = log.now_ns
    log.sold(-1, 20)
    assert fate_of(log, 2, "trade-through", after_ns=10**10) == [beyond, beyond, 0]
    assert fate_of(log, 2, "trade-through", after_ns=10**9) == [NEVER, NEVER, 0]


@BOTH
def test_a_print_beyond_its_price_and_a_crossing_post_reach_it(mirror):
    """Nobody can be before it then."""
    log = OrderLog(mirror=mirror)
    log.sell(1, 5, 50)
    log.buy(2, 0, 10)
    log.buy(3, 0, 30)
    beyond = log.now_ns
    log.sold(-1, 12)
    posted = log.now_ns
    log.sell(4, 0, 25)
    log.buy(3, 0, -30)
    assert fate_of(log, 3, "risk-averse") == [beyond, posted, 30]


@pytest.mark.parametrize("seed", range(6))
def test_order_by_order_is_exact_where_the_exchange_serves_in_order(seed):
    """A fair exchange at random: fifo tells first fill, completion and lots of every order."""
    ghosts, fates = replayed(FairExchange(seed, steps=400).log.orders(), "fifo")
    assert len(ghosts) > 100
    assert (ghosts[:, GHOST_FIRST_NS] != NEVER).sum() > 20
    assert (fates[:, FATE_LOTS] == ghosts[:, GHOST_FILLED_LOTS]).all()
    assert (fates[:, FATE_FIRST_NS] == ghosts[:, GHOST_FIRST_NS]).all()
    assert (fates[:, FATE_DONE_NS] == ghosts[:, GHOST_DONE_NS]).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_strict_queue_is_never_early_and_touch_never_late(seed):
    """Reality lies between the two."""
    orders = FairExchange(seed, steps=400).log.orders()
    ghosts, strict = replayed(orders, "risk-averse")
    _, hopeful = replayed(orders, "touch")
    assert (strict[:, FATE_LOTS] <= ghosts[:, GHOST_FILLED_LOTS]).all()
    assert (hopeful[:, FATE_LOTS] >= ghosts[:, GHOST_FILLED_LOTS]).all()
    assert (hopeful[:, FATE_LOTS] != strict[:, FATE_LOTS]).any()


@pytest.mark.parametrize("model", [*QUEUES, "touch", "trade-through"])
def test_the_mirrored_market_gives_mirrored_fates(model):
    """Buys and sells are judged alike."""
    _, fates = replayed(FairExchange(11, steps=300).log.orders(), model)
    _, mirrored = replayed(FairExchange(11, steps=300, mirror=-1).log.orders(), model)
    assert (fates == mirrored).all()
