"""Compiled kernels on disk: one file each, named by the digest of all that it depends on.

A file is written whole under another name and then renamed, so a reader sees all of it or none,
whoever writes at the same time or is killed while writing. There is no index: numba's own has one,
rewritten by every writer, in which two processes that compile two signatures of one function can
give the same file to both. A folder that cannot be written costs the next start time, and nothing
else.
"""

import hashlib
import os
import pickle
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from market.jit_identity import function_digest, type_text

SUFFIX = ".kernel"
DRAFT = ".draft"
CHECK_BYTES = 32
BYTES_MAX = 160 << 20  # all kernels of one version take about 10 MiB
DRAFT_AGE_S = 3600.0  # an older draft belongs to a writer that was killed
NOTICE = "compiling the market's kernels: once after an update, a minute or two"


def cache_root() -> Path | None:
    """Return the folder of compiled kernels: COUNTERPOINT_KERNELS, or the user's cache.

    None when the user has no home.
    """
    told = os.environ.get("COUNTERPOINT_KERNELS")
    if told:
        return Path(told)
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / "counterpoint" / "kernels"
    try:
        return Path.home() / ".cache" / "counterpoint" / "kernels"
    except RuntimeError:
        return None


class Store:
    """One folder of compiled kernels, shared by the processes of a user.

    Args:
        root: the folder; None keeps nothing.
        tell: how a person is told, one line a call.
        bytes_max: the least recently used files beyond it are removed.
    """

    def __init__(
        self, root: Path | None, tell: Callable[[str], None], bytes_max: int = BYTES_MAX
    ) -> None:
        self.root = root
        self.compiled = 0
        self.loaded = 0
        self._tell = tell
        self._bytes_max = bytes_max
        self._lock = threading.Lock()

    def load(self, name: str) -> bytes | None:
        """Return what was kept under `name`; None when nothing sound is there."""
        if self.root is None:
            return None
        path = self.root / name
        try:
            content = path.read_bytes()
        except OSError:
            return None
        body = content[CHECK_BYTES:]
        if hashlib.sha256(body).digest() != content[:CHECK_BYTES]:
            return None
        with suppress(OSError):  # read only, or removed since: neither hinders this process
            os.utime(path)  # used just now: `_trim` goes by it
        return body

    def save(self, name: str, body: bytes) -> None:
        """Keep `body` under `name`; tell a person once when the folder does not take it."""
        if self.root is None:
            return
        draft = self.root / f"{name}.{uuid4().hex}{DRAFT}"
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.write_bytes(hashlib.sha256(body).digest() + body)
            draft.replace(self.root / name)
        except OSError as error:
            with self._lock:
                root, self.root = self.root, None
            if root is not None:
                self._tell(f"compiled kernels cannot be kept in {root}: {error.strerror}")
            _remove(draft)

    def note_compiling(self) -> None:
        """Count a function that has to be compiled; tell a person of the first."""
        with self._lock:
            self.compiled += 1
            first = self.compiled == 1
        if first:
            self._tell(NOTICE)
            self._trim()

    def _trim(self) -> None:
        """Remove the least recently used files beyond the bound, and drafts of the dead.

        A process that has a file open goes on reading it; one that finds it gone compiles it.
        """
        if self.root is None:
            return
        found = []
        try:
            with os.scandir(self.root) as entries:
                for entry in entries:
                    if entry.name.endswith((SUFFIX, DRAFT)):
                        status = entry.stat()
                        found.append((status.st_mtime, status.st_size, entry.path))
        except OSError:
            return  # not there yet, or changed by another process: the next start trims
        found.sort(reverse=True)
        total = 0
        for used_s, size, path in found:
            total += size
            dead = path.endswith(DRAFT) and used_s < found[0][0] - DRAFT_AGE_S
            if dead or total > self._bytes_max:
                _remove(Path(path))


def _remove(path: Path) -> None:
    """Remove a file that may be gone, or stand in a folder that may not be changed."""
    with suppress(OSError):
        path.unlink()


def tell_person(line: str) -> None:
    """Say one line on stderr."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


STORE = Store(cache_root(), tell_person)


class KernelCache(NullCache):
    """What numba asks before it compiles one function, and tells afterwards."""

    form = ""  # what its files are called after the function

    def __init__(self, function: Callable[..., Any], options: str, store: Store = STORE) -> None:
        self._function = function
        self._options = options
        self._store = store
        self._digest = ""

    @property
    def cache_path(self) -> str | None:
        """The folder, for numba's `inspect` functions."""
        return None if self._store.root is None else str(self._store.root)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled form of one signature, or None."""
        target_context.refresh()
        body = self._store.load(self._name(sig))
        if body is not None:
            try:
                reduced = pickle.loads(body)  # noqa: S301 - written by this user, like bytecode
            except (ImportError, AttributeError):
                reduced = None  # a class of its signature has moved
            if reduced is not None:
                self._store.loaded += 1
                return self._rebuilt(target_context, reduced)
        self._store.note_compiling()
        return None

    def _rebuilt(self, target_context: Any, reduced: tuple[Any, ...]) -> Any:
        """Return what `reduced` was made of."""
        rebuild = cast("Any", CompileResult)._rebuild  # noqa: SLF001 - as numba does
        return rebuild(target_context, *reduced)

    def _loaded(self, data: Any) -> None:
        """Give the environments of inner functions, which exceptions need, to code just made."""
        for each in data._find_referenced_environments():  # noqa: SLF001 - as numba does
            data.library.codegen.set_env(each.env_name, each)

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the compiled form of one signature."""
        self._loaded(data)
        bound_to_process = data.library.has_dynamic_globals or data.lifted
        if self._store.root is not None and not bound_to_process:
            reduced = data._reduce()  # noqa: SLF001 - as numba does
            self._store.save(self._name(sig), cast("Any", dumps)(reduced))

    def _name(self, sig: Any) -> str:
        """Return the file of one signature.

        The function is looked into now and not when it was decorated: what it names may be
        defined further down.
        """
        if not self._digest:
            self._digest = function_digest(self._function, self._options)
        arguments, result = (sig, "") if isinstance(sig, tuple) else (sig.args, sig.return_type)
        types = [type_text(each) for each in arguments]
        text = f"{self._digest}{types}{result or ''}"
        key = hashlib.sha256(text.encode()).hexdigest()[:32]
        place = f"{self._function.__module__}.{self._function.__qualname__}"
        return f"{place.replace('<', '').replace('>', '')[-150:]}{self.form}-{key}{SUFFIX}"
