"""`counterpoint log`: finds the decision log of a run and prints its story.

It reads the file, not the bus, so it works beside a coordinator and after one has died. The one
thing that a file may not tell, the mode of a first start elsewhere, it asks the coordinator.
"""

import asyncio
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents.cli.chapters import Chapter, Line, clock, named
from agents.cli.chronicle import Chronicle
from agents.cli.exits import ERROR, NOT_RUNNING, OK, USAGE, CommandError
from agents.cli.stack import Stack, operator, settings_in
from agents.coordinator.log import FILE, read_records
from agents.coordinator.records import Kind, Record
from agents.process import CONFIG
from agents.settings import Settings
from protocol.errors import JournalError, ProtocolError
from protocol.messages import Mode, Pair, utc_text
from protocol.settings import Loaded

ASK_S = 2.0
"""How long the coordinator may take to say its mode."""


def log(
    loaded: Loaded[Settings],
    *,
    run: Path | None,
    last: int | None,
    decision: str | None,
    as_json: bool,
) -> int:
    """Print the newest run's decisions, or those of `run`.

    Args:
        last: how many chapters, counted from the end; None: all.
        decision: `E.V`, to see what led to one decision and what became of it.
    """
    pair = None if decision is None else pair_of(decision)
    folder = run if run is not None else newest_log(loaded.settings.data)
    if not (folder / FILE).exists():
        raise CommandError(f"{folder} holds no decision log ({FILE})", NOT_RUNNING)
    from agents.cli.verdicts import verdicts_in

    records = read_records(folder)
    mode = mode_of(folder, records, loaded.settings)
    story = Chronicle(records, mode, applied_in(folder), verdicts_in(folder))
    chapters = story.told() if pair is None else [one_decision(story, pair)]
    if last is not None:
        chapters = chapters[-last:]
    if as_json:
        text = json.dumps({"run": str(folder), "chapters": [plain(each) for each in chapters]})
    else:
        text = "\n".join(line for each in chapters for line in lines_of(each))
    return put(text or "the decision log is empty: nothing was proposed yet")


def newest_log(data: Path) -> Path:
    """Return the folder of the newest run that has a decision log.

    Raises:
        CommandError: there is none; exit code 3.
    """
    folders = sorted(path.parent for path in data.glob(f"runs/*/{FILE}"))
    runs = [folder for folder in folders if not folder.is_symlink()]
    if not runs:
        raise CommandError(
            f"no decision log under {data}; start with `counterpoint run`, or name another folder "
            "with --data",
            NOT_RUNNING,
        )
    return max(runs, key=started)


def started(folder: Path) -> tuple[str, int]:
    """Return when a run began, as its name says: a time, then a number within that second."""
    stem, _, number = folder.name.partition("-")[2].partition("-")
    return folder.name[:9] + stem, int(number) if number.isdecimal() else 0


def pair_of(text: str) -> Pair:
    """Return the pair that `E.V` names."""
    found = re.fullmatch(r"(\d{1,18})\.(\d{1,18})", text, re.ASCII)
    if found is None:
        raise CommandError(f"--decision takes EPOCH.VERSION, found {text!r}", USAGE)
    return (int(found[1]), int(found[2]))


def one_decision(story: Chronicle, pair: Pair) -> Chapter:
    """Return the chapter of one decision."""
    chapter = story.decision(pair)
    if chapter is None:
        newest = story.newest()
        held = "none yet" if newest is None else f"the newest is {named(newest)}"
        raise CommandError(f"the log holds no decision {named(pair)}; {held}", ERROR)
    return chapter


def mode_of(
    folder: Path, records: Sequence[Record], settings: Settings | None = None
) -> Mode | None:
    """Return the mode at the first start of a run, None where nobody can tell it.

    Where the run was configured elsewhere its log tells it by its first decision or switch, and
    before either its coordinator does, if settings say where one is within reach.
    """
    if (folder / CONFIG).exists():
        return Mode(settings_in(folder).coordinator.mode)
    for record in records:
        if record.kind in (Kind.DECISION, Kind.MODE):
            return Mode(record.body["mode" if record.kind is Kind.DECISION else "from"])
    if settings is None or settings.bus.connect is None:
        return None
    return asyncio.run(asked_mode(Stack(folder, settings, {})))


async def asked_mode(stack: Stack) -> Mode | None:
    """Return the mode that a coordinator says is in force, None when it cannot be asked."""
    try:
        async with operator(stack, ASK_S) as (_, snapshot):
            return snapshot.mode
    except ProtocolError:
        return None


def applied_in(folder: Path) -> dict[Pair, int]:
    """Return when each decision came into force, as far as the executor's journal tells."""
    from agents.executor import records
    from agents.executor.recovery import open_journal

    try:
        with open_journal(folder, readonly=True) as journal:
            rows = journal.rows(records.PARAMETERS, kinds=("applied",))
            return {(row.body["pair"][0], row.body["pair"][1]): row.time_ns for row in rows}
    except JournalError:
        return {}  # another folder, or not made yet; the log says that it was applied all the same


# --- shown ------------------------------------------------------------------------------------
def plain(chapter: Chapter) -> dict[str, Any]:
    """Return a chapter as plain JSON values."""
    return {
        "at": stamp(chapter.time_ns),
        "title": chapter.title,
        "boundaries": None if chapter.boundaries is None else list(chapter.boundaries),
        "entries": [
            {"at": stamp(line.time_ns), "kind": line.kind, "text": line.text, **line.facts}
            for line in chapter.lines
        ],
    }


def stamp(time_ns: int) -> str | None:
    """Return a venue time as text, None while there was none."""
    return utc_text(time_ns) if time_ns else None


def lines_of(chapter: Chapter) -> list[str]:
    """Return a chapter for a person: a title, and each line below it with its time."""
    at = stamp(chapter.time_ns)
    head = "-" * 19 if at is None else at[:19].replace("T", " ")
    lines = [f"{head}  {chapter.title}"]
    told = gathered([line for line in chapter.lines if not line.quiet])
    rest = list(dict.fromkeys(chapter.resting))
    if rest and told:
        places = [place for place, line in enumerate(told, 1) if line.kind == "answer"]
        text = f"{', '.join(rest)}: nothing better"
        told.insert(max(places, default=0), Line(chapter.time_ns, "answer", text, {}))
    for line in told:
        same = line.time_ns == chapter.time_ns or not line.time_ns
        lines.append(f"{'' if same else clock(line.time_ns):>19}  {line.text}")
    return lines


def gathered(lines: list[Line]) -> list[Line]:
    """Return lines in which refusals in a row for one reason are one."""
    found: list[Line] = []
    for line in lines:
        before = found[-1] if found else None
        reason = (line.facts.get("code"), line.facts.get("detail"))
        if (
            before is not None
            and line.kind == before.kind == "refused"
            and reason == (before.facts.get("code"), before.facts.get("detail"))
        ):
            seats = f"{before.facts['seat']}, {line.facts['seat']}"
            text = f"{seats} refused: {reason[0]} {reason[1]}"
            found[-1] = Line(line.time_ns, line.kind, text, {**line.facts, "seat": seats})
        else:
            found.append(line)
    return found


def put(text: str) -> int:
    """Print; a reader who has seen enough (`| head`) is no error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return OK
