"""What the audit costs an executor, and whether whatever is done to it is found.

python -m bench.audit [--feed DAY.npz | --folder ../shared/feeds/binance-spot-nexousdt-20240723]
                      [--hours H] [--trials 200] [--kills 30]

An executor trades a whole day from a recording with its journal and its audit. Then every
transaction of that day is appended anew, once as it was and once without the audit: the chain, the
files and the rows of figures. The difference in processor time is what the audit costs; the gate
is timed within the run. Then records are flipped, removed, swapped and cut, and a writer is killed.

Exit 0 only if the audit takes at most 1 % of the day, gate and audit together at most 50 us an
order, every change was found at its record, and every killed chain was mended and sound. The share
of the replay, in which the day takes seconds, is told besides.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from agents.executor import records, trade
from agents.executor.recovery import open_journal, recover
from agents.executor.shell import Shell
from agents.session import Session, open_session
from agents.settings import Settings
from bench.day import FEED, imported
from market.replay_step import COUNT_PLACED
from protocol.chain import check
from protocol.chain_check import contents, verify
from protocol.chain_file import FOLDER, STATE, Kept, chained, path_of
from protocol.journal import Entry, Journal
from risk import gate

SHARE_MAX = 0.01
ORDER_US_MAX = 50.0
SLICE = 600
"""Records of the day that are spoilt."""
RUNS = 5
Transaction = tuple[tuple[Entry, ...], Mapping[str, Any] | None]


class Taped(Journal):
    """A journal that remembers what was appended."""

    taken: list[Transaction]

    def append(
        self, entries: Iterable[Entry], *, state: Mapping[str, Any] | None = None
    ) -> tuple[int, ...]:
        """Append, and remember."""
        held = tuple(entries)
        self.taken.append((held, state))
        return super().append(held, state=state)


class Timed:
    """A function that counts its calls and its time."""

    def __init__(self, work: Callable[..., Any]) -> None:
        self.work, self.calls, self.ns = work, 0, 0

    def __call__(self, *arguments: Any) -> Any:
        """Do it."""
        began_ns = time.perf_counter_ns()
        found = self.work(*arguments)
        self.ns += time.perf_counter_ns() - began_ns
        self.calls += 1
        return found


def lived(session: Session, folder: Path) -> tuple[dict[str, float], list[Transaction]]:
    """Trade the day; return what it took, and its transactions."""
    gate_timed, figures_timed = Timed(gate.check), Timed(trade.judged_entry)
    gate.check, trade.judged_entry = gate_timed, figures_timed
    with open_journal(folder) as journal:
        journal.__class__ = Taped
        journal.taken = []
        shell = Shell(recover(journal, session, lockstep=False), journal, folder)
        began_s, began_cpu_s = time.perf_counter(), time.thread_time()
        asyncio.run(shell.run())
        cpu_s, wall_s = time.thread_time() - began_cpu_s, time.perf_counter() - began_s
        taken: list[Transaction] = journal.taken
    gate.check, trade.judged_entry = gate_timed.work, figures_timed.work
    figures = {
        "run_s": wall_s,
        "run_cpu_s": cpu_s,
        "actions": float(shell.state.counts[COUNT_PLACED]),
        "orders": float(gate_timed.calls),
        "gate_us": gate_timed.ns / 1e3 / max(1, gate_timed.calls),
        "figures_s": figures_timed.ns / 1e9,
        "transactions": float(len(taken)),
    }
    return figures, taken


def append_s(taken: list[Transaction], place: Path, *, audited: bool) -> float:
    """Append all transactions to a new journal; return the processor seconds of it."""
    place.mkdir()
    version, tables = records.SCHEMA_VERSION, records.TABLES
    journal = Journal.open(place / "j.db", schema_version=version, tables=tables)
    if audited:
        chained(journal, place / FOLDER, tables)
    held = [
        (tuple(each for each in entries if audited or each.table != records.JUDGED), state)
        for entries, state in taken
    ]
    with journal:
        began_s = time.thread_time()
        for entries, state in held:
            if entries:
                journal.append(entries, state=state)
        return time.thread_time() - began_s


def found_of(lines: list[bytes], rng: random.Random, trials: int) -> dict[str, float]:
    """Spoil a piece of the chain in every way; return the share that was found at its place."""
    counts = {"flipped": 0, "removed": 0, "swapped": 0, "shortened": 0}
    for _ in range(trials):
        one, two = sorted(rng.sample(range(1, len(lines) - 1), 2))
        for name in counts:
            spoilt = list(lines)
            if name == "flipped":
                line = bytearray(spoilt[one])
                line[rng.randrange(len(line))] ^= 1 << rng.randrange(8)
                spoilt[one] = bytes(line)
            elif name == "removed":
                del spoilt[one]
            elif name == "swapped":
                spoilt[one], spoilt[two] = spoilt[two], spoilt[one]
            else:
                spoilt[one] = spoilt[one][: rng.randrange(1, len(spoilt[one]) - 1)] + b"\n"
            told = check([("chain-000001.log", b"".join(spoilt))]).faults
            place = f"chain-000001.log byte {sum(map(len, lines[:one]))}"
            counts[name] += bool(told) and told[0].place == place
    return {name: count / trials for name, count in counts.items()}


def killed(place: Path, seconds: float) -> None:
    """Let a process append, and kill it."""
    pid = os.fork()
    if pid == 0:
        journal = Journal.open(place / "j.db", schema_version=1, tables=("rows",))
        chained(journal, place / FOLDER, ("rows",))
        for number in range(1 << 30):
            journal.append([Entry("rows", number, "x", os.urandom(40))] * (1 + number % 5))
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def synced_of(place: Path, name: str) -> int:
    """Return how many bytes of the chain's last file are on disk for good: a power cut's leavings.

    All of them where the journal speaks of another file: it has just begun.
    """
    with Journal.open(place / "j.db", schema_version=1, tables=("rows",), readonly=True) as journal:
        told = journal.get(STATE)
    if told is not None and path_of(place, Kept.of(told).synced.number).name == name:
        return Kept.of(told).synced.offset
    return (place / FOLDER / name).stat().st_size


def mended_of(place: Path, rng: random.Random, kills: int) -> dict[str, float]:
    """Kill a writer again and again; cut the tail as well; return how often all was sound."""
    place.mkdir()
    sound = unwritten = 0
    for _ in range(kills):
        killed(place, rng.uniform(0.05, 0.3))
        files = contents(place / FOLDER)
        if files and rng.random() < 0.5:  # what had not left the page cache
            name, content = files[-1]
            synced = synced_of(place, name)
            (place / FOLDER / name).write_bytes(
                content[: synced + rng.randrange(len(content) - synced + 1)]
            )
        with Journal.open(
            place / "j.db", schema_version=1, tables=("rows",), readonly=True
        ) as journal:
            report = verify(contents(place / FOLDER), journal, ("rows",))
        unwritten += report.unwritten > 0
        sound += report.sound
    return {"killed_sound": sound / kills, "killed_torn": float(unwritten)}


def measure(session: Session, folder: Path, told: argparse.Namespace) -> dict[str, float]:
    """Return all figures."""
    rng = random.Random(1)  # noqa: S311 - trials, not secrets
    run = folder / "run"
    run.mkdir()
    figures, taken = lived(session, run)
    costs = []
    for number in range(RUNS):
        bare = append_s(taken, folder / f"bare{number}", audited=False)
        costs.append(append_s(taken, folder / f"full{number}", audited=True) - bare)
    audit_s = sorted(costs)[RUNS // 2] + figures["figures_s"]
    files = contents(run / FOLDER)
    with open_journal(run, readonly=True) as journal:
        began_s = time.perf_counter()
        report = verify(files, journal, records.TABLES)
        figures["verify_s"] = time.perf_counter() - began_s
    figures |= {
        "records": float(report.checked.head[0]),
        "megabytes": sum(len(content) for _, content in files) / 1e6,
        "sound": float(report.sound),
        "audit_s": audit_s,
        "day_share": audit_s / ((session.last_ns - session.first_ns) / 1e9),
        "replay_share": audit_s / figures["run_s"],
        "audit_us": audit_s * 1e6 / figures["actions"],
    }
    figures["order_us"] = figures["gate_us"] + figures["audit_us"]
    lines = files[0][1].splitlines(keepends=True)[: SLICE + 1]
    return figures | found_of(lines, rng, told.trials) | mended_of(folder / "k", rng, told.kills)


def main() -> int:
    """Measure; print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feed", type=Path)
    parser.add_argument("--folder", type=Path, default=FEED)
    parser.add_argument("--hours", type=float)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--kills", type=int, default=30)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        feed = told.feed or imported(told.folder, Path(name) / "day.npz")
        document = {"feed": {"path": str(feed), "hours": told.hours}}
        session = open_session(Settings.model_validate_json(json.dumps(document)))
        figures = measure(session, Path(name), told)
    bounds = {"day_share": SHARE_MAX, "order_us": ORDER_US_MAX}
    whole = ("sound", "flipped", "removed", "swapped", "shortened", "killed_sound")
    good = all(figures[key] <= bound for key, bound in bounds.items())
    good &= all(figures[key] == 1.0 for key in whole)
    for key, value in figures.items():
        bound = f"  at most {bounds[key]:g}" if key in bounds else ""
        print(f"{key:<14} {value:>14,.6f}{bound or ('  must be 1' if key in whole else '')}")
    rounded = {key: round(value, 7) for key, value in figures.items()}
    print(json.dumps({"bench": "audit", "good": good, **rounded}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
