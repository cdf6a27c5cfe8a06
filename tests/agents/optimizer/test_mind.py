import dataclasses

import numpy as np
import pytest

from agents.optimizer.confidence import Calibrator, Evidence
from agents.optimizer.memory import Memory
from agents.optimizer.mind import Mind, seed_of
from agents.optimizer.standalone import walk
from market.layout import (
    EVENT_EXCH_NS,
    EVENT_LOCAL_NS,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    SCALE_MAKER_FEE,
)
from market.tape_growing import GrowingTape
from market.tape_stream import ArraySource
from protocol.codec import decode, encode
from protocol.merge import digest, within_step
from protocol.messages import NoUpdate, ParameterUpdate
from tests.agents.optimizer import market

BOUNDARIES = (8, 10)


def answered(session, index, incumbent=None, name="optimizer-1"):
    mind = Mind(session, name)
    now_ns = session.boundaries()[index - 1]
    return mind.answer(index, now_ns, incumbent or session.baseline)


def shaken(session, now_ns, seed):
    """The same recording with another future: prices, lots and order of all later events."""
    rng = np.random.default_rng(seed)
    events = session.events.copy()
    later = (events[:, EVENT_EXCH_NS] > now_ns) & (events[:, EVENT_LOCAL_NS] > now_ns)
    count = int(later.sum())
    events[later, EVENT_LOTS] = rng.integers(1, 1000, count)
    span = events[:, EVENT_PRICE_TICKS].min(), events[:, EVENT_PRICE_TICKS].max()
    events[later, EVENT_PRICE_TICKS] = rng.integers(*span, count)
    return dataclasses.replace(session, events=events)


@pytest.mark.parametrize("index", BOUNDARIES)
def test_another_future_gives_the_same_answer(planted, index):
    """Nothing after the boundary is looked at: three futures, one answer, byte for byte."""
    now_ns = planted.boundaries()[index - 1]
    told = encode(answered(planted, index).word)
    for seed in range(3):
        assert encode(answered(shaken(planted, now_ns, seed), index).word) == told


def test_an_answer_depends_on_nothing_but_earlier_boundaries(planted, tmp_path):
    """Asked again, or after a restart with what was kept on disk, it says what it would have."""
    boundaries = planted.boundaries()
    mind = Mind(planted, "optimizer-1", Memory.open(tmp_path / "m.sqlite"))
    told = []
    for each in (8, 10, 8):
        told.append(mind.answer(each, boundaries[each - 1], planted.baseline))
        mind.remember(told[-1])
    assert told[0] == told[2]
    mind.memory.close()
    again = Mind(planted, "optimizer-1", Memory.open(tmp_path / "m.sqlite"))
    assert again.answer(10, boundaries[9], planted.baseline) == told[1]
    assert again.answer(8, boundaries[7], planted.baseline) == told[0]
    again.memory.close()


def test_a_window_begins_with_the_front_of_the_last_one(planted):
    """Warm start: what was best is tried first, so it is among what is known at any budget."""
    boundaries = planted.boundaries()
    mind = Mind(planted, "optimizer-1")
    first = mind.answer(8, boundaries[7], planted.baseline)
    mind.remember(first)
    assert mind.past(10, boundaries[9]).sets == first.judgement.front
    assert mind.past(8, boundaries[7]).sets == ()


def test_own_outcomes_are_learned_once_their_horizon_is_over(planted):
    """Neither before the horizon has passed, nor from a warm-up window."""
    boundaries, latency_s = planted.boundaries(), 120
    mind = Mind(planted, "optimizer-1")
    answer = mind.answer(8, boundaries[7], planted.baseline)
    window = dataclasses.replace(
        answer.window,
        chosen=planted.baseline.model_copy(update={"spread_percentage": 0.05}),
        evidence=Evidence(2.0),
        whole=True,
        horizon_s=1200.0 - latency_s,
        slice_s=300.0,
    )
    mind.memory.keep(window)
    assert mind.past(9, boundaries[8]).calibrator == Calibrator.shipped()
    assert mind.past(10, boundaries[9]).calibrator != Calibrator.shipped()
    other = Mind(planted, "optimizer-1")
    other.memory.keep(dataclasses.replace(window, whole=False))
    assert other.past(10, boundaries[9]).calibrator == Calibrator.shipped()


def test_seats_search_differently():
    """The seed of a search names seat and boundary."""
    seeds = {seed_of(1, f"optimizer-{seat}", index) for seat in (1, 2) for index in (1, 2)}
    assert len(seeds) == 4


