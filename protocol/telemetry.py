"""What every process tells of itself in log lines; its figures: `telemetry_server.py`.

A log line is a JSON object in `folder/component.log` and one short line on stderr. This is a
process shell: it reads the wall clock, and one process sets it up once.
"""

import json
import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from threading import Lock
from typing import Any, TextIO

import structlog

from protocol.errors import SettingsError, printable

LOG_BYTES_MAX = 32 * 1024 * 1024
"""A log file longer than this becomes `component.log.1`, over the one before it."""
LEVELS: Mapping[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class LogFile:
    """JSON lines of one component, bounded to two files."""

    def __init__(self, component: str, folder: Path) -> None:
        self._path = folder / f"{component}.log"
        self._lock = Lock()
        self._open()

    def write(self, line: str) -> None:
        """Append one line; the file turns over when it is full."""
        with self._lock:
            self._size += self._file.write(line + "\n")
            if self._size > LOG_BYTES_MAX:
                self._file.close()
                self._path.replace(self._path.with_suffix(".log.1"))
                self._open()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def _open(self) -> None:
        descriptor = os.open(self._path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        self._file: TextIO = os.fdopen(descriptor, "a", buffering=1, encoding="ascii")
        self._size = self._path.stat().st_size


class _Tee:
    """The last processor: JSON to the file, a short line to the person."""

    def __init__(self, component: str, file: LogFile | None, talk: TextIO) -> None:
        self._component = component
        self._file = file
        self._talk = talk

    def __call__(self, _logger: Any, _name: str, event: MutableMapping[str, Any]) -> str:
        """Write the line to the file and return what the person reads."""
        moment, level = event.pop("timestamp"), event.pop("level")
        said = event.pop("event")
        trace = event.pop("exception", None)
        if self._file is not None:
            row = {"time": moment, "level": level, "component": self._component, "event": said}
            row |= event if trace is None else {**event, "exception": trace}
            self._file.write(json.dumps(row, default=str))
        keys = " ".join(f"{key}={printable(str(value))}" for key, value in event.items())
        mark = "" if level in {"info", "debug"} else f" {level.upper()}"
        return f"{moment[11:19]} {self._component}{mark} {printable(str(said))} {keys}".rstrip()


class _Forward(logging.Handler):
    """Takes what libraries say through `logging` into the same lines; owns the file's end."""

    def __init__(self, file: LogFile | None) -> None:
        super().__init__(logging.WARNING)
        self._target = file

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record of a library as a fact of ours."""
        level = "error" if record.levelno >= logging.ERROR else "warning"
        getattr(structlog.get_logger(), level)(
            "library_said", library=record.name, text=record.getMessage()
        )

    def close(self) -> None:
        """Close the file too: a process that sets up again begins with a new one."""
        if self._target is not None:
            self._target.close()
        super().close()


def setup_logging(
    component: str,
    folder: Path | None,
    level: str = "info",
    *,
    talk: TextIO | None = None,
) -> LogFile | None:
    """Send every `structlog.get_logger()` line of this process to its file and to stderr.

    Args:
        component: a name such as `executor-1`; the file is `folder/component.log`, mode 0600.
        folder: must exist; None for stderr alone.
        level: debug, info, warning or error.
        talk: where the short lines go; stderr when None.

    Raises:
        SettingsError: unknown level, or a file that cannot be written.
    """
    if level not in LEVELS:
        raise SettingsError(f"log level must be one of {', '.join(LEVELS)}, found {level!r}")
    try:
        file = None if folder is None else LogFile(component, folder)
    except OSError as error:
        raise SettingsError(f"log file cannot be written: {error.strerror} ({folder})") from None
    stream = sys.stderr if talk is None else talk
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _Tee(component, file, stream),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, _Forward)]:
        root.removeHandler(handler)
        handler.close()
    root.addHandler(_Forward(file))
    return file
