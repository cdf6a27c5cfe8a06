"""The decisions that this optimizer has heard of, by pair; durable.

A boundary names the executor's incumbent by its pair alone. The coordinator tells of the newest
decision only, which may be a later one that the executor refused, so older sets are remembered
here, over a restart too.
"""

from pathlib import Path
from typing import Self

from protocol.journal import Entry, Journal
from protocol.messages import Pair, QuoteParameters

SCHEMA_VERSION = 1
TABLE = "decisions"
NOTHING: Pair = (0, 0)


class Known:
    """Parameter sets by pair; (0, 0) is the configured baseline."""

    def __init__(self, journal: Journal | None, baseline: QuoteParameters) -> None:
        self._journal = journal
        self._sets: dict[Pair, QuoteParameters] = {NOTHING: baseline}
        if journal is not None:
            for row in journal.rows(TABLE):
                epoch, version = row.body["pair"]
                self._sets[epoch, version] = QuoteParameters.model_validate(row.body["params"])

    @classmethod
    def open(cls, path: Path, baseline: QuoteParameters) -> Self:
        """Open the file at `path`, made if it is missing.

        Raises:
            JournalError: it is damaged.
        """
        journal = Journal.open(path, schema_version=SCHEMA_VERSION, tables=(TABLE,))
        return cls(journal, baseline)

    @property
    def newest(self) -> Pair:
        """The highest pair heard of."""
        return max(self._sets)

    def learn(self, pair: Pair, params: QuoteParameters, time_ns: int) -> None:
        """Remember a decision."""
        if pair in self._sets:
            return
        self._sets[pair] = params
        if self._journal is not None:
            body = {"pair": list(pair), "params": params.model_dump()}
            # The time is the decision's own, so that hearing it twice writes the same row.
            entry = Entry(TABLE, time_ns, "decision", body, key=f"{pair[0]}.{pair[1]}")
            self._journal.append((entry,))

    def get(self, pair: Pair) -> QuoteParameters | None:
        """Return a set, None when it was never heard of."""
        return self._sets.get(pair)

    def close(self) -> None:
        """Close the file."""
        if self._journal is not None:
            self._journal.close()
