"""The page in a browser: its figures are the journal's, its stop holds, and its age is shown."""

import asyncio
import re
import shutil
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from desk.store import Store
from tests.desk.planted import HOSTILE, TOKENS, Planted
from tests.desk.test_window import journaled
from tests.desk.waiting import PATIENCE_S
from tests.desk.windows import EXECUTOR, Window, get

CHROMIUM = shutil.which("chromium")
WALL = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
SPLIT = ("spread", "fees", "inventory", "funding")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (apt-get install it)"),
]


@asynccontextmanager
async def opened(url, token, *, size=WALL):
    """A page behind its token; nothing in it may fail."""
    playwright = pytest.importorskip("playwright.async_api")
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page(viewport=size)
        page.set_default_timeout(90_000)
        page.wrong = []
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.on("dialog", lambda dialog: page.wrong.append(dialog.message))
        await page.goto(url)
        await enter(page, token)
        yield page
        await browser.close()
        assert not page.wrong


async def enter(page, token):
    """Type a token."""
    await page.fill("#token", token)
    await page.click("#entry button")


@pytest.fixture
def planted(tmp_path):
    """A desk with a short past."""
    with Store.open(f"sqlite:///{tmp_path / 'desk.db'}") as store:
        desk = Planted(store, folder=tmp_path)
        desk.live_on(130)
        yield desk


@asynccontextmanager
async def talking(desk):
    """Let everybody say every half second how he stands."""

    async def talk():
        while True:
            desk.say()
            await asyncio.sleep(0.5)

    task = asyncio.create_task(talk())
    yield
    task.cancel()


def amount(text, digits=2):
    """How the page shows an amount."""
    return f"{float(text):,.{digits}f}"


def signed(text):
    """The same with its sign."""
    return f"+{amount(text)}" if float(text) > 0 else amount(text)


async def shown(page):
    """The figures and the profit split that the page shows, by name."""
    found = {}
    for tile in await page.locator("#figures > div").all():
        found[await tile.get_attribute("data-name")] = await tile.locator("b").text_content()
    cells = await page.locator("#split td.number").all_text_contents()
    return found | dict(zip(SPLIT, cells, strict=True))


def worded(sums, held, status):
    """The same as REST has it."""
    return {
        "net": signed(sums["net_of_holding"]),
        "equity": amount(sums["equity"]),
        "drawdown": amount(sums["drawdown"]),
        "position": amount(held["position"], 3),
        "fills": f"{sums['fills']:,}",
        "win_rate": "-" if sums["win_rate"] is None else f"{100 * sums['win_rate']:.1f} %",
        "fill_rate": f"{100 * sums['fill_rate']:.1f} %",
        "open_orders": f"{status['open_orders']:,}",
        **{name: signed(sums[name]) for name in SPLIT},
    }


async def comes(true, what, within_s=PATIENCE_S):
    """Wait until an awaited question is answered with something true."""
    ends_s = asyncio.get_running_loop().time() + within_s
    while not await true():
        assert asyncio.get_running_loop().time() < ends_s, what
        await asyncio.sleep(0.02)


async def test_injected_fills_are_shown_as_rest_and_the_journal_have_them(planted):
    """Every figure, the profit split and the newest fills; pushed, not asked for by hand."""
    async with planted.open(), talking(planted), opened(planted.url, TOKENS["read"]) as page:
        await page.locator("#fills tr").nth(3).wait_for()
        for side, mark in (("buy", 100.5), ("sell", 99.25), ("sell", 101.75)):
            planted.now_s += 1
            planted.mid = mark
            sent = planted.order(side)
            told = planted.fill(sent)
            row = page.locator("#fills tr").nth(1)

            async def newest(row=row, told=told):
                cells = await row.locator("td").all_text_contents()
                return cells[1:5] == [told[n] for n in ("side", "price", "quantity", "fee")]

            await comes(newest, "the fill is shown")
        planted.now_s += 1
        planted.cycle()
        planted.say()
        async with planted.client() as client:
            sums, held = await get(client, "performance"), await get(client, "position")
            status = await get(client, "status")

        async def same():
            return await shown(page) == worded(sums, held, status)

        await comes(same, "the page shows what REST answers")
        assert sums["fills"] == planted.trades
        assert Decimal(sums["equity"]) == Decimal(100000) + sum(
            Decimal(sums[name]) for name in SPLIT
        )
        assert float(sums["spread"]) == pytest.approx(planted.parts["spread"])
        assert float(sums["fees"]) == pytest.approx(planted.parts["fees"])
        assert float(held["position"]) == pytest.approx(planted.position)
        gauge = page.locator('.gauge[data-name="stop_loss_threshold"] em')
        assert await gauge.text_content() == "64.0 % of 2.0 %"


