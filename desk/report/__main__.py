"""`python -m desk.report`: reads what is asked and the journals from stdin, writes the report.

The first line is an `Asked`, each other one a `Told`; the command line writes both. What went wrong
is one line on stderr; exit codes are those of `counterpoint`.
"""

import json
import sys
from collections.abc import Iterable
from typing import TextIO

from pydantic import ValidationError

from desk.errors import DeskError
from desk.report.asked import Asked, Told
from desk.report.history import FOREVER, executors_of
from desk.report.page import page_of
from desk.report.sheet import Sheet, sheet_of
from desk.report.text import text_of
from desk.store import Store
from protocol.errors import printable

OK, ERROR, DATA = 0, 1, 4
MEMORY = "sqlite://"


def report(lines: Iterable[str]) -> int:
    """Make one report; return the exit code: 1 when an identity does not hold.

    Args:
        lines: of standard input.

    Raises:
        DeskError: the store cannot be read, or holds nothing to report.
        ValidationError: a line is not what the command line writes.
        OSError: the page cannot be written.
    """
    rest = iter(lines)
    asked = Asked.model_validate_json(next(rest, "{}"))
    with Store.open(asked.database or MEMORY, new=False) as store:
        if asked.database is None:
            fill(store, asked.run or "run", rest)
        sheets = [
            sheet_of(
                store, run, owner, from_ns=asked.from_ns or 0,
                to_ns=FOREVER if asked.to_ns is None else asked.to_ns, seed=asked.seed,
                replayed=asked.replayed,
            )
            for run, owner in executors_of(store, asked.run)
        ]  # fmt: skip
    if asked.page is not None:
        asked.page.write_text(page_of(sheets), encoding="utf-8")
        say(f"report {asked.page}", sys.stderr)
    if asked.as_json:
        say(json.dumps([each.as_dict() for each in sheets], allow_nan=False))
    elif asked.page is None:
        say(text_of(sheets))
    return _judged(sheets)


def fill(store: Store, run: str, lines: Iterable[str]) -> None:
    """Take the journals into a store."""
    for line in lines:
        told = Told.model_validate_json(line)
        store.take(run, told.owner, told.source, told.rows)


def _judged(sheets: list[Sheet]) -> int:
    broken = [each.said for sheet in sheets for each in sheet.identities if not each.holds]
    for said in broken:
        say(f"counterpoint: an identity does not hold: {said}", sys.stderr)
    return ERROR if broken else OK


def say(text: str, stream: TextIO | None = None) -> None:
    """Write a line, and send it off; to standard output when no stream is named."""
    out = sys.stdout if stream is None else stream
    out.write(text + "\n")
    out.flush()


def main() -> int:
    """Run, and say in one line what is wrong."""
    try:
        return report(sys.stdin)
    except DeskError as error:
        said = str(error)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        said = f"a line on stdin must be as `counterpoint report` writes it: {first['msg']}"
    except BrokenPipeError:
        sys.stderr.close()
        return OK
    except OSError as error:
        said = f"{error.filename or 'the report'} cannot be written: {error.strerror}"
    say(f"counterpoint: {printable(said, 400)}", sys.stderr)
    return DATA


if __name__ == "__main__":
    sys.exit(main())
