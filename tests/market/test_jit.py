"""The decorator: never stale, one compilation a kernel, no arrays made inside."""

import numpy as np
import pytest
from numba.core.errors import NumbaError

from market import resting
from market.fills import new_exchange
from market.jit import allocating_kernel, kernel, source_digest


def test_one_edit_in_the_folder_means_another_cache(tmp_path):
    """An edited, a new and a renamed file each change the digest; nothing else does."""
    (tmp_path / "a.py").write_text("one = 1\n", encoding="utf-8")
    first = source_digest(tmp_path)
    (tmp_path / "note.txt").write_text("two", encoding="utf-8")
    assert source_digest(tmp_path) == first
    seen = {first}
    (tmp_path / "a.py").write_text("one = 2\n", encoding="utf-8")
    seen.add(source_digest(tmp_path))
    (tmp_path / "b.py").write_text("two = 2\n", encoding="utf-8")
    seen.add(source_digest(tmp_path))
    (tmp_path / "b.py").rename(tmp_path / "c.py")
    seen.add(source_digest(tmp_path))
    assert len(seen) == 4


def test_a_kernel_called_with_constants_is_compiled_once():
    """`serve` asks `first_in_line` with -1 and with a row: one signature serves both."""
    orders, reports, meter = new_exchange()
    delays = np.zeros(2, dtype=np.int64)
    resting.serve(orders, reports, meter, delays, 1, 100, 5, True, 7)
    assert len(resting.first_in_line.signatures) == 1
    assert len(resting.precedes.signatures) == 1


def test_only_an_allocating_kernel_makes_arrays():
    """The plain one refuses at compile time, not at night."""

    def made(count):
        return np.zeros(count).sum()

    with pytest.raises(NumbaError):
        kernel(made)(3)
    assert allocating_kernel(made)(3) == 0.0
