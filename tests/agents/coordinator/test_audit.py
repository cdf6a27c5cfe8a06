"""A reader of the log alone notices what was forged in it."""

import copy
from dataclasses import replace

import pytest

from agents.coordinator.audit import audit
from agents.coordinator.records import Kind, Record
from protocol.messages import Mode
from tests.agents.coordinator.world import World, rules

THROUGH_ALL = ((4, Mode.PEER), (7, Mode.CONSENSUS), (10, Mode.HIERARCHICAL))


@pytest.fixture(scope="module")
def world():
    return World(rules(schedule=THROUGH_ALL), boundaries=12, salt=3).play()


def of(world, mode, kind=Kind.DECISION):
    """The places of records of a kind that stand under a mode."""
    now, places = Mode.MASTER_SLAVE, []
    for place, record in enumerate(world.disk):
        if record.kind is Kind.MODE:
            now = Mode(record.body["to"])
        if record.kind is kind and now is mode:
            places.append(place)
    return places


def forged(world, place, **changes):
    """The log with another body in one place."""
    disk = copy.deepcopy(world.disk)
    disk[place] = replace(disk[place], body={**disk[place].body, **changes})
    return disk


def test_a_sound_log_explains_everything(world):
    """Every mode decided something, and each decision follows from its mode's rule."""
    assert all(of(world, mode) for mode in Mode)
    pairs = [tuple(each.body["pair"]) for each in world.disk if each.kind is Kind.APPLIED]
    assert len(pairs) > 4
    assert audit(world.rules, world.disk, pairs) == []


@pytest.mark.parametrize("mode", list(Mode))
def test_another_set_than_the_rule_gives_is_noticed(world, mode):
    """A decision that was changed after the fact; the supervisor may choose any of its own."""
    place = of(world, mode)[0]
    params = dict(world.disk[place].body["params"])
    params["spread_percentage"] *= 1.01 if mode is not Mode.HIERARCHICAL else 1.6
    assert audit(world.rules, forged(world, place, params=params))


@pytest.mark.parametrize("mode", list(Mode))
def test_a_decision_under_another_mode_is_noticed(world, mode):
    """One entry stands under one mode, that of its generation."""
    place = of(world, mode)[0]
    other = Mode.PEER if mode is not Mode.PEER else Mode.CONSENSUS
    found = audit(world.rules, forged(world, place, mode=other.value))
    assert f"stands under {other.value}, {mode.value} was in force" in found[0]
    assert audit(world.rules, forged(world, place, generation=99))


def test_votes_that_were_taken_away_are_noticed(world):
    """No approval, no majority."""
    for mode in (Mode.MASTER_SLAVE, Mode.CONSENSUS):
        place = of(world, mode)[0]
        voteless = [
            each for at, each in enumerate(world.disk) if each.kind is not Kind.VOTE or at > place
        ]
        assert audit(world.rules, voteless)


def test_weights_that_were_changed_are_noticed(world):
    """The merge does not follow any more, or there is more than everything."""
    place = of(world, Mode.PEER, Kind.ROUND)[0]
    weights = [each // 2 for each in world.disk[place].body["weights"]]
    assert audit(world.rules, forged(world, place, weights=weights))


def test_a_strategy_that_does_not_run_is_noticed(world):
    """Its set came into force, and the weights speak for another."""
    place = of(world, Mode.HIERARCHICAL)[0]
    seat = world.disk[place].body["seat"]
    other = "optimizer-2" if seat == "optimizer-1" else "optimizer-1"
    found = audit(world.rules, forged(world, place, seat=other))
    assert f"is of {other}, {seat} runs" in found[0]


def test_an_application_without_a_decision_is_noticed(world):
    """What the executor says it applied, each with exactly one entry."""
    assert audit(world.rules, world.disk, [(1, 99)]) == [
        "(1, 99) was applied, and no decision of the log says so"
    ]
    place = of(world, Mode.PEER)[0]
    twice = [*world.disk[: place + 1], world.disk[place], *world.disk[place + 1 :]]
    assert "was in flight" in audit(world.rules, twice)[0]


def test_a_change_that_skips_a_generation_is_noticed(world):
    """Generations count every change."""
    places = [at for at, each in enumerate(world.disk) if each.kind is Kind.MODE]
    assert audit(world.rules, forged(world, places[1], generation=7))
    missing = [each for at, each in enumerate(world.disk) if at != places[0]]
    assert audit(world.rules, missing)
    assert isinstance(missing[0], Record)
