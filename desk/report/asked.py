"""What is asked of the report: the first line on standard input, one JSON document."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from protocol.messages import JournalRow


class Asked(BaseModel):
    """One report.

    Attributes:
        run: name of the run in the store; None: the newest.
        database: where the store is; None: journals follow on the lines below.
        from_ns, to_ns: the span, None: all.
        html: file to write the page into; None: none.
        as_json: print the document in place of the text.
        seed: of the resamples behind intervals.
        replayed: what `replay-session --json` says of a run at a venue.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    run: str | None = None
    database: str | None = None
    from_ns: int | None = None
    to_ns: int | None = None
    html: str | None = None
    as_json: bool = False
    seed: int = 0
    replayed: dict[str, Any] | None = None

    @property
    def page(self) -> Path | None:
        """Where the page goes."""
        return None if self.html is None else Path(self.html)


class Told(BaseModel):
    """Rows of one table of one journal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    owner: str
    source: str
    rows: tuple[JournalRow, ...]