async def test_the_page_says_how_the_policy_in_shadow_stands_and_nothing_without_one(planted):
    """One line: who quotes, whose shadow, since when, on how much, its interval and why."""
    said = dict.fromkeys(("since", "judged", "weighed"), planted.now_ns)
    said |= {"in_force": "closed_form", "candidate": "plan", "stage": "shadow", "blocks": 432}
    said |= {"round_trips": 1203, "reason": "not surely better", "lower": -0.5, "upper": 0.25}
    async with planted.open(), talking(planted), opened(planted.url, TOKENS["read"]) as page:
        line = page.locator("#policy")
        await page.locator("#figures > div").first.wait_for()
        assert not await line.is_visible()
        planted.say(policy=said)
        await line.wait_for()
        text = await line.text_content()
        assert text.startswith("closed form quotes; plan is in shadow since ")
        wanted = "432 blocks, 1203 round trips, a block gains -0.50 to 0.25 USDT: not surely better"
        assert text.endswith(wanted)


async def test_what_is_old_is_called_old_and_what_is_gone_is_called_gone(planted):
    """Executor silent, desk gone and back, recording over: a line, a state and an age for each."""
    state = "body[data-state={}]".format
    async with planted.open():
        port = planted.port
        async with opened(planted.url, TOKENS["read"]) as page:
            async with talking(planted):
                await page.wait_for_selector(state("live"))
                assert await page.text_content("#age") == "live"
                assert not await page.is_visible("#warning")
            await page.wait_for_selector(state("late"))
            line = await page.text_content("#warning")
            assert re.search("bus is silent|Nothing heard of executor-1", line)
            assert re.fullmatch(r"\d+ s old", await page.text_content("#age"))
            async with talking(planted):
                await page.wait_for_selector(state("live"))
                planted.server.should_exit = True
                await page.wait_for_selector(state("lost"))
                await page.wait_for_selector("#warning:text('Disconnected from the desk for')")
                await page.wait_for_selector("#age:text-matches('^[0-9]+ s old$')")
                await page.click("#stop")
                await page.click("#yes")
                await page.wait_for_selector("#answer:text('NOT acknowledged')")
                await page.click("#sure button[type=submit]")
                async with planted.open(port):
                    await page.wait_for_selector(state("live"))
                    planted.now_s = 86_400
                    await page.wait_for_selector(state("ended"))
                    assert await page.text_content("#state") == "ended"


async def test_without_its_stream_the_page_says_so_and_goes_on_asking(planted):
    """A door between that lets no WebSocket through."""
    playwright = pytest.importorskip("playwright.async_api")
    async with planted.open(), talking(planted), playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page(viewport=WALL)
        await page.route_web_socket(re.compile("stream"), lambda socket: socket.close())
        await page.goto(planted.url)
        await enter(page, TOKENS["read"])
        await page.wait_for_selector("#warning:text('The stream is cut')")
        planted.fill(planted.order("buy"))
        wanted = f"{planted.trades:,}"
        await page.wait_for_selector(f"#figures [data-name=fills] b:text-is('{wanted}')")
        assert await page.get_attribute("body", "data-state") == "live"
        await browser.close()


