"""`python -m desk.keeping`: exports a table of the store, or removes what is old.

What is asked for comes as one JSON document on stdin, since a database's URL may hold a password;
`counterpoint desk` writes it. What went wrong is one line on stderr.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, TextIO

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from desk.errors import DeskError, StoreError
from desk.export import as_csv, table_of, write_parquet
from desk.store import Store
from protocol.errors import printable

OK, DATA, CLOSED = 0, 4, 141


class Asked(BaseModel):
    """What every wish says.

    Attributes:
        database: URL of the store.
        run: of this run alone; None: of all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    database: str
    run: str | None = None


class Export(Asked):
    """Write a table into a file, or as CSV to stdout where none is named."""

    what: Literal["export"]
    table: str
    form: Literal["csv", "parquet"]
    out: Annotated[Path, Field(strict=False)] | None = None


class Prune(Asked):
    """Remove what is older than a venue time."""

    what: Literal["prune"]
    before_ns: int


class Wish(BaseModel):
    """One of them."""

    wish: Annotated[Export | Prune, Field(discriminator="what")]


def keep(wish: Export | Prune) -> int:
    """Do what is asked.

    Raises:
        DeskError: it cannot be done.
        OSError: the file cannot be written.
    """
    with Store.open(wish.database, new=False) as store:
        known = list(dict.fromkeys(str(each["run"]) for each in store.runs()))
        if wish.run is not None and wish.run not in known:
            listed = ", ".join(known[:5]) + (", ..." if len(known) > 5 else "")
            raise StoreError(f"run must be one of {listed or '(none)'}, found {wish.run[:64]}")
        if isinstance(wish, Prune):
            removed = store.prune(wish.before_ns, wish.run)
            told = ", ".join(f"{count:,} {name}" for name, count in removed.items() if count)
            say(f"removed {told or 'nothing: none is so old'}")
        else:
            export(store, wish)
    return OK


def export(store: Store, wish: Export) -> None:
    """Export a table; a file is there whole or not at all."""
    table = table_of(wish.table)
    if wish.out is None:
        send(as_csv(store, table, wish.run), sys.stdout)
        return
    began_s = time.monotonic()
    part = wish.out.with_name(wish.out.name + ".part")
    try:
        if wish.form == "parquet":
            write_parquet(store, table, part, wish.run)
        else:
            with part.open("w", encoding="utf-8", newline="") as file:
                send(as_csv(store, table, wish.run), file)
        part.replace(wish.out)
    finally:
        part.unlink(missing_ok=True)
    size = wish.out.stat().st_size
    say(f"wrote {wish.out}, {size / 1e6:,.1f} MB in {time.monotonic() - began_s:,.1f} s")


def send(blocks: Iterator[str], stream: TextIO) -> None:
    """Write all blocks."""
    stream.writelines(blocks)
    stream.flush()


def say(text: str) -> None:
    """Write a line for the person; stdout is for data."""
    sys.stderr.write(printable(text, 400) + "\n")


def main() -> int:
    """Run, and say in one line what is wrong."""
    try:
        return keep(Wish.model_validate_json(sys.stdin.read()).wish)
    except DeskError as error:
        said = str(error)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        said = f"stdin must be as `counterpoint desk` writes it: {first['msg']}"
    except BrokenPipeError:
        sys.stderr.close()
        return CLOSED
    except OSError as error:
        said = f"{error.filename or 'the export'} cannot be written: {error.strerror}"
    say(f"counterpoint: {said}")
    return DATA


if __name__ == "__main__":
    sys.exit(main())
