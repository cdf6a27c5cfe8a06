"""Exit codes of every command, and how an error becomes one line and one of them."""

import errno
import os
import sys
import traceback
from pathlib import Path

OK = 0
ERROR = 1
USAGE = 2
NOT_RUNNING = 3
CONFIGURATION = 4
TIMEOUT = 5
INTERRUPTED = 130
CLOSED = 141
"""Nobody reads the output any more: what a shell tells of a program that SIGPIPE ended."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of a write that the machine and not the program has to answer for."""


class CommandError(Exception):
    """A command cannot do what was asked; the text says what to do instead."""

    def __init__(self, line: str, exit_code: int = ERROR) -> None:
        super().__init__(line)
        self.exit_code = exit_code


class OutputError(CommandError):
    """Standard output takes no more: closed by its reader, or full."""

    def __init__(self, number: int) -> None:
        closed = number == errno.EPIPE
        line = "" if closed else f"standard output cannot be written: {os.strerror(number)}"
        super().__init__(line, CLOSED if closed else CONFIGURATION)


def explain(error: BaseException, folder: Path) -> int:
    """Print one line about `error` on stderr and return the exit code.

    Our own errors carry their code; one without a line is quiet. Anything else is a bug: its
    traceback goes to a file in `folder`, never to the user.
    """
    code = getattr(error, "exit_code", None)
    if isinstance(code, int):
        if str(error):
            print(f"counterpoint: {error}", file=sys.stderr)
        return code
    if isinstance(error, OSError) and error.errno in FULL:
        what = error.filename or "the output"
        print(f"counterpoint: {what} cannot be written: {error.strerror}", file=sys.stderr)
        return CONFIGURATION
    if isinstance(error, KeyboardInterrupt):
        print("counterpoint: interrupted", file=sys.stderr)
        return ERROR
    path = folder / "counterpoint-error.txt"
    kind = type(error).__name__
    first = (str(error).splitlines() or [kind])[0]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        where = f"details in {path}"
    except OSError as failure:
        where = f"and the details could not be written: {failure}"
    print(f"counterpoint: a bug, please report it: {kind}: {first}; {where}", file=sys.stderr)
    return ERROR
