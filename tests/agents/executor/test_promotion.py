"""Promotion and rollback: what is asked before, in which order, and the shadow's own fills."""

import asyncio
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from pydantic import ValidationError

from agents.executor import records, shell, trade
from agents.executor.events import Compare, Compared, Reach, Shadow
from agents.executor.promotion import (
    Finding,
    Stage,
    compared,
    fall_of,
    may_promote,
    must_go_back,
    shadowed_blocks,
)
from agents.executor.recovery import identity_of, open_journal, recover
from agents.executor.shadow import comparison
from agents.executor.shell_live import kept_ns
from agents.executor.state import enter_stage, freeze, new_state, thaw
from agents.executor.step import step
from agents.promotion_settings import Promotion
from agents.session import open_session, parameter_row
from agents.training import with_residual
from market.policy import POLICY_LEARNED, PROPOSE_STRETCH, RESIDUALS
from market.queueing import fill_model
from market.replay import replay
from market.replay_step import REPLAY_NET
from tests.agents.executor.market import lucky, recording, session_for
from tests.agents.executor.test_recovery import Killed, life
from tests.agents.executor.test_replay import lived
from tests.agents.executor.test_step import Life

RULE = Promotion(blocks=40, trips=100)
RNG = np.random.default_rng(3)
NOISE = RNG.normal(0.0, 1.0, 80)


def asked(live, candidate, trips=500, look=1):
    return may_promote(live, candidate, trips, RULE, look=look, seed=1)


def test_a_candidate_is_promoted_when_it_is_surely_better_at_a_look():
    """Half a deviation a block ahead: not on few blocks, not without trips, not by chance."""
    live = NOISE[:40]
    noise = NOISE[40:] - NOISE[40:].mean()
    assert asked(live, live + noise + 0.6).stage is Stage.PROMOTED
    assert "39 blocks, 40 are" in asked(live[:39], (live + noise + 0.6)[:39]).reason
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
    second = asked(np.zeros(80), np.concatenate([gains, gains]), look=2)
    assert second.lower < 0.3
    assert first.lower < second.lower  # of twice the blocks
    assert asked(np.zeros(40), gains, look=2).lower < first.lower  # at the same blocks


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
    parameters, rule = parameter_row(session.baseline), Promotion()
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


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    return lucky(tmp_path_factory.mktemp("lucky"))


@pytest.fixture
def session(day):
    feed, sections = day
    return session_for(feed, **sections)


def journal_of(folder):
    """Return every row of an executor's journal."""
    with open_journal(folder, readonly=True) as journal:
        return [(table, row) for table in records.TABLES for row in journal.rows(table)]


def policies(folder):
    """Return what was found, oldest first."""
    return [row.body for table, row in journal_of(folder) if row.kind == "policy"]


def test_a_run_promotes_and_rolls_back_and_says_why_at_the_end_of_every_block(
    day, session, tmp_path
):
    """One verdict a block, until the candidate goes back; a restart then has nothing to add."""
    lived(session, tmp_path)
    found, rule = policies(tmp_path), session.settings.promotion
    stages = [each["stage"] for each in found]
    assert stages == [*["shadow"] * 3, *["promoted"] * 4, "rolled_back"]
    assert all(b["until_ns"] - a["until_ns"] == rule.block_ns for a, b in pairwise(found))
    assert [each["blocks"] for each in found] == [1, 2, 3, 4, 1, 2, 3, 4]
    assert [each["reason"] for each in found[2:5]] == [
        "3 blocks, the next look is in 1", "surely better", "1 blocks, 4 are needed",
    ]  # fmt: skip
    assert found[3]["lower"] > 0.0
    assert found[7]["upper"] < 0.0
    assert session.setup.policy[POLICY_LEARNED] == 0.0
    feed, sections = day
    alone = sections | {"executor": {"warmup_s": 120}}
    (tmp_path / "alone").mkdir()
    lived(session_for(feed, **alone), tmp_path / "alone")
    sent = [
        [row for table, row in journal_of(folder) if table == records.INTENTS]
        for folder in (tmp_path, tmp_path / "alone")
    ]
    other = next(mine for mine, theirs in zip(*sent, strict=False) if mine != theirs)
    assert found[3]["since_ns"] < other.time_ns <= found[4]["until_ns"]


