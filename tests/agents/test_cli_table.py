"""What a run's table says about the tuning."""

from agents.cli.table import pace


def test_a_run_without_boundaries_does_not_count_them() -> None:
    """On the wall clock "0 boundaries" would read as if nothing had been looked at."""
    assert pace(12) == "12 boundaries"
    assert pace(0) == "at the optimizers' own pace"
