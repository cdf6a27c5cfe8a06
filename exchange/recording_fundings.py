"""Fundings of a recording that grows: `fundings.json` beside its segments.

A row of a recording is an event of the book or a trade; a funding is neither, and stands in the
meta of what is sealed. While segments grow they are kept here, in a file that is whole at any
moment. Whoever records asks the exchange again after a restart, so a kill loses none for good.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import TypeAdapter, ValidationError

from exchange.errors import RecordingError
from exchange.recording import FundingRow, Meta

Funding: TypeAlias = tuple[int, int]
"""Time, ns; rate, 1e-8 of the notional, positive when longs pay."""

FUNDINGS_NAME = "fundings.json"
_ROWS: TypeAdapter[tuple[FundingRow, ...]] = TypeAdapter(tuple[FundingRow, ...])


def read_fundings(folder: Path) -> tuple[Funding, ...]:
    """Return the fundings of a folder, ascending in time; none without a file.

    Raises:
        RecordingError: the file is damaged.
    """
    path = folder / FUNDINGS_NAME
    try:
        return _ROWS.validate_json(path.read_bytes())
    except FileNotFoundError:
        return ()
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no list of time and rate"
        raise RecordingError(
            f"{path}: cannot be read ({reason}); take it away: the recorder asks for them again"
        ) from None


def add_fundings(folder: Path, rows: Iterable[Funding]) -> None:
    """Add fundings to a folder's; a time that is there already takes the rate that is told last.

    Raises:
        RecordingError: the file that is there is damaged.
        OSError: it cannot be written.
    """
    before = read_fundings(folder)
    after = tuple(sorted({**dict(before), **dict(rows)}.items()))
    if after == before:
        return
    beside = folder / f"{FUNDINGS_NAME}.partial"
    with beside.open("wb") as file:
        file.write(_ROWS.dump_json(after) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(folder / FUNDINGS_NAME)


def funded(meta: Meta, folder: Path) -> Meta:
    """Return a meta with the fundings of a folder that lie within its span, beside its own.

    Raises:
        RecordingError: the file is damaged.
    """
    first_ns, last_ns = meta.span_ns
    within = [row for row in read_fundings(folder) if first_ns <= row[0] <= last_ns]
    if not within:
        return meta
    told: dict[str, Any] = {
        "funding": tuple(sorted({**dict(meta.funding), **dict(within)}.items()))
    }
    return meta.model_copy(update=told)
