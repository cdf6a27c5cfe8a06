"""`calibrate`: the truth test as a table, as JSON, as pictures."""

import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from agents.cli.calibrate import calibrate
from agents.cli.exits import CommandError
from exchange.recording import encode, save
from tests.exchange.order_log import FairExchange


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """A recording with order ids."""
    path = tmp_path_factory.mktemp("orders") / "day.npz"
    log = FairExchange(5, steps=2_500).log
    recording = log.recording()
    meta = recording.meta
    ids = np.array(log.ids, np.uint64)
    save(path, recording, encode(recording.events, tick=meta.tick, lot=meta.lot, order_ids=ids))
    return path


def test_the_table_names_every_model_and_the_lead_of_the_default(day, capsys, tmp_path):
    """What was fitted, on what, and how far the default is before both bounds; two plots."""
    assert calibrate(day, pictures=tmp_path / "pictures") == 0
    text = capsys.readouterr().out
    for word in ("risk-averse", "fifo (needs ids)", "touch (bound)", "powers fitted: power"):
        assert word in text
    assert text.count("log score: ") == 2
    for name in ("fills-score.svg", "fills-rate.svg"):
        root = ET.fromstring((tmp_path / "pictures" / name).read_text(encoding="utf-8"))
        assert root.tag.endswith("svg")


def test_json_has_figures_and_no_nan(day, capsys):
    """One document on standard output."""
    assert calibrate(day, as_json=True) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert {"models", "winner", "default", "default_less", "fitted_power"} <= found.keys()
    assert len(found["models"]) == 9
    assert len(found["models"][0]["log_score"]) == 3
    assert found["held_out"]["orders"] > 100


def test_pictures_that_cannot_be_drawn_lose_no_table(day, capsys, tmp_path):
    """The table is printed first; the line says which place it was."""
    (tmp_path / "taken").write_text("", encoding="utf-8")
    with pytest.raises(CommandError, match="taken cannot be written: File exists"):
        calibrate(day, pictures=tmp_path / "taken")
    assert "best on the held-out part" in capsys.readouterr().out
