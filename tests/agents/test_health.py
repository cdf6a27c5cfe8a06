import pytest
from prometheus_client import CollectorRegistry, Gauge

from agents.health import main
from protocol.telemetry import serve_metrics


@pytest.mark.parametrize(("connected", "code"), [(1.0, 0), (0.0, 1)])
def test_an_executor_without_its_venue_is_not_well(connected, code):
    """A gauge that must be 1 decides; the process answers in both cases."""
    registry = CollectorRegistry()
    Gauge("counterpoint_executor_venue_connected", "x", registry=registry).set(connected)
    with serve_metrics(0, registry) as server:
        assert main([str(server.port)]) == code


def test_who_has_no_venue_is_well_when_it_answers(capsys):
    """A coordinator shows other figures; a dead process shows none."""
    with serve_metrics(0, CollectorRegistry()) as server:
        assert main([str(server.port)]) == 0
    assert main([str(server.port)]) == 1
    assert "no answer" in capsys.readouterr().out
