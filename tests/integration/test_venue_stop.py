"""An executor without a bus, stopped at an exchange and killed, waits for the operator's key."""

import pytest

from agents.executor import records
from agents.executor.recovery import open_journal
from bench.venue_account import FOREIGN
from bench.venue_house import VenueHouse
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from protocol.keys import new_keys
from protocol.stopfile import STOP_NAME, stops_in
from tests.agents.command_line import told

pytestmark = pytest.mark.slow
KEY = "COUNTERPOINT_KEY_OPERATOR_FILE"


@pytest.fixture
def house(tmp_path):
    """A market with something to earn, and somebody else's order in the account."""
    feed = tmp_path / "planted.npz"
    save(feed, synthetic_recording(seed=3, hours=4, setting="planted_edge"))
    for name in ("keys", "forged"):
        new_keys(tmp_path / name)
    runs = tmp_path / "runs"
    with VenueHouse(feed, runs, speed=20.0, bus={"keys": str(tmp_path / "keys")}) as house:
        house.folder.mkdir()
        config = house.settings.model_dump_json()
        (house.folder / "config.json").write_text(config, encoding="utf-8")
        house.place_foreign()
        house.start()
        house.until(lambda: len(house.exchange.trades()) > 3)
        yield house


def names(house):
    """Whose orders are open."""
    return [row["clientOrderId"] for row in house.exchange.ask("GET", "openOrders")]


def left(house):
    """What the account holds of the base asset beyond what it held at first, in quote."""
    base = house.exchange.symbol.removesuffix("USDT")
    more = float(house.exchange.balances()[base]) - float(house.opening[base])
    return more * float(house.exchange.ask("GET", "ticker/bookTicker")["bidPrice"])


def heard(house):
    """The words that the executor's journal has."""
    with open_journal(house.folder, readonly=True) as journal:
        return [row.kind for row in journal.rows(records.HEARD)]


def test_a_lone_executor_is_stopped_and_rearmed_by_the_operator_alone(house, tmp_path, monkeypatch):
    """Flat, killed, started, asked by a wrong key: it stands still until the right one signs."""
    code, text = told(tmp_path, "stop", "--flatten", "--timeout", "60")
    assert code == 0, text
    assert "run stopped: nothing of ours is open" in text
    assert names(house) == [FOREIGN]
    assert abs(left(house)) < 10.0, (
        "closed to what the account held before, but for less than an order"
    )
    house.kill()
    (house.folder / STOP_NAME).unlink()  # whoever removes the file lifts nothing
    house.start()
    log = house.folder / "executor-1.log"
    house.until(lambda: '"recovered"' in log.read_text(encoding="utf-8"))
    newest = [row["orderId"] for row in house.exchange.orders()]

    monkeypatch.setenv(KEY, str(tmp_path / "forged" / "operator.key"))
    code, text = told(tmp_path, "rearm")
    assert (code, "signature does not hold" in text) == (1, True), text
    assert heard(house).count("rearm") == 0
    assert [row["orderId"] for row in house.exchange.orders()] == newest

    monkeypatch.delenv(KEY)
    code, text = told(tmp_path, "rearm")
    assert (code, "run may quote again; lifted" in text) == (0, True), text
    house.until(lambda: len(names(house)) > 1)
    assert FOREIGN in names(house)
    assert stops_in(house.folder) == {}
    assert told(tmp_path, "rearm") == (0, "run: no stop is in force\n")
    phases = [each["phase"] for each in rows(house)]
    assert phases[-1] == "armed"
    assert "stopped" in phases


def rows(house):
    """What the audit has of the stop's phases."""
    with open_journal(house.folder, readonly=True) as journal:
        return [row.body for row in journal.rows(records.JUDGED, kinds=("stop",))]
