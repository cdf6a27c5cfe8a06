"""The parts of a window: spans, race, choice, ending, change."""

from itertools import pairwise

import numpy as np
import pytest

from agents.optimizer.archive import Archive
from agents.optimizer.change import changed
from agents.optimizer.choice import TESTED, flatness, pick, shortlist
from agents.optimizer.convergence import Ending, ending, further, gained
from agents.optimizer.objectives import GAIN, Scale, valued, violations
from agents.optimizer.race import Race
from agents.optimizer.space import Space
from agents.optimizer.spans import PURGE_S, Part, laid_out, lengths
from agents.optimizer_settings import Preference
from agents.session import parameter_row
from market.breach import (
    LIMIT_CAPITAL,
    LIMIT_COLUMNS,
    LIMIT_DAILY_LOSS,
    LIMIT_DRAWDOWN,
    LIMIT_POSITION,
)
from market.layout import UNITS, VIEW_MID, VIEW_READY, VIEW_SIGMA
from market.replay_step import (
    REPLAY_COLUMNS,
    REPLAY_DRAWDOWN,
    REPLAY_EXPOSURE,
    REPLAY_NET,
)
from market.tape import Tape

LIMITS = np.zeros(LIMIT_COLUMNS)
LIMITS[LIMIT_CAPITAL] = 1_000 * UNITS
LIMITS[LIMIT_POSITION], LIMITS[LIMIT_DAILY_LOSS], LIMITS[LIMIT_DRAWDOWN] = 0.1, 0.05, 0.1
SCALE = Scale(1e-4, 900.0, LIMITS)


def spans(last=14_400, **more):
    given = {"interval_s": 1.0, "slices": 12, "horizon_s": 3600.0, "embargo_s": 120.0} | more
    return laid_out((0, last), **given)


def test_training_and_test_are_apart_by_purge_and_embargo():
    """Train, purge, embargo, test: nothing of the test is trained on, and it ends the window."""
    found = spans()
    assert found.test.first - found.blocks[-1].last == PURGE_S + 120
    assert (found.first, found.last) == (0, 14_400)
    assert found.test.last - found.test.first == 5760
    edges = [(each.first, each.last) for each in found.blocks]
    assert all(a[1] == b[0] for a, b in pairwise(edges))
    assert sum(each.slices for each in found.blocks) == 12


def test_the_record_before_a_window_is_known_as_well_as_much_again_at_most():
    """Surer by what came before; a few slices of it are too few to look at."""
    assert spans().earlier is None
    each = spans().slice_s

    def shifted(first):
        given = {"interval_s": 1.0, "slices": 12, "horizon_s": 3600.0, "embargo_s": 120.0}
        return laid_out((first, first + 14_400), **given, since=100).earlier

    some, much = shifted(5_000), shifted(90_000)
    assert (some.first, some.last, some.slices) == (100, 5_000, round(4_900 / each))
    assert (much.first, much.last) == (90_000 - 14_400, 90_000)
    assert shifted(100 + round(3 * each)) is None


def test_where_trades_are_rare_window_and_horizon_are_longer(planted):
    """Enough fills of the set in force decide, within a bound."""
    tape = planted.tape_builder().advance(planted.last_ns)
    base = parameter_row(planted.baseline)
    asked = {"window_s": 3600.0, "horizon_s": 600.0}
    assert lengths(tape, planted.setup, base, **asked) == (3600.0, 600.0)
    rare = base * np.array([12.0, 1.0, 1.0, 1.0])
    longer = lengths(tape, planted.setup, rare, **asked)
    assert longer[0] > 3600.0
    assert longer[1] > 600.0
    assert lengths(tape, planted.setup, base * np.array([400.0, 1, 1, 1]), **asked) == (
        6 * 3600.0,
        3600.0,
    )


# --- race ------------------------------------------------------------------------------------
BLOCKS = tuple(Part(each, each + 1, 4) for each in range(6))


def ran(worth, noise=0.1, seed=1):
    """A replay in which a candidate's first parameter says what it earns."""
    ran.asked = 0

    def run(parameters, part):
        ran.asked += len(parameters)
        common = np.random.default_rng([seed, part.first]).normal(0, 3, part.slices)
        own = np.random.default_rng([seed, part.first, 1]).normal(0, noise, (50, part.slices))
        figures = np.zeros((len(parameters), part.slices, REPLAY_COLUMNS))
        figures[:, :, REPLAY_EXPOSURE] = 400.0**2
        figures[:, :, REPLAY_NET] = 5.0 + common
        figures[:, :, REPLAY_NET] += parameters[:, :1] * worth
        figures[:, :, REPLAY_NET] += own[parameters[:, 1].astype(int)]
        return figures

    return run


def candidates(worths):
    rows = np.zeros((len(worths), 4))
    rows[:, 0], rows[:, 1] = worths, np.arange(len(worths))
    return rows


def race(run, **more):
    made = Race(run, BLOCKS, SCALE, np.random.default_rng(3), **more)
    made.add(np.array([[0.0, 49.0, 0.0, 0.0]]))
    return made


