import math
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from agents.cli.picture import (
    Bar,
    Line,
    Marks,
    Panel,
    bars,
    labels,
    nice_ticks,
    number_axis,
    plot,
    thinned,
    time_axis,
)

HOUR_NS = 3600 * 10**9
SPACE = "{http://www.w3.org/2000/svg}"
LIMIT = 300_000


def a_day(count, *, seed=1):
    """A plot of a day with so many points in every line and as many fills."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0.0, 86_400.0, count)
    walks = [np.cumsum(rng.normal(size=count)) for _ in range(6)]
    money = tuple(Line(f"part {index}", x, walk, index) for index, walk in enumerate(walks[:4]))
    fills = (Marks("buys", x, walks[5] - 1), Marks("sells", x, walks[5] + 1, 1, up=False))
    panels = (
        Panel("profit", money),
        Panel("position", (Line("position", x, walks[4]),)),
        Panel("mid", (Line("mid", x, walks[5]), *fills), zero=False),
    )
    return plot(panels, time_axis(0, 24 * HOUR_NS), title="A < B & C", subtitle="of a day")


@pytest.mark.parametrize("count", [0, 1, 2, 300_000])
def test_a_picture_is_one_small_file_however_long_the_day(count):
    """Nothing, one point and a third of a million: always sound XML below 300 KB."""
    text = a_day(count)
    assert len(text) < LIMIT
    root = ET.fromstring(text)
    assert root.find(f"{SPACE}title").text == "A < B & C"
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "nan" not in text


def test_every_point_lies_inside_the_page():
    """A line that leaves the page shows nothing."""
    root = ET.fromstring(a_day(5_000))
    width, height = float(root.get("width")), float(root.get("height"))
    for path in root.iter(f"{SPACE}path"):
        if path.get("class").startswith("line") and " " in path.get("d"):
            numbers = [float(part) for part in re.findall(r"-?\d+(?:\.\d+)?", path.get("d"))]
            if "h" not in path.get("d"):
                assert all(0 <= x <= width for x in numbers[::2])
                assert all(0 <= y <= height for y in numbers[1::2])


def test_thinning_keeps_the_highest_and_the_lowest():
    """A spike of one mark is seen, and so are the ends."""
    x = np.arange(1_000_000.0)
    y = np.sin(x / 9e4)
    y[123_456], y[777_777] = 50.0, -60.0
    few_x, few_y = thinned(x, y)
    assert len(few_x) <= 4 * 500
    assert (few_y.max(), few_y.min()) == (50.0, -60.0)
    assert (few_x[0], few_x[-1]) == (x[0], x[-1])
    assert (np.diff(few_x) > 0).all()
    assert all(y[int(at)] == value for at, value in zip(few_x, few_y, strict=True))


def test_ticks_are_round_and_labels_tell_them_apart():
    """Hand-made: the values that a person would have chosen."""
    assert nice_ticks(-1.1, 3.9) == [0.0, 2.0]
    assert labels(nice_ticks(0.0, 1.0)) == ["0.00", "0.25", "0.50", "0.75", "1.00"]
    assert labels([-0.0, 25_000.0]) == ["0", "25,000"]
    assert nice_ticks(2.0, 2.0) == [2.0]
    low, high = 1.2201, 1.2299
    assert labels(nice_ticks(low, high)) == ["1.2225", "1.2250", "1.2275"]


def test_the_time_axis_is_utc_and_says_the_date():
    """A trader reads hours; midnight carries the date; the first moment stands below."""
    first = 1_721_750_400 * 10**9  # 2024-07-23 16:00
    axis = time_axis(first, first + 24 * HOUR_NS)
    assert [label for _, label in axis.ticks][:4] == ["18:00", "21:00", "Jul 24", "03:00"]
    assert axis.title == "UTC, from 2024-07-23 16:00"
    assert len(time_axis(first, first + 5 * 60 * 10**9).ticks) == 6
    assert 2 <= len(time_axis(first, first + 40 * 24 * HOUR_NS).ticks) <= 9


def test_bars_show_their_values_and_a_dash_for_none():
    """What was not measured is not drawn as 0."""
    text = bars(
        [Bar("a", 0.5, 0.4, 0.6), Bar("b & c", -0.25), Bar("d", math.nan)],
        title="t", subtitle="s", unit="nats",
    )  # fmt: skip
    root = ET.fromstring(text)
    words = [each.text for each in root.iter(f"{SPACE}text")]
    assert {"a", "b & c", "d", "-", "0.500", "-0.250", "nats"} <= set(words)
    assert len(list(root.iter(f"{SPACE}rect"))) == 3


def test_a_plain_axis_spans_what_it_was_given():
    """Its ends are on the plot's edges."""
    axis = number_axis(0.0, 10.0, "seconds")
    places = axis.place(np.array([0.0, 10.0]))
    assert places[0] < places[1]
    assert axis.ticks[0] == (0.0, "0")
