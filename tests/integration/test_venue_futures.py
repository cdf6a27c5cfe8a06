"""An executor trades USD-M futures at an exchange: processes, sockets, a kill and a cut."""

import dataclasses
import json
from urllib.request import Request, urlopen

import pytest

from agents.facts import read_facts
from bench.venue_checks import Book, problems_of
from bench.venue_house import VenueHouse, wait_until
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save

pytestmark = pytest.mark.slow
GENEROUS_S = 40.0


def cut(exchange):
    """End all connections of the exchange without a word."""
    told = json.dumps({"kind": "all", "code": 1006}).encode()
    with urlopen(Request(f"{exchange.control}/disconnect", told, method="POST")) as answer:
        assert answer.status == 200


def feed_ns(exchange):
    """Return how far the feed has come."""
    with urlopen(f"{exchange.control}/status") as answer:
        return json.loads(answer.read())["feed_ns"]


def funded(folder):
    """Write a market that is funded each minute for a while; return its path and the last time."""
    day = synthetic_recording(seed=3, hours=2, setting="planted_edge")
    first_ns = day.meta.span_ns[0] + 180 * 10**9
    times = [first_ns + number * 60 * 10**9 for number in range(15)]
    rates = tuple((at_ns, (-1) ** number * 10_000) for number, at_ns in enumerate(times))
    change = {"spot": False, "fee_in_base": False, "funding": rates}
    path = folder / "planted.npz"
    save(path, dataclasses.replace(day, meta=day.meta.model_copy(update=change)))
    return path, times[-1] + 90 * 10**9


def test_an_executor_makes_a_market_in_a_perpetual_contract_over_a_kill_and_a_cut(tmp_path):
    """Killed and gone on, streams cut; the books agree to the digit, with the fundings missed."""
    feed, last_ns = funded(tmp_path)
    with VenueHouse(feed, tmp_path, speed=30.0, futures=True) as house:
        house.start()
        house.until(lambda: len(house.exchange.trades()) > 5)
        house.kill()
        assert problems_of(house, ended=False) == []
        newest = max(Book(house).intents)
        known = len(house.exchange.fundings())
        wait_until(lambda: len(house.exchange.fundings()) > known)
        house.start()
        house.until_quoting(newest, seconds=GENEROUS_S)
        cut(house.exchange)
        newest = max(house.open_ids(), default=newest)
        house.until_quoting(newest, seconds=GENEROUS_S)
        count = len(house.exchange.trades())
        house.until(lambda: len(house.exchange.trades()) > count + 3)
        house.until(lambda: feed_ns(house.exchange) > last_ns)  # or one would fall after the end
        assert house.end() == 0
        assert problems_of(house, ended=True) == []
        assert len(Book(house).fundings) >= 3
        said = (house.folder / "executor-1.log").read_text()
        assert '"recovered"' in said
        assert '"session_rebuilt"' in said
        assert not read_facts(house.folder).meta.spot
        assert (house.folder / "recording").is_dir()
