"""The same day through the replay, and through an executor, python-binance and an exchange."""

import pytest

from bench.day import compare, imported, perpetual
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from tests.exchange.feeds import NEXO, real_feed

pytestmark = pytest.mark.slow


def test_a_quarter_of_an_hour_over_sockets_is_the_replay(tmp_path):
    """Every fill one by one and every column of the ledger, by the process that a user starts."""
    feed = tmp_path / "planted.npz"
    save(feed, synthetic_recording(seed=3, hours=1.0, setting="planted_edge"))
    found = compare(feed, tmp_path / "day", "sampled:80ms,2500ms", hours=0.25, tight=False)
    assert found["difference"] == ""
    assert found["observations"] > 0
    assert found["fills"] > 10
    assert found["partial"] > 0


def test_a_perpetual_contract_over_sockets_is_the_replay(tmp_path):
    """Fundings too: what was paid and when it was heard, with fills on their way meanwhile."""
    spot = tmp_path / "planted.npz"
    save(spot, synthetic_recording(seed=3, hours=1.0, setting="planted_edge"))
    feed, latency = perpetual(spot, tmp_path / "perpetual.npz"), "sampled:80ms,2500ms"
    found = compare(feed, tmp_path / "day", latency, hours=0.5, tight=False)
    assert found["difference"] == ""
    assert found["observations"] > 0
    assert found["fills"] > 10
    assert found["fundings"] > 0


@pytest.mark.parametrize("latency", ["measured:1.0", "sampled:80ms,2500ms"])
def test_a_real_day_over_sockets_is_the_replay(latency, tmp_path):
    """24 hours of NEXOUSDT, partial fills and cancel races among them."""
    feed = imported(real_feed(NEXO), tmp_path / "nexo.npz")
    found = compare(feed, tmp_path / "day", latency, hours=None, tight=False)
    assert found["difference"] == ""
    assert found["observations"] > 0
    assert found["fills"] >= 500
    assert found["partial"] > 0
    assert found["races"] > 0