def test_who_cannot_win_is_left_behind_and_the_best_never_is():
    """Racing saves replay; the best of all candidates runs to the end."""
    worths = np.concatenate([np.full(30, -1.0), [0.5, 1.0]])
    found = race(ran(1.0))
    found.add(candidates(worths))
    assert 32 in found.whole
    assert found.saved > 0.4
    values = found.values(found.whole).values[:, GAIN]
    assert found.whole[values.argmin()] == 32
    assert len(found.whole) < 10


def test_a_batch_races_against_its_own_best():
    """All are better than the set in force; the best of them leaves the others behind."""
    found = race(ran(1.0))
    found.add(candidates(np.concatenate([np.full(30, 0.5), [2.0]])))
    assert list(found.whole) == [0, 31]
    assert found.saved > 0.6


def test_nobody_is_left_behind_after_the_first_block():
    """Four slices leave too much doubt; eight are looked at first."""
    found = race(ran(1.0))
    found.add(candidates(np.concatenate([np.full(30, 0.5), [2.0]])))
    assert set(found.slices.tolist()) == {8, 24}


def test_without_racing_all_run_to_the_end():
    """The switch works, and nothing is saved then."""
    found = race(ran(1.0), racing=False)
    found.add(candidates(np.full(5, -1.0)))
    assert len(found.whole) == 6
    assert found.saved == 0.0


def test_a_candidate_that_is_better_elsewhere_stays_when_all_objectives_count():
    """The knee needs the whole front."""

    def steady(parameters, part):
        figures = ran(1.0)(parameters, part)
        figures[:, :, REPLAY_DRAWDOWN] = 0.1 - 0.01 * parameters[:, 2:3]
        return figures

    rows = candidates([-1.0, 1.0])
    rows[0, 2] = 9.0  # earns less, falls less
    for every in (False, True):
        found = race(steady, all_objectives=every)
        found.add(rows[1:])
        found.add(rows[:1])
        assert (2 in found.whole) is every


def test_whoever_was_left_behind_is_valued_as_over_all_blocks():
    """The first block was calm and good for all: it does not make who saw no other look good."""
    first = race(ran(1.0))._order[0]

    def run(parameters, part):
        figures = ran(1.0, noise=0.02)(parameters, part)
        if part.first == first:
            figures[:, :, REPLAY_NET] = 20.0 + figures[:, :1, REPLAY_NET]
        figures[:, :, REPLAY_DRAWDOWN] = 1.0 if part.first == first else 9.0
        return figures

    rows = candidates(np.concatenate([np.full(30, 1.0), np.full(TESTED, 1.6)]))
    raced, whole = race(run), race(run, racing=False)
    for each in (raced, whole):
        each.add(rows)
    left = np.arange(1, 31)
    assert (raced.ran[left] < len(BLOCKS)).all()
    told, true = raced.values(left), whole.values(left)
    np.testing.assert_allclose(told.values, true.values, rtol=0.5)


def test_candidates_are_compared_on_the_same_slices():
    """Noise that all share leaves no error: the difference is known exactly."""
    found = race(ran(1.0, noise=0.0), racing=False)
    found.add(candidates([0.3]))
    gains = found.values(np.array([1])).gains[0]
    np.testing.assert_allclose(gains, gains[0])
    assert gains[0] > 0


# --- objectives ------------------------------------------------------------------------------
def figures(net, exposure=40.0, drawdown=1.0):
    rows = np.zeros((len(net), REPLAY_COLUMNS))
    rows[:, REPLAY_NET] = net
    rows[:, REPLAY_EXPOSURE], rows[:, REPLAY_DRAWDOWN] = exposure**2, drawdown
    return rows


def test_size_alone_changes_no_objective():
    """All quantities doubled: return, steadiness and drawdown per unit of risk stay."""
    net = np.array([1.0, 3.0, 2.0, 4.0])
    one, two = figures(net), figures(2 * net, 80.0, 2.0)
    found = valued(np.stack([one, two]), one, SCALE).values
    np.testing.assert_allclose(found[0], found[1], atol=1e-12)


def test_limits_are_violations():
    """Drawdown, value at risk, a bad slice, inventory: each alone makes a set infeasible."""
    calm = figures(np.full(8, 0.1))
    assert violations(calm[None], SCALE)[0] <= 0.0
    fallen = figures(np.full(8, 0.1), drawdown=101.0)
    wild = figures(np.tile([4.0, -4.0], 4))
    lost = figures(np.array([-51.0] + [20.0] * 7))
    heavy = figures(np.full(8, 0.1), exposure=150.0)
    for each in (fallen, wild, lost, heavy):
        assert violations(each[None], SCALE)[0] > 0.0, each[0]


