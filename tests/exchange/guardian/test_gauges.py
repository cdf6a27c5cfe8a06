"""What a guardian shows of itself to whoever watches it."""

import asyncio
from types import SimpleNamespace
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agents.health import main
from exchange.errors import VenueError
from exchange.guardian.gauges import answer_to, metrics_text, serving
from exchange.guardian.machine import Phase, State


def keeper(*, ready=True, **state):
    """A guardian in some state."""
    return SimpleNamespace(state=State(**state), ready=ready, cancelled=7, stops_written=2)


def test_figures_are_in_prometheus_format():
    """Every name has its kind, and a total counts."""
    text = metrics_text(keeper(phase=Phase.WATCHING, silent_ns=1_500_000_000))
    found = {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found == {
        "counterpoint_guardian_exchange_reached": 1.0,
        "counterpoint_guardian_watching": 1.0,
        "counterpoint_guardian_alarmed": 0.0,
        "counterpoint_guardian_silent_seconds": 1.5,
        "counterpoint_guardian_sweeping": 0.0,
        "counterpoint_guardian_stops_written_total": 2.0,
        "counterpoint_guardian_orders_cancelled_total": 7.0,
    }


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET /metrics HTTP/1.1", "200 OK"),
        ("GET /health?x=1 HTTP/1.1", "200 OK"),
        ("GET / HTTP/1.1", "404 Not Found"),
        ("POST /health HTTP/1.1", "405 Method Not Allowed"),
        ("", "405 Method Not Allowed"),
    ],
)
def test_only_two_questions_are_answered(line, status):
    """Whatever else is asked gets what may be asked."""
    assert answer_to(line, keeper())[0] == status


@pytest.mark.parametrize("told", [{"ready": False}, {"failures": 2}])
async def test_a_guardian_that_reaches_nobody_is_not_well(told):
    """It could not cancel: a container engine and a person hear of it."""
    async with serving(0, keeper(**told)) as port:
        assert await asyncio.to_thread(main, [str(port)]) == 1
        with pytest.raises(HTTPError) as caught:
            await asyncio.to_thread(urlopen, f"http://127.0.0.1:{port}/health", timeout=5)
        caught.value.close()
    assert caught.value.code == 503


async def test_a_guardian_that_could_cancel_is_well():
    """The health check of containers asks for one figure; a taken port is one line."""
    async with serving(0, keeper()) as port:
        assert await asyncio.to_thread(main, [str(port)]) == 0
        with pytest.raises(VenueError, match=f"metrics port must be free, found {port}"):
            async with serving(port, keeper()):
                pass
