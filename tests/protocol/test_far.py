"""Coordinator and optimizer on two hosts, with a bad network between them."""

import tempfile
from pathlib import Path

import pytest

from tests.protocol import far
from tests.protocol.bus_stage import Stage
from tests.protocol.party import make_keys

CUT_S = 8.0
"""Longer than it takes to notice a dead link."""
SOON_S = 10.0
"""Generous; bench.delivery measures the two seconds that are promised."""
REASON = far.missing()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.slice,
    pytest.mark.skipif(REASON is not None, reason=REASON or ""),
]


@pytest.fixture(scope="module")
def apart():
    with tempfile.TemporaryDirectory(prefix="cp") as name:
        make_keys(Path(name) / "keys")
        with Stage(Path(name)) as stage, far.apart(stage, subnet=93) as found:
            yield found


@pytest.mark.parametrize("way", [None, ("hub", "far"), ("far", "hub")])
def test_both_sides_know_everything_soon_after_a_partition(apart, way):
    """Cut both ways, or one way; what was said meanwhile, and a new decision, arrive."""
    assert apart.cut_s(CUT_S, way) < SOON_S


def test_nothing_is_lost_on_a_slow_link_that_loses_packets(apart):
    """100 ms each way and every twentieth packet lost."""
    apart.laboratory.link("hub", "far", delay=0.1, loss=0.05)
    for _ in range(5):
        apart.say_both_ways()
        apart.converged_s()
