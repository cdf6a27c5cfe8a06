import pytest

from tests.agents.optimizer.market import session


@pytest.fixture(scope="session")
def markets(tmp_path_factory):
    """A folder of synthetic recordings that lives as long as the test session."""
    return tmp_path_factory.mktemp("markets")


@pytest.fixture(scope="session")
def planted(markets):
    """Two hours of a market with a planted edge."""
    return session(markets)
