from agents.coordinator.events import Append
from agents.coordinator.log import DecisionLog
from agents.coordinator.records import restored
from agents.coordinator.story import story
from protocol.codec import encode
from protocol.messages import JournalPage
from protocol.pages import page
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


def test_pages_fit_into_words_and_hold_everything(tmp_path):
    """A long log in pages of at most 64 KiB: every row once, in order."""
    disk = World(rules(), boundaries=60).play().disk
    with DecisionLog.open(tmp_path) as log:
        log.append(disk)
        seen, pages = [], 0
        while rows := page(log.rows(seen[-1].seq if seen else 0)):
            assert len(encode(JournalPage(rows=rows))) <= 65_536
            seen.extend(rows)
            pages += 1
    assert [row.seq for row in seen] == list(range(1, len(disk) + 1))
    assert [row.kind for row in seen] == [record.kind.value for record in disk]
    assert pages > 1
