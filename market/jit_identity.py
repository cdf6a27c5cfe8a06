"""What a compiled function depends on, as a digest: the one key under which it may be kept.

The digest is taken of what the process really holds, not of files: bytecode, constants, and the
value of every global that a function names, through all functions that it calls. So an edit
recompiles what it can change and nothing else, and neither an edit between import and compilation
nor a bytecode file that Python wrongly takes for fresh can put old code under a new key.
"""

import hashlib
import sys
from collections.abc import Callable, Iterator
from enum import Enum, EnumMeta
from functools import cache
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any, cast
from uuid import uuid4

import llvmlite.binding
import numba
import numpy as np

HOUSE = __name__.partition(".")[0]
PLAIN = (int, float, complex, str, bytes, type(None), np.generic, Enum)
FOREIGN = ("builtins", "numpy", "numba")  # types of these are told apart by their name


@cache
def compiler_identity() -> str:
    """Return what the machine code depends on besides the function: compiler, processor, flags."""
    config = cast("Any", numba.config)
    return repr(
        (
            sys.implementation.cache_tag,
            sys.version_info[:3],
            numba.__version__,
            np.__version__,
            llvmlite.binding.llvm_version_info,
            llvmlite.binding.get_default_triple(),
            config.CPU_NAME or llvmlite.binding.get_host_cpu_name(),
            config.CPU_FEATURES or llvmlite.binding.get_host_cpu_features().flatten(),
            [getattr(config, name) for name in ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE")],
            [getattr(config, name) for name in ("BOUNDSCHECK", "DEBUGINFO_DEFAULT")],
        )
    )


def function_digest(function: Callable[..., Any], options: str) -> str:
    """Return 32 hex digits of all that `function` compiles to, callees included.

    Args:
        function: in Python; every global that it names has its final value.
        options: how it is compiled.
    """
    digest = hashlib.sha256(compiler_identity().encode() + options.encode())
    seen: set[int] = set()
    waiting: list[FunctionType] = [cast("FunctionType", function)]
    while waiting:
        current = waiting.pop()
        if id(current) not in seen:
            seen.add(id(current))
            text, callees = _described(current, tuple(map(id, _named(current).values())))
            digest.update(text)
            waiting.extend(callees)
    return digest.hexdigest()[:32]


def type_text(kind: Any) -> str:
    """Return the name of a numba type, with the field names of the tuples inside it.

    numba prints a NamedTuple without them: two fields of one type could change places unseen.
    """
    made = getattr(kind, "instance_class", None)
    whence = "" if made is None else f"{made.__module__}.{made.__qualname__}{made._fields}"
    inner = [type_text(each) for each in getattr(kind, "types", ())]
    return f"{whence}{inner}" if inner else str(kind)


def _named(function: FunctionType) -> dict[str, Any]:
    """Return the globals that a function, or one nested in it, may name."""
    there = function.__globals__
    names = [name for code in _codes(function.__code__) for name in code.co_names]
    return {name: there[name] for name in names if name in there}


@cache
def _described(
    function: FunctionType, _identities: tuple[int, ...]
) -> tuple[bytes, tuple[FunctionType, ...]]:
    """Return the digest of one function alone, and the functions that it names.

    Args:
        function: in Python.
        _identities: of its globals, so that a replaced one is seen.
    """
    callees: list[FunctionType] = []
    codes = list(_codes(function.__code__))
    names = tuple(name for code in codes for name in code.co_names)
    parts = [function.__module__, function.__qualname__]
    parts.append(_value_text(function.__defaults__, (), callees))
    parts.extend(_code_text(code, function.__doc__) for code in codes)
    for name, value in _named(function).items():
        parts.append(f"{name}={_value_text(value, names, callees)}")
    cells = function.__closure__ or ()
    parts.extend(_value_text(cell.cell_contents, names, callees) for cell in cells)
    return hashlib.sha256("\0".join(parts).encode()).digest(), tuple(callees)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and those nested in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _code_text(code: CodeType, docstring: str | None) -> str:
    """Return all of a code object that can change what it computes; its lines and prose cannot."""
    constants = [
        _value_text(each, (), [])
        for each in code.co_consts
        if not isinstance(each, CodeType) and (docstring is None or each != docstring)
    ]
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    shape = (code.co_argcount, code.co_kwonlyargcount, code.co_posonlyargcount, code.co_flags)
    return repr((code.co_code, code.co_exceptiontable, constants, names, shape))


def _value_text(value: Any, names: tuple[str, ...], callees: list[FunctionType]) -> str:
    """Return what a global or a closed-over value means to the compiler.

    Args:
        value: the value.
        names: attributes that may be asked of it, when it is a module of this house.
        callees: functions found are added.
    """
    function = getattr(value, "py_func", value)
    if isinstance(function, FunctionType):
        callees.append(function)
        options = getattr(value, "targetoptions", None)
        return f"{function.__module__}.{function.__qualname__} {sorted((options or {}).items())}"
    if isinstance(value, PLAIN):
        return f"{type(value).__name__} {value!r}"
    if isinstance(value, tuple | frozenset):
        inner = [_value_text(each, names, callees) for each in value]
        return f"{type(value).__name__} {inner if isinstance(value, tuple) else sorted(inner)}"
    if isinstance(value, np.ndarray):
        return f"{value.dtype.descr} {value.shape} {value.strides} {value.tobytes()!r}"
    if isinstance(value, np.dtype):
        return f"dtype {value.descr}"
    if isinstance(value, ModuleType):
        return _module_text(value, names, callees)
    if isinstance(value, BuiltinFunctionType | np.ufunc):
        return f"builtin {value.__name__}"
    if isinstance(value, type):
        told = _class_text(value)
        if told:
            return f"{value.__module__}.{value.__qualname__} {told}"
    return f"unknown {uuid4().hex}"  # never found again: compiled anew in every process


def _class_text(value: type) -> str:
    """Return what a kernel can see of a class; empty when that is unknown."""
    if isinstance(value, EnumMeta):
        return repr(list(value.__members__.items()))
    if hasattr(value, "_fields"):
        return f"{value._fields} {getattr(value, '_field_defaults', '')}"
    return "foreign" if value.__module__.partition(".")[0] in FOREIGN else ""


def _module_text(module: ModuleType, names: tuple[str, ...], callees: list[FunctionType]) -> str:
    """Return a module's name; of a module of this house also the values that may be asked of it."""
    if module.__name__.partition(".")[0] != HOUSE:
        return module.__name__
    inner = [
        f"{name}={_value_text(getattr(module, name), (), callees)}"
        for name in names
        if hasattr(module, name)
    ]
    return f"{module.__name__} {inner}"
