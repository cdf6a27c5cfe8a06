"""A store of each kind, empty."""

import pytest
import sqlalchemy as sa

from desk.schema import METADATA
from desk.store import Store


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path):
    """An empty store."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'desk.db'}"
    else:
        url = request.getfixturevalue("postgresql").url
    with Store.open(url) as found:
        yield found
        if request.param == "postgresql":
            with found.engine.begin() as connection:
                METADATA.drop_all(connection)
                assert not sa.inspect(connection).get_table_names()
