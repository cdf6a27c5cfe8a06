"""Writes one JSON Schema per word into this folder: `python -m protocol.schema.generate`.

With `--check` it writes nothing and exits 1 when a file is missing, stale or left over. What a
schema cannot say (duplicate keys, base_quantity x levels) the codec says.
"""

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from protocol.messages import WORDS, CoordinatorHeartbeat, Heartbeat

FOLDER = Path(__file__).parent
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, str]:
    """Return the text of each schema by file name."""
    texts: dict[str, str] = {}
    for name, word in sorted(WORDS.items()):
        if name == "heartbeat":
            body = TypeAdapter(Heartbeat | CoordinatorHeartbeat).json_schema(by_alias=True)
        else:
            body = word.model_json_schema(by_alias=True)
        whole: dict[str, Any] = {"$schema": DIALECT, "$id": f"{name}.json", **body}
        texts[f"{name}.json"] = json.dumps(whole, indent=2) + "\n"
    return texts


def stale(folder: Path = FOLDER) -> list[str]:
    """Return the names of files that are missing, differ, or belong to no word."""
    wanted = schemas()
    held = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    names = sorted(wanted.keys() | held.keys())
    return [name for name in names if wanted.get(name) != held.get(name)]


def write(folder: Path = FOLDER) -> list[str]:
    """Write every schema, remove leftovers, and return the names of changed files."""
    changed = stale(folder)
    wanted = schemas()
    for name in changed:
        if name in wanted:
            (folder / name).write_text(wanted[name], encoding="utf-8")
        else:
            (folder / name).unlink()
    return changed


def main(arguments: list[str]) -> int:
    """Write, or with `--check` compare; return the exit code."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python -m protocol.schema.generate [--check]\n")
        return 2
    if not arguments:
        sys.stderr.write(f"wrote {len(write())} schemas\n")
        return 0
    wrong = stale()
    if wrong:
        sys.stderr.write(
            f"schemas must match the types, found stale {', '.join(wrong)}; "
            "run python -m protocol.schema.generate\n"
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
