from decimal import Decimal

import pytest

from agents.backtest.candidates import Bounds, draw, grid, single
from agents.backtest.ranges import SweepError, read_grid, read_range, text_of
from agents.optimizer.candidates import Instrument, Neighbourhood
from protocol.messages import QuoteParameters

LOT = Decimal("0.01")
START = QuoteParameters(
    spread_percentage=0.1644, levels=3, base_quantity=123.3, max_position=739.82
)
BOUNDS = Bounds(lot=LOT, smallest=Decimal("4.2"), cap=Decimal(820))


def texts(parameters):
    return [text_of(value) for value in parameters.model_dump().values()]


def drawn(count, *ranges, seed=1, start=START):
    return draw(count, ranges, start, BOUNDS, seed)


def test_one_set_is_a_sweep_of_one():
    """The same code path shows both."""
    assert single(START).sets == (START,)


def test_a_grid_is_every_combination_in_order():
    """Hand-made: two ranges' ends and a list; what is not named stays as it is."""
    found = grid("spread_percentage=0.05:0.3:6,levels=1,2,3", START, LOT)
    spreads = [each.spread_percentage for each in found.sets[::3]]
    assert spreads == [0.05, 0.1, 0.15, 0.2, 0.25, 0.3]
    assert [each.levels for each in found.sets[:4]] == [1, 2, 3, 1]
    assert {(each.base_quantity, each.max_position) for each in found.sets} == {(123.3, 739.82)}
    assert (len(found.sets), found.left_out) == (18, 0)


def test_illegal_combinations_are_left_out_and_counted():
    """base_quantity x levels above max_position says nothing about a market."""
    found = grid("levels=5,6,7,base-quantity=100:130:4", START, LOT)
    legal = {(each.levels, each.base_quantity) for each in found.sets}
    assert legal == {(5, 100.0), (5, 110.0), (5, 120.0), (5, 130.0), (6, 100.0), (6, 110.0),
                     (6, 120.0), (7, 100.0)}  # fmt: skip
    assert found.left_out == 4


def test_made_values_are_rounded_to_what_is_printed():
    """Spreads to four figures, quantities to whole lots; given ones stay to the last digit."""
    found = read_grid("spread_percentage=0.05:0.3:8,max_position=700:701:4", LOT)
    assert [text_of(float(value)) for value in found["spread_percentage"]] == [
        "0.05", "0.08571", "0.1214", "0.1571", "0.1929", "0.2286", "0.2643", "0.3",
    ]  # fmt: skip
    assert [text_of(float(value)) for value in found["max_position"]] == [
        "700",
        "700.33",
        "700.67",
        "701",
    ]
    given = read_grid("base_quantity=0.123456789", LOT)["base_quantity"]
    assert text_of(float(given[0])) == "0.123456789"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("spred_percentage=1,2", "did you mean spread_percentage?"),
        ("levles=1", "did you mean levels?"),
        ("zzz=1", "allowed are spread_percentage, levels"),
        ("levels=1:4:3", "levels must be whole, found 2.5"),
        ("levels=1.5", "levels must be whole, found 1.5"),
        ("levels=51", "levels must be in (0, 50], found '51'"),
        ("spread_percentage=0.3:0.1:3", "is empty"),
        ("spread_percentage=0.1:0.3:1", "at least 2 points"),
        ("spread_percentage=0.1:0.3:x", "at least 2 points"),
        ("spread_percentage=0.1:0.3", "a range is low:high:count"),
        ("spread_percentage=nan", "found 'nan'"),
        ("spread_percentage=-1", "must be in (0, 10]"),
        ("spread_percentage=", "found ''"),
        ("levels=1,levels=2", "given twice"),
        ("0.1,0.2", "takes name=low:high:count"),
        ("", "takes name=low:high:count"),
        ("levels=7,base_quantity=200", "none of its 1 sets is legal"),
        ("base_quantity=1.001:1.009:3", "no whole lot"),
        ("base_quantity=1:9:90000,levels=1,2", "sets, at most 100,000 are tried"),
        ("base_quantity=1:9:2000000", "has 2,000,000 points, at most 100,000"),
    ],
)
def test_a_bad_grid_is_one_line(text, says):
    """What was found, what is allowed; exit code 2."""
    with pytest.raises(SweepError) as caught:
        grid(text, START, LOT if "9:90000" not in text else Decimal("0.0001"))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_draw_is_the_start_and_so_many_distinct_legal_sets():
    """The same seed gives the same sets, another one others; every digit can be printed."""
    found = drawn(500)
    assert found.sets[0] == START
    assert len(set(map(tuple, map(texts, found.sets)))) == 501
    assert drawn(500).sets == found.sets
    assert drawn(500, seed=2).sets[1:] != found.sets[1:]
    for each in found.sets:
        again = [float(text) for text in texts(each)]
        assert again == [float(value) for value in each.model_dump().values()]
        assert Decimal(texts(each)[2]) % LOT == 0
    for low, high, values in (
        (0.0548, 0.4932, [each.spread_percentage for each in found.sets]),
        (1, 6, [each.levels for each in found.sets]),
        (41.1, 369.9, [each.base_quantity for each in found.sets]),
        (246.61, 820.0, [each.max_position for each in found.sets]),
    ):
        assert low <= min(values)
        assert max(values) <= high
        assert max(values) - min(values) > 0.8 * (min(high, 370) - low)


