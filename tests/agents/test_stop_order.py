"""Any order, loss and replay of stops and rearms ends in the same state, at every party.

What is active is a function of the *set* of words that arrived: no order, repetition or restart
tells in it. With two stops and two rearms that is small enough to try everything.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.coordinator.events import Append, Heard
from agents.coordinator.records import restored
from agents.coordinator.state import active_stops
from agents.coordinator.step import step as coordinate
from agents.executor.events import RearmHeard, Reply, StopHeard, Write
from agents.executor.state import new_state
from agents.executor.step import fold
from agents.executor.step import step as execute
from protocol.messages import Ack, EmergencyStop, Rearm, Stage
from risk.emergency import Phase
from tests.agents.coordinator.world import rules
from tests.agents.executor.market import recording, session_for

A, B = "a" * 32, "b" * 32
STOPS = {"stop a": (A, False), "stop b": (B, True)}
REARMS = {"rearm a": (A,), "rearm both": (A, B)}
WORDS = (*STOPS, *REARMS)
LATCHES = {"known a": A, "known b": B}
"""A heartbeat or a file that tells of a stop before, or instead of, the word itself."""
DEPTH = 6
STATE = ("stops", "lifted", "told", "asked", "phase")


def wanted(arrived):
    """Return (active stops with whether they flatten, lifted ids) after a set of words."""
    lifted = {key for name in arrived & REARMS.keys() for key in REARMS[name]}
    stops = {key: False for name, key in LATCHES.items() if name in arrived}
    for name in arrived & STOPS.keys():
        key, flatten = STOPS[name]
        stops[key] = flatten
    return {key: flag for key, flag in stops.items() if key not in lifted}, lifted


class Executor:
    """The executor's part of it, with a journal."""

    def __init__(self, session):
        self.state = new_state(session)
        self.rows = []

    def mark(self):
        """Return what is needed to come back here."""
        held = {name: getattr(self.state, name) for name in STATE}
        copies = {
            key: value.copy() if hasattr(value, "copy") else value for key, value in held.items()
        }
        return copies, len(self.rows)

    def back(self, mark):
        """Come back to a mark."""
        for name, value in mark[0].items():
            setattr(self.state, name, value.copy() if hasattr(value, "copy") else value)
        del self.rows[mark[1] :]

    def hear(self, name):
        """Hear a word, or learn of it; return the answers."""
        if name in LATCHES:
            event = StopHeard(LATCHES[name], flatten=False)
        elif name in STOPS:
            key, flatten = STOPS[name]
            event = StopHeard(key, flatten, "operator")
        else:
            event = RearmHeard("operator", name, REARMS[name])
        _, effects = execute(self.state, event, 0)
        for effect in effects:
            if isinstance(effect, Write):
                self.rows.extend((entry.kind, entry.body) for entry in effect.entries)
        return [effect.word for effect in effects if isinstance(effect, Reply)]

    def restart(self):
        """Die, and read the journal."""
        for each in (self.state.stops, self.state.lifted, self.state.told, self.state.asked):
            each.clear()
        self.state.phase = Phase.ARMED
        for kind, body in self.rows:
            fold(self.state, kind, body)

    def found(self):
        """Return what is active and what was lifted."""
        return self.state.stops, set(self.state.lifted)


class Coordinator:
    """The coordinator's part of it, with a log."""

    def __init__(self):
        self.log = ()
        self.rules = rules(seats=("executor-1", "optimizer-1"))
        self.state = restored(self.rules, ())

    def hear(self, name):
        """Hear a word."""
        if name in STOPS:
            key, flatten = STOPS[name]
            word = EmergencyStop(scope="all", flatten=flatten, reason="drill")
        else:
            key, word = f"{WORDS.index(name):032x}", Rearm(lifts=REARMS[name], reason="drill")
        self.state, effects = coordinate(self.state, Heard("operator", key, word), 0)
        for effect in effects:
            if isinstance(effect, Append):
                self.log += effect.records

    def restart(self):
        """Die, and read the log."""
        self.state = restored(self.rules, self.log)


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    return session_for(recording(tmp_path_factory.mktemp("feed")), feed={"hours": 0.5})


def test_every_order_loss_and_replay_ends_alike_at_the_executor(session):
    """Every sequence of up to six of six words, 55,986 of them; a restart after the shorter."""
    executor = Executor(session)
    seen = 0

    def explore(arrived, depth):
        nonlocal seen
        mark = executor.mark()
        for name in (*WORDS, *LATCHES):
            said = executor.hear(name)
            seen += 1
            now = arrived | {name}
            assert executor.found() == wanted(now), f"after {sorted(now)}"
            if name in REARMS:
                assert said == [Ack(stage=Stage.RECEIVED)]
            if depth > DEPTH - 3:
                executor.restart()
                assert executor.found() == wanted(now), f"after a restart and {sorted(now)}"
            if depth > 1:
                explore(now, depth - 1)
            executor.back(mark)

    explore(frozenset(), DEPTH)
    assert seen == sum(6**length for length in range(1, DEPTH + 1))


def test_every_order_loss_and_replay_ends_alike_at_the_coordinator():
    """Every sequence of up to five of the four words; what the log says is the same."""
    coordinator = Coordinator()

    def explore(arrived, depth):
        state, log = coordinator.state, coordinator.log
        for name in WORDS:
            coordinator.hear(name)
            now = arrived | {name}
            stops, lifted = wanted(now)
            assert set(active_stops(coordinator.state)) == set(stops)
            assert set(coordinator.state.lifted) == lifted
            if depth > 2:
                coordinator.restart()
                assert set(active_stops(coordinator.state)) == set(stops)
            if depth > 1:
                explore(now, depth - 1)
            coordinator.state, coordinator.log = state, log

    explore(frozenset(), 5)


MOVES = st.one_of(
    st.tuples(st.sampled_from(("executor", "coordinator")), st.sampled_from(WORDS)),
    st.tuples(st.just("heartbeat"), st.just("")),
    st.tuples(st.just("restart"), st.sampled_from(("executor", "coordinator"))),
)


@settings(max_examples=150, deadline=None)
@given(
    moves=st.lists(MOVES, max_size=20), last=st.permutations([(p, w) for p in "ec" for w in WORDS])
)
def test_once_everything_has_arrived_both_parties_agree(shared, moves, last):
    """Words reach either party in any order, heartbeats and deaths between; resends do the rest."""
    executor, coordinator = shared
    executor.rows.clear()
    executor.restart()
    coordinator.log = ()
    coordinator.restart()
    for kind, what in moves:
        match kind:
            case "executor":
                executor.hear(what)
            case "coordinator":
                coordinator.hear(what)
            case "heartbeat":
                for key in active_stops(coordinator.state):
                    executor.hear(f"known {key[0]}")
            case "restart":
                {"executor": executor, "coordinator": coordinator}[what].restart()
        assert not set(executor.state.lifted) & set(executor.state.stops), "lifted stops no more"
    for party, word in last:
        {"e": executor, "c": coordinator}[party].hear(word)
    assert executor.found() == ({}, {A, B})
    assert active_stops(coordinator.state) == ()


@pytest.fixture(scope="module")
def shared(session):
    return Executor(session), Coordinator()


def test_a_stop_told_first_by_a_heartbeat_still_flattens(session):
    """Only the word itself knows that; `received` is on disk with it, and `stopped` waits."""
    executor = Executor(session)
    executor.hear("known b")
    executor.state.phase = Phase.STOPPED
    assert executor.hear("stop b") == [Ack(stage=Stage.RECEIVED)]
    assert executor.state.flatten
    executor.restart()
    assert executor.state.stops == {B: True}
