"""The form of a kernel that other kernels call: machine code without an entry from Python.

numba gives every compiled function two entries, one for Python and one for C, and links both into
each of its callers, where they are optimised again before they are thrown away. Most kernels are
called by kernels only. So a kernel has two forms, each compiled when it is asked for: this one,
and the usual one for calls from Python. It halves the time of a cold start (`bench/start.py`).
"""

from ast import literal_eval
from functools import cache
from typing import Any

from llvmlite.binding import parse_bitcode
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompileResult, Flags, compile_extra
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import _FunctionCompiler  # type: ignore[attr-defined]
from numba.core.registry import CPUDispatcher
from numba.core.sigutils import normalize_signature

from market.jit_cache import KernelCache


class CalleeLibrary(JITCodeLibrary):
    """Optimised code that is never loaded by itself, so no machine code is made of it."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True

    def serialize_using_object_code(self) -> Any:
        """Return what is kept on disk; there is no object code."""
        return self.serialize_using_bitcode()

    @classmethod
    def restored(cls, codegen: Any, state: tuple[str, str, bytes]) -> "CalleeLibrary":
        """Return the library that `state` was made of."""
        name, _, bitcode = state
        library = cls(codegen, name)
        library._final_module = parse_bitcode(bitcode)
        library._finalize_final_module()
        return library


class CalleeFlags(Flags):
    """How callees are compiled; one object for all of one kind.

    numba looks up every operator that it types under a key that holds these flags. Its own build
    a table of all options to be hashed and two to be compared: a sixth of a cold start.
    """

    __slots__ = ()
    same_for_all = hash(Flags())  # numba hashes the names of the options

    def __hash__(self) -> int:
        return self.same_for_all

    def __eq__(self, other: object) -> bool:
        return self is other or super().__eq__(other)


@cache
def callee_flags(options: str) -> Any:
    """Return the flags of one kind of callee.

    Args:
        options: of the compilation, as the text of a dictionary.
    """
    flags: Any = CalleeFlags()
    CPUDispatcher.targetdescr.options.parse_as_flags(flags, literal_eval(options))
    flags.no_cpython_wrapper = True
    flags.no_cfunc_wrapper = True
    flags.no_compile = True  # by itself: it becomes part of what calls it
    return flags


class CalleeCompiler(_FunctionCompiler):  # type: ignore[misc]
    """Compiles without entries."""

    def _compile_core(self, args: Any, return_type: Any) -> Any:
        context = self.targetdescr.target_context
        compiled = compile_extra(
            self.targetdescr.typing_context,
            context,
            self.py_func,
            args=args,
            return_type=return_type,
            flags=callee_flags(repr(self.targetoptions)),
            locals=self.locals,
            library=CalleeLibrary(context.codegen(), self.py_func.__qualname__),
            pipeline_class=self.pipeline_class,
        )
        if compiled.typing_error is not None:
            raise compiled.typing_error
        return compiled


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
        self._cache = CalleeCache(outer.py_func, f"callee as bitcode {options}")

    def compile(self, sig: Any) -> Any:
        """Compile or load one signature; return the key under which callers find it."""
        with global_compiler_lock, self._compiling_counter:
            arguments, result = normalize_signature(sig)
            existing: Any = self.overloads.get(tuple(arguments))
            if existing is not None:
                return existing.entry_point
            found = self._cache.load_overload(sig, self.targetctx)
            compiled: Any = found or self._compiler.compile(arguments, result)
            key = object()
            self.targetctx.insert_user_function(key, compiled.fndesc, [compiled.library])
            self.overloads[tuple(arguments)] = compiled._replace(entry_point=key)
            if found is None:
                self._cache.save_overload(sig, compiled)
            return key


class CalleeCache(KernelCache):
    """Kernels on disk, without an entry to look up when they are loaded."""

    form = "+callee"

    def _rebuilt(self, target_context: Any, reduced: tuple[Any, ...]) -> Any:
        library, described, environment, signature, objectmode, lifted, note, *rest = reduced
        reload_init, environments = rest
        loaded = CalleeLibrary.restored(target_context.codegen(), library)
        made: Any = CompileResult
        return made(
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

    def _loaded(self, data: Any) -> None:
        """Do nothing: no code was loaded."""
