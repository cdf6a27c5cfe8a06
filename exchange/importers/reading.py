"""Finds the files of a feed, opens them whatever their packing, and hands out numbered lines.

Whatever is wrong with a file comes out as one of our errors, with its name and line.
"""

import bz2
import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

from exchange.errors import FeedDamagedError, FeedError

Progress: TypeAlias = Callable[[str, float], None]
"""Told what is being done, and how far it is: a fraction in [0, 1]."""

PROGRESS_LINES = 20_000
_NO_DATA = re.compile(
    r"^(\.|readme|licen[cs]e|copying|changelog|sha256)|\.(md|txt|partial)$", re.IGNORECASE
)


def quiet(_what: str, _fraction: float) -> None:
    """Report no progress."""


def files_of(paths: Sequence[Path]) -> list[Path]:
    """Return the data files of `paths` in name order; folders stand for what lies in them.

    Raises:
        FeedError: a path is absent, or nothing is left.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = [item for item in path.iterdir() if item.is_file()]
            files += [item for item in inside if not _NO_DATA.search(item.name)]
        elif path.is_file():
            files.append(path)
        else:
            raise FeedError(f"{path}: no such file or folder")
    if not files:
        raise FeedError(f"{', '.join(map(str, paths)) or 'nothing'}: no data file in it")
    return sorted(files, key=lambda file: (file.name, str(file)))


def open_packed(path: Path) -> BinaryIO:
    """Open a plain, gzip or bzip2 file for reading, by its first bytes.

    Raises:
        FeedDamagedError: it cannot be opened, or is packed otherwise.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        if magic[:2] == b"\x1f\x8b":
            return cast("BinaryIO", gzip.open(path, "rb"))
        if magic[:3] == b"BZh":
            return cast("BinaryIO", bz2.open(path, "rb"))
        if magic in {b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"\xfd7zX"}:
            raise FeedDamagedError(
                f"{path}: packed in a way that is not read here; unpack it, or use gzip or bzip2"
            )
        return path.open("rb")
    except OSError as error:
        raise FeedDamagedError(f"{path}: cannot be read: {error.strerror or error}") from None


def numbered_lines(path: Path, progress: Progress = quiet) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, line without its end), telling `progress` now and then.

    Raises:
        FeedDamagedError: the file is cut off or does not unpack.
    """
    size = max(1, path.stat().st_size)
    number = 0
    with path.open("rb") as packed, open_packed(path) as file:
        inner = getattr(file, "fileobj", None) or getattr(file, "_fp", None) or packed
        try:
            for line in file:
                number += 1
                if number % PROGRESS_LINES == 0:
                    progress(f"reading {path.name}", min(1.0, position(inner) / size))
                yield number, line.rstrip(b"\r\n")
        except EOFError:
            raise FeedDamagedError(
                f"{path}: cut off after line {number}: the packed file ends early; fetch it again"
            ) from None
        except (OSError, zlib.error) as error:
            raise FeedDamagedError(
                f"{path}: damaged after line {number} ({error}); fetch it again"
            ) from None


def position(file: BinaryIO) -> int:
    """Return how far an underlying file was read, 0 when it does not say."""
    try:
        return file.tell()
    except (OSError, ValueError):
        return 0


def head(path: Path, count: int = 60) -> list[bytes]:
    """Return the first lines of a file, for telling its format."""
    lines = []
    for _, line in numbered_lines(path):
        lines.append(line)
        if len(lines) == count:
            break
    return lines
