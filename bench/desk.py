"""The desk over a million fills in SQLite and in PostgreSQL: as fast as a person waits, and alike.

    python -m bench.desk [--fills 1000000] [--times 40] [--part content,speed]
                         [--keep FOLDER --postgres URL]

A month is put into either database (`bench/desk_month.py`). content: every table is exported and
every question asked, and both engines must tell the same. speed: the report, and every question of
a window (`bench/desk_store.py`). With --keep and --postgres a month that was put there is used
again.

The bar: the same content, answers and report from both; a report in at most 10 s, its page at most
2 MB, its identities hold; every question p95 at most 200 ms.
"""

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import desk_store
from bench.desk_month import Month
from tests.desk.databases import Server, programs

PARTS = ("content", "speed")


def stores(told: argparse.Namespace, parts: list[str]) -> tuple[dict[str, Any], bool]:
    """Measure both engines; print the table."""
    if programs() is None and told.postgres is None:
        print("PostgreSQL is not installed: half of the bar is not measured", file=sys.stderr)
        return {}, False
    month = Month(told.fills)
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="cp"))
        folder = told.keep or Path(name)
        other = told.postgres or stack.enter_context(Server()).url
        found: dict[str, dict[str, Any]] = {}
        contents = []
        for name, url in (("sqlite", f"sqlite:///{folder / 'desk.db'}"), ("postgresql", other)):
            found[name] = desk_store.filled(url, month)
            if "content" in parts:
                figures, content = desk_store.content(url, month, folder)
                found[name] |= figures
                contents.append(content)
            if "speed" in parts:
                found[name] |= desk_store.speed(url, month, told.times, folder)
    good = all("speed" not in parts or desk_store.holds(each) for each in found.values())
    for name in contents[0] if contents else ():
        same = contents[0][name] == contents[1][name]
        print(f"{name:<18}{'the same' if same else 'DIFFERENT':>26}")
        good = good and same
    print("\n".join(desk_store.table(found)), flush=True)
    return found, good


def main() -> int:
    """Measure, print tables and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fills", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=40, help="how often each question is asked")
    parser.add_argument("--part", default=",".join(PARTS))
    parser.add_argument("--keep", type=Path, help="folder for the SQLite store and the page")
    parser.add_argument("--postgres", help="URL of a database to be used, not a server of our own")
    told = parser.parse_args()
    document: dict[str, Any] = {"bench": "desk", "fills": told.fills, "good": True}
    parts = told.part.split(",")
    document["stores"], document["good"] = stores(told, parts)
    print(json.dumps(document))
    return 0 if document["good"] else 1


if __name__ == "__main__":
    sys.exit(main())
