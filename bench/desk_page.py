"""How far the page is behind: from a fill or a decision on disk until Chromium shows it.

    python -m bench.desk_page [--fills 200] [--speed 10]

A coordinator, an executor that trades an artificial day on the real clock, and a desk are
processes; the executor notes when journal and venue had each step. The page is open in Debian's
Chromium, which notes when its table of fills and its equity change. A fill is shown with the first
table that has it, a decision with the first equity that is its own or of a later one; a decision
whose equity reads as the one before it is not counted. Exit 0 only when p99 of both is <= 1 s.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

from agents.executor.pages import journal_page
from agents.executor.recovery import open_journal
from bench.desk_beside_executor import noted
from bench.desk_beside_house import Desk, TimedHouse
from bench.stops import spread
from protocol.messages import JournalRow, utc_text

BAR_S = 1.0
LEAST = 100
PATIENCE_S = 280.0
WIDE = {"width": 1440, "height": 900}
WATCH = """() => {
  window.seen = [];
  const now = () => performance.timeOrigin + performance.now();
  const note = (kind, text) => window.seen.push([now(), kind, text]);
  const equity = () => document.querySelector('#figures [data-name=equity] b')?.textContent;
  const rows = () => [...document.querySelectorAll('#fills tr')].slice(1)
    .map((row) => [...row.cells].slice(0, 4).map((cell) => cell.textContent).join(' '));
  const watch = (id, kind, read) => new MutationObserver(() => note(kind, read()))
    .observe(document.getElementById(id), {subtree: true, childList: true, characterData: true});
  watch('fills', 'fills', rows); watch('figures', 'equity', equity);
}"""


async def watched(house: TimedHouse, fills: int) -> list[tuple[float, str, Any]]:
    """Open the page until it has shown so many fills; return what it noted: at, kind, content."""
    from playwright.async_api import async_playwright

    token = (house.settings.keys_folder / "desk-read.token").read_text(encoding="ascii").strip()
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = await browser.new_page(viewport=WIDE)
        await page.goto(f"http://127.0.0.1:{house.port}")
        await page.fill("#token", token)
        await page.click("#entry button")
        await page.wait_for_selector("body[data-state=live]")
        await page.evaluate(WATCH)
        shown = page.locator("#figures [data-name=fills] b")
        first = int((await shown.text_content() or "0").replace(",", ""))
        ends_s = time.monotonic() + PATIENCE_S
        while int((await shown.text_content() or "0").replace(",", "")) < first + fills:
            if time.monotonic() > ends_s:
                break
            await asyncio.sleep(0.5)
        told: list[Any] = await page.evaluate("window.seen")
        await browser.close()
    return [(at / 1e3, kind, content) for at, kind, content in told]


def rows_of(house: TimedHouse, table: str) -> list[JournalRow]:
    """Return every row of a table of the executor's journal."""
    found: list[JournalRow] = []
    with open_journal(house.folder, readonly=True) as journal:
        while rows := journal_page(journal, table, found[-1].seq if found else 0):
            found += rows
    return found


def fills_late(
    house: TimedHouse, seen: list[tuple[float, str, Any]], done: dict[int, float]
) -> list[float]:
    """Return by how much each fill was shown after it was on disk, s."""
    tables = [(at, Counter(content)) for at, kind, content in seen if kind == "fills"]
    found, told = [], Counter[str]()
    for row in rows_of(house, "reports"):
        fills: Any = row.body["fills"]
        for each in fills:
            words = (utc_text(row.time_ns)[11:19], each["side"], each["price"], each["quantity"])
            told[key := " ".join(words)] += 1
            if not tables[0][0] <= done.get(row.time_ns, 0.0) <= tables[-1][0] - BAR_S:
                continue
            shown = (at for at, table in tables if table[key] >= told[key])
            found.append(next(shown, tables[-1][0] + BAR_S) - done[row.time_ns])
    return found


def decisions_late(
    house: TimedHouse, seen: list[tuple[float, str, Any]], done: dict[int, float]
) -> list[float]:
    """Return by how much each decision was shown after it was on disk, s."""
    shown = [(at, content) for at, kind, content in seen if kind == "equity"]
    cycles = [row for row in rows_of(house, "cycles") if row.kind == "cycle"]
    told = [(done.get(row.time_ns, 0.0), f"{float(row.body['equity']):,.2f}") for row in cycles]
    told = [after for before, after in pairwise(told) if before[1] != after[1]]
    found, place = [], 0
    for at, content in shown:
        fits = [n for n in range(place, len(told)) if told[n][0] <= at and told[n][1] == content]
        if not fits:
            continue
        found += [at - told[n][0] for n in range(place, fits[-1] + 1) if told[n][0] > shown[0][0]]
        place = fits[-1] + 1
    return found


def measure(folder: Path, fills: int, speed: float) -> dict[str, Any]:
    """Return the figures."""
    with TimedHouse(folder, hours=6.0, speed=speed) as house, Desk(house).unread():
        house.until(quoting=True)
        seen = asyncio.run(watched(house, fills))
        apart_s = time.time() - time.monotonic()
        done = {step.now_ns: step.done_s + apart_s for step in noted(house.folder)}
        fill, decision = fills_late(house, seen, done), decisions_late(house, seen, done)
    return {
        "fills": len(fill), **spread("fill", fill),
        "decisions": len(decision), **spread("decision", decision),
    }  # fmt: skip


def main() -> int:
    """Measure, print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fills", type=int, default=200)
    parser.add_argument("--speed", type=float, default=10.0, help="feed seconds a wall second")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cp") as name:
        found = measure(Path(name), told.fills, told.speed)
    good = all(
        found[f"{each}s"] >= LEAST and found[f"{each}_p99_s"] <= BAR_S
        for each in ("fill", "decision")
    )
    for key, value in found.items():
        print(f"{key:<16}{value:>10.3f}" + (f"  at most {BAR_S:g}" if "p99" in key else ""))
    print(json.dumps({"bench": "desk_page", "good": good, **found}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
