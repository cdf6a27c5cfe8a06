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
    outer._cache = outer.callee()._cache = (
        NullCache()
    )  # loaded from disk it would not ask for its callee
    assert outer(3) == 9
    assert len(inner.callee().signatures) == 1


def test_only_an_allocating_kernel_makes_arrays():
    """The plain one refuses at compile time, not at night."""

    def made(count):
        return np.zeros(count).sum()

    with pytest.raises(NumbaError):
        kernel(made)(3)
    assert allocating_kernel(made)(3) == 0.0


@kernel
def factorial(n):
    """Multiply down to one, by calling itself."""
    if n <= 1:
        return 1
    return n * factorial(n - 1)


@kernel
def twice_factorial(n):
    """Call a kernel that calls itself."""
    return 2 * factorial(n)


def test_a_kernel_may_call_itself():
    """From Python and from another kernel: numba sees the recursion in either form."""
    assert factorial(5) == 120
    assert twice_factorial(5) == 240


def test_a_kernel_called_by_kernels_only_has_no_entry_from_python():
    """It is compiled once, without one; a call from Python compiles the other form."""

    def callee(x):
        return x + 3

    inner = kernel(callee)

    def caller(x):
        return inner(x)

    outer = kernel(caller)
    outer._cache = outer.callee()._cache = inner._cache = inner.callee()._cache = NullCache()
    assert outer(1) == 4
    assert len(inner.callee().signatures) == 1
    assert inner.signatures == []
    assert inner(2) == 5
    assert len(inner.signatures) == 1


@allocating_kernel
def refused(count):
    """Raise with a figure in the message, two calls deep."""
    if count > 2:
        raise ValueError("at most 2", count)
    return np.zeros(count).sum()


@allocating_kernel
def asking(count):
    """Ask it."""
    return refused(count) + 1.0


@pytest.mark.parametrize("count", [1, 2])
def test_an_error_of_a_callee_reaches_python(count):
    """Compiled now or loaded: the error carries what it was raised with."""
    assert asking(count) == 1.0
    with pytest.raises(ValueError, match="at most 2") as raised:
        asking(count + 2)
    assert raised.value.args == ("at most 2", count + 2)
    with pytest.raises(ValueError, match="negative dimensions"):
        asking(-1)
