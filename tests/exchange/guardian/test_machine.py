import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.guardian.machine import (
    Arm,
    Armed,
    Looked,
    Phase,
    Rules,
    State,
    Sweep,
    Swept,
    Tell,
    WriteStop,
    Wrote,
    step,
)
from protocol.beat import ENDED, Beat
from tests.examples import examples

RULES = Rules()
LOOK = 100_000_000
SECOND = 10**9
OLD, NEW = b"o" * 16, b"n" * 16


class World:
    """A guardian, its clock, and an exchange that answers when it is told to."""

    def __init__(self, rules=RULES, open_orders=0):
        self.rules, self.state, self.now = rules, State(), 5 * SECOND
        self.open, self.reached, self.room = open_orders, True, True
        self.stops, self.beat, self.told, self.arms, self.swept_at = 0, None, [], [], []
        self.lifted, self.aims = False, []

    def take(self, event):
        """Tell the machine something, and do what it wants."""
        self.state, effects = step(self.state, event, self.now, self.rules)
        for effect in effects:
            match effect:
                case Tell():
                    self.told.append(effect.event)
                case Sweep():
                    found = self.open if self.reached else None
                    if effect.cancel and self.reached:
                        self.open = 0
                        self.swept_at.append(self.now)
                    self.take(Swept(effect.number, found))
                case WriteStop():
                    self.stops += self.room
                    self.aims.append(effect.silent)
                    self.take(Wrote(self.room))
                case Arm():
                    self.arms.append(effect.countdown_ms)
                    self.take(Armed(self.reached))

    def live(self, seconds, run=None):
        """Let time pass; with a run, its beat moves at every look."""
        for _ in range(round(seconds * 10)):
            if run is not None:
                count = self.beat.count + 1 if self.beat and self.beat.run == run else 1
                self.beat = Beat(run, count)
            self.take(Looked(self.beat, stopped=bool(self.stops) and not self.lifted))
            self.now += LOOK


def test_a_beat_that_stops_writes_the_stop_and_leaves_nothing_open():
    """Within three seconds and a look; then it asks until two answers show nothing."""
    world = World(open_orders=7)
    world.live(10, NEW)
    assert world.state.phase is Phase.WATCHING
    assert (world.open, world.stops) == (7, 0)
    silent = world.now
    world.live(3.2)
    assert (world.open, world.stops, world.state.phase) == (0, 1, Phase.ALARMED)
    assert world.swept_at[0] - silent <= 3.2 * SECOND
    world.live(10)
    assert not world.state.at_work
    assert world.told.count("nothing_of_ours_is_open") == 1


def test_an_order_that_comes_into_force_after_the_death_is_found():
    """A request of the dead executor is void only after its receive window: it asks as long."""
    world = World(open_orders=2)
    world.live(1, NEW)
    world.live(5)
    world.open = 1
    world.live(5)
    assert world.open == 0
    assert world.stops == 1


def test_a_beat_that_returns_is_swept_after_once_more():
    """What a process that stood still had half sent is cancelled too."""
    world = World(open_orders=2)
    world.live(1, NEW)
    world.live(30)
    world.open = 1
    world.live(1, NEW)
    assert world.open == 0
    world.live(10, NEW)
    assert world.state.phase is Phase.WATCHING
    assert not world.state.at_work
    assert world.stops == 1


def test_orders_of_an_executor_that_was_rearmed_stay():
    """Who lifts the stop wants it to quote: a sweep that is under way ends."""
    world = World()
    world.live(1, NEW)
    world.live(5)
    world.live(1, OLD)
    world.lifted, world.open = True, 3
    world.live(20, OLD)
    assert world.open == 3
    assert world.state.phase is Phase.WATCHING


def test_a_stop_is_aimed_at_the_silent_process_until_silences_are_no_accident():
    """Three within ten minutes may be outlived by a restart; a fourth needs a hand."""
    world = World()
    for _ in range(4):
        world.live(1, NEW)
        world.live(10)
    assert world.aims == [NEW, NEW, NEW, b""]
    assert world.told.count("silent_too_often") == 1
    world.live(660, OLD)
    world.live(10)
    assert world.aims[4] == OLD


def test_nothing_happens_before_an_executor_exists():
    """No beat file, for an hour: no alarm, no stop."""
    world = World(open_orders=1)
    world.live(3600)
    assert (world.open, world.stops, world.state.phase) == (1, 0, Phase.WAITING)


def test_the_beat_of_an_earlier_run_is_no_alarm_but_its_strays_go():
    """A file that does not move at the start: cancelled once, not stopped; a new run lives on."""
    world = World(open_orders=3)
    world.beat = Beat(OLD, 77)
    world.live(10)
    assert (world.open, world.stops) == (0, 0)
    world.open = 2
    world.live(30, NEW)
    assert (world.open, world.stops, world.state.phase) == (2, 0, Phase.WATCHING)


def test_a_clean_end_is_no_alarm_and_is_looked_after():
    """The executor says that it goes; what it left behind all the same is cancelled."""
    world = World(open_orders=1)
    world.live(2, NEW)
    world.beat = Beat(NEW, ENDED)
    world.live(60)
    assert (world.open, world.stops, world.state.phase) == (0, 0, Phase.WAITING)


