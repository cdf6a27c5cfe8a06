"""What a run's table says about the tuning."""

from agents.cli.standing import policy_line
from agents.cli.table import pace


def test_a_run_without_boundaries_does_not_count_them() -> None:
    """On the wall clock "0 boundaries" would read as if nothing had been looked at."""
    assert pace(12) == "12 boundaries"
    assert pace(0) == "at the optimizers' own pace"


def test_a_policy_s_line_says_who_quotes_and_how_its_candidate_stands() -> None:
    """One that has none is alone; an interval is told once there is one."""
    assert policy_line({"in_force": "plan", "candidate": None}) == "plan quotes"
    told = {"in_force": "closed_form", "candidate": "plan", "stage": "shadow", "since": 10**9}
    told |= {"blocks": 3, "round_trips": 9, "reason": "3 blocks, the next look is in 429"}
    begun = (
        "closed_form quotes; plan is in shadow since 1970-01-01T00:00:01: 3 blocks, 9 round trips"
    )
    none = policy_line(told | {"lower": None, "upper": None})
    assert none == f"{begun}: 3 blocks, the next look is in 429"
    looked = policy_line(told | {"lower": -0.5, "upper": 0.25, "stage": "rolled_back"})
    assert "plan is rolled back since" in looked
    assert "9 round trips, a block gains -0.50 to 0.25 at its last look: 3 blocks" in looked
