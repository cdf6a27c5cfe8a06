"""A loss that halts closes the position when it is told to, and keeps it when not."""

import json

import numpy as np
import pytest

from agents.session import open_session
from agents.settings import Settings
from bench.day import replay
from bench.limits_house import BASE, SECTIONS, made_feed
from market.breach import HALTED, RISK_SINCE_NS, RISK_STATE
from market.layout import (
    LEDGER_DAY_OPENING,
    LEDGER_QUOTE,
    LEDGER_TARGET,
    STEP_ASK,
    STEP_BID,
    STEP_NOW_NS,
    UNITS,
)
from market.ledger import position_lots
from market.replay_step import (
    EQUITY_EXCESS,
    EQUITY_NOW_NS,
    EQUITY_POSITION_LOTS,
    FILLED_LOTS,
    FILLED_MAKER,
    FILLED_VISIBLE_NS,
)

SECOND = 10**9
LIMIT = 0.02
CAPITAL = 1_000.0


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    """A calm quarter of an hour, then a rally by 4 % a minute."""
    return made_feed(tmp_path_factory.mktemp("made") / "made.npz")


def lived(feed, **risk):
    """Replay the market with limits; return the session and the record."""
    told = {"feed": {"path": str(feed), "maker_fee_bps": 0.0}, **SECTIONS, "risk": BASE | risk}
    session = open_session(Settings.model_validate_json(json.dumps(told)))
    return session, replay(session)


def test_the_position_is_closed_within_steps_of_the_halt_and_nothing_is_lost_after(feed):
    """Orders are taken from the book a second or two after the halt, and nothing is held since."""
    session, record = lived(feed, daily_loss_limit=LIMIT, loss_closes=True)
    risk = record.account.risk
    halt_ns = int(risk[RISK_SINCE_NS])
    taken = record.filled[record.filled[:, FILLED_MAKER] == 0]
    assert risk[RISK_STATE] == HALTED
    assert len(taken) > 0
    assert (taken[:, FILLED_VISIBLE_NS] > halt_ns).all()
    assert int(taken[-1, FILLED_VISIBLE_NS]) <= halt_ns + 5 * SECOND
    assert position_lots(record.account.ledger, session.setup.scale) == 0
    late = record.equity[record.equity[:, EQUITY_NOW_NS] > halt_ns + 30 * SECOND]
    assert (late[:, EQUITY_POSITION_LOTS] == 0).all()


def test_what_is_lost_in_the_end_stays_within_the_limit_and_one_step(feed):
    """What closing may cost is kept back: the halt comes before the loss, not after."""
    session, record = lived(feed, daily_loss_limit=LIMIT, loss_closes=True)
    steps, ledger = session.tape_builder().advance(session.last_ns).steps, record.account.ledger
    taken = record.filled[record.filled[:, FILLED_MAKER] == 0]
    mids = 0.5 * (steps[:, STEP_BID] + steps[:, STEP_ASK]) * float(session.meta.tick)
    halt, closed = np.searchsorted(
        steps[:, STEP_NOW_NS], [record.account.risk[RISK_SINCE_NS], taken[-1, FILLED_VISIBLE_NS]]
    )
    target = ledger[LEDGER_TARGET] / UNITS
    held = target + float(taken[:, FILLED_LOTS].sum()) * float(session.meta.lot)
    gap = held * (mids[halt - 1] - mids[halt])
    equity = ledger[LEDGER_QUOTE] / UNITS + target * mids[closed - 1]
    lost = ledger[LEDGER_DAY_OPENING] / UNITS - equity
    assert 0.8 * LIMIT * CAPITAL < lost <= LIMIT * CAPITAL + gap


def test_without_it_the_halt_keeps_the_position_which_goes_on_losing(feed):
    """The halt comes a little later, as nothing is kept back; what comes after differs."""
    _, closed = lived(feed, daily_loss_limit=LIMIT, loss_closes=True)
    _, kept = lived(feed, daily_loss_limit=LIMIT)
    later_ns = int(kept.account.risk[RISK_SINCE_NS] - closed.account.risk[RISK_SINCE_NS])
    assert 0 < later_ns <= 30 * SECOND
    assert (kept.filled[:, FILLED_MAKER] == 1).all()
    assert kept.equity[-1, EQUITY_POSITION_LOTS] != 0
    swings = [float(np.ptp(each.equity[-30:, EQUITY_EXCESS])) / UNITS for each in (kept, closed)]
    assert swings[0] > LIMIT * CAPITAL > swings[1]