def test_a_beat_file_that_is_removed_is_a_silence():
    """Whoever deletes the file of a live executor gets the safe answer."""
    world = World(open_orders=1)
    world.live(2, NEW)
    world.beat = None
    world.live(4)
    assert (world.open, world.stops) == (0, 1)


def test_an_exchange_that_is_away_is_asked_until_it_is_there():
    """The stop file does not wait for it."""
    world = World(open_orders=4)
    world.live(2, NEW)
    world.reached = False
    world.live(60)
    assert (world.open, world.stops) == (4, 1)
    assert world.state.at_work
    world.reached = True
    world.live(1.5)
    assert world.open == 0
    assert "exchange_reached" in world.told


def test_a_full_disc_does_not_keep_orders_open():
    """Orders are cancelled at once; the stop is written when there is room."""
    world = World(open_orders=4)
    world.room = False
    world.live(2, NEW)
    world.live(20)
    assert (world.open, world.stops) == (0, 0)
    assert world.state.stop_due
    world.room = True
    world.live(1)
    assert world.stops == 1
    assert not world.state.at_work


def test_a_pause_of_the_whole_machine_is_no_silence_of_the_executor():
    """Time in which nobody looked counts for half a second at most."""
    world = World(open_orders=1)
    for _ in range(20):
        world.live(1, NEW)
        world.now += 600 * SECOND
        world.live(1)
    assert (world.open, world.stops) == (1, 0)


def test_a_question_that_hangs_does_not_hold_up_an_alarm():
    """A probe is out when the beat stops: the sweep does not wait for its answer."""
    state, now = State(), 0
    for count in range(1, 50):
        state, _ = step(state, Looked(Beat(NEW, count), stopped=False), now, RULES)
        now += LOOK
    assert state.asking
    sweeps = []
    for _ in range(40):
        state, effects = step(state, Looked(Beat(NEW, 49), stopped=False), now, RULES)
        sweeps += [each for each in effects if isinstance(each, Sweep)]
        now += LOOK
    assert [each.cancel for each in sweeps] == [True]
    late, _ = step(state, Swept(sweeps[0].number - 1, 0), now, RULES)
    assert late.asking
    assert late.clean == 0


def test_the_exchanges_own_switch_is_renewed_and_left_to_run_out():
    """On futures: set while the beat lives, not in an alarm, taken off after a clean end."""
    world = World(Rules(countdown_ms=30_000))
    world.live(25, NEW)
    assert world.arms == [30_000] * 3
    world.live(20)
    assert world.arms == [30_000] * 3
    world = World(Rules(countdown_ms=30_000))
    world.live(2, NEW)
    world.beat = Beat(NEW, ENDED)
    world.live(20)
    assert world.arms == [30_000, 0]


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("sweeping", [False, True])
@pytest.mark.parametrize(
    "event",
    [
        Looked(None, stopped=False),
        Looked(Beat(NEW, 2), stopped=True),
        Looked(Beat(OLD, 1), stopped=False),
        Looked(Beat(NEW, ENDED), stopped=False),
        Swept(1, 0),
        Swept(1, 3),
        Swept(1, None),
        Swept(9, 5),
        Wrote(True),
        Wrote(False),
        Armed(True),
        Armed(False),
    ],
)
def test_every_event_is_taken_in_every_phase(phase, sweeping, event):
    """No pair of state and event breaks it, and none starts two questions at once."""
    state = State(
        phase=phase, beat=Beat(NEW, 1), looked_ns=0, sweeping=sweeping, asking=True, number=1
    )
    after, effects = step(state, event, 10 * SECOND, Rules(countdown_ms=30_000))
    assert sum(isinstance(each, Sweep) for each in effects) <= 1
    assert after.phase in Phase


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["beat", "still", "end", "gone", "away", "back", "full", "room", "pause"]),
        st.integers(1, 80),
    ),
    max_size=25,
)


@settings(max_examples=examples(150), deadline=None)
@given(moves=MOVES, stale=st.booleans())
def test_whatever_happens_a_dead_executor_has_nothing_open_in_the_end(moves, stale):
    """Any mix of beats, silences, outages and pauses; then a death with all else well again."""
    world = World(open_orders=1)
    if stale:
        world.beat = Beat(OLD, 5)
    for move, looks in moves:
        match move:
            case "beat":
                world.live(looks / 10, NEW)
            case "end":
                world.beat = Beat(NEW, ENDED)
            case "gone":
                world.beat = None
            case "away" | "back":
                world.reached = move == "back"
            case "full" | "room":
                world.room = move == "room"
            case "pause":
                world.now += looks * SECOND
            case _:
                pass
        world.live(looks / 10)
    world.reached = world.room = True
    world.live(2, NEW)
    stops = world.stops
    world.live(2.5, NEW)
    assert world.stops == stops  # a beat that goes on is never an alarm
    world.open = 5
    world.live(3.2)
    assert world.open == 0
    world.live(20)
    assert world.stops > 0
    assert not world.state.at_work
