"""Promotion and rollback: what is asked before, in which order, and the shadow's own fills."""

import numpy as np

from agents.executor import records, shadow, trade
from agents.executor.promotion import (
    Rule,
    Stage,
    fall_of,
    may_promote,
    must_go_back,
    shadowed_blocks,
)
from agents.executor.recovery import open_journal
from agents.executor.state import enter_stage, freeze, new_state, thaw
from agents.session import parameter_row
from agents.training import with_residual
from market.policy import POLICY_DYNAMIC, RESIDUALS
from market.queueing import fill_model
from market.replay import replay
from market.replay_step import REPLAY_NET
from tests.agents.executor.market import recording, session_for
from tests.agents.executor.test_replay import lived

RULE = Rule(blocks=40, trips=100)
RNG = np.random.default_rng(3)
NOISE = RNG.normal(0.0, 1.0, 80)


def asked(live, candidate, trips=500):
    return may_promote(live, candidate, trips, RULE, seed=1)


def test_a_candidate_is_promoted_when_it_is_surely_better_at_a_look():
    """Half a deviation a block ahead: not before the look, not without trips, not by chance."""
    live = NOISE[:40]
    noise = NOISE[40:] - NOISE[40:].mean()
    assert asked(live, live + noise + 0.6).stage is Stage.PROMOTED
    assert "next look is in 1" in asked(live[:39], (live + noise + 0.6)[:39]).reason
    assert "99 round trips" in asked(live, live + noise + 0.6, trips=99).reason
    assert asked(live, live + noise).reason == "not surely better"
    assert asked(live, live + noise - 0.6).stage is Stage.SHADOW


def test_blocks_that_hang_together_say_nothing():
    """Forty blocks of one long swing are few independent ones: refused, however far ahead."""
    swing = 5.0 + np.repeat(np.array([1.0, -1.0, 1.0, -1.0]), 10)
    found = asked(np.zeros(40), swing)
    assert found.stage is Stage.SHADOW
    assert "independent" in found.reason


def test_a_deeper_drawdown_is_not_promoted():
    """More in the mean, but it fell by more on the way."""
    live = np.full(40, 0.0)
    candidate = np.where(np.arange(40) == 7, -1.0, 1.0) + 0.01 * NOISE[:40]
    found = asked(live, candidate)
    assert found.lower > 0.0
    assert found.reason == "its drawdown is deeper"
    assert fall_of(np.array([1.0, -3.0, 2.0, -1.0])) == 3.0


def test_each_look_asks_for_more():
    """The level halves: what just passes at the first would not at the second."""
    gains = NOISE[:40] - NOISE[:40].mean() + 0.3
    first = asked(np.zeros(40), gains)
    second = asked(np.zeros(80), np.concatenate([gains, gains]))
    assert second.lower < 0.3
    assert first.lower < second.lower  # of twice the blocks
    wide = may_promote(np.zeros(40), gains, 500, Rule(blocks=20, trips=100), seed=1)
    assert wide.lower < first.lower  # its second look at the same blocks


def test_a_promoted_policy_goes_back_when_it_is_worse():
    """By its mean after some blocks, by its loss at once; never for being equal."""
    before = np.zeros(6)
    assert must_go_back(before, before, 1e5, RULE, seed=1).stage is Stage.PROMOTED
    worse = before - 1.0 + 0.1 * NOISE[:6]
    assert must_go_back(before[:3], worse[:3], 1e5, RULE, seed=1).stage is Stage.PROMOTED
    found = must_go_back(before, worse, 1e5, RULE, seed=1)
    assert (found.stage, found.reason) == (Stage.ROLLED_BACK, "surely worse")
    good = np.concatenate([np.full(50, 9.0) + NOISE[:50], worse, worse])  # an old success
    found = must_go_back(np.zeros(62), good, 1e5, RULE, seed=1)
    assert found.stage is Stage.ROLLED_BACK
    lost = must_go_back(before[:1], np.array([-101.0]), 1e5, RULE, seed=1)
    assert lost.reason == "101.00 behind the policy of before"


def test_the_shadow_is_filled_only_where_the_tape_trades_through(tmp_path):
    """Its blocks are a replay's slices under that model, and hold both policies alike."""
    session = session_for(recording(tmp_path))
    tape = session.tape_builder().advance(session.last_ns)
    parameters, rule = parameter_row(session.baseline), Rule()
    steps = (tape.step_at(session.first_ns), len(tape.steps))
    size = 600
    count = (steps[1] - steps[0]) // size
    told = (parameters, steps, rule)
    blocks, trips = shadowed_blocks(tape, session.setup, session.setup.policy, *told)
    setup = session.setup._replace(model=fill_model("trade-through"))
    wanted = replay(
        tape, parameters[None], setup, first_step=steps[0], last_step=steps[0] + count * size,
        slices=count,
    )[0, :, REPLAY_NET]  # fmt: skip
    assert blocks.tobytes() == wanted.tobytes()
    assert trips > 0
    zeros = with_residual(session.setup.policy, np.zeros(RESIDUALS))
    assert np.allclose(shadowed_blocks(tape, session.setup, zeros, *told)[0], blocks)
    short = (steps[0], steps[0] + 10)
    assert len(shadowed_blocks(tape, session.setup, zeros, parameters, short, rule)[0]) == 0


def test_a_run_promotes_and_rolls_back_at_ends_of_blocks_and_the_same_way_again(
    tmp_path, monkeypatch
):
    """With a rule that believes anything, then bears nothing: the journal holds both changes."""
    rule = Rule(
        block_ns=300 * 10**9, blocks=3, trips=0, independent=0.0, level=1.99, trial=99, loss=-1.0
    )
    monkeypatch.setattr(shadow, "RULE", rule)
    monkeypatch.setattr(trade, "RULE", rule)
    feed = recording(tmp_path)
    stories, records_kept = [], []
    for name in ("one", "two"):
        session = session_for(feed, executor={"candidate": "plan"})
        (tmp_path / name).mkdir()
        kept = lived(session, tmp_path / name)
        records_kept.append(kept.record.placed.tobytes())
        with open_journal(tmp_path / name, readonly=True) as journal:
            rows = journal.rows(records.HEARD, kinds=("policy",))
            stories.append([(row.time_ns, row.body["stage"], row.body["reason"]) for row in rows])
        assert session.setup.policy[POLICY_DYNAMIC] == 0.0
    assert stories[0] == stories[1]
    assert records_kept[0] == records_kept[1]
    (promoted_ns, first, _), (back_ns, second, _) = stories[0]
    assert (first, second) == (Stage.PROMOTED, Stage.ROLLED_BACK)
    assert back_ns - promoted_ns == rule.block_ns
    (tmp_path / "alone").mkdir()
    alone = lived(session_for(feed), tmp_path / "alone").record.placed
    assert records_kept[0] != alone.tobytes()


def test_a_restart_quotes_by_the_policy_that_was_promoted(tmp_path):
    """Stage and policy are part of the state that survives."""
    feed = recording(tmp_path)
    state = new_state(session_for(feed, executor={"candidate": "plan"}))
    state.now_ns = 7
    enter_stage(state, Stage.PROMOTED, 7)
    assert state.session.setup.policy[POLICY_DYNAMIC] == 1.0
    fresh = session_for(feed, executor={"candidate": "plan"})
    assert fresh.setup.policy[POLICY_DYNAMIC] == 0.0
    again = thaw(fresh, freeze(state))
    assert (again.contest.stage, again.contest.since_ns) == (Stage.PROMOTED, 7)
    assert fresh.setup.policy[POLICY_DYNAMIC] == 1.0
