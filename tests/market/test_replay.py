"""The replay: the contract's step order, the same for any number of threads, whole records."""

import numpy as np
import pytest

from market.layout import (
    ACTION_PLACE,
    LEDGER_BASE,
    LEDGER_EQUITY,
    LEDGER_FEES,
    LEDGER_FEES_BASE,
    LEDGER_FEES_QUOTE,
    LEDGER_FILLS,
    LEDGER_FUNDING,
    LEDGER_INVENTORY,
    LEDGER_OPENING,
    LEDGER_QUOTE,
    LEDGER_SPREAD,
    LEDGER_TRIPS,
    REPORT_EXCH_NS,
    REPORT_LOTS,
    REPORT_PRICE_TICKS,
    REPORT_TRADE_ID,
    SCALE_LOT,
    SCALE_TICK_LOT,
    STEP_NOW_NS,
    UNITS,
)
from market.replay import replay, replay_one, slice_edges, span_ns
from market.replay_step import (
    COUNT_FILLED,
    EQUITY_EXCESS,
    EQUITY_NOW_NS,
    FILLED_EXCH_NS,
    FILLED_LOTS,
    FILLED_ORDER_ID,
    FILLED_PRICE_TICKS,
    FILLED_SIDE,
    FILLED_TRADE_ID,
    FILLED_VISIBLE_NS,
    PLACED_CODE,
    PLACED_KIND,
    PLACED_LOTS,
    PLACED_NOW_NS,
    PLACED_ORDER_ID,
    REPLAY_COLUMNS,
    REPLAY_FEES,
    REPLAY_FILLS,
    REPLAY_NET,
    REPLAY_QUOTED,
    REPLAY_SPREAD,
    REPLAY_STEPS,
    REPLAY_TURNOVER,
)
from market.strategy import excess_units
from tests.market import day
from tests.twins.replay import Candidate

FUNDING = np.column_stack([day.tape().steps[700:1_500:100, STEP_NOW_NS] - 1, [10_000, -30_000] * 4])
FEES = {"funding": {"funding": FUNDING},
        "free": {"maker": 0}, "paid": {"maker": 20_000}, "rebate": {"maker": -5_000},
        "in base": {"maker": 100_000, "in_base": 1}, "slow": {"latency": "300ms"},
        "varying": {"latency": "sampled:200ms,1500ms"}}  # fmt: skip


def record(number=0, *, first=0, last=None, latency="5ms", **told):
    tape = day.tape(latency)
    last = len(tape.steps) if last is None else last
    return replay_one(
        tape, day.CANDIDATES[number], day.setup(**told), first_step=first, last_step=last
    )


@pytest.mark.parametrize("fee", FEES)
def test_the_loop_does_what_the_same_kernels_do_one_by_one(fee):
    """Every order, fill, refusal and figure of an account, stepped through in plain Python."""
    told = {"latency": "5ms", **FEES[fee]}
    tape, setup = day.tape(told.pop("latency")), day.setup(**told)
    first, last = 650, 1_500
    slow = Candidate(tape, day.CANDIDATES[0], setup, first)
    for index in range(first, last):
        slow.step(index)
    fast = replay_one(tape, day.CANDIDATES[0], setup, first_step=first, last_step=last)
    assert len(fast.filled) > 50
    columns = [PLACED_NOW_NS, PLACED_KIND, PLACED_ORDER_ID, PLACED_CODE]
    assert [tuple(row) for row in fast.placed[:, columns].tolist()] == slow.placed
    columns = [FILLED_EXCH_NS, FILLED_PRICE_TICKS, FILLED_LOTS, FILLED_TRADE_ID]
    cells = (REPORT_EXCH_NS, REPORT_PRICE_TICKS, REPORT_LOTS, REPORT_TRADE_ID)
    wanted = [tuple(row[cell] for cell in cells) for row in slow.filled]
    assert [tuple(row) for row in fast.filled[:, columns].tolist()] == wanted
    for name in ("ledger", "own", "own_meter", "kelly", "risk", "ladder", "lots_meter"):
        assert getattr(fast.account, name).tobytes() == getattr(slow.account, name).tobytes()


def test_results_do_not_depend_on_threads_or_on_the_company():
    """Bit for bit: one thread, three, one candidate alone, the batch reversed."""
    tape, setup = day.tape(), day.setup()
    told = {"first_step": 100, "last_step": 1_100, "slices": 4}
    alone = replay(tape, day.CANDIDATES, setup, **told)
    assert replay(tape, day.CANDIDATES, setup, threads=3, **told).tobytes() == alone.tobytes()
    for number in range(len(day.CANDIDATES)):
        single = replay(tape, day.CANDIDATES[number : number + 1], setup, **told)
        assert single.tobytes() == alone[number : number + 1].tobytes()
    turned = replay(tape, day.CANDIDATES[::-1], setup, threads=2, **told)
    assert turned[::-1].tobytes() == alone.tobytes()


