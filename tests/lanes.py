"""How `make test` shares the tests out among a few processes.

A lane is a row of tests that one process runs in order. Tests that wait on real time, or on
processes that do, are two long lanes: they leave a processor idle most of the time, and no more
than two of them ever run at once. Every other folder or file is a lane of its own, so what its
tests share is made once. Lanes are handed out in a fixed order, the next to whoever is free. No
test knows of it: `pytest FILE` runs in one process.
"""

import pytest
from xdist.scheduler import LoadScopeScheduling

STACKS = (
    "tests/agents/coordinator/test_second.py",
    "tests/agents/coordinator/test_shell.py",
    "tests/agents/executor/test_bus.py",
    "tests/agents/optimizer/test_shell.py",
    "tests/agents/test_cli_alone.py",
    "tests/agents/test_cli_control.py",
    "tests/agents/test_cli_run.py",
    "tests/agents/test_stop_order.py",
    "tests/desk/test_window.py",
    "tests/docs/test_foreign_agent.py",
    "tests/integration/",
)
"""Coordinators, executors and optimizers on the wall clock, first to start."""
VENUES = (
    "tests/exchange/binance/test_fault_table.py",
    "tests/exchange/binance/test_usdm_contract.py",
    "tests/exchange/binance/test_venue_cuts.py",
    "tests/exchange/binance/test_venue_limits.py",
    "tests/exchange/binance/test_venue_start.py",
    "tests/exchange/guardian/",
    "tests/exchange/simulated/",
    "tests/exchange/test_record_live.py",
    "tests/exchange/test_recorder_kills.py",
    "tests/protocol/",
)
"""Exchanges, guardians, recorders and hubs on the wall clock."""
LONG = ("tests/simulation/", "tests/agents/backtest/", "tests/exchange/binance/")
"""What would keep one process busy at the end, if it began last."""
TOGETHER = ("tests/agents/optimizer/", "tests/desk/report/")
"""Folders whose files share what is made once a session."""
LATE = 3


def rank(node_id: str) -> int:
    """Return where a test stands among the others; of equals, in the order of collection."""
    for place, names in enumerate((STACKS, VENUES, LONG)):
        if node_id.startswith(names):
            return place
    return LATE


def lane(node_id: str) -> str:
    """Return the name of a test's lane."""
    for names in (STACKS, VENUES):
        if node_id.startswith(names):
            return names[0]
    for folder in TOGETHER:
        if node_id.startswith(folder):
            return folder
    return node_id.partition("::")[0]


class Lanes(LoadScopeScheduling):
    """Hands out lanes where xdist's own hands out modules."""

    def _split_scope(self, nodeid: str) -> str:
        return lane(nodeid)


class Plugin:
    """What pytest asks for when the tests are shared out."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put lanes in order; the same in each process."""
        items.sort(key=lambda item: rank(item.nodeid))

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: object) -> Lanes:
        """Share out by lane."""
        return Lanes(config, log)
