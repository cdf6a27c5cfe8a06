import pytest

from agents.coordinator.events import Measure, Post, Tick
from agents.coordinator.hedge import LOSS_UNITS, Patience
from agents.coordinator.records import Kind
from agents.coordinator.rules import presets_of
from agents.coordinator.state import Phase
from agents.coordinator.story import story
from protocol.errors import NackCode
from protocol.merge import digest
from protocol.messages import Ack, EmergencyStop, Mode, NoUpdate, Stage
from tests.agents.coordinator.bench import WIDER, Bench
from tests.agents.coordinator.test_step import replies
from tests.agents.coordinator.world import BASELINE, BOUNDARY, SECOND, START, update

THREE = ("executor-1", "optimizer-1", "optimizer-2")
AT_ONCE = Patience(margin=0.0, windows=1, dwell_ns=0)


def wide_is_better(each):
    """A market in which every wider spread earns more."""
    return each.spread_percentage


class Supervised(Bench):
    """A bench whose measurements are answered at once."""

    def __init__(self, **changes):
        super().__init__(**{"seats": THREE, "mode": Mode.HIERARCHICAL, **changes})
        self.index = 0

    def round(self, *, promoted=False, **spreads):
        """One more boundary: what each optimizer proposes."""
        self.index += 1
        if self.state.flight is not None:
            self.judge(Ack(stage=Stage.APPLIED))
        self.boundary(self.index, self.pair(), promoted=promoted)
        effects = self.propose(self.index, **spreads)
        if self.state.phase is Phase.MEASURING:
            effects = self.measure(wide_is_better)
        return effects


def test_at_first_the_first_strategy_runs():
    """Nothing is known yet; its set comes into force, the other's does not."""
    bench = Supervised()
    effects = bench.round(optimizer_1=0.21, optimizer_2=0.22)
    assert bench.state.flight.params.spread_percentage == 0.21
    assert bench.state.flight.mode is Mode.HIERARCHICAL
    told = replies(effects, NackCode.NOT_CHOSEN)
    assert [each.detail for each in told] == ["optimizer-1 is the strategy that runs"]
    assert not [each for each in bench.effects if isinstance(each, Post) and each.dst in THREE[1:]]