@pytest.mark.parametrize("fee", FEES)
def test_balances_follow_from_the_fills_to_the_last_unit(fee):
    """Opening plus fills less fees plus funding, and the four parts of profit."""
    setup = day.setup(**{name: told for name, told in FEES[fee].items() if name != "latency"})
    one = record(**FEES[fee])
    led, filled = one.account.ledger, one.filled
    notional = filled[:, FILLED_PRICE_TICKS] * filled[:, FILLED_LOTS] * setup.scale[SCALE_TICK_LOT]
    quote = int(setup.opening[0]) - int((filled[:, FILLED_SIDE] * notional).sum())
    base = int((filled[:, FILLED_SIDE] * filled[:, FILLED_LOTS]).sum()) * setup.scale[SCALE_LOT]
    assert led[LEDGER_QUOTE] == quote - led[LEDGER_FEES_QUOTE] + led[LEDGER_FUNDING]
    assert (led[LEDGER_FUNDING] != 0) == (fee == "funding")
    assert led[LEDGER_BASE] == setup.opening[1] + base - led[LEDGER_FEES_BASE]
    parts = led[LEDGER_SPREAD] + led[LEDGER_FEES] + led[LEDGER_INVENTORY] + led[LEDGER_FUNDING]
    assert led[LEDGER_EQUITY] - led[LEDGER_OPENING] == parts
    assert led[LEDGER_FILLS] == len(filled) == one.counts[COUNT_FILLED]
    assert one.account.trips[: led[LEDGER_TRIPS], -1].any()


def test_slices_cut_one_run_and_add_up_to_it():
    """The account lives on from slice to slice; only the figures are cut."""
    tape, setup = day.tape(), day.setup()
    told = {"first_step": 37, "last_step": len(tape.steps)}
    whole = replay(tape, day.CANDIDATES, setup, slices=1, **told)[:, 0]
    parts = replay(tape, day.CANDIDATES, setup, slices=7, **told)
    for column in (REPLAY_NET, REPLAY_SPREAD, REPLAY_FEES, REPLAY_FILLS, REPLAY_TURNOVER):
        assert parts[:, :, column].sum(axis=1) == pytest.approx(whole[:, column], abs=1e-6)
    assert (parts[:, :, REPLAY_STEPS].sum(axis=1) == whole[:, REPLAY_STEPS]).all()
    lengths = np.diff(slice_edges(37, len(tape.steps), 7))
    assert lengths.max() - lengths.min() <= 1
    assert (whole[:, REPLAY_QUOTED] > 0.3).all()


def test_the_record_and_the_batch_tell_one_story():
    """The same figures, and the net profit is that of the ledger over holding the target."""
    tape, setup = day.tape(), day.setup()
    one = record(1)
    row = replay(tape, day.CANDIDATES[1:2], setup, first_step=0, last_step=len(tape.steps))[0, 0]
    assert one.figures.tobytes() == row.tobytes()
    first, last = int(one.equity[0, EQUITY_EXCESS]), excess_units(one.account.ledger, setup.scale)
    assert row[REPLAY_NET] == pytest.approx((last - first) / UNITS, abs=1e-6)


def test_every_fill_belongs_to_an_order_that_was_sent_and_lives():
    """No more than was asked for, not before it arrived, not after its cancel arrived."""
    one = record()
    delay, _, response = day.tape().stream.delays[0].tolist()
    places = {
        int(row[PLACED_ORDER_ID]): row for row in one.placed if row[PLACED_KIND] == ACTION_PLACE
    }
    cancels = {
        int(row[PLACED_ORDER_ID]): int(row[PLACED_NOW_NS])
        for row in one.placed
        if row[PLACED_KIND] != ACTION_PLACE
    }
    ids = [int(row[PLACED_ORDER_ID]) for row in one.placed if row[PLACED_KIND] == ACTION_PLACE]
    sent = [number for number in ids if number]
    assert sent == list(range(1, len(sent) + 1))
    done = dict.fromkeys(places, 0)
    for row in one.filled:
        number = int(row[FILLED_ORDER_ID])
        done[number] += int(row[FILLED_LOTS])
        assert row[FILLED_EXCH_NS] > places[number][PLACED_NOW_NS] + delay
        assert row[FILLED_EXCH_NS] <= cancels.get(number, 1 << 62) + delay
        assert row[FILLED_VISIBLE_NS] == row[FILLED_EXCH_NS] + response
    for number, lots in done.items():
        assert lots <= places[number][PLACED_LOTS]
    assert one.filled[:, FILLED_TRADE_ID].tolist() == list(range(1, len(one.filled) + 1))


def test_a_slower_order_is_filled_by_another_market():
    """Latency is part of the model: with half a second, other fills."""
    quick, slow = record(), record(latency="500ms")
    assert quick.filled.tobytes() != slow.filled.tobytes()
    assert slow.filled[0, FILLED_EXCH_NS] > slow.placed[0, PLACED_NOW_NS] + 500_000_000


def test_equity_is_written_at_each_cycle():
    """One row every thirty seconds of the tape."""
    one, tape = record(), day.tape()
    cycles = tape.steps[tape.steps[:, STEP_NOW_NS] % day.TOLD["cycle_ns"] == 0, STEP_NOW_NS]
    assert one.equity[:, EQUITY_NOW_NS].tolist() == cycles.tolist()


def test_no_step_gives_no_figure_and_a_wrong_span_is_named():
    """An empty span is legal; one outside the tape is not."""
    tape, setup = day.tape(), day.setup()
    empty = replay(tape, day.CANDIDATES, setup, first_step=5, last_step=5, slices=2)
    assert empty.shape == (4, 2, REPLAY_COLUMNS)
    assert not empty[:, :, [REPLAY_NET, REPLAY_FILLS, REPLAY_STEPS]].any()
    with pytest.raises(ValueError, match="steps must be in"):
        replay(tape, day.CANDIDATES, setup, first_step=0, last_step=len(tape.steps) + 1)
    with pytest.raises(ValueError, match="parameters must be"):
        replay(tape, day.CANDIDATES[:, :3], setup, first_step=0, last_step=1)
    assert span_ns(tape, 10, 20) == 9 * day.SECOND
    assert span_ns(tape, 10, 11) == 0
