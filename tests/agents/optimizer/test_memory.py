from dataclasses import replace

import pytest

from agents.optimizer.confidence import Evidence
from agents.optimizer.memory import FRONTS, Kept, Memory
from protocol.errors import JournalError
from protocol.messages import QuoteParameters

HELD = QuoteParameters(spread_percentage=0.2, levels=3, base_quantity=0.1, max_position=1.0)
OTHER = HELD.model_copy(update={"spread_percentage": 0.3})


def window(index, **more):
    return Kept(
        index=index,
        now_ns=index * 10**9,
        incumbent=HELD,
        chosen=more.get("chosen", OTHER),
        evidence=more.get("evidence", Evidence(0.1 + 0.2)),
        whole=True,
        horizon_s=3600.0,
        slice_s=0.1,
        front=(HELD, OTHER),
    )


def test_what_was_kept_is_read_again_bit_for_bit(tmp_path):
    """A restart forgets nothing, and finds it in order."""
    memory = Memory.open(tmp_path / "m.sqlite")
    kept = (window(1), window(2, chosen=None, evidence=None), window(3))
    for each in reversed(kept):
        memory.keep(each)
    memory.close()
    again = Memory.open(tmp_path / "m.sqlite")
    assert tuple(bare(each) for each in again.before(10)) == tuple(map(bare, kept))
    assert tuple(bare(each) for each in again.before(3)) == tuple(map(bare, kept[:2]))
    again.close()


def bare(window):
    """A window without its front."""
    return replace(window, front=())


@pytest.mark.parametrize("again", [False, True])
def test_the_front_to_begin_with_is_the_one_before_however_old(tmp_path, again):
    """Those of old windows are in the file alone, and found there when an old one is asked for."""
    memory = Memory.open(tmp_path / "m.sqlite")
    assert memory.front_before(5) == ()
    sets = [HELD.model_copy(update={"spread_percentage": 0.1 * each}) for each in range(1, 9)]
    for index, each in enumerate(sets, start=1):
        memory.keep(replace(window(index), front=(each, HELD)))
    if again:
        memory.close()
        memory = Memory.open(tmp_path / "m.sqlite")
    for index, each in enumerate(sets, start=1):
        assert memory.front_before(index + 1) == (each, HELD)
    assert sum(bool(each.front) for each in memory.before(99)) == FRONTS
    memory.close()


def test_the_first_word_on_a_boundary_stands(tmp_path):
    """Whoever is asked twice changes nothing."""
    memory = Memory.open(tmp_path / "m.sqlite")
    memory.keep(window(1))
    memory.keep(window(1, chosen=HELD))
    assert memory.before(2) == (window(1),)
    memory.close()


def test_a_damaged_file_is_refused(tmp_path):
    """Rather no optimizer than one that remembers nonsense."""
    path = tmp_path / "m.sqlite"
    path.write_bytes(b"nonsense" * 1000)
    with pytest.raises(JournalError):
        Memory.open(path)
