"""The whole stack in containers, from a clean clone until nothing of it is left.

    deploy/test_stack.sh [FOLDER]      # the pictures and the figures go there

A line for each thing that is tried, with its figure, and one JSON object at the end; exit 0 when
all hold. The optimizer is made bold: as it is, it calls what it finds on the bundled day luck.
"""

import argparse
import json
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bench import container_archive as archives
from bench.container_cluster import NODES, clustered
from bench.container_house import PARTS, RARELY_S, Stack, engine_missing, until
from bench.container_kept import EXECUTOR, Kept
from bench.container_secrets import found_in
from tests.deploy.asked import missing

IMAGE_MAX_MB = 900.0
BUILD_MAX_S = 360.0
QUOTE_MAX_S = 60.0
WATCHED = (*PARTS, "postgres", "prometheus")
MODES = ("peer", "hierarchical", "consensus", "master-slave")
SEATS = 3
COMMANDS = {
    "status": (0,),
    "report /session": (0,),
    "report /session --json": (0,),
    "replay-session --run /session": (0,),
    "risk status --run /session": (0,),
    "risk stress --run /session": (0,),
    "audit verify --run /session": (0,),
    "incident --run /session": (0,),
    "promote --run /session --check": (0, 1),
    "log": (0,),
}
"""With the exit codes that they may have; a gate of `promote` may be missed."""
TUNED_MAX_S = 900.0


class Sheet:
    """What was tried, and its figures.

    Args:
        folder: for pictures.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.figures: dict[str, Any] = {}
        self.wrong: list[str] = []

    def note(self, what: str, figure: Any, said: str, *, holds: bool = True) -> None:
        """Put down a figure, and say its line."""
        self.figures[what] = figure
        if not holds:
            self.wrong.append(f"{what}: {said}")
        print(f"{'ok  ' if holds else 'FAIL'}  {what:<24} {said}", flush=True)

    @contextmanager
    def timed(self, what: str, most_s: float | None = None) -> Iterator[None]:
        """Put down how long something took."""
        began_s = time.monotonic()
        yield
        took_s = round(time.monotonic() - began_s, 1)
        bar = "" if most_s is None else f" (at most {most_s:g} s)"
        self.note(f"{what}_s", took_s, f"{took_s:g} s{bar}", holds=took_s <= (most_s or took_s))


def main() -> int:
    """Try everything; print the lines and the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("counterpoint-data/stack"))
    parser.add_argument("--only", default=",".join(STAGES), help="stages, of the default's")
    told = parser.parse_args()
    stages = told.only.split(",")
    if unknown := sorted(set(stages) - set(STAGES)):
        parser.error(f"--only must be of {', '.join(STAGES)}, found {', '.join(unknown)}")
    if problem := engine_missing():
        print(problem, file=sys.stderr)
        return 4
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was begun is taken down
    told.folder.mkdir(parents=True, exist_ok=True)
    sheet = Sheet(told.folder)
    with tempfile.TemporaryDirectory(prefix="cp") as place:
        stack = Stack(Path(place), COMPOSE_PROFILES="monitoring")
        try:
            tried(stack, sheet, stages)
        except AssertionError as error:
            said = str(error) or traceback.format_exception(error)[-2].strip()
            sheet.wrong.append(said)
            print(f"FAIL  {said}", flush=True)
            for part in (*WATCHED, *NODES):
                (told.folder / f"{part}.log").write_text(stack.logs(part), encoding="utf-8")
        finally:
            stack.down()
            left = [name for kind in stack.left() for name in kind]
            stack.run("docker", "image", "rm", stack.image, check=False)
        sheet.note(
            "left_after_down",
            len(left),
            f"{len(left)} containers, volumes, networks",
            holds=not left,
        )
    print(json.dumps({**sheet.figures, "wrong": sheet.wrong, "held": not sheet.wrong}))
    return 1 if sheet.wrong else 0


def tried(stack: Stack, sheet: Sheet, stages: list[str]) -> None:
    """Go through the stages, in their order."""
    stack.make_keys()
    stack.make_bold()
    if "build" not in stages:
        stack.compose("build", "feed")
    for name, stage in STAGES.items():
        if name in stages:
            with sheet.timed(name):
                stage(stack, sheet)


def built(stack: Stack, sheet: Sheet) -> None:
    """Make the image, with neither the engine's layers nor its kernels of earlier builds."""
    dockerfile = stack.folder / "Dockerfile"
    text = dockerfile.read_text(encoding="utf-8")
    dockerfile.write_text(text.replace("id=counterpoint-kernels", f"id={stack.project}"))
    with sheet.timed("cold_build", BUILD_MAX_S):
        stack.compose("build", "--no-cache", "feed")
    size_mb = round(
        int(stack.run("docker", "image", "inspect", "-f", "{{.Size}}", stack.image)) / 1e6
    )
    sheet.note(
        "image_mb",
        size_mb,
        f"{size_mb} MB (at most {IMAGE_MAX_MB:g})",
        holds=size_mb <= IMAGE_MAX_MB,
    )