def test_an_early_boundary_is_answered_with_no_update(planted):
    """Less than an hour of data says nothing; the answer names what is in force."""
    answer = answered(planted, 2)
    assert isinstance(answer.word, NoUpdate)
    assert "window too short" in answer.word.reason
    assert answer.word.digest == digest(planted.baseline)


def test_a_market_without_trades_says_nothing(planted):
    """Fewer than twenty fills are no evidence, however good they look."""
    far = planted.baseline.model_copy(update={"spread_percentage": 9.0})
    answer = answered(planted, 10, incumbent=far)
    assert isinstance(answer.word, NoUpdate)
    assert "too few fills" in answer.word.reason


def test_a_proposal_is_whole_and_one_step_away(planted):
    """What is proposed passes the codec, the step limit, and carries measured figures."""
    wide = planted.baseline.model_copy(
        update={"spread_percentage": 3 * planted.baseline.spread_percentage}
    )
    mind = Mind(planted, "optimizer-1")
    # Twenty slices of a window of an hour and a half are seldom beyond chance.
    mind.options = dataclasses.replace(mind.options, chance_max=0.2)
    answer = mind.answer(11, planted.boundaries()[10], wide)
    assert isinstance(answer.word, ParameterUpdate), answer.judgement.reason
    data = answer.word.data
    assert decode("parameter_update", "json", encode(answer.word)) == answer.word
    assert within_step(wide, data.optimized_params, 0.25) is None
    assert data.confidence_score >= 0.6
    assert 0 <= data.performance_metrics.max_drawdown < 0.2
    assert answer.judgement.evaluated <= planted.settings.optimizer.budget


def test_threads_change_no_answer(planted):
    """The same bytes with one and with two threads."""
    both = dataclasses.replace(
        planted,
        settings=planted.settings.model_copy(
            update={"optimizer": planted.settings.optimizer.model_copy(update={"threads": 2})}
        ),
    )
    assert encode(answered(both, 9).word) == encode(answered(planted, 9).word)


def test_no_fee_is_counted_as_income(planted):
    """A dear market has no better set than a cheap one: fees reach the optimizer's ledger."""
    scale = planted.setup.scale.copy()
    scale[SCALE_MAKER_FEE] = 100_000  # 10 basis points
    dear = dataclasses.replace(planted, setup=planted.setup._replace(scale=scale))
    assert answered(dear, 9).judgement.net_incumbent < answered(planted, 9).judgement.net_incumbent
    assert answered(dear, 9).judgement.net_incumbent < 0


def test_alone_it_walks_and_reports(planted):
    """Every boundary has a row; what was proposed is judged on the window after it."""
    seen = []
    report = walk(planted, on_step=lambda done, count: seen.append((done, count)))
    assert report["boundaries"] == len(planted.boundaries()) == len(report["rows"])
    assert seen[-1] == (report["boundaries"], report["boundaries"])
    assert report["proposed"] == sum(row["proposed"] for row in report["rows"])
    assert report["initial"] == planted.baseline.model_dump()
    for row in report["rows"]:
        assert row["proposed"] == (row["params"] is not None)
        assert row["search"] in ("converged", "stalled", "budget")
    scored = [row for row in report["rows"] if row["ahead"] is not None and not row["warm_up"]]
    assert report["reliability"]["decisions"] == len(scored)


def test_what_is_forgotten_changes_no_answer(tmp_path):
    """A tape that forgets, and one that began with the recording: the same words to the end."""
    whole = market.session(tmp_path, hours=4.0)
    given = {"window_hours": 1.0, "horizon_hours": 0.5, "history_hours": 1.5, "budget": 16}
    optimizer = whole.settings.optimizer.model_copy(update=given)
    settings = whole.settings.model_copy(update={"optimizer": optimizer})
    session = dataclasses.replace(whole, settings=settings)
    source = ArraySource(session.events)
    tape = GrowingTape(source, session.making(), head_rows=1_000, kept_ns=optimizer.history_ns)
    forgetful, other = Mind(session, "optimizer-1", tapes=tape), Mind(session, "optimizer-1")
    known = 0
    for index, now_ns in enumerate(session.boundaries(), start=1):
        answers = [each.answer(index, now_ns, session.baseline) for each in (forgetful, other)]
        words = [encode(each.word) for each in answers]
        assert words[0] == words[1]
        for mind, answer in zip((forgetful, other), answers, strict=True):
            mind.remember(answer)
        known += answers[0].window is not None and answers[0].window.whole
    assert known > 10
    forgotten = len(other.tape(now_ns).steps) - len(forgetful.tape(now_ns).steps)
    assert forgotten * session.settings.executor.guard_interval_ns > optimizer.history_ns
