"""How the tests are shared out."""

from pathlib import Path

from tests.lanes import LONG, STACKS, TOGETHER, VENUES, lane, rank

ROOT = Path(__file__).parent.parent


def test_every_name_in_a_lane_is_there():
    """A file that was renamed would leave its lane without a word."""
    for name in (*STACKS, *VENUES, *LONG, *TOGETHER):
        assert (ROOT / name).exists(), f"tests/lanes.py: {name} is no longer there"
        assert (ROOT / name).is_dir() == name.endswith("/")


def test_what_waits_on_real_time_is_one_of_two_lanes_and_starts_first():
    """Two files of one lane never run at once; what only computes is a lane a file."""
    house, stack = "tests/integration/test_stops.py::a", "tests/integration/test_stack.py::b[x::y]"
    assert lane(house) == lane(stack)
    hub = "tests/protocol/test_hub.py::a"
    assert lane(hub) != lane(house)
    book, layout = "tests/market/test_book.py::a", "tests/market/test_layout.py::a"
    assert lane(book) != lane(layout)
    assert rank(house) < rank(hub) < rank("tests/simulation/test_simulation.py::a") < rank(book)
    assert rank(book) == rank(layout)
