"""Our orders at the exchange, over events: what a machine may be asked, and how often."""

import numpy as np
import pytest
from hypothesis import given

from market import fills
from market.layout import ORDERS_MAX
from market.order_lines import CANCELS_MAX
from tests.market.exchange_side import FIRST, Fast, table
from tests.market.stories import law, stories


@law(100)
@given(stories(steady=True))
def test_looking_more_often_changes_nothing(story):
    """One long advance and many short ones give the same reports, where delays do not change."""

    class Seldom(Fast):
        def advance(self, now):
            if now > self.now:
                self.step(now)
            self.now = now

    assert story.told(Seldom).said() == story.told(Fast).said()


def test_a_full_table_refuses_the_next_order():
    """A bound and a code, never a crash; the next one finds room when one has gone."""
    machine, now = Fast(), FIRST
    machine.advance(now)
    for number in range(ORDERS_MAX):
        assert machine.submit(number + 1, 1, 99, 1, now) == fills.OK
    assert machine.submit(999, 1, 99, 1, now) == fills.FULL
    assert machine.side.meter[fills.METER_OVERFLOW] == 1
    machine.cancel(7, now)
    machine.advance(now + 10)
    assert machine.submit(999, 1, 99, 1, now + 10) == fills.OK


def test_a_full_ring_refuses_the_next_cancel():
    """A cancel of a gone order is no loss: it is not counted as one."""
    machine, now = Fast(), FIRST
    machine.advance(now)
    for number in range(CANCELS_MAX):
        assert machine.cancel(10_000 + number, now) == fills.UNKNOWN_ORDER
    assert machine.cancel(1, now) == fills.FULL
    assert machine.side.meter[fills.METER_OVERFLOW] == 0


@pytest.mark.parametrize("seed", range(3))
def test_an_order_is_found_by_its_id_however_rows_are_used(seed):
    """Thousands of orders come and go; ids far apart share a place where looking begins."""
    rng, machine, alive = np.random.default_rng(seed), Fast(order_delay=0), []
    order_id = 0
    for now in range(FIRST, FIRST + 400):
        machine.advance(now)
        for _ in range(int(rng.integers(0, 12))):
            order_id += int(rng.choice([1, 1, 1, ORDERS_MAX]))
            assert machine.submit(order_id, 1, 99, 1, now) == fills.OK
            alive.append(order_id)
        machine.advance(now)
        while len(alive) > 60 or (alive and rng.random() < 0.6):
            gone = alive.pop(int(rng.integers(len(alive))))
            assert machine.cancel(gone, now) == fills.OK
    machine.advance(FIRST + 410)
    assert sorted(machine.ahead()) == alive


def test_an_unread_ring_is_counted_when_it_runs_over():
    """The reader can tell that it is missing something."""
    count = 5_000
    rows = [[2, -1, 3, FIRST + 10 + at // 10, 0, 99, 1] for at in range(count)]
    machine = Fast(table(rows))
    machine.advance(FIRST)
    machine.submit(1, 1, 99, 10_000, FIRST)
    assert machine.advance(FIRST + 1_000) == count + 1
    reports = machine.side.reports.shape[0]
    assert machine.side.meter[fills.METER_OVERFLOW] == count + 1 - reports
