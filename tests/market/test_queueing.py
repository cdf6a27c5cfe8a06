"""Fill models: one order's place in its line, by hand and against the formulas of the sources."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market import queueing
from market.queueing import (
    MODEL_NAMES,
    QUEUE_AHEAD,
    QUEUE_COLUMNS,
    change,
    cross,
    fill_model,
    join,
    model_text,
    trade,
)

PROBABLE = ("power", "power-share", "power-front", "log", "log-share")
MOVES = st.lists(
    st.tuples(st.sampled_from(["print", "level"]), st.integers(0, 40), st.integers(0, 30)),
    max_size=30,
)


def place(name, level, *, cut=100, **told):
    """Return (model, queue) of an order that has joined."""
    model, queue = fill_model(name, **told), np.zeros(QUEUE_COLUMNS)
    join(model, queue, level, cut)
    return model, queue


def formula(name, front, back, power):
    """The share behind us as the sources write it."""
    if name.startswith("log"):
        front, back, whole = (math.log(1 + x) for x in (front, back, front + back))
        return back / (front + back) if name == "log" else back / whole
    if name == "power":
        return back**power / (back**power + front**power)
    if name == "power-share":
        return back**power / (back + front) ** power
    return 1 - (front / (front + back)) ** power


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_a_model_can_be_told_as_text_and_back(name):
    """What a result prints, the command line takes."""
    assert (fill_model(model_text(fill_model(name))) == fill_model(name)).all()


def test_a_power_may_stand_in_the_text():
    """One word is a whole model."""
    assert (fill_model("power-front:2.5") == fill_model("power-front", power=2.5)).all()
    assert model_text(fill_model("power:0.5")) == "power:0.5"


@pytest.mark.parametrize("name", ["", "luck", "power:", "power:x", "power:nan", "log:2", "power:0"])
def test_a_wrong_model_is_one_clear_line(name):
    """What was found and what is allowed."""
    with pytest.raises(ValueError, match="fill model") as caught:
        fill_model(name)
    assert repr(name) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_no_order_passes_the_two_bounds(name):
    """A print of 12 at a line of 10 passes 2; trade-through none, touch all."""
    model, queue = place(name, 10)
    assert trade(model, queue, 12.0, 12.0) == {"trade-through": 0.0, "touch": 12.0}.get(name, 2.0)


def test_half_of_a_cancel_is_ours_in_the_middle_of_a_level():
    """Front 10, back 10, 4 leave: two of them before us, whatever the power."""
    model, queue = place("power", 10, power=2.0)
    change(model, queue, 20.0, 16.0, 0)
    assert queue[QUEUE_AHEAD] == 8.0


@pytest.mark.parametrize("name", PROBABLE)
@pytest.mark.parametrize("power", [0.5, 1.0, 3.0])
def test_a_fall_is_shared_as_the_source_writes_it(name, power):
    """Front 6, back 14, 5 lots leave without a print."""
    model, queue = place(name, 6, power=power)
    change(model, queue, 20.0, 15.0, 0)
    assert queue[QUEUE_AHEAD] == pytest.approx(6 - (1 - formula(name, 6, 14, power)) * 5)


@pytest.mark.parametrize("name", PROBABLE)
def test_what_a_print_took_is_not_taken_again_by_the_level(name):
    """Four print, the level falls by four: the front is six, not less."""
    model, queue = place(name, 10)
    trade(model, queue, 4.0, 4.0)
    change(model, queue, 20.0, 16.0, 0)
    assert queue[QUEUE_AHEAD] == 6.0
    change(model, queue, 16.0, 12.0, 0)
    assert queue[QUEUE_AHEAD] < 6.0


def test_strict_takes_cancels_for_those_behind_us_until_the_level_says_otherwise():
    """Twenty fall to eight: at most eight are before us."""
    model, queue = place("risk-averse", 10)
    change(model, queue, 20.0, 12.0, 0)
    assert queue[QUEUE_AHEAD] == 10.0
    change(model, queue, 12.0, 8.0, 0)
    assert queue[QUEUE_AHEAD] == 8.0


def test_an_order_that_came_after_us_leaves_without_moving_us():
    """Born at 150, we arrived at 100; one born at 50 was before us."""
    model, queue = place("fifo", 10, cut=100)
    change(model, queue, 20.0, 15.0, 150)
    assert queue[QUEUE_AHEAD] == 10.0
    change(model, queue, 15.0, 13.0, 50)
    assert queue[QUEUE_AHEAD] == 8.0


def test_a_print_and_the_order_that_it_ended_are_one():
    """Three print, then the first order of the line, three lots, is gone; then one cancels."""
    model, queue = place("fifo", 10, cut=100)
    trade(model, queue, 3.0, 3.0)
    change(model, queue, 20.0, 17.0, 1)
    assert queue[QUEUE_AHEAD] == 7.0
    change(model, queue, 17.0, 15.0, 2)
    assert queue[QUEUE_AHEAD] == 5.0


def test_an_order_before_us_that_grows_hides_no_later_leaving():
    """A rise is no print that has yet to show: three lots leave, three fewer are before us."""
    model, queue = place("fifo", 10, cut=100)
    change(model, queue, 10.0, 14.0, 50)
    change(model, queue, 14.0, 11.0, 50)
    assert queue[QUEUE_AHEAD] == 7.0


def test_only_what_goes_beyond_us_fills_the_pessimist():
    """At our price nothing, beyond it all."""
    model, queue = place("trade-through", 0)
    assert cross(model, queue, 5.0, beyond=False) == 0.0
    assert cross(model, queue, 5.0, beyond=True) == 5.0


@pytest.mark.parametrize("name", MODEL_NAMES)
@pytest.mark.parametrize("power", [0.01, 1.0, 100.0])
def test_empty_and_huge_levels_make_no_nan(name, power):
    """0 / 0 and infinity / infinity of the reference; numba's `min` would keep the NaN."""
    for front, before, after in ((0, 0, 0), (0, 5, 0), (5, 5, 0), (10**9, 10**15, 1), (1, 0, 0)):
        model, queue = place(name, front, power=power)
        change(model, queue, float(before), float(after), 0)
        change(model, queue, float(after), float(after), 0)
        assert 0 <= queue[QUEUE_AHEAD] <= front


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(MODEL_NAMES), st.integers(0, 30), MOVES)
def test_our_place_never_falls_back_and_no_lot_is_made(name, level, moves):
    """Whatever prints and changes: ahead only falls, and a print passes at most itself."""
    model, queue = place(name, level)
    total = level
    for what, lots, born in moves:
        ahead = queue[QUEUE_AHEAD]
        if what == "print":
            passed = trade(model, queue, float(lots), float(lots))
            assert 0.0 <= passed <= lots
        else:
            change(model, queue, float(total), float(lots), born * 10)
            total = lots
        assert 0.0 <= queue[QUEUE_AHEAD] <= ahead


def test_names_are_listed_once():
    """The constants are the places in the list."""
    for place_of, name in enumerate(MODEL_NAMES):
        assert getattr(queueing, name.upper().replace("-", "_")) == place_of
