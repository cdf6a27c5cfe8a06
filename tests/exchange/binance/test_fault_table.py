"""Whatever breaks at whatever step of an order: nothing is lost, doubled, or left behind."""

import itertools

import pytest

from exchange.binance.settings import Road
from tests.exchange.binance.fault_soak import Soak
from tests.exchange.binance.fault_table import FAULTS, QUICK, STEPS, run_cell
from tests.exchange.binance.theatre import theatre

CELLS = [
    pytest.param(fault, step, marks=[pytest.mark.slice] if fault in QUICK else [])
    for fault, step in itertools.product(FAULTS, STEPS)
]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stage():
    """Run one exchange for all cells."""
    with theatre() as made:
        yield made


@pytest.mark.parametrize("step", ["after intent", "after send", "before cancel", "cancel sent"])
@pytest.mark.parametrize("fault", ["5xx after", "dropped before", "late answer", "429", "killed"])
async def test_orders_over_the_websocket_api_survive_the_same(stage, fault, step):
    """Whose connection carries the user stream too: a dropped answer ends both."""
    cell = await run_cell(stage, fault, step, Road.SOCKET)
    assert cell.broken == []


@pytest.mark.parametrize(("fault", "step"), CELLS)
async def test_every_fault_at_every_step_of_the_order_path(stage, fault, step):
    """Quoting again within ten seconds, and the journal is what the exchange says."""
    cell = await run_cell(stage, fault, step)
    assert cell.broken == []


@pytest.mark.parametrize("road", list(Road))
async def test_faults_at_random_one_upon_another_leave_nothing_wrong(stage, road):
    """What no single cell of the table meets: a fault while another is being mended."""
    soak = Soak(stage, 7, 30, road, kills=5)
    assert await soak.run() == []
    assert sum(soak.struck.values()) == 30