@pytest.mark.parametrize("count", [1, 4, 6, 8])
def test_an_executor_that_died_over_its_verdict_comes_to_the_same(
    session, tmp_path, monkeypatch, count
):
    """Killed after a decision, before what was found is kept: it is asked again, and lives on."""
    (tmp_path / "calm").mkdir()
    lived(session, tmp_path / "calm")
    left = [count]

    def dies(state, tape):
        left[0] -= 1
        found = comparison(state, tape)
        if left[0]:
            return found
        raise Killed

    monkeypatch.setattr(shell, "comparison", dies)
    (tmp_path / "killed").mkdir()
    assert not life(session, tmp_path / "killed")
    assert len(policies(tmp_path / "killed")) == count - 1
    fresh = open_session(session.settings)
    assert life(fresh, tmp_path / "killed")
    assert journal_of(tmp_path / "killed") == journal_of(tmp_path / "calm")


def verdict(state, stage, blocks, since_ns):
    """Tell a state what was found."""
    found = Finding(stage, "so it is", 0.1, 0.2, blocks=blocks, until_ns=state.now_ns)
    return step(state, Compared(found, since_ns), state.now_ns)[1]


def test_a_verdict_that_comes_late_lets_the_stage_begin_with_a_decision(session):
    """Off the grid of decisions no block would ever end, and nobody would be sent back."""
    state = new_state(session)
    state.now_ns = state.contest.since_ns + 241 * 10**9
    assert verdict(state, Stage.PROMOTED, 4, state.contest.since_ns)
    cycle_ns, block_ns = state.session.settings.executor.cycle_ns, 60 * 10**9
    assert state.contest.since_ns % cycle_ns == 0
    assert 0 < state.contest.since_ns - state.now_ns < cycle_ns
    state.now_ns = state.contest.since_ns
    assert not trade.is_compared(state)
    state.now_ns += block_ns
    assert trade.is_compared(state)


def test_a_verdict_on_what_is_over_or_known_is_none(session):
    """Of a stage that has ended, and of no more blocks than were judged: nothing is written."""
    state = new_state(session)
    first_ns = state.contest.since_ns
    state.now_ns = first_ns + 120 * 10**9
    assert verdict(state, Stage.SHADOW, 2, first_ns)
    assert not verdict(state, Stage.SHADOW, 2, first_ns)
    assert not verdict(state, Stage.PROMOTED, 1, first_ns)
    assert verdict(state, Stage.PROMOTED, 4, first_ns)
    state.now_ns += 60 * 10**9
    assert not verdict(state, Stage.ROLLED_BACK, 5, first_ns)
    assert state.contest.stage is Stage.PROMOTED
    assert verdict(state, Stage.PROMOTED, 1, state.contest.since_ns)


def test_what_the_rolled_back_policy_proposed_last_is_forgotten(session):
    """Nobody writes it anew: the policy of before would quote by it for ever."""
    state = new_state(session)
    state.now_ns = state.contest.since_ns
    verdict(state, Stage.PROMOTED, 4, state.contest.since_ns)
    state.account.proposal[PROPOSE_STRETCH] = -1.0
    verdict(state, Stage.ROLLED_BACK, 1, state.contest.since_ns)
    assert not state.account.proposal.any()


def test_blocks_whose_steps_are_forgotten_are_counted_and_weigh_nothing(session):
    """A venue's tape forgets: looks stay where they were, and none is passed over."""
    contest, settings = new_state(session).contest, session.settings
    tape = session.tape_builder().advance(session.last_ns)
    parameters, rule = parameter_row(session.baseline), settings.promotion
    ended_ns = contest.since_ns + 8 * rule.block_ns
    contest = replace(contest, judged=7)
    told = (session.setup, parameters, ended_ns, rule)
    whole = compared(contest, tape, *told)
    assert (whole.blocks, whole.lower is None) == (8, False)
    cut = tape.step_at(contest.since_ns + 2 * rule.block_ns + 10**9)
    stream = tape.stream
    short = replace(
        tape,
        steps=tape.steps[cut:],
        views=tape.views[cut:],
        plans=tape.plans[cut:],
        stream=stream._replace(frames=stream.frames[cut:], delays=stream.delays[cut:]),
        skims={},
    )
    found = compared(contest, short, *told)
    steps = (tape.step_at(contest.since_ns + 3 * rule.block_ns), tape.step_at(ended_ns + 1))
    ours, theirs = (
        shadowed_blocks(tape, session.setup, policy, parameters, steps, rule)
        for policy in (contest.candidate, contest.before)
    )
    assert (found.blocks, found.trips) == (8, ours[1])
    assert found.lower < (ours[0] - theirs[0]).mean() < found.upper
    assert compared(replace(contest, judged=8), short, *told).lower is None
    late = compared(contest, tape, session.setup, parameters, ended_ns + rule.block_ns, rule)
    assert (late.blocks, late.lower is None) == (9, False)  # the eighth was not looked at


