import pytest

from agents.coordinator.modes.draw import MARK, drawn, main, page
from agents.coordinator.modes.flight import FLIGHT, Judgement
from agents.coordinator.modes.offered import MODES, SEATS_MIN, ModeError, demand, objection
from agents.coordinator.modes.table import SHARED, Action, Move, Signal, table
from agents.coordinator.rules import weights_of
from agents.coordinator.state import Flight, Phase
from agents.coordinator.step import ACTIONS
from protocol.errors import SettingsError
from protocol.messages import Mode

modes = pytest.mark.parametrize("mode", list(Mode))


@modes
def test_every_phase_knows_every_signal_in_every_mode(mode):
    """A table has no hole: whatever happens, what follows is written down."""
    assert set(MODES[mode]) == {(phase, signal) for phase in Phase for signal in Signal}


def test_every_judgement_of_a_decision_is_known():
    """The same in every mode."""
    assert set(FLIGHT) == {(flight, judgement) for flight in Flight for judgement in Judgement}


def test_every_action_is_known_and_used():
    """No action of the tables lacks a deed, and none stands there for nothing."""
    assert set(ACTIONS) == set(Action)
    used = {move.action for each in MODES.values() for move in each.values()}
    assert used == set(Action)


@modes
def test_every_phase_is_left_again(mode):
    """From each phase some signals lead back to rest, so no round stays open for good."""
    rules = MODES[mode]
    for start in Phase:
        if start in {Phase.MEASURING, Phase.VOTING} and not enters(rules, start):
            # Left by the switch that brought another mode's phase here.
            assert rules[start, Signal.SWITCHED].phase is Phase.SETTLING
        seen, grown = {start}, True
        while grown:
            reached = {rules[phase, signal].phase for phase in seen for signal in Signal}
            grown = not reached <= seen
            seen |= reached
        assert Phase.IDLE in seen


def enters(rules, wanted):
    """Whether some other phase leads there."""
    return any(move.phase is wanted for (phase, _), move in rules.items() if phase is not wanted)


@pytest.mark.parametrize(
    ("mode", "ways"),
    [
        (Mode.MASTER_SLAVE, {(Phase.VOTING, Signal.APPROVED)}),
        (Mode.CONSENSUS, {(Phase.VOTING, Signal.APPROVED)}),
        (Mode.PEER, {(Phase.DECIDING, Signal.PUT)}),
        (Mode.HIERARCHICAL, {(Phase.DECIDING, Signal.PUT)}),
    ],
)
def test_one_way_leads_to_a_decision(mode, ways):
    """Where there are voters it is their approval; else what the merge or the supervisor put."""
    deciding = {Action.DECIDE, Action.SHARE, Action.APPOINT}
    assert {pair for pair, move in MODES[mode].items() if move.action in deciding} == ways


@modes
def test_a_switch_is_heard_wherever_something_is_open(mode):
    """Into whatever phase a mode is switched: what is open is voided, what was heard is kept."""
    rules = MODES[mode]
    for phase in (Phase.VOTING, Phase.MEASURING):
        assert rules[phase, Signal.SWITCHED] == Move(Phase.SETTLING, Action.VOID)
    assert rules[Phase.COLLECTING, Signal.SWITCHED] == Move(Phase.COLLECTING, Action.REVIEW)
    for phase in (Phase.IDLE, Phase.SETTLING):
        assert rules[phase, Signal.SWITCHED] == Move(phase)
    # From SETTLING each mode goes on with its own first action.
    assert rules[Phase.SETTLING, Signal.SETTLED].action is not Action.NONE
    assert rules[Phase.COLLECTING, Signal.DEADLINE] == Move(Phase.SETTLING, Action.SETTLE)


def test_a_pair_that_is_named_twice_is_a_bug():
    """A mode may add to what all share, not change it."""
    pair = next(iter(SHARED))
    with pytest.raises(AssertionError, match="named twice"):
        table({pair: Move(Phase.IDLE)})


def test_a_decision_in_flight_admits_no_second():
    """One in flight, never two, whatever the mode."""
    assert FLIGHT[Flight.DECIDED, Judgement.DECIDED] is None


def test_all_modes_are_offered_to_those_who_can_have_them():
    """One seat cannot agree with itself: no weight above half, nobody to choose from."""
    assert set(MODES) == set(SEATS_MIN) == set(Mode)
    two = ("executor-1", "optimizer-1")
    for mode in Mode:
        assert objection(mode, two) is None
        demand(mode, two)
    assert objection(Mode.MASTER_SLAVE, two[:1]) is None
    for mode in (Mode.PEER, Mode.HIERARCHICAL, Mode.CONSENSUS):
        with pytest.raises(ModeError, match=r"needs at least 2 seats, found 1.*E_MODE"):
            demand(mode, two[:1])


def test_no_weight_may_be_above_half():
    """One seat would decide alone; exactly half decides nothing alone."""
    three = ("executor-1", "optimizer-1", "optimizer-2")
    assert objection(Mode.CONSENSUS, three, {"executor-1": 2}) is None
    line = objection(Mode.CONSENSUS, three, {"executor-1": 3})
    assert line == "consensus needs weights of which none is above half, found 3 of 5 (executor-1)"
    assert objection(Mode.PEER, three, {"executor-1": 3}) is None
    assert weights_of("executor-1:3, optimizer-2:1", three) == {"executor-1": 3, "optimizer-2": 1}
    assert weights_of(None, three) == {}
    for text in ("executor-1", "executor-1:0", "nobody:2", "executor-1:1,executor-1:2", "a:-1"):
        with pytest.raises(SettingsError, match=r"coordinator\.weights must be SEAT:WEIGHT"):
            weights_of(text, three)


def test_the_diagrams_in_the_documentation_are_drawn_from_the_tables():
    """`python -m agents.coordinator.modes.draw` draws them anew."""
    assert main(["--check"]) == 0
    text = drawn()
    for mode in Mode:
        assert f"### {mode.value}" in text
    assert "voting --> deciding: approved / decide" in text
    assert "decided --> in_force: applied" in text
    assert page(f"by hand\n{MARK}\nan older drawing\n") == f"by hand\n{MARK}\n{text}"
