"""Sets that change while they trade: what is held and what rests goes on, nothing looks ahead."""

import numpy as np
import pytest

from market.layout import LEDGER_EQUITY, STEP_NOW_NS, VIEW_MID, VIEW_SIGMA
from market.policy import POLICY_VOLATILITY
from market.replay import replay, replay_one
from market.replay_step import PLACED_NOW_NS, REPLAY_NET
from market.schedule import nets_scaled, replay_schedule, scaled, volatility
from tests.market.day import CANDIDATES, setup, tape

FIRST, LAST = 120, 1700


def edges(every=1):
    times = tape().steps[:, STEP_NOW_NS]
    found = np.flatnonzero(times % (30 * 10**9) == 0)
    return found[(found >= FIRST) & (found < LAST)][::every]


def played(starts, sets, last=LAST):
    return replay_schedule(tape(), np.array(starts), np.array(sets), setup(), last_step=last)


@pytest.mark.parametrize("every", [1, 3, 20])
def test_a_set_followed_by_itself_is_one_set(every):
    """To the last byte, however often it comes into force anew."""
    starts = edges(every)
    once = replay_one(tape(), CANDIDATES[1], setup(), first_step=starts[0], last_step=LAST)
    again = played(starts, np.tile(CANDIDATES[1], (len(starts), 1)))
    for name in ("placed", "filled", "equity", "heard"):
        assert getattr(once, name).tobytes() == getattr(again, name).tobytes()
    assert again.figures[REPLAY_NET] == pytest.approx(once.figures[REPLAY_NET])
    assert len(again.filled) > 10


def test_what_comes_later_changes_nothing_before_it():
    """Until the change the record is that of the first set; after it no longer."""
    starts = edges(20)[:2]
    both = played(starts, CANDIDATES[[1, 2]])
    alone = played(starts[:1], CANDIDATES[[1]])
    now_ns = tape().steps[starts[1], STEP_NOW_NS]
    early = both.placed[both.placed[:, PLACED_NOW_NS] < now_ns]
    assert early.tobytes() == alone.placed[: len(early)].tobytes()
    assert len(early) > 5
    assert both.placed.tobytes() != alone.placed.tobytes()
    assert both.account.ledger[LEDGER_EQUITY] != alone.account.ledger[LEDGER_EQUITY]


def test_spreads_follow_volatility_known_then():
    """Twice the volatility, twice the spread, within a quarter and four times; the rest stays."""
    starts = edges()
    known = tape().views[starts, VIEW_SIGMA] / tape().views[starts, VIEW_MID]
    assert volatility(tape(), starts) == pytest.approx(known)
    middle = float(np.median(known))
    rows = scaled(tape(), CANDIDATES[0], starts, reference=middle)
    assert rows[:, 0] == pytest.approx(0.02 * np.clip(known / middle, 0.25, 4.0))
    assert rows[:, 1:].tolist() == np.tile(CANDIDATES[0, 1:], (len(starts), 1)).tolist()
    assert len(np.unique(rows[:, 0])) > 5


def test_profits_of_scaled_sets_are_those_of_their_schedules():
    """Slice by slice they add up to the record's own profit; constant volatility scales nothing."""
    starts = edges()
    middle = float(np.median(volatility(tape(), starts)))
    nets = nets_scaled(tape(), CANDIDATES[:2], setup(), starts=starts, last_step=LAST, slices=4,
                       reference=middle)  # fmt: skip
    for row, candidate in enumerate(CANDIDATES[:2]):
        sets = scaled(tape(), candidate, starts, reference=middle)
        assert nets[row].sum() == pytest.approx(played(starts, sets).figures[REPLAY_NET])
    narrow = np.tile(CANDIDATES[:1], (1, 1)) * [0.25, 1, 1, 1]
    told = nets_scaled(tape(), CANDIDATES[:1], setup(), starts=starts, last_step=LAST, slices=1,
                       reference=1e9)  # fmt: skip
    plain = replay(tape(), narrow, setup(), first_step=int(starts[0]), last_step=LAST)
    assert told[0, 0] == pytest.approx(plain[0, 0, REPLAY_NET])


def test_an_executor_that_follows_volatility_is_that_schedule():
    """To the last byte: its spread in proportion, set anew at every cycle."""
    starts = edges()
    middle = 0.4 * float(np.median(volatility(tape(), starts)))
    policy = setup().policy.copy()
    policy[POLICY_VOLATILITY] = middle
    told = {"first_step": int(starts[0]), "last_step": LAST}
    own = replay_one(tape(), CANDIDATES[1], setup()._replace(policy=policy), **told)
    twin = played(starts, scaled(tape(), CANDIDATES[1], starts, reference=middle))
    plain = replay_one(tape(), CANDIDATES[1], setup(), **told)
    for name in ("placed", "filled", "equity", "heard"):
        assert getattr(own, name).tobytes() == getattr(twin, name).tobytes()
    assert own.placed.tobytes() != plain.placed.tobytes()


def test_steps_that_do_not_rise_are_refused():
    """A caller's mistake is one line."""
    with pytest.raises(ValueError, match="must rise"):
        played([300, 300], CANDIDATES[:2])
    with pytest.raises(ValueError, match="2 sets"):
        played([300, 330], CANDIDATES[:1])