def started(stack: Stack, sheet: Sheet) -> None:
    """Bring it up: quotes, health, fills."""
    with sheet.timed("first_quote", QUOTE_MAX_S):
        stack.up()
        until(stack.resting, "an order rests at the exchange")
    with sheet.timed("all_healthy"):
        stack.until_healthy((*PARTS, "postgres"))
    fills = len(until(stack.trades, "there are fills"))
    sheet.note("fills", fills, f"{fills} at the exchange, through python-binance")


def tuned(stack: Stack, sheet: Sheet) -> None:
    """Wait until an optimizer's set is in force."""
    with sheet.timed("in_force"):
        until(stack.in_force, "a decision is in force", TUNED_MAX_S, look_s=RARELY_S)


def looked_at(stack: Stack, sheet: Sheet) -> None:
    """Ask database, Prometheus and desk what they know, and take the desk's picture."""
    rows = {}
    for table in ("fills", "orders", "cycles", "events"):
        query = f"select count(*) from {table} having count(*) > 0"  # noqa: S608 - named here
        rows[table] = int(until(partial(stack.sql, query), f"rows of {table}")[0][0])
    sheet.note("rows", rows, f"in PostgreSQL: {rows}")
    until(lambda: all(each == "up" for each in stack.targets().values()), "every target is up")
    targets = stack.targets()
    sheet.note(
        "targets", len(targets), f"{', '.join(targets)}: up", holds=len(targets) == len(PARTS)
    )
    there = set(stack.prometheus("label/__name__/values"))
    gone = missing(there)
    sheet.note(
        "metrics", len(there), f"named; queried and missing: {gone or 'none'}", holds=not gone
    )
    assert json.loads(stack.desk("fills"))["fills"], "the desk knows of no fill"
    chromium = shutil.which("chromium")
    if chromium is None:
        sheet.note("picture", None, "not taken: no chromium here")
        return
    fills = seen(stack, chromium, sheet.folder / "desk.png")
    sheet.note(
        "picture",
        fills,
        f"{fills} rows of fills on the page, {sheet.folder / 'desk.png'}",
        holds=fills > 0,
    )


