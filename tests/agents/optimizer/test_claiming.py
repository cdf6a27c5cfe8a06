"""Replicas of the optimizer share the seats out among themselves."""

import os

import pytest

from agents.optimizer.claiming import claim
from protocol.errors import SettingsError

SEATS = ("optimizer-1", "optimizer-2")


def test_each_takes_the_first_free_seat_until_none_is_left(tmp_path):
    """The last one is told what to set."""
    names = [claim(tmp_path, SEATS)[0] for _ in SEATS]
    assert names == list(SEATS)
    with pytest.raises(SettingsError, match="found all of optimizer-1, optimizer-2 taken; set run"):
        claim(tmp_path, SEATS)


def test_the_seat_of_one_that_ended_is_free_again(tmp_path):
    """The system lets go of what a killed process held."""
    first, lock = claim(tmp_path, SEATS)
    os.close(lock)
    assert claim(tmp_path, SEATS)[0] == first


def test_a_folder_that_cannot_be_used_is_one_line(tmp_path):
    """Nothing is taken there."""
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="file"):
        claim(tmp_path / "file", SEATS)
