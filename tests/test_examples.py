"""How many examples a property is tried on."""

import pytest
from hypothesis import settings

from tests.examples import ALL, FEW, examples


@pytest.mark.parametrize(("profile", "count"), [(ALL, 100), (FEW, 25)])
def test_a_run_of_all_tests_tries_all_and_another_a_quarter(profile, count):
    """Which of both this is, pytest's `-m` has said."""
    present = settings.get_current_profile_name()
    settings.load_profile(profile)
    try:
        assert examples(100) == count
    finally:
        settings.load_profile(present)
