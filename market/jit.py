"""`@kernel`: the one way to compile a function here.

numba's own disk cache looks only at the file that a function stands in. It does not notice an
edit in a file that is imported from there, and goes on giving the old answer. So the cache
directory carries a digest of every source file of this package, the numba and numpy versions and
the processor: one edit anywhere in `market/` means a fresh directory.
"""

import hashlib
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np

F = TypeVar("F", bound=Callable[..., Any])


def source_digest(folder: Path = Path(__file__).parent) -> str:
    """Return 16 hex digits that change with any source file of `folder` or with the compiler."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    for text in (numba.__version__, np.__version__, platform.machine(), platform.processor()):
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()[:16]


def cache_root() -> Path:
    """Return the folder of compiled kernels: COUNTERPOINT_KERNELS, or the user's cache."""
    told = os.environ.get("COUNTERPOINT_KERNELS")
    if told:
        return Path(told)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "counterpoint" / "kernels"


CACHE = cache_root() / source_digest()
CACHE.mkdir(parents=True, exist_ok=True)
# Read by the decorator below, before any function compiles.
numba.config.CACHE_DIR = str(CACHE)  # type: ignore[attr-defined]


def kernel(function: F) -> F:
    """Compile `function` without the interpreter, without the lock, cached on disk.

    No fast-math: a candidate must give the same bytes on every run and in every batch. No
    reference counts either, so a kernel cannot make an array: counting the arrays of a call costs
    22 ns (`bench/engine.py`), six times the update of a book, and a guard step makes a hundred
    calls. Arrays belong to the caller, who outlives the call.
    """
    return cast("F", _compiled(function, counted=False))


def allocating_kernel(function: F) -> F:
    """Compile like `kernel`, with leave to make arrays: for what runs once and not in a loop."""
    return cast("F", _compiled(function, counted=True))


def _compiled(function: Callable[..., Any], *, counted: bool) -> Any:
    options = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": counted}
    compiled = cast("Any", numba.njit)(**options)(function)
    if compiled is function:
        return function  # NUMBA_DISABLE_JIT: the interpreter runs it, to look inside
    unliteral = cast("Any", numba.types.unliteral)
    template = compiled.get_call_template

    def without_literals(args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        plain = {name: unliteral(kind) for name, kind in keywords.items()}
        return template(tuple(unliteral(kind) for kind in args), plain)

    # A call with a constant would compile the callee anew for that very constant: 176 functions
    # in place of 120 in a cold start, 28 s in place of 20 (`bench/engine.py`, 25 November 2026).
    compiled.get_call_template = without_literals
    return compiled
