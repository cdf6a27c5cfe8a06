"""A slice of `python -m bench.hostile`: whatever arrives, only what is valid and new is handled."""

import pytest

from bench.hostile import receive
from bench.hostile_frames import KINDS
from protocol.bus.inbox import Heard, Inbox
from protocol.keys import Member


def test_no_hostile_frame_is_accepted():
    """Mutations, replays, forgeries, and nonsense under good signatures, of every kind."""
    found = receive(seed=7, count=4000)
    assert found["fed"].keys() == KINDS.keys()
    assert found["accepted"] == {}


@pytest.mark.parametrize(
    ("owner", "name", "broken", "kind"),
    [
        (Member, "verifies", lambda *_: True, "forged"),
        (Inbox, "hear", lambda *_: (Heard.NEW, None), "replayed"),
    ],
    ids=["signature", "dedupe"],
)
def test_the_oracle_sees_what_is_accepted(monkeypatch, owner, name, broken, kind):
    """A receiver that looks at no signature, or remembers no id, is found out."""
    monkeypatch.setattr(owner, name, broken)
    assert receive(seed=7, count=600)["accepted"][kind] > 0
