import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.coordinator.audit import audit
from agents.coordinator.story import story
from protocol.messages import Mode
from tests.agents.coordinator.world import World, rules

BOUNDARIES = 8
THROUGH_ALL = ((3, Mode.PEER), (5, Mode.CONSENSUS), (7, Mode.HIERARCHICAL))


def played(mode, **changes):
    """The rules of a mode; None: of all of them, one after the other."""
    if mode is None:
        return rules(schedule=THROUGH_ALL, **changes)
    return rules(mode=mode, **changes)


ALONE = [
    pytest.param(mode, marks=() if mode is Mode.MASTER_SLAVE else pytest.mark.slow, id=mode)
    for mode in Mode
]


@pytest.fixture(scope="module", params=[*ALONE, pytest.param(None, id="through-all")])
def unkilled(request):
    return World(played(request.param), boundaries=BOUNDARIES).play()


def test_a_kill_before_any_effect_changes_no_outcome(unkilled):
    """The coordinator dies once, before each single effect in turn: the story stays the same."""
    told = story(unkilled.disk)
    assert told["proposals_approved"] > 2
    assert told["proposals_refused"] or unkilled.rules.mode is Mode.PEER
    for kill in range(1, unkilled.count + 1):
        world = World(unkilled.rules, boundaries=BOUNDARIES, kill_at=(kill,)).play()
        assert world.kills == 1
        assert story(world.disk) == told, f"killed before effect {kill}"
        assert world.applied == unkilled.applied
        assert audit(world.rules, world.disk) == []


@settings(max_examples=50, deadline=None)
@given(
    mode=st.sampled_from([*Mode, None]),
    salt=st.integers(0, 10**6),
    kills=st.sets(st.integers(1, 250), max_size=25),
)
def test_many_kills_change_no_outcome_in_any_world(mode, salt, kills):
    """The same with up to 25 deaths in one run, and other seats' opinions."""
    given_rules = played(mode)
    calm = World(given_rules, boundaries=BOUNDARIES, salt=salt).play()
    wild = World(given_rules, boundaries=BOUNDARIES, salt=salt, kill_at=tuple(kills)).play()
    assert story(wild.disk) == story(calm.disk)
    assert wild.applied == calm.applied
    assert audit(wild.rules, wild.disk) == []


def test_a_story_names_no_pair_no_id_and_no_wall_time(unkilled):
    """What a result tells of the log is a function of recording, seed and configuration."""
    told = str(story(unkilled.disk))
    for record in unkilled.disk:
        if "id" in record.body:
            assert record.body["id"] not in told


def test_a_story_takes_applications_from_the_executor(unkilled):
    """The executor's journal says when a set came into force; the log may have missed the last."""
    pairs = {}
    for record in unkilled.disk:
        if record.kind.value == "applied":
            pairs[tuple(record.body["pair"])] = record.time_ns
    rows = story(unkilled.disk, pairs)["decisions"]
    assert sum(row["fate"] == "applied" for row in rows) == len(pairs)
    assert all((row["applied_at"] is None) == (row["fate"] != "applied") for row in rows)
