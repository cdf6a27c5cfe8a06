"""Takes the pictures of docs/desk.md: the desk's page over a planted run, wide and on a phone.

python -m tests.desk.pictures [--to docs/pictures] [--cycles 900]
python -m tests.desk.pictures --url http://127.0.0.1:8765 --token TOKENFILE

The run is artificial, from a seed: a walk of the price, fills by chance, an hourly proposal. The
page is the real one, behind its real doors, in Debian's Chromium at 1440 x 900 and 390 x 844, dark
and light. With --url it is that of a desk that runs, as `counterpoint run --desk` leaves it, once,
wide and dark: the picture of README.md. Needs chromium and playwright (extra dev); with pngquant,
where it is installed, the pictures become a third as large. Exit 0 only when each shows the equity
that REST answers and is at most 150 kB.
"""

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path
from typing import Any, Final

import httpx

from desk.store import Store
from tests.desk.planted import TOKENS, Planted

SIZES: Final = {"wall": (1440, 900), "phone": (390, 844)}
SCHEMES: Final = ("dark", "light")
BYTES_MAX: Final = 150_000
PATIENCE_MS: Final = 300_000
SAY_S: Final = 0.5
CALM: Final = "[data-state=live]:has(#warning[hidden])"
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


async def shot(page: Any, url: str, token: str, path: Path, states: str) -> dict[str, Any]:
    """Take a picture of a page once all its panels are drawn; return whether REST agrees.

    Args:
        states: CSS of the body in which the page may be, such as `CALM`.
    """
    page.set_default_timeout(PATIENCE_MS)
    await page.goto(url)
    await page.fill("#token", token)
    await page.click("#entry button")
    for each in ("#proposals", "#fills", "#logs", "#seats", "#split"):
        await page.locator(f"{each} tr").nth(1).wait_for()
    await page.locator("#markouts polyline").wait_for()
    await page.locator("#gauges .gauge").first.wait_for()
    await page.wait_for_selector(f"body{states}")
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(headers=headers, timeout=PATIENCE_MS / 1e3) as client:
        sums = (await client.get(f"{url}/api/v1/performance")).json()
    shown = await page.text_content("#figures [data-name=equity] b")
    await page.screenshot(path=path)
    await page.close()
    return {"picture": path.name, "same": shown == f"{float(sums['equity']):,.2f}"}


@asynccontextmanager
async def browsing() -> AsyncIterator[Any]:
    """Open a browser."""
    from playwright.async_api import async_playwright

    async with async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        yield browser
        await browser.close()


def sized(name: str) -> Any:
    """Return a size as a browser takes it."""
    return dict(zip(("width", "height"), SIZES[name], strict=True))


async def taken(desk: Any, target: Path) -> list[dict[str, Any]]:
    """Take all pictures of a planted run; return what was taken."""
    rows = []
    async with desk.open(), browsing() as browser:
        talking = asyncio.create_task(talk(desk))
        for name, scheme in product(SIZES, SCHEMES):
            page = await browser.new_page(viewport=sized(name), color_scheme=scheme)
            path = target / f"desk-{name}-{scheme}.png"
            rows.append(await shot(page, desk.url, TOKENS["read"], path, CALM))
        talking.cancel()
    return rows


async def taken_of(url: str, token: str, target: Path) -> list[dict[str, Any]]:
    """Take the picture of a desk that runs."""
    async with browsing() as browser:
        page = await browser.new_page(viewport=sized("wall"), color_scheme="dark")
        states = ":is([data-state=live], [data-state=ended])"
        return [await shot(page, url, token, target / "desk-run.png", states)]


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
    parser.add_argument("--url", help="of a desk that runs")
    parser.add_argument("--token", type=Path, help="file of a token of it")
    told = parser.parse_args()
    if told.url is not None:
        token = told.token.read_text(encoding="ascii").strip()
        rows = asyncio.run(taken_of(told.url, token, told.to))
    else:
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
