"""Whatever breaks at whatever step of an order: nothing is lost, doubled, or left behind."""

import contextlib

import pytest

from tests.exchange.binance.fault_soak import Soak
from tests.exchange.binance.fault_table import FAULTS, QUICK, STEPS, cells_of, run_cell
from tests.exchange.binance.ground import GROUNDS
from tests.exchange.binance.theatre import theatre

SLICE = {
    "spot": [*((fault, step) for fault in QUICK for step in STEPS)],
    "socket": [("dropped after", "after intent"), ("5xx after", "cancel sent")],
    "futures": [("killed", "after part fill"), ("funding unheard", "before intent")],
}
"""Cells that run whenever continuous integration does."""
CELLS = [
    pytest.param(ground, *cell, marks=[pytest.mark.slice] if cell in SLICE[ground] else [])
    for ground in GROUNDS
    for cell in cells_of(GROUNDS[ground])
]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stages():
    """Run one exchange of each ground for all its cells."""
    with contextlib.ExitStack() as stack:
        made = {}

        def stage(ground):
            if ground not in made:
                made[ground] = stack.enter_context(theatre(ground))
            return made[ground]

        yield stage


@pytest.mark.parametrize(("ground", "fault", "step"), CELLS)
async def test_every_fault_at_every_step_of_the_order_path(stages, ground, fault, step):
    """Quoting again within ten seconds, and the journal is what the exchange says."""
    cell = await run_cell(stages(ground), fault, step)
    assert cell.broken == []


@pytest.mark.parametrize("ground", list(GROUNDS))
def test_a_cell_that_is_missing_has_a_fault_of_the_list_and_a_reason(ground):
    """The table is the product of faults and steps, less what an exchange cannot do."""
    missing = GROUNDS[ground].missing
    assert set(missing) <= set(FAULTS)
    assert all(missing.values())
    assert len(cells_of(GROUNDS[ground])) == (len(FAULTS) - len(missing)) * len(STEPS)


@pytest.mark.parametrize("ground", list(GROUNDS))
async def test_faults_at_random_one_upon_another_leave_nothing_wrong(stages, ground):
    """What no single cell of the table meets: a fault while another is being mended."""
    soak = Soak(stages(ground), 7, 30, kills=5)
    assert await soak.run() == []
    assert sum(soak.struck.values()) == 30
