"""One thread for linear algebra, while a search thinks.

A sum over two threads is rounded otherwise than over four, so the same seed would search otherwise
on another machine; and matrices of a few hundred rows gain nothing from threads.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """Let the numerical libraries loaded so far use one thread inside this block."""
    with _libraries().limit(limits=1):
        yield


@cache
def _libraries() -> ThreadpoolController:
    # scipy brings its own library of linear algebra: load it before libraries are listed.
    import scipy.linalg  # noqa: F401

    return ThreadpoolController()