# --- choice ----------------------------------------------------------------------------------
def test_near_ties_go_to_the_flatter_one():
    """A lone peak among poor neighbours comes after a plateau that is almost as high."""
    points = np.array([[0.1, 0.1], [0.12, 0.1], [0.8, 0.8], [0.82, 0.8], [0.8, 0.82]])
    lower = np.array([1.0, 0.0, 0.98, 0.95, 0.96])
    values = np.stack([-lower, np.zeros(5), np.zeros(5)], axis=1)
    errors = np.full(5, 0.1)
    assert pick(points, values, np.zeros(5), errors, Preference.UTILITY) in (2, 3, 4)
    assert pick(points, values, np.zeros(5), errors / 10, Preference.UTILITY) == 0
    assert flatness(points, lower)[0] < flatness(points, lower)[2]


def test_the_best_few_are_put_to_the_test():
    """By lower bound or by the bend, the best first; nothing when nothing is better."""
    lower = np.linspace(-0.5, 1.0, 30)
    values = np.stack([-lower, lower**2, np.zeros(30)], axis=1)
    free = np.full(30, -1.0)
    assert list(shortlist(values, free, Preference.UTILITY)) == list(range(29, 29 - TESTED, -1))
    assert shortlist(values, free, Preference.KNEE)[0] == pick(
        np.zeros((30, 4)), values, free, np.ones(30), Preference.KNEE
    )
    for how in Preference:
        assert len(shortlist(values[:10], free[:10], how)) == 0
        assert len(shortlist(values, -free, how)) == 0


def test_only_what_is_feasible_and_better_is_chosen():
    """Neither what breaks a limit nor what has no lower bound above zero; nothing may be left."""
    values = np.array([[-1.0, 0, 0], [-0.5, 0, 0], [0.1, 0, 0]])
    points, beyond, errors = np.zeros((3, 4)), np.array([1.0, -1.0, -1.0]), np.full(3, 0.1)
    for how in Preference:
        assert pick(points, values, beyond, errors, how) == 1
        assert pick(points, values, np.array([1.0, 1.0, -1.0]), errors, how) is None


def test_the_knee_lies_below_the_plane_of_the_extremes():
    """Two extremes and a bend between them: the bend."""
    values = np.array([[-1.0, 1.0, 0.0], [-0.01, 0.0, 1.0], [-0.8, 0.1, 0.1], [-0.4, 0.9, 0.5]])
    assert pick(np.zeros((4, 2)), values, -np.ones(4), np.ones(4), Preference.KNEE) == 2


# --- ending ----------------------------------------------------------------------------------
def archive(values):
    points = np.random.default_rng(1).random((len(values), 2))
    return Archive(Space.unit(2), points, np.array(values), np.zeros(len(values)))


def test_a_search_ends_by_what_it_gains_and_by_what_its_model_expects():
    """Budget while it still gains, converged when nobody expects more, stalled when one does."""
    front = [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    done = archive([*front, *[[1.0, 1.0]] * 12])
    told = [3, 6, 9, 12, 15]
    assert ending(done, told, 0.0) is Ending.CONVERGED
    assert ending(done, told, 0.1) is Ending.STALLED
    assert ending(done, told[:4], 0.0) is Ending.BUDGET
    late = archive([*front, *[[1.0, 1.0]] * 11, [0.1, 0.1]])
    assert ending(late, told, 0.0) is Ending.BUDGET
    assert gained(late, 14) > 0.3
    assert gained(done, 3) == 0.0


def test_a_thousand_evaluations_more_are_what_has_to_be_worth_it():
    """Half a percent in four batches is little, but may be two in a thousand evaluations."""
    corners = [[0.0, 1.0], [1.0, 0.0], [0.5, 0.505]]
    some = archive([*corners, *[[1.0, 1.0]] * 397, [0.5, 0.5], *[[1.0, 1.0]] * 99])
    share = 0.0025 / 0.46  # of what the front covers up to (1.1, 1.1)
    assert gained(some, 400) == pytest.approx(share)
    assert further(some, 400) == pytest.approx(share * np.log(1500 / 500) / np.log(500 / 400))
    assert ending(some, [400, 425, 450, 475, 500], 0.0) is Ending.BUDGET
    assert ending(some, [480, 485, 490, 495, 500], 0.0) is Ending.CONVERGED


# --- change ----------------------------------------------------------------------------------
@pytest.mark.parametrize(("factor", "alarm"), [(1.0, False), (1.5, False), (3.0, True)])
def test_a_change_of_volatility_is_noticed(factor, alarm):
    """Threefold is another regime; half as much again is none, nor is one wild slice."""
    views = np.zeros((1600, 64))
    views[:, VIEW_MID], views[:, VIEW_READY] = 100.0, 1.0
    views[:, VIEW_SIGMA] = 0.01 * (1.0 + 0.05 * np.sin(np.arange(1600) / 30))
    views[500:600, VIEW_SIGMA] *= 5.0
    views[1200:, VIEW_SIGMA] *= factor
    tape = Tape.__new__(Tape)
    object.__setattr__(tape, "views", views)
    assert changed(tape, 0, 1200, 1600, slice_steps=100) is alarm
    assert changed(tape, 0, 300, 1600, slice_steps=100) is False  # too little to compare with
