"""An executor trades USD-M futures at an exchange: processes, sockets, a kill and a cut."""

import json
from urllib.request import Request, urlopen

import pytest

from agents.facts import read_facts
from bench.venue_checks import Book, problems_of
from bench.venue_house import VenueHouse
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save

pytestmark = [pytest.mark.slow, pytest.mark.slice]
GENEROUS_S = 40.0


def cut(exchange):
    """End all connections of the exchange without a word."""
    told = json.dumps({"kind": "all", "code": 1006}).encode()
    with urlopen(Request(f"{exchange.control}/disconnect", told, method="POST")) as answer:
        assert answer.status == 200


def test_an_executor_makes_a_market_in_a_perpetual_contract_over_a_kill_and_a_cut(tmp_path):
    """Short and long, killed and gone on, streams cut; at the end the books agree to the digit."""
    feed = tmp_path / "planted.npz"
    save(feed, synthetic_recording(seed=3, hours=2, setting="planted_edge"))
    with VenueHouse(feed, tmp_path, speed=30.0, futures=True) as house:
        house.start()
        house.until(lambda: len(house.exchange.trades()) > 5)
        house.kill()
        assert problems_of(house, ended=False) == []
        newest = max(Book(house).intents)
        house.start()
        house.until_quoting(newest, seconds=GENEROUS_S)
        cut(house.exchange)
        newest = max(house.open_ids(), default=newest)
        house.until_quoting(newest, seconds=GENEROUS_S)
        count = len(house.exchange.trades())
        house.until(lambda: len(house.exchange.trades()) > count + 3)
        assert house.end() == 0
        assert problems_of(house, ended=True) == []
        said = (house.folder / "executor-1.log").read_text()
        assert '"recovered"' in said
        assert '"session_rebuilt"' in said
        assert not read_facts(house.folder).meta.spot
        assert (house.folder / "recording").is_dir()
