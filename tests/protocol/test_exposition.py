"""Figures as Prometheus reads them; its own reader is the judge."""

import math

from hypothesis import given
from hypothesis import strategies as some
from prometheus_client.parser import text_string_to_metric_families

from protocol.exposition import (
    Histogram,
    counter,
    counters,
    gauge,
    gauges,
    histogram,
    number,
    states,
    text_of,
)


def read(text):
    """Return every sample: name and labels, and value."""
    return {
        (each.name, *sorted(each.labels.items())): each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


def test_every_kind_is_read_as_it_was_meant():
    """Labels of the process stand on every sample; what everybody shows alike has no prefix."""
    seen = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7.0):
        seen.observe(value)
    told = (
        gauge("position_base", "x", -1.5),
        gauges("parameter", "x", "name", {"levels": 3.0}),
        states("risk_state", "x", "halted", ("active", "halted")),
        counter("process_cpu_seconds_total", "x", 2),
        counters("orders_total", "x", "side", {"buy": 4.0}),
        histogram("cycle_seconds", "x", seen),
    )
    who = ("executor", "executor-1")
    assert read(text_of(told, dict([who]))) == {
        ("counterpoint_position_base", who): -1.5,
        ("counterpoint_parameter", who, ("name", "levels")): 3.0,
        ("counterpoint_risk_state", who, ("state", "active")): 0.0,
        ("counterpoint_risk_state", who, ("state", "halted")): 1.0,
        ("process_cpu_seconds_total", who): 2.0,
        ("counterpoint_orders_total", who, ("side", "buy")): 4.0,
        ("counterpoint_cycle_seconds_bucket", who, ("le", "0.1")): 2.0,
        ("counterpoint_cycle_seconds_bucket", who, ("le", "1.0")): 3.0,
        ("counterpoint_cycle_seconds_bucket", who, ("le", "+Inf")): 4.0,
        ("counterpoint_cycle_seconds_sum", who): 7.65,
        ("counterpoint_cycle_seconds_count", who): 4.0,
    }


@given(some.text(max_size=40))
def test_any_label_survives(value):
    """Quotes, backslashes and new lines are escaped; no label ends a line early."""
    found = read(text_of((gauge("x", "y", 1.0),), {"name": value}))
    assert found == {("counterpoint_x", ("name", value)): 1.0}


def test_numbers_that_are_none_are_written_as_the_format_asks():
    """Not as Python would."""
    assert [number(each) for each in (math.inf, -math.inf, math.nan, True, 10**16)] == [
        "+Inf", "-Inf", "NaN", "1.0", "1e+16",
    ]  # fmt: skip