def test_a_venue_s_steps_are_kept_for_as_many_blocks_as_a_look_needs(session):
    """Three days by default: with what windows keep, no candidate would ever be promoted."""
    rule = Promotion()
    change = {"promotion": rule}
    given = replace(session, settings=session.settings.model_copy(update=change))
    assert kept_ns(given) >= rule.blocks * rule.block_ns == 72 * 3600 * 10**9
    executor = given.settings.executor.model_copy(update={"candidate": None})
    change = {"executor": executor}
    none = replace(given, settings=given.settings.model_copy(update=change))
    assert kept_ns(none) == given.settings.optimizer.window_ns


def test_the_rule_belongs_to_a_journal_only_where_somebody_is_judged(day, session):
    """Another rule is another run; without a candidate nobody asks for it."""
    feed, sections = day
    other = session_for(feed, **sections | {"promotion": {**sections["promotion"], "trips": 2}})
    assert identity_of(other) != identity_of(session)
    alone = {"executor": {"warmup_s": 120}}
    assert identity_of(session_for(feed, **alone, promotion={"trips": 2})) == identity_of(
        session_for(feed, **alone)
    )


def test_a_verdict_at_a_boundary_comes_before_it(day):
    """Those who replay there must know which policy quotes from now on."""
    feed, sections = day
    executor = sections["executor"] | {"warmup_s": 270}
    change = {"executor": executor, "optimizer": {"boundary_s": 300}}
    life = Life(session_for(feed, **sections | change))
    life.to_boundary()
    life.tell(life.done())
    now_ns = life.to_boundary()
    assert life.effects[-2:] == [Compare(), Reach(2, now_ns)]


def test_blocks_are_whole_cycles(day):
    """Else no decision would ever fall on the end of one."""
    feed, sections = day
    with pytest.raises(ValidationError, match=r"promotion.block_s must be a multiple .* found 45"):
        session_for(feed, **sections | {"promotion": {"block_s": 45}})


def test_a_restart_quotes_by_the_policy_that_was_promoted(day, session):
    """Stage, policy and what was found are part of the state that survives."""
    state = new_state(session)
    state.now_ns = state.contest.since_ns
    verdict(state, Stage.PROMOTED, 4, state.contest.since_ns)
    verdict(state, Stage.PROMOTED, 1, state.contest.since_ns)
    assert session.setup.policy[POLICY_LEARNED] == 1.0
    feed, sections = day
    fresh = session_for(feed, **sections)
    assert fresh.setup.policy[POLICY_LEARNED] == 0.0
    again = thaw(fresh, freeze(state)).contest
    for name in ("stage", "since_ns", "judged", "found", "weighed"):
        assert getattr(again, name) == getattr(state.contest, name), name
    assert fresh.setup.policy[POLICY_LEARNED] == 1.0


async def test_who_is_promoted_meanwhile_changes_no_replay_that_goes_on(
    session, tmp_path, monkeypatch
):
    """A vote's replay and our own opinion run in threads, with the policy of when they began."""
    seen = []
    monkeypatch.setattr(shell, "shadowed", lambda _, given, *_more: seen.append(given))
    monkeypatch.setattr(shell, "opinion", lambda given, *_more: seen.append(given))
    proposing = session.settings.executor.model_copy(update={"proposes": True})
    settings = session.settings.model_copy(update={"executor": proposing})
    with open_journal(tmp_path) as journal:
        found = recover(journal, replace(session, settings=settings), lockstep=False)
        running = shell.Shell(found, journal, tmp_path)
        link = SimpleNamespace(reach=lambda *_: None, answer=lambda *_: None)
        running._shadow(Shadow(asked=None))
        running._reach(link, Reach(1, 1))
        enter_stage(found.state, Finding(Stage.PROMOTED, "surely better"), session.first_ns)
        await asyncio.gather(*running._tasks)
    assert session.setup.policy[POLICY_LEARNED] == 1.0
    assert [each.setup.policy[POLICY_LEARNED] for each in seen] == [0.0, 0.0]