def test_all_strategies_are_replayed_on_the_window_after_their_proposals():
    """Running or not; whoever proposed nothing stands for the set that was in force."""
    bench = Supervised()
    bench.round(optimizer_1=None, optimizer_2=0.22)
    bench.round(optimizer_1=None, optimizer_2=None)
    asked = [each for each in bench.effects if isinstance(each, Measure)][-1]
    assert [each.spread_percentage for each in asked.sets] == [0.2, 0.22, 0.2]
    assert (asked.first_ns, asked.last_ns) == (START + BOUNDARY, START + 2 * BOUNDARY)
    losses = [each.body for each in bench.disk if each.kind is Kind.MEASURED][-1]["losses"]
    assert losses == {"optimizer-1": LOSS_UNITS // 2, "optimizer-2": 0}


def test_replays_are_by_the_policy_that_quotes_at_the_boundary_over_a_restart():
    """As its executor tells there, and as the log tells whoever was killed over a measurement."""
    bench = Supervised()
    bench.round(optimizer_1=None, optimizer_2=0.22)
    for promoted in (True, False):
        bench.round(promoted=promoted, optimizer_1=None, optimizer_2=None)
        asked = [each for each in bench.effects if isinstance(each, Measure)][-1]
        assert asked.promoted is promoted
    bench.boundary(bench.index + 1, bench.pair(), promoted=True)
    bench.propose(bench.index + 1, optimizer_1=None, optimizer_2=None)
    bench.effects.clear()
    bench.restart()
    assert [each.promoted for each in bench.effects if isinstance(each, Measure)] == [True]


def test_on_the_real_clock_the_executors_status_tells_of_a_promotion():
    """With the time that it tells; its end likewise."""
    bench = Supervised(lockstep=False)
    for promoted in (True, False):
        bench.do(Tick(START, (0, 0), promoted=promoted), START)
        assert bench.state.promoted is promoted


def test_another_strategy_takes_over_when_its_advice_was_better():
    """Its sets come into force from then on, and the first one's no more."""
    bench = Supervised(patience=AT_ONCE)
    bench.round(optimizer_1=0.19, optimizer_2=0.22)
    bench.round(optimizer_1=0.19, optimizer_2=0.21)
    assert bench.state.running.expert == "optimizer-2"
    assert bench.state.flight.params.spread_percentage == 0.21
    assert bench.disk[-2].body["seat"] == "optimizer-2"
    told = story(bench.disk)["supervision"]
    assert (told["runs"], told["switches"], told["windows"]) == ("optimizer-2", 1, 1)
    assert told["losses"] == {"optimizer-1": 0.75, "optimizer-2": 0.0}
    assert told["regret_of_weights"] == 0.375
    assert told["regret_of_what_ran"] == 0.75
    assert told["regret_of_weights"] <= told["regret_bound"]


def test_patience_keeps_the_first_strategy_for_a_while():
    """Three windows in a row, and the dwell time."""
    bench = Supervised(patience=Patience(margin=0.01, windows=3, dwell_ns=4 * BOUNDARY))
    runs = []
    for _ in range(7):
        bench.round(optimizer_1=0.19, optimizer_2=0.22)
        runs.append(bench.state.running.expert)
    assert runs[:4] == ["optimizer-1"] * 4
    assert runs[4:] == ["optimizer-2"] * 3


def test_what_a_seat_says_of_itself_is_ignored():
    """No confidence is too low, no drawdown too deep: the supervisor has its own eyes."""
    bench = Supervised()
    key = bench.boundary(1)
    humble = BASELINE.model_copy(update={"spread_percentage": 0.21})
    word = update(humble, START + BOUNDARY, confidence=0.0, drawdown=1.0)
    bench.hear("optimizer-1", word, "answer", 1, ref=key)
    bench.propose(1, optimizer_2=None)
    assert bench.state.flight.params == humble


def test_a_giant_leap_is_taken_one_step_at_a_time():
    """The executor takes no more than a step, so the supervisor asks for no more."""
    bench = Supervised()
    bench.round(optimizer_1=5.0, optimizer_2=None)
    assert bench.state.flight.params.spread_percentage == 0.25


def test_the_running_strategy_may_have_nothing_new():
    """Then the set in force is renewed, whatever the others say."""
    bench = Supervised()
    bench.round(optimizer_1=None, optimizer_2=0.22)
    assert bench.state.flight is None
    assert bench.state.closed.decision is None


def test_presets_are_strategies_too():
    """A wide one beside the optimizers takes over and is walked to step by step."""
    bench = Supervised(presets=presets_of(BASELINE), patience=AT_ONCE)
    assert [name for name, _ in bench.rules.presets] == [
        "preset-tight",
        "preset-steady",
        "preset-wide",
    ]
    bench.round(optimizer_1=None, optimizer_2=None)
    bench.round(optimizer_1=None, optimizer_2=None)
    assert bench.state.running.expert == "preset-wide"
    assert bench.state.flight.params.spread_percentage == 0.25
    assert bench.state.flight.basis == ()
    bench.round(optimizer_1=None, optimizer_2=None)
    assert bench.state.flight is None  # it is in force


def test_a_stopped_executor_gets_no_preset_either():
    """Nothing comes into force under a stop."""
    bench = Supervised(presets=presets_of(BASELINE), patience=AT_ONCE)
    bench.round(optimizer_1=None, optimizer_2=None)
    stop = EmergencyStop(scope="all", flatten=False, reason="drill")
    bench.hear("operator", stop, "stop")
    bench.round(optimizer_1=None, optimizer_2=None)
    assert bench.state.running.expert == "preset-wide"
    assert bench.state.flight is None


def test_a_death_while_measuring_measures_again():
    """One measurement of a window stands in the log, however often it was asked for."""
    bench = Supervised()
    bench.round(optimizer_1=None, optimizer_2=0.22)
    bench.boundary(2)
    bench.propose(2, optimizer_1=None, optimizer_2=None)
    assert bench.state.phase is Phase.MEASURING
    bench.restart()
    assert bench.state.phase is Phase.MEASURING
    bench.measure(wide_is_better)
    spans = [each.body["window"] for each in bench.disk if each.kind is Kind.MEASURED]
    assert spans == [[0, START + BOUNDARY], [START + BOUNDARY, START + 2 * BOUNDARY]]
    bench.restart()
    assert bench.state.closed.index == 2
    assert bench.state.hedge.windows == 1


def test_on_the_real_clock_a_short_span_is_not_measured():
    """What stands goes on standing until a minute has passed."""
    bench = Supervised(lockstep=False)
    wide = BASELINE.model_copy(update={"spread_percentage": 0.21})
    for serial, later in enumerate((0, 30, 70)):
        now_ns = START + later * SECOND
        for seat in THREE[1:]:
            bench.hear(seat, update(wide, now_ns), "p", serial, now_ns=now_ns)
        if bench.state.flight is not None:
            bench.judge(Ack(stage=Stage.APPLIED))
    asked = [each for each in bench.effects if isinstance(each, Measure)]
    assert len(asked) == 1
    assert asked[0].last_ns - asked[0].first_ns == 70 * SECOND


@pytest.mark.parametrize("other", [Mode.PEER, Mode.CONSENSUS, Mode.MASTER_SLAVE])
def test_weights_outlive_a_while_under_another_mode(other):
    """What stood meanwhile is forgotten, what was learned is not."""
    bench = Supervised()
    for _ in range(3):
        bench.round(optimizer_1=0.19, optimizer_2=0.22)
    lost, running = bench.state.hedge.lost, bench.state.running
    bench.switch(other)
    assert bench.state.standing.since_ns == 0
    bench.switch(Mode.HIERARCHICAL, 2)
    assert (bench.state.hedge.lost, bench.state.running) == (lost, running)


def test_a_preset_is_renewed_on_the_real_clock():
    """Nobody proposes it, and all optimizers pass: its set stays in force for long."""
    bench = Bench(
        mode=Mode.HIERARCHICAL, lockstep=False, presets=(("preset-wide", WIDER),),
        seats=("executor-1", "optimizer-1"), patience=Patience(0.0, 1, 0), hedge_windows=100,
    )  # fmt: skip
    nothing = NoUpdate(window=(0, 1), digest=digest(BASELINE), reason="nothing")
    versions, now = set(), START
    for serial in range(24):
        now = START + serial * bench.rules.validity_ns // 8
        bench.hear("optimizer-1", nothing, "n", serial, now_ns=now)
        if bench.state.phase is Phase.MEASURING:
            bench.measure()
        if bench.state.flight is not None:
            bench.judge(Ack(stage=Stage.APPLIED))
            versions.add(bench.state.in_force.pair[1])
    assert bench.state.running.expert == "preset-wide"
    assert bench.state.in_force.params == WIDER
    assert bench.state.in_force.not_after_ns > now
    assert len(versions) >= 4
