from agents.coordinator.events import Append
from agents.coordinator.log import DecisionLog
from agents.coordinator.records import restored
from agents.coordinator.story import story
from tests.agents.coordinator.world import World, rules


def test_what_is_appended_is_read_back_alike(tmp_path):
    """A whole run's log through the disk: the state and the story are the same."""
    world = World(rules(), boundaries=4).play()
    with DecisionLog.open(tmp_path) as log:
        for effect in world.effects:
            if isinstance(effect, Append):
                log.append(effect.records)
    with DecisionLog.read(tmp_path) as log:
        records = list(log.records())
        assert [row.seq for row in log.rows(2)][:2] == [3, 4]
    assert records == world.disk
    assert restored(world.rules, records) == restored(world.rules, world.disk)
    assert story(records) == story(world.disk)


def test_a_log_may_be_read_while_it_is_written(tmp_path):
    """A report looks at the log of a running coordinator without disturbing it."""
    with DecisionLog.open(tmp_path) as log, DecisionLog.read(tmp_path) as other:
        assert list(other.records()) == []
        log.append(World(rules(), boundaries=1).play().disk)
        assert list(other.records()) == list(log.records())
