"""The actions that were acknowledged, in the store, by the ids that their askers chose."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from desk.errors import StoreError
from desk.schema import ACTIONS
from desk.store import Store, reason_of


class Memory:
    """The acknowledged actions of one run."""

    def __init__(self, store: Store, run: str) -> None:
        self._store = store
        self._run = run

    def find(self, key: str) -> Mapping[str, Any] | None:
        """Return what was asked and answered under an id; None: nothing.

        Raises:
            StoreError: the database is out of reach.
        """
        query = sa.select(ACTIONS).where(ACTIONS.c.run == self._run, ACTIONS.c.id == key)
        try:
            with self._store.reading() as connection:
                found = connection.execute(query).mappings().first()
        except SQLAlchemyError as error:
            raise StoreError(f"the store is out of reach: {reason_of(error)}") from None
        return None if found is None else dict(found)

    def keep(
        self, key: str, time_ns: int, asked: Mapping[str, Any], answer: Mapping[str, Any]
    ) -> None:
        """Keep what was acknowledged; what is kept already stays as it is.

        Args:
            time_ns: wall time.

        Raises:
            StoreError: the database is out of reach.
        """
        row = {"run": self._run, "id": key, "time_ns": time_ns, "asked": asked, "answer": answer}
        try:
            with self._store.engine.begin() as connection:
                connection.execute(sa.insert(ACTIONS).values(**row))
        except IntegrityError:
            return
        except SQLAlchemyError as error:
            raise StoreError(f"the store is out of reach: {reason_of(error)}") from None
