"""What a guardian shows of itself to whoever watches it."""

import asyncio
from types import SimpleNamespace

import pytest

from agents.health import main
from exchange.guardian.gauges import figures, problem_of, shown
from exchange.guardian.machine import Phase, State
from protocol.telemetry_server import serving


def keeper(*, ready=True, **state):
    """A guardian in some state."""
    return SimpleNamespace(state=State(**state), ready=ready, cancelled=7, stops_written=2)


def test_figures_are_those_of_its_state():
    """Every name has its value, and a total counts."""
    found = figures(keeper(phase=Phase.WATCHING, silent_ns=1_500_000_000))
    assert {each.name: each.samples[0][1] for each in found} == {
        "guardian_exchange_reached": True,
        "guardian_watching": True,
        "guardian_alarmed": False,
        "guardian_silent_seconds": 1.5,
        "guardian_sweeping": False,
        "guardian_stops_written_total": 2,
        "guardian_orders_cancelled_total": 7,
    }


@pytest.mark.parametrize(("told", "code"), [({"ready": False}, 1), ({"failures": 2}, 1), ({}, 0)])
async def test_a_guardian_that_reaches_nobody_is_not_well(told, code):
    """It could not cancel: a container engine and a person hear of it."""
    kept = keeper(**told)
    async with serving(0, shown(kept, "SYNUSDT")) as port:
        assert await asyncio.to_thread(main, [str(port)]) == code
    assert (problem_of(kept) is None) == (code == 0)
