"""Takes the pictures of docs/desk.md: the desk's page over a planted run, wide and on a phone.

python -m tests.desk.pictures [--to docs/pictures] [--cycles 900]

The run is artificial, from a seed: a walk of the price, fills by chance, an hourly proposal. The
page is the real one, behind its real doors, in Debian's Chromium at 1440 x 900 and 390 x 844, dark
and light. Needs chromium and playwright (extra dev); with pngquant, where it is installed, the
pictures become a third as large. Exit 0 only when each shows the equity that REST answers and is
at most 150 kB.
"""

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any, Final

from desk.store import Store
from tests.desk.planted import TOKENS, Planted

SIZES: Final = {"wall": (1440, 900), "phone": (390, 844)}
SCHEMES: Final = ("dark", "light")
BYTES_MAX: Final = 150_000
PATIENCE_MS: Final = 300_000
SAY_S: Final = 0.5
LINE: Final = {"time": "2026-09-21T21:43:{:02}Z", "level": "info", "component": "optimizer-1"}


def lived(desk: Any, folder: Path, cycles: int) -> None:
    """Let a run pass, and leave a few lines of log."""
    desk.live_on(cycles)
    for side, level in product(("buy", "sell"), range(3)):
        desk.order(side, level=level)
    lines = [
        {**LINE, "time": str(LINE["time"]).format(at), "event": "answered", "boundary": at // 10}
        for at in range(0, 60, 10)
    ]
    (folder / "optimizer-1.log").write_text("".join(json.dumps(each) + "\n" for each in lines))


async def talk(desk: Any) -> None:
    """Say every half second how all stand, while the venue's time goes on."""
    while True:
        desk.now_s += 1
        desk.say()
        await asyncio.sleep(SAY_S)


async def taken(desk: Any, target: Path) -> list[dict[str, Any]]:
    """Return what was taken: each picture, and whether its equity was that of REST."""
    from playwright.async_api import async_playwright

    rows = []
    async with desk.open(), desk.client() as client, async_playwright() as driver:
        talking = asyncio.create_task(talk(desk))
        browser = await driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for (name, (width, height)), scheme in product(SIZES.items(), SCHEMES):
            viewport = {"width": width, "height": height}
            page = await browser.new_page(viewport=viewport, color_scheme=scheme)
            page.set_default_timeout(PATIENCE_MS)
            await page.goto(desk.url)
            await page.fill("#token", TOKENS["read"])
            await page.click("#entry button")
            for each in ("#proposals", "#fills", "#logs", "#seats", "#split"):
                await page.locator(f"{each} tr").nth(1).wait_for()
            await page.locator("#markouts polyline").wait_for()
            await page.locator("#gauges .gauge").first.wait_for()
            await page.wait_for_selector("body[data-state=live]")
            await page.wait_for_selector("#warning", state="hidden")
            sums = (await client.get("performance")).json()
            shown = await page.text_content("#figures [data-name=equity] b")
            path = target / f"desk-{name}-{scheme}.png"
            await page.screenshot(path=path)
            rows.append({"picture": path.name, "same": shown == f"{float(sums['equity']):,.2f}"})
            await page.close()
        await browser.close()
        talking.cancel()
    return rows


def smaller(path: Path) -> int:
    """Reduce a picture to 64 colours where that can be done; return its size, bytes."""
    if shutil.which("pngquant"):
        line = ["pngquant", "--force", "--strip", "--output", path, "64", path]
        subprocess.run(line, check=True)
    return path.stat().st_size


def main() -> int:
    """Take them; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--cycles", type=int, default=900, help="decisions, half a minute each")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Store.open(f"sqlite:///{folder / 'desk.db'}") as store:
            desk = Planted(store, folder=folder, seed=2)
            lived(desk, folder, told.cycles)
            rows = asyncio.run(taken(desk, told.to))
    for row in rows:
        row["bytes"] = smaller(told.to / row["picture"])
    sys.stdout.write(json.dumps({"pictures": rows}) + "\n")
    return int(not all(row["same"] and row["bytes"] <= BYTES_MAX for row in rows))


if __name__ == "__main__":
    sys.exit(main())
