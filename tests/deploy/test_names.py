"""What rules and dashboards ask for is what the figures of the parts are named."""

import asyncio
from types import SimpleNamespace

from prometheus_client.parser import text_string_to_metric_families

from agents.coordinator import showing as coordinator
from agents.executor import showing as executor
from agents.executor.meter import Meter
from agents.executor.state import new_state
from agents.optimizer import showing as optimizer
from desk import showing as desk
from desk.live import Live
from exchange.guardian import gauges as guardian
from exchange.guardian.machine import State
from exchange.simulated import showing as exchange
from protocol.exposition import Histogram
from protocol.telemetry_server import Shown
from tests.agents.executor.market import recording, session_for
from tests.deploy.asked import asked_for, missing

STATUS = {
    "phase": "idle", "mode": "peer", "generation": 1, "epoch": 1, "version": 1, "stops": 0,
    "control_forwarded": 1,
    "conduct": [
        {"name": "a", "weight": 1, "reliability": 0.5, "faults": 0, "benched_until": None}
    ],
}  # fmt: skip


def of_executor(folder):
    """What an executor at an exchange shows that has a policy in shadow."""
    shell = SimpleNamespace(
        state=new_state(session_for(recording(folder), executor={"candidate": "plan"})),
        meter=Meter(10**9, 1.0),
        lag_s=0.0,
        venue_words=dict,
        acks=lambda: Histogram((1.0,)),
    )
    return executor.shown(shell)


def of_coordinator():
    """What a coordinator shows once it has told a status."""
    noted = coordinator.Noted()
    noted.told = STATUS
    return Shown("coordinator", noted.figures, {})


def of_exchange():
    """What a simulated exchange shows."""
    house = SimpleNamespace(accounts=[], next_order_id=1, next_trade_id=1)
    hub = SimpleNamespace(connections=set(), counts={})
    markets = {"SYNUSDT": SimpleNamespace(house=house)}
    service = SimpleNamespace(now_ns=1, over=asyncio.Event(), hub=hub, markets=markets)
    return exchange.shown(service)


def test_every_metric_that_a_rule_or_panel_queries_is_shown_by_some_part(tmp_path):
    """By the reader of Prometheus' own library, from the parts' own figures."""
    kept = SimpleNamespace(state=State(), ready=True, cancelled=0, stops_written=0)
    reader = SimpleNamespace(failing="", rounds=0)
    parts = (
        of_executor(tmp_path),
        of_coordinator(),
        of_exchange(),
        Shown("optimizer", optimizer.Noted().figures, {"seat": "optimizer-1"}),
        guardian.shown(kept, "SYNUSDT"),
        desk.shown(Live(("executor-1",)), reader),
    )
    there = {"up"}  # Prometheus' own
    for part in parts:
        for family in text_string_to_metric_families(part.text()):
            there |= {sample.name for sample in family.samples}
    assert missing(there) == {}
    assert sum(map(len, asked_for().values())) > 50
