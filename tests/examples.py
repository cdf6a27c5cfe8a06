"""How many examples a property is tried on: all in `make test-all`, a quarter in `make test`."""

from hypothesis import settings

ALL, FEW = "all", "few"
"""Profiles; `conftest.py` loads one before any test is read."""


def examples(count: int) -> int:
    """Return how many of so many examples this run tries."""
    return count if settings.get_current_profile_name() == ALL else count // 4
