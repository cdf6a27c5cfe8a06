"""Fill model `fifo` from an order log to the result: live, replayed, from the command line."""

import json
from dataclasses import replace

import numpy as np
import pytest

from agents.backtest.sweep import span_of
from agents.cli.backtest import tape_of
from agents.cli.talk import Talk
from agents.session import parameter_row
from exchange.errors import RecordingError
from exchange.importers.detect import import_feed
from exchange.recording import load, save
from market.replay import replay_one
from tests.agents.command_line import told
from tests.agents.executor.market import session_for
from tests.agents.executor.test_replay import mine_is_the_replay
from tests.exchange.feeds import write
from tests.exchange.order_log import FairExchange, bitstamp_lines

SECTIONS = {
    "account": {"capital": 1000},
    "parameters": {
        "spread_percentage": 0.2, "levels": 2, "base_quantity": 0.5, "max_position": 8,
    },
    "risk": {
        "volatility_cutoff": 100, "stop_loss_threshold": 0.5, "max_position_size": 0.9,
        "daily_loss_limit": 0.9, "peak_drawdown_limit": 0.9, "price_collar": 0.5,
    },
}  # fmt: skip
"""Quotes close to the market, and limits that never stop it."""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Half an hour of a market that serves orders in order of time, as Bitstamp would tell it."""
    folder = tmp_path_factory.mktemp("log")
    log = FairExchange(1, steps=4000, step_s=1.0, chances=(6, 3, 2)).log
    made = import_feed([write(folder / "day.log", bitstamp_lines(log))])
    save(folder / "day.npz", made.recording, made.data)
    save(folder / "nameless.npz", load(folder / "day.npz"))
    return folder / "day.npz"


def session_of(path, model="fifo", **feed):
    """A session under a fill model."""
    given = {"path": str(path), "fill_model": model, "maker_fee_bps": 0.0, **feed}
    return session_for(path, feed=given, **SECTIONS)


@pytest.mark.parametrize("feed", [{}, {"hours": 0.4, "delay": "sampled:20ms,80ms"}])
def test_live_and_replay_fill_alike_in_the_line_of_orders(path, tmp_path, feed):
    """Event by event, on the session's tape and on the stored one: the same bytes."""
    session = session_of(path, **feed)
    session = replace(
        session, settings=session.settings.model_copy(update={"data": tmp_path / "data"})
    )
    assert session.born.shape == (len(session.events),)
    record = mine_is_the_replay(session, tmp_path)
    for _ in range(2):  # made, then out of the store
        span = span_of(session, tape_of(session, Talk()))
        theirs = replay_one(
            span.tape, parameter_row(session.baseline), session.setup,
            first_step=span.first, last_step=span.last,
        )  # fmt: skip
        assert np.array_equal(theirs.filled, record.filled)


def test_births_change_fills(path, tmp_path):
    """Without ids `fifo` could only be risk-averse; births are made for it alone."""
    other = session_of(path, "risk-averse")
    assert other.born.size == 0
    found = []
    for session in (session_of(path), other):
        folder = tmp_path / str(len(found))
        folder.mkdir()
        found.append(mine_is_the_replay(session, folder).filled)
    assert not np.array_equal(*found)


def test_a_session_without_ids_is_refused(path):
    """With what is needed."""
    with pytest.raises(RecordingError, match="no order ids"):
        session_of(path.with_name("nameless.npz"))


def test_the_command_line_takes_fifo(path, tmp_path):
    """The result names its model; the same again out of the store, and its command repeats it."""
    sets = [f"{section}.{name}={value}" for section, values in SECTIONS.items()
            for name, value in values.items()]  # fmt: skip
    words = [word for each in sets for word in ("--set", each)]
    given = ("backtest", "--feed", path, "--fills", "fifo", "--maker-fee", 0, *words, "--json")
    texts = []
    for _ in range(2):
        code, text = told(tmp_path, *given)
        assert code == 0, text
        texts.append(json.loads(text[text.index("{") :]))
    assert texts[0] == texts[1]
    assert texts[0]["assumptions"]["fill_model"] == "fifo"
    assert texts[0]["rows"][0]["figures"]["fills"] > 20
    assert "fifo" in texts[0]["reproduce"]
    assert len(list(tmp_path.rglob("*.tape"))) == 1
