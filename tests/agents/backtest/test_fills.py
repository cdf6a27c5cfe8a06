import csv
import io
from dataclasses import replace
from decimal import Decimal

import pytest

from agents.backtest.document import look, session_id
from agents.backtest.fills import COLUMNS, rows, write
from agents.backtest.sweep import span_of
from agents.session import open_session
from agents.settings import Settings
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from market.layout import (
    LEDGER_BASE,
    LEDGER_FEES,
    LEDGER_FEES_BASE,
    LEDGER_QUOTE,
    SCALE_MAKER_FEE,
    SCALE_TAKER_FEE,
    UNITS,
)
from market.replay_step import FILLED_FEE, FILLED_MAKER

REFERENCE = (
    "ts_event,venue,symbol,base,quote,side,order_type,price,quantity,quote_quantity,"
    "liquidity_side,fee_amount,fee_asset,fee_quote,client_order_id,venue_order_id,trade_id,"
    "position_after,param_version,session_id"
)


@pytest.fixture(scope="module", params=["in base", "in quote", "by tiers"])
def chosen(request, tmp_path_factory):
    """Half an hour with maker fees, from the base on a buy or always from the quote, or falling."""
    made = synthetic_recording(seed=3, hours=0.5)
    meta = made.meta.model_copy(
        update={
            "fee_in_base": request.param != "in quote",
            "maker_fee_bps": 1.5,
            "taker_fee_bps": 7.0,
        }
    )
    path = tmp_path_factory.mktemp("fills") / "half.npz"
    save(path, made.__class__(meta, made.events))
    feed = {"fee_tiers": "0:1.5:7, 3000:0.9:6, 9000:0.4:5"} if request.param == "by tiers" else {}
    told = {"feed": {"path": path, **feed}, "executor": {"warmup_s": 60}}
    session = open_session(Settings.model_validate(told))
    tape = session.tape_builder().advance(session.last_ns)
    return look(span_of(session, tape), session, session.baseline, trials=1)


def written(chosen):
    file = io.StringIO()
    count = write(file, chosen.record, chosen.session, session_id="s")
    found = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert len(found) == count > 50
    return file.getvalue(), found


def test_the_columns_are_the_published_ones(chosen):
    """What other programs read; the header is the only line that is no fill."""
    text, found = written(chosen)
    assert text.splitlines()[0] == REFERENCE == ",".join(COLUMNS)
    assert len(text.splitlines()) == len(found) + 1
    assert "e-" not in text.partition("\n")[2].replace("-e", "")


def test_the_fills_add_up_to_the_balances_to_the_last_digit(chosen):
    """Opening + fills - fees = closing, in base and in quote, and the position with them."""
    _, found = written(chosen)
    session, ledger = chosen.session, chosen.record.account.ledger.tolist()
    quote, base, target = (Decimal(int(units)) / UNITS for units in session.setup.opening)
    for row in found:
        sign = 1 if row["side"] == "BUY" else -1
        assert Decimal(row["price"]) * Decimal(row["quantity"]) == Decimal(row["quote_quantity"])
        base += sign * Decimal(row["quantity"])
        quote -= sign * Decimal(row["quote_quantity"])
        if row["fee_asset"] == row["base"]:
            base -= Decimal(row["fee_amount"])
        else:
            assert row["fee_amount"] == row["fee_quote"]
            quote -= Decimal(row["fee_amount"])
        assert Decimal(row["position_after"]) == base - target
    assert base * UNITS == ledger[LEDGER_BASE]
    assert quote * UNITS == ledger[LEDGER_QUOTE]
    assert sum(Decimal(row["fee_quote"]) for row in found) * UNITS == -ledger[LEDGER_FEES]
    assert (ledger[LEDGER_FEES_BASE] > 0) == bool(session.meta.fee_in_base)


def test_a_cost_is_positive_and_a_maker_posts(chosen):
    """The sign that fooled others; who rested and who took."""
    _, found = written(chosen)
    makers = chosen.record.filled[:, FILLED_MAKER]
    for row, maker in zip(found, makers, strict=True):
        assert Decimal(row["fee_quote"]) > 0
        kind = ("MAKER", "LIMIT_MAKER") if maker else ("TAKER", "LIMIT")
        assert (row["liquidity_side"], row["order_type"]) == kind
    numbers = [int(row["trade_id"]) for row in found]
    assert numbers == sorted(set(numbers))


def test_a_rebate_is_negative(chosen):
    """The same record, its fees turned round."""
    turned, scale = chosen.record.filled.copy(), chosen.session.setup.scale.copy()
    turned[:, FILLED_FEE] *= -1
    scale[[SCALE_MAKER_FEE, SCALE_TAKER_FEE]] *= -1
    tiers = chosen.session.setup.tiers * [1, -1, -1]
    setup = chosen.session.setup._replace(scale=scale, tiers=tiers)
    session = replace(chosen.session, setup=setup)
    other = replace(chosen.record, filled=turned)
    for row in rows(other, session, session_id="s"):
        assert row["fee_quote"].startswith("-")
        assert row["fee_amount"].startswith("-")


def test_a_session_has_one_name_for_ever(chosen):
    """The same recording, settings and set; another set or capital has another name."""
    session, parameters = chosen.session, chosen.parameters
    name = session_id(session, parameters)
    assert name == session_id(session, parameters.model_copy())
    assert name != session_id(session, parameters.model_copy(update={"levels": 1}))
    account = session.settings.account.model_copy(update={"capital": 5.0})
    richer = replace(session, settings=session.settings.model_copy(update={"account": account}))
    assert name != session_id(richer, parameters)


def test_no_fill_is_a_header_alone(chosen):
    """A set that never traded writes a file that can still be read."""
    empty = replace(chosen.record, filled=chosen.record.filled[:0])
    file = io.StringIO()
    assert write(file, empty, chosen.session, session_id="s") == 0
    assert file.getvalue() == REFERENCE + "\n"
