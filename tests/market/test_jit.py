"""The decorator: one compilation a kernel, no arrays made inside, never stale."""

import numpy as np
import pytest
from numba.core.caching import NullCache
from numba.core.errors import NumbaError

from market.jit import allocating_kernel, kernel


def test_a_kernel_called_with_constants_is_compiled_once():
    """A callee asked with 1, with 2 and with a variable has one signature."""

    def callee(x):
        return x + 1

    inner = kernel(callee)

    def caller(x):
        return inner(1) + inner(2) + inner(x)

    outer = kernel(caller)
    outer._cache = NullCache()  # loaded from disk it would not ask for its callee
    assert outer(3) == 9
    assert len(inner.signatures) == 1


def test_only_an_allocating_kernel_makes_arrays():
    """The plain one refuses at compile time, not at night."""

    def made(count):
        return np.zeros(count).sum()

    with pytest.raises(NumbaError):
        kernel(made)(3)
    assert allocating_kernel(made)(3) == 0.0
