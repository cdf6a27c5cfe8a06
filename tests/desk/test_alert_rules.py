"""Who is woken, when, and how often."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.alert_rules import (
    CLEAR_S,
    RULES,
    Alert,
    Bounds,
    Facts,
    Quiet,
    Weight,
    found,
    judge,
)

NS = 10**9
CALM = Facts(
    "executor-1", silent_s=0.5, feed_age_s=1.0, connected=True, risk="active", undecided_s=60.0
)
WRONG = {
    "executor_silent": {"silent_s": 10.1},
    "venue_lost": {"connected": False},
    "feed_stale": {"feed_age_s": 31.0},
    "risk_halted": {"risk": "halted", "risk_reason": "daily loss"},
    "risk_reducing": {"risk": "reducing"},
    "stopped": {"stops": ("a",)},
    "drawdown_near_limit": {"drawdown_share": 0.81},
    "no_decision": {"undecided_s": 7201.0},
    "updates_refused": {"refused": 21},
    "policy_rolled_back": {"sent_back": "surely worse"},
    "process_restarts": {"restarts": {"optimizer-1": 4}},
    "store_fails": {"store_fails": "disk full"},
}
NOBODY = Quiet()


def test_nothing_is_wrong_where_nothing_is_wrong_or_known():
    """Neither with good figures nor without any."""
    assert found(CALM, Bounds()) == ()
    assert found(Facts("executor-1"), Bounds()) == ()


@pytest.mark.parametrize("rule", WRONG)
def test_each_rule_speaks_when_its_figure_is_wrong_and_only_it(rule):
    """One fact changed, one alert; its text says the figure."""
    (alert,) = found(replace(CALM, **WRONG[rule]), Bounds())
    assert alert.rule == rule
    assert alert.text.isascii()


def test_a_bound_of_zero_switches_its_rule_off():
    """Whoever wants no such alert."""
    names = {"silent_s", "feed_age_s", "drawdown_share", "undecided_s", "refused", "restarts"}
    off = Bounds(**dict.fromkeys(names, 0))
    changed = [each for each in WRONG.values() if names & set(each)]
    assert len(changed) == len(names)
    assert all(found(replace(CALM, **each), off) == () for each in changed)
    assert len(RULES) == 11


def test_the_runbook_knows_every_rule():
    """Each alert says in docs/desk.md what it means and what to type."""
    page = (Path(__file__).parents[2] / "docs" / "desk.md").read_text(encoding="utf-8")
    assert [rule for rule in WRONG if f"`{rule}`" not in page] == []


def alert(rule="stopped", weight=Weight.CRITICAL):
    """An alert."""
    return Alert(rule, "executor-1", weight, "text")


def test_an_alert_is_told_once_and_again_only_after_it_was_clear_for_a_while():
    """What flickers does not ring."""
    book, told = {}, []
    wrong = [0, 1, 5, 30, 80, 90, 90 + CLEAR_S + 5]
    for second in range(220):
        alerts = [alert()] if second in wrong else []
        book, letters = judge(book, alerts, second * NS, NOBODY)
        told += [second] * len(letters)
    assert told == [0, wrong[-1]]
    assert book == {}


def test_quiet_hours_hold_back_warnings_and_tell_them_in_one_letter_at_the_end():
    """What cannot wait is told at once; what is over by then is not told."""
    quiet = Quiet(first=23 * 60, until=7 * 60)
    night, morning = 2 * 3600 * NS, 7 * 3600 * NS
    lasting = [alert("feed_stale", Weight.WARNING), alert("no_decision", Weight.WARNING)]
    over = alert("drawdown_near_limit", Weight.WARNING)
    book, letters = judge({}, [*lasting, over, alert()], night, quiet)
    assert [each.alerts for each in letters] == [(alert(),)]
    book, letters = judge(book, [*lasting, alert()], night + 100 * NS, quiet)
    assert letters == ()
    book, letters = judge(book, [*lasting, alert()], morning, quiet)
    assert [each.alerts for each in letters] == [tuple(lasting)]
    assert letters[0].title == "counterpoint: 2 alerts of the quiet hours"
    assert judge(book, [*lasting, alert()], morning + NS, quiet)[1] == ()


@given(first=st.integers(0, 1439), until=st.integers(0, 1439), minute=st.integers(0, 1439))
def test_quiet_hours_go_past_midnight(first, until, minute):
    """They hold from the first minute to the last, however they lie in the day."""
    length = (until - first) % 1440
    wanted = (minute - first) % 1440 < length
    assert Quiet(first, until).holds((minute * 60 + 59) * NS) == wanted


WEIGHTS = {
    "stopped": Weight.CRITICAL, "feed_stale": Weight.WARNING, "no_decision": Weight.WARNING,
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "hours"), [("", (0, 0)), ("22:00-07:30", (1320, 450)), ("00:00-23:59", (0, 1439))]
)
def test_quiet_hours_are_read_from_text(text, hours):
    """Minutes of the day."""
    assert (Quiet.of(text).first, Quiet.of(text).until) == hours


names = st.sampled_from(sorted(WEIGHTS))


@given(steps=st.lists(st.tuples(st.integers(1, 90), st.sets(names)), max_size=40))
def test_nothing_is_told_twice_without_having_been_clear(steps):
    """Whatever comes and goes: between two letters of one alert it was clear for the whole time."""
    book, now_s, told_s, wrong_s = {}, 0, {}, {}
    for passed_s, wrong in steps:
        now_s += passed_s
        alerts = [alert(name, WEIGHTS[name]) for name in sorted(wrong)]
        book, letters = judge(book, alerts, now_s * NS, NOBODY)
        for name in (each.rule for letter in letters for each in letter.alerts):
            assert name in wrong
            if name in told_s:
                assert now_s - wrong_s[name] >= CLEAR_S
            told_s[name] = now_s
        wrong_s |= dict.fromkeys(wrong, now_s)
    assert set(told_s) == set(wrong_s)
