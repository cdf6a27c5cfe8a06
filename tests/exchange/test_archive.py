import numpy as np
import pytest

from exchange.errors import RecordingError
from exchange.recording import load
from exchange.recording_stream import FileSource


@pytest.mark.parametrize("reader", [load, FileSource])
def test_what_is_no_recording_is_called_by_its_name(tmp_path, reader):
    """A folder, an empty file, a text: each in one plain line, without advice of a library."""
    empty, text = tmp_path / "empty.npz", tmp_path / "text.npz"
    empty.write_bytes(b"")
    text.write_text("price,quantity\n1,2\n", encoding="utf-8")
    for path, says in ((tmp_path, "is a folder"), (empty, "is empty"), (text, "another kind")):
        with pytest.raises(RecordingError, match=says) as found:
            reader(path)
        assert str(path) in str(found.value)
        assert "pickle" not in str(found.value)
        assert "\n" not in str(found.value)


@pytest.mark.parametrize("reader", [load, FileSource])
def test_what_is_absent_cut_off_or_half_a_recording_is_told_as_ever(tmp_path, reader):
    """The look at the first bytes takes no other message away."""
    with pytest.raises(RecordingError, match="no such file"):
        reader(tmp_path / "absent.npz")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(RecordingError, match="damaged or no recording"):
        reader(tmp_path / "cut.npz")
    np.savez(tmp_path / "other.npz", prices=np.zeros(3))
    with pytest.raises(RecordingError, match="no member `data`"):
        reader(tmp_path / "other.npz")
