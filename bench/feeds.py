"""Imports and checks every recording beside the repository, and damages one in four ways.

    python -m bench.feeds [--feeds ../shared/feeds]

The bar: no error on any of them, the counts of the main one as its manifest says, and each kind of
damage refused with one line and exit code 4.
"""

import argparse
import gzip
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.stack import command

MAIN = "binance-spot-nexousdt-20240723"
MAIN_DEPTH, MAIN_TRADES = 68_182, 12_458


def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `counterpoint feed ...`."""
    return subprocess.run(command("feed", *arguments), capture_output=True, text=True, check=False)


def one(folder: Path, out: Path) -> dict[str, Any]:
    """Import and check one folder."""
    began = time.monotonic()
    made = ask("import", str(folder), "--out", str(out))
    checked = ask("check", str(out), "--json") if made.returncode == 0 else made
    seconds = time.monotonic() - began
    found: dict[str, Any] = {"folder": folder.name, "seconds": round(seconds, 1)}
    if checked.returncode != 0:
        return found | {"passed": False, "said": (checked.stderr or checked.stdout).strip()}
    return found | {"passed": True} | json.loads(checked.stdout)


def damaged(source: Path, folder: Path) -> dict[str, bool]:
    """Return, by kind of damage, whether it was refused as it must be."""
    lines = gzip.decompress(source.read_bytes()).splitlines(keepends=True)
    depth = [n for n, line in enumerate(lines) if b"depthUpdate" in line]
    middle = depth[len(depth) // 2]
    after = depth[len(depth) // 2 + 1]
    swapped = list(lines)
    swapped[middle], swapped[after] = swapped[after], swapped[middle]
    whole = gzip.compress(b"".join(lines))
    kinds = {
        "removed diff": gzip.compress(b"".join(lines[:middle] + lines[middle + 1 :])),
        "swapped pair": gzip.compress(b"".join(swapped)),
        "truncated gzip": whole[: len(whole) // 2],
    }
    found = {}
    for name, content in kinds.items():
        path = folder / f"{name.replace(' ', '-')}.gz"
        path.write_bytes(content)
        found[name] = refused(ask("import", str(path), "--out", str(folder / "no.npz")))
    good = folder / "good.gz"
    shutil.copy(source, good)
    wrong = ask("import", str(good), "--symbol", "BTC-USDT", "--out", str(folder / "no.npz"))
    found["wrong symbol"] = refused(wrong)
    return found


def refused(done: subprocess.CompletedProcess[str]) -> bool:
    """Return whether a command said one line and exited with 4."""
    print(f"  {done.returncode} {done.stderr.strip()}")
    return done.returncode == 4 and len(done.stderr.strip().splitlines()) == 1


def main() -> int:
    """Go through all folders; print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feeds", type=Path, default=Path("../shared/feeds"))
    told = parser.parse_args()
    names = sorted(
        path.name
        for path in told.feeds.iterdir()
        if path.name.startswith(("binance-", "bitstamp-")) and path.is_dir()
    )
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in names:
            source = told.feeds / name
            if name.startswith("bitstamp"):
                source = next(source.glob("*.log.bz2"))
            found = one(source, folder / f"{name}.npz")
            rows.append({"folder": name} | found)
            print(f"{name:<34}{'passed' if found['passed'] else 'FAILED':<8}{found['seconds']} s")
        first = min((told.feeds / MAIN).glob("*.gz"))
        kinds = damaged(first, folder)
    for name, right in kinds.items():
        print(f"{name:<34}{'refused' if right else 'NOT REFUSED AS IT MUST BE'}")
    print(json.dumps({"bench": "feeds", "rows": rows, "damage": kinds}))
    counts = next(row for row in rows if row["folder"] == MAIN)
    exact = (counts.get("depth_events"), counts.get("trades")) == (MAIN_DEPTH, MAIN_TRADES)
    return 0 if exact and all(row["passed"] for row in rows) and all(kinds.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
