"""The recorded market as an environment: sound, repeatable, and the very market of the replay."""

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from market import policy
from market.breach import limit_settings
from market.layout import LEDGER_FILLS, LEDGER_MARK, UNITS
from market.policy import BOTH, PULL_BOTH, REDUCE
from market.recorded_gymnasium import RecordedMarketEnv, Span, propose
from market.replay import replay, replay_one
from market.replay_step import REPLAY_NET
from tests.market import day

LAST = len(day.tape().steps)


def market(span=None, candidate=0, **limits):
    """An environment on the artificial day."""
    setup = day.setup()
    if limits:
        setup = setup._replace(limits=limit_settings(capital_units=day.CAPITAL * UNITS, **limits))
    span = span or Span(0, LAST)
    return RecordedMarketEnv(day.tape(), setup, day.CANDIDATES[candidate], span)


def action(side=BOTH, width=0.0, shift=0.0, share=1.0, levels=0):
    """An action in the environment's words."""
    return {"side": side, "quote": np.array([width, shift, share]), "levels": levels}


def played(environment, act=None, seed=1):
    """Play an episode with one action, or as the closed form; return rewards, seen, last info."""
    first, info = environment.reset(seed=seed)
    rewards, seen, over = [], [first], False
    while not over:
        step = environment.follow() if act is None else environment.step(act)
        observation, reward, ended, over, info = step
        assert not ended
        rewards.append(reward)
        seen.append(observation)
    return np.array(rewards), np.array(seen), info


def test_gymnasium_finds_no_fault():
    """Spaces, seeds, types: Gymnasium's own checker, with episodes of ten cycles."""
    check_env(market(Span(0, LAST, 10)), skip_render_check=True)


@pytest.mark.parametrize("candidate", range(len(day.CANDIDATES)))
def test_following_the_closed_form_is_the_replay(candidate):
    """Looking before each decision changes nothing: the account ends as the replay's, in bytes."""
    environment = market(candidate=candidate)
    _, _, info = played(environment)
    last = int(environment.edges[-1])
    told = (day.tape(), day.CANDIDATES[candidate], day.setup())
    # The environment has also seen the edge at which the episode ends.
    whole = replay_one(*told, first_step=0, last_step=last + 1).account
    assert info["step"] == last
    for name in ("ledger", "lots", "lots_meter", "observation"):
        assert (getattr(environment.account, name) == getattr(whole, name)).all(), name
    assert whole.ledger[LEDGER_FILLS] > 0


def test_what_is_seen_is_what_the_replay_saw():
    """At every edge: the replay's own eight numbers, which `think` wrote, byte for byte."""
    environment = market()
    _, seen, _ = played(environment)
    for place in (0, 1, len(seen) // 2, len(seen) - 1):
        edge = int(environment.edges[place])
        record = replay_one(
            day.tape(), day.CANDIDATES[0], day.setup(), first_step=0, last_step=edge + 1
        )
        assert record.account.observation.tobytes() == seen[place].tobytes()


def test_the_same_seed_gives_the_same_bytes():
    """And another seed another part of the day."""
    episodes = []
    for seed in (1, 1, 2):
        environment = market(Span(0, LAST, 12))
        rewards, seen, info = played(environment, action(), seed)
        episodes.append((rewards.tobytes(), seen.tobytes(), info["now_ns"]))
    assert episodes[0] == episodes[1] != episodes[2]


def test_rewards_tell_the_profit_where_nothing_else_is_weighed():
    """With alpha alone and no damping the units add up to the net profit of the ledger."""
    weights = np.array([1.0, 0.0, 0.0, 0.0, 0.5])
    environment = market()
    environment.weights = weights
    rewards, _, info = played(environment, action(share=0.0))
    first, last = int(environment.edges[0]), int(environment.edges[-1])
    record = replay(day.tape(), day.CANDIDATES[:1], day.setup(), first_step=first, last_step=last)
    net = info["net"]
    assert net != 0.0
    assert abs(net) < 10 * abs(record[0, 0, REPLAY_NET])  # against holding, since the start
    # A unit follows mid, which moves little on this day.
    frame = environment.parameters
    mid = environment.account.ledger[LEDGER_MARK] / 2 * 0.01
    assert rewards.sum() == pytest.approx(net / (frame[0] / 200 * mid * frame[2]), rel=0.05)


def test_nothing_is_quoted_where_both_sides_are_pulled():
    """No order, no position, no reward."""
    environment = market()
    rewards, _, info = played(environment, action(PULL_BOTH))
    assert info["net"] == 0.0 == info["position"]
    assert not rewards.any()


def test_a_reduction_closes_the_position_at_the_touch():
    """From the position that quoting left, only towards nothing held."""
    environment = market()
    _, info = environment.reset(seed=1)
    while info["position"] == 0:
        *_, info = environment.step(action(width=-1.0))
    held = [abs(info["position"])]
    for _ in range(8):
        *_, info = environment.step(action(REDUCE))
        held.append(abs(info["position"]))
    assert held == sorted(held, reverse=True)
    assert held[-1] < held[0]


def test_no_action_leads_beyond_a_limit():
    """The mask comes last: with a position limit of 0.1 % it holds whatever is proposed."""
    environment = market(max_position_fraction=0.001)
    draw = np.random.default_rng(5)
    environment.action_space.seed(3)
    environment.reset(seed=1)
    over = False
    while not over:
        act = environment.action_space.sample()
        act["quote"] *= draw.choice([1.0, 1e6, -1e6])  # also far out of the space
        *_, over, info = environment.step(act)
        mid = environment.account.ledger[LEDGER_MARK] / 2 * 0.01 / 1_000
        assert abs(info["position"]) * mid <= 0.001 * day.CAPITAL * 1.1


def test_an_episode_that_is_over_stays_over():
    """Until reset."""
    environment = market(Span(0, LAST, 2))
    environment.reset(seed=1)
    environment.follow()
    assert environment.follow()[3]
    with pytest.raises(RuntimeError, match="call reset"):
        environment.follow()


def test_a_span_without_an_episode_is_refused():
    """With what was found and what to do."""
    with pytest.raises(ValueError, match="an episode needs 500; give a longer span"):
        market(Span(0, LAST, 500))


def test_a_proposal_holds_what_the_action_says():
    """Columns of `policy.py`, in order."""
    proposal = policy.new_proposal()
    propose(action(REDUCE, 1.0, -0.5, 0.0, -1), 0.2, proposal)
    assert proposal == pytest.approx([3.0, -1.0, 0.6, 5.0, -1.0, 0.0, 0.0])
    propose(action(BOTH, -1.0, 9.0, -1.0, 1), 0.2, proposal)
    assert proposal == pytest.approx([0.5, 2.0, 0.2, 4.0, 1.0, 0.0, 0.0])
    propose(action(PULL_BOTH), 0.2, proposal)
    assert proposal == pytest.approx([1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0])
