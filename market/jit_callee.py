"""The form of a kernel that other kernels call: machine code without an entry from Python.

numba gives every compiled function two entries, one for Python and one for C, and links both into
each of its callers, where they are optimised again before they are thrown away. Most kernels are
called by kernels only. So a kernel has two forms, each compiled when it is asked for: this one,
and the usual one for calls from Python. It halves the time of a cold start (`bench/start.py`).
"""

from typing import Any, cast

from numba.core.compiler import CompileResult
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import _FunctionCompiler  # type: ignore[attr-defined]
from numba.core.registry import CPUDispatcher
from numba.core.sigutils import normalize_signature

from market.jit_cache import KernelCache


class CalleeCompiler(_FunctionCompiler):  # type: ignore[misc]
    """Compiles without entries."""

    def _customize_flags(self, flags: Any) -> Any:
        flags.no_cpython_wrapper = True
        flags.no_cfunc_wrapper = True
        flags.no_compile = True  # by itself: it becomes part of what calls it
        return flags


class Callee(CPUDispatcher):
    """One kernel as other kernels see it.

    Args:
        outer: numba's dispatcher of the same function, which calls from Python go to.
        options: of the compilation, as text.
    """

    def __init__(self, outer: Any, options: str) -> None:
        super().__init__(outer.py_func, {}, outer.targetoptions)
        self._compiler = CalleeCompiler(
            outer.py_func,
            self.targetdescr,
            outer.targetoptions,
            {},
            outer._compiler.pipeline_class,  # noqa: SLF001 - the same pipeline
        )
        # One count of compilations under way: numba knows a recursion by it.
        self._compiling_counter = outer._compiling_counter  # noqa: SLF001
        self._cache = CalleeCache(outer.py_func, f"callee {options}")

    def compile(self, sig: Any) -> Any:
        """Compile or load one signature; return the key under which callers find it."""
        with cast("Any", global_compiler_lock), self._compiling_counter:
            arguments, result = cast("Any", normalize_signature)(sig)
            existing: Any = self.overloads.get(tuple(arguments))
            if existing is not None:
                return existing.entry_point
            found = self._cache.load_overload(sig, self.targetctx)
            compiled: Any = found or self._compiler.compile(arguments, result)
            key = object()
            cast("Any", self.targetctx).insert_user_function(
                key, compiled.fndesc, [compiled.library]
            )
            self.overloads[tuple(arguments)] = compiled._replace(entry_point=key)
            if found is None:
                self._cache.save_overload(sig, compiled)
            return key


class CalleeCache(KernelCache):
    """Kernels on disk, without an entry to look up when they are loaded."""

    def _rebuilt(self, target_context: Any, reduced: tuple[Any, ...]) -> Any:
        library, described, environment, signature, objectmode, lifted, note, *rest = reduced
        reload_init, environments = rest
        loaded = target_context.codegen().unserialize_library(library)
        for each in environments:
            loaded.codegen.set_env(each.env_name, each)
        return cast("Any", CompileResult)(
            typing_context=target_context.typing_context,
            target_context=target_context,
            entry_point=None,
            typing_error=None,
            type_annotation=note,
            signature=signature,
            library=loaded,
            objectmode=objectmode,
            lifted=lifted,
            fndesc=described,
            call_helper=None,
            environment=environment,
            metadata=None,
            reload_init=reload_init,
            referenced_envs=environments,
        )
