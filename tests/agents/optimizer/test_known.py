from agents.optimizer.known import NOTHING, Known
from agents.optimizer.pace import Pace
from protocol.messages import QuoteParameters

BASELINE = QuoteParameters(spread_percentage=0.2, levels=3, base_quantity=1.0, max_position=10.0)
OTHER = BASELINE.model_copy(update={"spread_percentage": 0.25})


def test_decisions_are_remembered_over_a_restart(tmp_path):
    """A boundary may name a pair that the coordinator no longer tells of."""
    known = Known.open(tmp_path / "o.sqlite", BASELINE)
    assert known.newest == NOTHING
    known.learn((1, 4), OTHER, 100)
    known.learn((1, 4), OTHER, 100)
    known.close()
    again = Known.open(tmp_path / "o.sqlite", BASELINE)
    assert again.newest == (1, 4)
    assert again.get((1, 4)) == OTHER
    assert again.get(NOTHING) == BASELINE
    assert again.get((1, 5)) is None
    again.close()


def test_a_boundary_is_due_once_and_the_newest_counts():
    """When feed time does not wait, what was overtaken is not answered any more."""
    pace = Pace([10, 20, 30])
    assert pace.due(9) is None
    assert pace.due(10) == (1, 10)
    assert pace.due(15) is None
    assert pace.due(35) == (3, 30)
    assert pace.due(40) is None
