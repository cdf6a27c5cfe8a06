import re
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from agents.cli.table import reason_of, with_unit
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from tests.agents.command_line import short_day, told

WARM = ("--set", "executor.warmup_s=60")


@pytest.fixture(scope="module")
def data():
    """A folder with half an hour of an artificial market."""
    with tempfile.TemporaryDirectory(prefix="cp") as folder:
        short_day(Path(folder))
        yield Path(folder)


def table(data, *arguments):
    """What one backtest prints."""
    code, text = told(data, "backtest", "--feed", data / "half.npz", *WARM, *arguments)
    assert code == 0, text
    return text


def cents(text, title):
    """The money of a line, hundredths."""
    return round(100 * float(re.search(rf"^ *{title} +([-+][\d,.]+)", text, re.MULTILINE)[1]))


def test_the_parts_of_one_set_add_up_to_net_before_the_readers_eyes(data):
    """Equity change is the sum of its parts; less holding the target it is net."""
    text = table(data, "--maker-fee", 1)
    parts = ("spread captured", "fees", "inventory, with the target")
    assert abs(sum(cents(text, part) for part in parts) - cents(text, "equity change")) <= 2
    less = cents(text, "less holding the target")
    assert less != 0
    assert abs(cents(text, "equity change") + less - cents(text, "net of holding")) <= 2


def test_the_table_says_where_the_verdict_ends(data):
    """A span that ends within a cycle has two nets; the line names both."""
    assert "it looks at whole cycles of 30 s" in table(data, "--hours", 0.404)
    assert "it looks at whole cycles" not in table(data, "--hours", 0.4)


def test_quantities_that_are_overruled_are_told(data):
    """An order too small to be sent, and a position that the risk limit does not allow."""
    small = table(data, "--base-quantity", 0.001, "--levels", 1)
    assert re.search(r"note +base_quantity 0.001 is below the smallest legal order, about", small)
    large = table(data, "--max-position", 5000)
    assert re.search(r"note +max_position 5000 is held at [\d.]+ SYN by risk.max_pos", large)
    plain = table(data)
    assert "smallest legal order" not in plain
    assert "is held at" not in plain


def test_a_perpetual_has_a_line_for_its_funding(data):
    """Also when it was nothing: who trades one wants to see it counted; spot has none."""
    spot = synthetic_recording(seed=3, hours=0.2)
    path = data / "perpetual.npz"
    save(path, replace(spot, meta=spot.meta.model_copy(update={"spot": False})))
    code, text = told(data, "backtest", "--feed", path, *WARM)
    assert code == 0, text
    assert cents(text, "funding") == 0
    assert "  funding" not in table(data)


def test_nothing_is_said_twice_and_a_dash_has_no_unit():
    """Few round trips are the reason and the count at once."""
    assert reason_of({"reason": "36 round trips, 100 are needed", "round_trips": 36}) == (
        "36 round trips, 100 are needed"
    )
    assert reason_of({"reason": "bounds", "round_trips": 360}) == "bounds; 360 round trips"
    assert with_unit("-", "%") == "-"
    assert with_unit("1.5", "%") == "1.5 %"