async def test_words_of_a_hostile_agent_are_text_wherever_they_are_shown(planted, tmp_path):
    """Reasons, votes, details, states, names and log lines with HTML and escapes."""
    planted.propose("evil", 0.5, spread=0.02, approved=False, reason=HOSTILE)
    planted.propose("vain", 0.9, spread=0.02, approved=True, reason=HOSTILE)
    told = {"pair": [9, 9], "params": planted.params, "code": "E_STEP", "detail": HOSTILE}
    planted.write("parameters", "refused", **told)
    (tmp_path / "evil.log").write_text(
        f'{{"time": "2026-11-26T12:00:00Z", "event": "<b>{1}</b>"}}\n'
    )
    planted.say(symbol=HOSTILE, risk=HOSTILE)
    planted.live.take("heartbeat", "optimizer-1", {"state": HOSTILE, "lag_ms": 0.1})
    async with planted.open(), opened(planted.url, TOKENS["read"]) as page:
        why = page.locator("#proposals td.words")
        await why.first.wait_for()
        assert sum(HOSTILE in text for text in await why.all_text_contents()) == 2
        await page.locator("#logs td", has_text="<b>1</b>").wait_for()
        await page.locator("#processes td", has_text=HOSTILE).first.wait_for()
        assert HOSTILE in await page.text_content("#risk")
        assert (
            await page.locator("img, iframe, b b, script:not([src='/page/desk.js'])").count() == 0
        )


async def test_on_a_phone_the_stop_is_in_reach_and_nothing_is_wider_than_the_screen(planted):
    """At 390 x 844, also with the page scrolled to its end."""
    async with planted.open(), talking(planted):
        page_opened = opened(planted.url, TOKENS["read"], size=PHONE)
        async with page_opened as page:
            await page.locator("#fills tr").nth(3).wait_for()
            await page.locator("#logs").scroll_into_view_if_needed()
            box = await page.locator("#stop").bounding_box()
            assert box["y"] + box["height"] <= PHONE["height"]
            assert box["width"] > 180
            for part in await page.locator("header, main, section, #hands").all():
                found = await part.bounding_box()
                assert found["x"] >= 0
                assert found["x"] + found["width"] <= PHONE["width"]
            await page.click("#stop")
            assert await page.is_visible("#yes")


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    """One stack for the page."""
    with Window(tmp_path_factory.mktemp("page"), hours=6.0) as found:
        yield found


async def test_a_stop_from_the_page_needs_the_token_and_leaves_nothing_open(window):
    """A wrong one opens nothing, that of readers stops nothing; the right one is acknowledged."""
    async with window.client() as client:
        await window.trading(client)
        async with opened(window.url, "x" * 43) as page:
            await page.wait_for_selector("#wrong:not([hidden])")
            await enter(page, window.tokens["read"])
            await page.wait_for_selector("#state.good")
            await page.click("#stop")
            await page.click("#yes")
            await page.wait_for_selector("#answer:text('may only read')")
            assert "stop" not in {row.kind for row in journaled(window, "heard")}
        async with opened(window.url, window.tokens["act"]) as page:
            await page.wait_for_selector("#state.good")
            await page.click("#stop")
            await page.click("#yes")
            await page.locator("#answer", has_text=re.compile("^Acknowledged")).wait_for()
            assert f"{EXECUTOR}: stopped" in await page.text_content("#answer")
            await page.click("#sure button[type=submit]")
            await page.wait_for_selector("#state:text('stopped')")
            await page.wait_for_selector("#figures [data-name=open_orders] b:text-is('0')")

            async def nothing_open():
                return (await get(client, "orders", resting="true"))["orders"] == []

            await comes(nothing_open, "the journal says so too", 3 * PATIENCE_S)

            async def same():
                sums, held = await get(client, "performance"), await get(client, "position")
                status = await get(client, "status")
                return await shown(page) == worded(sums, held, status)

            with window.house.stopped(EXECUTOR):  # else equity moves with the market meanwhile
                await comes(same, "the page shows what REST answers", 3 * PATIENCE_S)
