"""What has been computed, as files: whole or not at all, and read back only if they are sound."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DIGEST = "sha256"


def keep(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document with its digest, on disk before it has its name.

    Raises:
        OSError: it cannot be written; no draft is left.
    """
    text = json.dumps({**document, DIGEST: _digest(document)}, sort_keys=True)
    draft = path.with_suffix(f".{os.getpid()}.draft")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def kept(path: Path) -> dict[str, Any] | None:
    """Return a document that was kept; None if there is none, or not as it was written."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        digest = found.pop(DIGEST)
    except (FileNotFoundError, ValueError, TypeError, AttributeError, KeyError):
        return None
    return found if digest == _digest(found) else None


def _digest(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