def test_a_draw_stays_within_the_ranges_given():
    """A range of one value holds that parameter."""
    found = drawn(50, "levels=3:3", "spread-percentage=0.2:0.21")
    assert {each.levels for each in found.sets[1:]} == {3}
    assert all(0.2 <= each.spread_percentage <= 0.21 for each in found.sets[1:])
    assert found.ranges["spread_percentage"] == "0.2:0.21"


@pytest.mark.parametrize(
    ("count", "ranges", "says"),
    [
        (0, (), "takes 1 to 100,000 sets, found 0"),
        (100_001, (), "found 100,001"),
        (5, ("levels=3:2",), "is empty"),
        (5, ("level=3:2",), "did you mean levels?"),
        (5, ("levels=3",), "takes name=low:high"),
        (5, ("levels=1.5:3",), "levels must be whole"),
        (5, ("base_quantity=0.001:0.002",), "no whole lot"),
        (5, ("levels=40:50",), "hold only 0 legal sets"),
    ],
)
def test_a_bad_draw_is_one_line(count, ranges, says):
    """Too many, too few, empty, unknown."""
    with pytest.raises(SweepError) as caught:
        drawn(count, *ranges)
    assert says in str(caught.value)


def test_derived_ranges_hold_what_the_optimizer_may_propose_next():
    """One step of the tuner (a quarter) lies inside, and the risk limit bounds both alike."""
    market = Instrument(lot_units=10**6, smallest_lots=420, cap_lots=82_000, tick_percent=0.08)
    near = Neighbourhood(START, step_limit=0.25, instrument=market)
    ranges = drawn(1).ranges
    low, high = (float(end) for end in ranges["spread_percentage"].split(":"))
    assert low < near.space.dimensions[0].low < near.space.dimensions[0].high < high
    assert float(ranges["max_position"].split(":")[1]) == 820.0


def test_a_quantity_below_the_smallest_order_is_not_drawn():
    """It would be quoted nowhere."""
    small = QuoteParameters(spread_percentage=0.1, levels=1, base_quantity=5.0, max_position=10.0)
    found = drawn(40, start=small)
    assert min(each.base_quantity for each in found.sets) >= 4.2


def test_numbers_are_printed_so_that_they_read_back():
    """No exponent, no rounding, no tail of zeros."""
    for value in (0.1, 1e-8, 3.0, 2.5e9, 0.30000000000000004, 1 / 3):
        assert float(text_of(value)) == value
    assert text_of(1e-8) == "0.00000001"
    assert text_of(3.0) == "3"


def test_a_range_names_its_parameter_with_either_dash():
    """As flags are written, or as messages are."""
    assert read_range("max-position=1:2")[0] == read_range("max_position=1:2")[0]
