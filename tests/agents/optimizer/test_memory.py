import pytest

from agents.optimizer.confidence import Evidence
from agents.optimizer.memory import Kept, Memory
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
    assert again.before(10) == kept
    assert again.before(3) == kept[:2]
    again.close()


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
