from agents.coordinator.modes import FLIGHT, MASTER_SLAVE, MODES, Action, Judgement, Signal
from agents.coordinator.state import Flight, Phase
from agents.coordinator.step import ACTIONS
from protocol.messages import Mode


def test_every_phase_knows_every_signal_in_every_mode():
    """A table has no hole: whatever happens, what follows is written down."""
    for table in MODES.values():
        assert set(table) == {(phase, signal) for phase in Phase for signal in Signal}
    assert set(FLIGHT) == {(flight, judgement) for flight in Flight for judgement in Judgement}


def test_every_action_is_known_and_used():
    """No action of the table lacks a deed, and none stands there for nothing."""
    assert set(ACTIONS) == set(Action)
    assert {move.action for move in MASTER_SLAVE.values()} == set(Action)


def test_every_phase_is_left_again():
    """From each phase some signals lead back to rest, so no round stays open for good."""
    for start in Phase:
        seen, grown = {start}, True
        while grown:
            reached = {MASTER_SLAVE[phase, signal].phase for phase in seen for signal in Signal}
            grown = not reached <= seen
            seen |= reached
        assert Phase.IDLE in seen


def test_only_an_approval_leads_to_a_decision():
    """The one way to DECIDE is a vote for it."""
    ways = [pair for pair, move in MASTER_SLAVE.items() if move.action is Action.DECIDE]
    assert ways == [(Phase.VOTING, Signal.APPROVED)]


def test_a_decision_in_flight_admits_no_second():
    """One in flight, never two, whatever the mode."""
    assert FLIGHT[Flight.DECIDED, Judgement.DECIDED] is None


def test_only_modes_that_exist_are_offered():
    """The table of modes is what `mode_change` is judged by."""
    assert set(MODES) == {Mode.MASTER_SLAVE}