def seen(stack: Stack, chromium: str, path: Path) -> int:
    """Open the page in a browser without a window; return how many fills it shows."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 1800})
        page.set_default_timeout(60_000)
        page.goto(f"http://127.0.0.1:{stack.desk_port}")
        page.fill("#token", stack.token)
        page.click("#entry button")
        page.locator("#fills tr").nth(1).wait_for()
        page.wait_for_selector("body[data-state=live]")
        page.screenshot(path=path)
        fills = page.locator("#fills tr").count() - 1
        browser.close()
    return fills


def answered(stack: Stack, sheet: Sheet) -> None:
    """Type every command that reads a run, beside the executor that goes on."""
    codes = {words: stack.operated(*words.split()).returncode for words in COMMANDS}
    wrong = [words for words, code in codes.items() if code not in COMMANDS[words]]
    sheet.note("commands", len(codes), f"answered; wrongly: {wrong or 'none'}", holds=not wrong)


def switched(stack: Stack, sheet: Sheet) -> None:
    """Switch through every mode while it trades."""
    for mode in MODES:
        stack.operator("mode", mode)
        assert stack.status()["mode"] == mode
    sheet.note("modes", len(MODES), f"{', '.join(MODES)}: switched while it trades")


def killed(stack: Stack, sheet: Sheet) -> None:
    """Kill every container in turn; each is back, healthy, and trading goes on."""
    back: dict[str, float] = {}
    for part in WATCHED:
        before, began_s = stack.starts(part), time.monotonic()
        stack.kill(part)
        until(partial(stack.starts, part, before), f"{part} is started again")
        until(partial(stack.well, part), f"{part} is well again")
        back[part] = round(time.monotonic() - began_s, 1)
    before = len(stack.trades())
    until(lambda: len(stack.trades()) > before, "it goes on trading")
    stack.until_healthy((*PARTS, "postgres"))
    sheet.note("back_s", back, f"after kill -9: {back}")


def hidden(stack: Stack, sheet: Sheet) -> None:
    """Look for every secret in image, logs, figures, environments."""
    leaks, places = found_in(stack)
    sheet.note(
        "secrets_found",
        len(leaks),
        f"in {places} places looked at: {leaks or 'none'}",
        holds=not leaks,
    )


def kept(stack: Stack, sheet: Sheet) -> None:
    """End whoever writes a journal; everything that is kept must agree."""
    stack.compose("stop", "executor", "optimizer", "coordinator")
    with tempfile.TemporaryDirectory() as place:
        held = Kept(stack, Path(place))
        wrong, fills = held.problems(), len(stack.trades())
    sheet.note(
        "violations", len(wrong), f"with {fills} fills: {wrong[:5] or 'none'}", holds=not wrong
    )
    stack.compose("up", "--detach")
    stack.until_healthy((*PARTS, "postgres"))


def brought_back(stack: Stack, sheet: Sheet) -> None:
    """Keep it while a part runs, take it down, bring it back; what must be refused is.

    On a stack begun anew: its day must not end before it trades again.
    """
    stack.down()
    stack.up()
    stack.until_healthy((*PARTS, "postgres"))
    until(stack.trades, "there are fills")
    stack.compose("stop", *archives.WRITERS)
    rows = archives.tables(stack)
    with sheet.timed("backup"):
        path = archives.archive(stack)
    stack.until_healthy(("exchange", "postgres"))
    archives.refused(stack, path, "the stack runs")
    archives.cut_backups(stack)
    stack.compose("stop")
    for spoilt in archives.damaged(path):
        archives.refused(stack, spoilt, "is damaged")
    archives.refused(stack, path.with_name("none.tar.gz"), "cannot be read")
    archives.refused(stack, path, "the volumes hold a run")
    stack.down()
    archives.cut_restores(stack, path)
    with sheet.timed("restore"):
        stack.run("make", "--silent", "restore", f"FROM={path}")
    wanted = archives.content(path)
    same = archives.listed(stack) == wanted
    stack.compose("up", "--detach", "postgres")
    stack.until_healthy(("postgres",))
    same_rows = archives.tables(stack) == rows
    said = f"{len(wanted)} lines of files the same: {same}, tables the same: {same_rows}"
    sheet.note("restored", same and same_rows, said, holds=same and same_rows)
    stack.compose("up", "--detach")
    stack.until_healthy((*PARTS, "postgres"))
    fills = len(until(stack.trades, "the exchange has its trades back"))
    until(lambda: len(stack.trades()) > fills, "it trades on")
    sheet.note("fills_kept", fills, f"{fills} fills were brought back, and more came after them")


def voted(stack: Stack, sheet: Sheet) -> None:
    """Three optimizers and the executor, by consensus, on a stack begun anew."""
    stack.down()
    assert stack.left() == [[], [], []], "down -v left something"
    stack.tell(MODE="consensus", SEATS=str(SEATS))
    began_s = time.monotonic()
    stack.compose("up", "--detach", "--scale", f"optimizer={SEATS}")
    until(stack.in_force, "a decision is in force", look_s=RARELY_S)
    took_s = round(time.monotonic() - began_s, 1)
    told = json.loads(stack.compose("exec", "-T", "coordinator", "counterpoint", "log", "--json"))
    entries = [each for chapter in told["chapters"] for each in chapter["entries"]]
    voters = sorted({each["voter"] for each in entries if each["kind"] == "vote"})
    seats = [EXECUTOR, *(f"optimizer-{n + 1}" for n in range(SEATS))]
    sheet.note(
        "voters",
        len(voters),
        f"{', '.join(voters)} of {len(seats)} seats; in force after {took_s:g} s",
        holds=set(voters) <= set(seats) and 2 * len(voters) > len(seats),  # the rest is not awaited
    )
    sheet.note(
        "targets_of_three",
        len(stack.targets()),
        re.sub(r"[{}']", "", str(stack.targets())),
        holds=list(stack.targets().values()) == ["up"] * (len(PARTS) + SEATS - 1),
    )


def replayed(stack: Stack, sheet: Sheet) -> None:
    """A worker of a Ray cluster replays for the optimizer, on a stack begun anew."""
    stack.down()
    found = clustered(stack)
    said = f"{found['candidates']} candidates on {found['workers']} worker, bytes of a thread"
    sheet.note("cluster", found, f"{said}: {found['same']}", holds=found["same"])
    stack.down()


STAGES: dict[str, Callable[[Stack, Sheet], None]] = {
    "build": built,
    "start": started,
    "tune": tuned,
    "look": looked_at,
    "commands": answered,
    "modes": switched,
    "kill": killed,
    "secrets": hidden,
    "keep": kept,
    "archive": brought_back,
    "vote": voted,
    "cluster": replayed,
}
"""All but `build`, `archive`, `vote` and `cluster` need `start`."""


if __name__ == "__main__":
    sys.exit(main())
