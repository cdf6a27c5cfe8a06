"""The page in a browser: its figures are the answers of REST, and its stop holds."""

import re
import shutil

import pytest

from tests.desk.windows import EXECUTOR, Window, get

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    """One stack for the page."""
    with Window(tmp_path_factory.mktemp("page"), hours=6.0) as found:
        yield found


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (apt-get install chromium)")
async def test_the_page_shows_what_rest_answers_and_its_stop_is_acknowledged(window):
    """A wrong token opens nothing; the right one shows the figures; stop and silence are shown."""
    playwright = pytest.importorskip("playwright.async_api")
    async with window.client() as client, playwright.async_playwright() as driver:
        await window.trading(client)
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(90_000)
        wrong = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        await page.goto(window.url)
        await page.fill("#token", "x" * 43)
        await page.click("#entry button")
        await page.wait_for_selector("#wrong:not([hidden])")
        await page.fill("#token", window.tokens["act"])
        await page.click("#entry button")
        await page.wait_for_selector("#state.good")
        await page.click("#stop")
        await page.click("#yes")
        await page.locator("#answer", has_text=re.compile("^Acknowledged")).wait_for()
        assert f"{EXECUTOR}: stopped" in await page.text_content("#answer")
        await page.click("#sure button[type=submit]")
        await page.wait_for_selector("#state:text('stopped')")

        async def same():
            sums = await get(client, "performance")
            figures = await page.locator("#figures b").all_text_contents()
            split = await page.locator("#split td.number").all_text_contents()
            fees, spread = float(sums["fees"]), float(sums["spread"])
            return (
                figures[1] == f"{float(sums['equity']):,.2f}"
                and figures[4] == f"{sums['fills']:,}"
                and split[:2] == [_signed(spread), _signed(fees)]
            )

        await window.until(same, "the page shows what REST answers")
        with window.house.stopped(EXECUTOR):
            await page.wait_for_selector("#warning:not([hidden])")
        await browser.close()
        assert not wrong


def _signed(value):
    """How the page shows an amount."""
    return f"{value:+,.2f}" if value > 0 else f"{value:,.2f}"
