"""An executor trades at an exchange: processes, sockets, kills on both sides."""

import json
from dataclasses import replace

import pytest

from agents.cli.replay_session import document, lines
from agents.executor.agreement import agreement, matched
from agents.session import open_session
from bench.resume import NET_MAX_BPS, OVERLAP_MIN
from bench.venue_checks import Book, problems_of
from bench.venue_house import VenueHouse
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from protocol.stopfile import add_stop

pytestmark = pytest.mark.slow
GENEROUS_S = 40.0
"""Of a machine that does other things too; `bench.venue_kills` holds the figure."""


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    """A market with something to earn, so that there are fills."""
    path = tmp_path_factory.mktemp("feed") / "planted.npz"
    save(path, synthetic_recording(seed=3, hours=4, setting="planted_edge"))
    return path


def said(house):
    """Return what the executor's log says happened, in order."""
    lines = (house.folder / "executor-1.log").read_text().splitlines()
    return [json.loads(line)["event"] for line in lines]


def on_time(words):
    """Return whether the executor is on time: every `late` has its `on_time`."""
    return words.count("on_time") == words.count("late") > 0


def test_an_executor_makes_a_market_at_sixty_times_the_speed(feed, tmp_path):
    """Fills, a clean end without an order left, and books that agree to the last digit."""
    with VenueHouse(feed, tmp_path, speed=60.0) as house:
        house.start()
        house.until(lambda: len(house.exchange.trades()) > 30)
        assert house.end() == 0
        assert problems_of(house, ended=True) == []
        result = json.loads((house.folder / "executor.json").read_bytes())
        assert result["figures"]["fills"]["count"] == len(Book(house).fills) > 30
        assert (house.folder / "recording").is_dir()


@pytest.mark.slice
def test_an_executor_that_is_killed_goes_on_where_its_journal_ends(feed, tmp_path):
    """No fill lost or booked twice, no order unknown; what others have there is left alone."""
    with VenueHouse(feed, tmp_path, speed=20.0) as house:
        house.place_foreign()
        house.start()
        house.until(lambda: len(house.exchange.trades()) > 3)
        for _ in range(2):
            house.kill()
            assert problems_of(house, ended=False) == []
            newest = max(Book(house).intents)
            house.start()
            house.until_quoting(newest, seconds=GENEROUS_S)
        assert house.end() == 0
        assert problems_of(house, ended=True) == []
        assert said(house).count("recovered") == 2


def test_a_stop_file_takes_every_order_back_and_stays(feed, tmp_path):
    """Also over a kill: whoever is started under a stop cancels and places nothing."""
    with VenueHouse(feed, tmp_path, speed=20.0) as house:
        house.start()
        house.until_quoting()
        add_stop(house.folder, "0" * 31 + "1", flatten=False)
        house.until(lambda: house.open_ids() == [], seconds=GENEROUS_S)
        house.until(lambda: "stopped" in said(house), seconds=GENEROUS_S)
        house.kill()
        intents = Book(house).intents
        house.start()
        house.until(lambda: "recovered" in said(house))
        assert house.end() == 0
        assert Book(house).intents == intents
        assert problems_of(house, ended=True) == []


def test_an_exchange_that_is_killed_is_quoted_at_again(feed, tmp_path):
    """The executor says that it lost the venue, waits, reconciles and quotes; nothing restarts."""
    with VenueHouse(feed, tmp_path, speed=20.0) as house:
        house.start()
        house.until(lambda: len(house.exchange.trades()) > 3)
        newest = max([*house.open_ids(), *Book(house).intents])
        house.exchange.kill()
        house.until(lambda: "venue_lost" in said(house))
        house.exchange.start()
        house.until_quoting(newest, seconds=GENEROUS_S)
        assert house.end() == 0
        assert problems_of(house, ended=True) == []
        assert said(house).index("venue_connected") > said(house).index("venue_lost")


def test_an_executor_that_stood_still_quotes_on_nothing_of_the_past(feed, tmp_path):
    """It lives through what it missed without quotes, and quotes again once it is on time."""
    with VenueHouse(feed, tmp_path, speed=20.0) as house:
        house.start()
        house.until(lambda: len(house.exchange.trades()) > 3)
        house.until(lambda: on_time(said(house)))  # who is late already does not say it again
        before = said(house).count("late")
        house.freeze(seconds=3.0)
        house.until(lambda: said(house).count("late") > before)
        house.until(lambda: on_time(said(house)))
        newest = max(Book(house).intents)
        house.until_quoting(newest, seconds=GENEROUS_S)
        assert house.end() == 0
        assert problems_of(house, ended=True) == []
        assert "venue_lost" not in said(house)


def test_an_executor_goes_quiet_when_the_feed_of_its_exchange_has_ended(tmp_path):
    """On a market that stands still it would quote for ever; it says so once, and places nothing.

    It still lives, and ends cleanly: the exchange may have a market again.
    """
    feed = tmp_path / "short.npz"
    save(feed, synthetic_recording(seed=3, hours=0.2, setting="planted_edge"))
    with VenueHouse(feed, tmp_path / "house", speed=20.0) as house:
        house.start()
        house.until_quoting()
        house.until(lambda: "market_closed" in said(house), seconds=120)
        house.until(lambda: house.open_ids() == [])
        newest = max(Book(house).intents)
        last_ns = house.exchange.control_port("GET", "status")["feed_ns"]
        house.until(
            lambda: house.exchange.control_port("GET", "status")["feed_ns"] > last_ns + 60 * 10**9
        )
        assert max(Book(house).intents) == newest
        assert house.end() == 0
        assert problems_of(house, ended=True) == []
        assert said(house).count("market_closed") == 1


def test_a_run_at_a_venue_is_held_to_what_a_backtest_says_of_its_orders(feed, tmp_path):
    """The same orders fill alike in the recording that the run made, within the stated band.

    It is the band of a run with faults, as a loaded machine is one.
    """
    with VenueHouse(feed, tmp_path, speed=20.0) as house:
        house.start()
        house.until(lambda: len(house.exchange.trades()) > 30)
        assert house.end() == 0
        found = agreement(house.folder, open_session(house.settings))
        assert len(found.actual.rows) == len(house.exchange.trades())
        assert 0 < found.measured.both <= found.orders
        told = document(found)["measured"]
        assert told["overlap"] >= OVERLAP_MIN["faults"], "\n".join(lines(found))
        assert abs(told["net_difference_bps"]) <= NET_MAX_BPS["faults"]
        worse = replace(found.actual, rows=found.actual.rows[:0])
        assert matched(worse, found.measured.predicted).overlap == 0.0
