"""`@kernel`: the one way to compile a function here.

numba's own disk cache looks only at the file that a function stands in. It does not notice an
edit in a file that is imported from there, and goes on giving the old answer. Ours is keyed by
what a function really depends on (`jit_identity.py`) and kept one file a kernel (`jit_cache.py`).
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

import numba

from market.jit_cache import KernelCache
from market.jit_callee import Callee

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile `function` without the interpreter, without the lock, cached on disk.

    No fast-math: a candidate must give the same bytes on every run and in every batch. No
    reference counts either, so a kernel cannot make an array: counting the arrays of a call costs
    22 ns (measured once), six times the update of a book, and a guard step makes a hundred
    calls. Arrays belong to the caller, who outlives the call.
    """
    return cast("F", _compiled(function, counted=False))


def inlined_kernel(function: F) -> F:
    """Compile like `kernel`, and put the body wherever another kernel calls it.

    A call hands over every array of a bundle as seven words: some hundred stores, which is more
    than many of these bodies do (a candidate went from 8.9 to 5.4 ms). For what has one or two
    callers in a loop.
    """
    return cast("F", _compiled(function, counted=False, inlined=True))


def allocating_kernel(function: F) -> F:
    """Compile like `kernel`, with leave to make arrays: for what runs once and not in a loop."""
    return cast("F", _compiled(function, counted=True))


def _compiled(function: Callable[..., Any], *, counted: bool, inlined: bool = False) -> Any:
    options = {
        "nogil": True,
        "error_model": "numpy",
        "_nrt": counted,
        "forceinline": inlined,
        "no_cfunc_wrapper": True,
    }
    compiled = cast("Any", numba.njit)(**options)(function)
    if compiled is function:
        return function  # NUMBA_DISABLE_JIT: the interpreter runs it, to look inside
    compiled._cache = KernelCache(function, repr(options))  # noqa: SLF001 - as numba sets its own
    callee = cache(lambda: Callee(compiled, repr(options)))  # most processes ask for few
    unliteral = cast("Any", numba.types.unliteral)

    def without_literals(args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        plain = {name: unliteral(kind) for name, kind in keywords.items()}
        return callee().get_call_template(tuple(unliteral(kind) for kind in args), plain)

    # A call with a constant would compile the callee anew for that very constant: 176 functions
    # in place of 120 in a cold start, 28 s in place of 20 (measured on 25 November 2026).
    compiled.get_call_template = without_literals
    compiled.get_overload = lambda signature: callee().get_overload(signature)
    compiled.callee = callee
    return compiled
