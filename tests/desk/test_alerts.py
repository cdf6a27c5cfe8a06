"""Letters really sent, to a server that counts them."""

import asyncio
from dataclasses import replace

import pytest

from desk.alert_rules import Bounds, Facts, Quiet
from desk.alerts import Bell, destinations, ping, read_book
from desk.errors import AlertError
from tests.desk.phones import listening
from tests.desk.test_alert_rules import CALM, WRONG
from tests.desk.waiting import until

NS = 10**9


@pytest.fixture
def phone():
    with listening() as server:
        yield server


def bell_for(phone, tmp_path, facts, clock):
    """A bell that rings at the phone."""
    return Bell(
        lambda: facts,
        [f"json://127.0.0.1:{phone.server_port}/alerts?cto=60&rto=60"],
        bounds=Bounds(),
        quiet=Quiet(),
        book=tmp_path / "alerts.json",
        clock=lambda: clock[0],
    )


async def test_every_rule_arrives_once(phone, tmp_path):
    """Each in turn wrong for three looks and over a new start of the desk: one letter each."""
    clock, facts = [0], [CALM]
    for rule, change in WRONG.items():
        facts[0] = replace(CALM, **change)
        for _ in range(3):
            bell = bell_for(phone, tmp_path, facts, clock)
            bell.look()
            assert await bell.send()
            clock[0] += NS
        assert [each["title"].partition(": ")[2] for each in phone.letters] == [rule]
        phone.letters.clear()
        facts[0] = CALM
        for _ in range(2):
            bell.look()
            clock[0] += 61 * NS
    assert read_book(tmp_path / "alerts.json") == {}


async def test_a_letter_that_nobody_took_is_sent_again(phone, tmp_path):
    """The phone was off; the letter waits and arrives once."""
    bell = bell_for(phone, tmp_path, [Facts("executor-1", stops=("a",))], [0])
    phone.deaf = True
    bell.look()
    assert not await bell.send()
    assert len(bell.waiting) == 1
    phone.deaf = False
    assert await bell.send()
    assert await bell.send()
    assert [each["title"] for each in phone.letters] == ["counterpoint critical: stopped"]


async def test_the_ping_ends_when_something_is_wrong(phone):
    """A dead man's switch hears nothing more."""
    well = [True]
    url = f"http://127.0.0.1:{phone.server_port}/ping"
    task = asyncio.create_task(ping(url, 0.01, lambda: well[0]))
    await until(lambda: phone.pings >= 3, "three pings")
    well[0] = False
    await asyncio.sleep(0.1)
    before = phone.pings
    await asyncio.sleep(0.1)
    assert phone.pings == before
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_destinations_are_secrets_a_line_each(tmp_path):
    """A file of one's own; a line that is no destination is named by its number, never shown."""
    path = tmp_path / "phone"
    path.write_text("# mine\n\njson://127.0.0.1/a\n")
    path.chmod(0o600)
    assert destinations(path) == ("json://127.0.0.1/a",)
    path.write_text("json://127.0.0.1/a\nsecret-thing\n")
    with pytest.raises(AlertError, match="line 2: not a destination") as caught:
        destinations(path)
    assert "secret-thing" not in str(caught.value)
    path.chmod(0o644)
    with pytest.raises(AlertError, match="chmod 600"):
        destinations(path)
    with pytest.raises(AlertError, match="No such file"):
        destinations(tmp_path / "none")


def test_a_damaged_book_is_begun_anew(tmp_path):
    """An alert is then told once more, rather than never."""
    (tmp_path / "alerts.json").write_text('[{"alert": 3}]')
    assert read_book(tmp_path / "alerts.json") == {}
