"""Standard output to the last byte: a full device or a reader that left is told once, plainly."""

import os
import sys

from agents.cli.exits import OutputError


def put(text: str) -> None:
    """Print one line on stdout now, every character of it as it is.

    Raises:
        OutputError: nobody reads any more, or there is no room.
    """
    try:
        sys.stdout.write(text + "\n")
    except OSError as error:
        silence()
        raise OutputError(error.errno or 0) from None
    flush()


def flush() -> None:
    """Write out what stdout still holds.

    Raises:
        OutputError: nobody reads any more, or there is no room.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        silence()
        raise OutputError(error.errno or 0) from None


def silence() -> None:
    """Let what stdout still holds go nowhere, so that the interpreter's end does not complain."""
    try:
        number = sys.stdout.fileno()
    except (OSError, ValueError):
        return  # no file stands behind it
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
