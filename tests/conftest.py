"""No example has a deadline: whichever comes first may find its kernel not compiled yet."""

import pytest
from hypothesis import settings

settings.register_profile("counterpoint", deadline=None)
settings.load_profile("counterpoint")


def pytest_configure(config: pytest.Config) -> None:
    """Share the tests out by lane where `--dist loadscope` asks for it, as `make test` does."""
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
