"""No example has a deadline: whichever comes first may find its kernel not compiled yet."""

import pytest
from hypothesis import settings

from tests.examples import ALL, FEW

for profile in (ALL, FEW):
    settings.register_profile(profile, deadline=None)


def pytest_configure(config: pytest.Config) -> None:
    """Share the tests out by lane where `--dist loadscope` asks for it, as `make test` does."""
    settings.load_profile(FEW if config.option.markexpr else ALL)
    shared = getattr(config.option, "dist", "no") == "loadscope"
    if shared or hasattr(config, "workerinput"):  # the second in the processes that run them
        from tests.lanes import Plugin

        config.pluginmanager.register(Plugin())


@pytest.fixture(scope="session")
def postgresql():
    """One PostgreSQL for all tests."""
    from tests.desk.databases import Server, programs

    if programs() is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    with Server() as running:
        yield running
