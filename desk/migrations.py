"""The steps by which an older store becomes what `desk/schema.py` is."""

from collections.abc import Callable
from typing import Final

import sqlalchemy as sa

from desk.schema import ACTIONS, CURSORS, FILLS_BY_ORDER, FILLS_BY_TIME, OUTCOMES_BY_KIND
from desk.sums import recounted


def _add_actions(connection: sa.Connection) -> None:
    ACTIONS.create(connection)


def _add_sums(connection: sa.Connection) -> None:
    """Add up once what is there, beside each cursor; find the fills of an order by an index."""
    connection.execute(sa.text("ALTER TABLE cursors ADD COLUMN sums JSON NOT NULL DEFAULT '{}'"))
    FILLS_BY_ORDER.create(connection)
    key = CURSORS.c.run, CURSORS.c.owner
    for run, owner in connection.execute(sa.select(*key).distinct()).all():
        for source, sums in recounted(connection, run, owner).items():
            of = CURSORS.c.run == run, CURSORS.c.owner == owner, CURSORS.c.source == source
            connection.execute(sa.update(CURSORS).where(*of).values(sums=sums))


def _order_for_reports(connection: sa.Connection) -> None:
    """Let fills be read in their order, and outcomes by their kind, from an index alone."""
    FILLS_BY_TIME.drop(connection)
    FILLS_BY_TIME.create(connection)
    OUTCOMES_BY_KIND.create(connection)


MIGRATIONS: Final[tuple[Callable[[sa.Connection], None], ...]] = (
    _add_actions,
    _add_sums,
    _order_for_reports,
)
"""Step n leads from version n + 1 to n + 2. A new store is made as it is now, without steps."""
