"""The key of a compiled function: it changes with what can change the answer, and only then."""

import importlib
import pkgutil
import sys
import types
from typing import NamedTuple

import numba
import pytest

import market
from market import jit_identity
from market.jit_identity import function_digest, type_text


def module_of(source: str) -> types.ModuleType:
    """Return a module of this source; its functions stand in `market.imagined`."""
    module = types.ModuleType("market.imagined")
    exec(compile(source, "imagined.py", "exec"), module.__dict__)
    return module


def digest_of(source: str) -> str:
    return function_digest(module_of(source).asked, "options")


BASE = '''
import math
DEEP = 3
UNUSED = 4
def helper(x):
    """Prose."""
    return x * DEEP
def asked(x):
    return math.floor(helper(x)) + 0.5
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("DEEP = 3", "DEEP = 5"),
        ("DEEP = 3", "DEEP = 3.0"),
        ("DEEP = 3", "DEEP = True"),
        ("x * DEEP", "x + DEEP"),
        ("0.5", "-0.5"),
        ("0.5", "0.5000000000000001"),
        ("math.floor", "math.ceil"),
        ("def helper(x):", "def helper(x, y=1):"),
        ("import math", "import numpy as math"),
    ],
)
def test_what_can_change_the_answer_changes_the_key(old, new):
    """Constants, code, callees, defaults and modules; one call deep as well as at the top."""
    assert digest_of(BASE.replace(old, new)) != digest_of(BASE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("UNUSED = 4", "UNUSED = 5"),
        ("Prose.", "Other prose."),
        ("DEEP = 3", "DEEP = 3  # why"),
        ("def asked", "def other(x):\n    return x\n\n\ndef asked"),
    ],
)
def test_prose_and_strangers_leave_the_key_alone(old, new):
    """Comments, docstrings, lines moved, constants and functions that are not asked for."""
    assert digest_of(BASE.replace(old, new)) == digest_of(BASE)


def test_the_options_belong_to_the_key():
    """The same function with and without arrays is two."""
    asked = module_of(BASE).asked
    assert function_digest(asked, "a") != function_digest(asked, "b")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("TABLE = np.array([1, 2])", "TABLE = np.array([1, 3])"),
        ("TABLE = np.array([1, 2])", "TABLE = np.array([1.0, 2.0])"),
        ("TABLE = (1, (2, 3))", "TABLE = (1, (2, 4))"),
        ("class TABLE(IntEnum):\n    A = 1", "class TABLE(IntEnum):\n    A = 2"),
        (
            "class TABLE(NamedTuple):\n    a: int\n    b: int",
            "class TABLE(NamedTuple):\n    b: int\n    a: int",
        ),
        ("import other_module as TABLE", "import market.layout as TABLE"),
    ],
)
def test_every_kind_of_global_is_seen(first, second, monkeypatch):
    """Arrays, tuples, enumerations, named tuples and modules are told by their content."""
    other = types.ModuleType("market.layout")
    monkeypatch.setitem(sys.modules, "other_module", other)
    other.__dict__["UNITS"] = 1
    head = "import numpy as np\nfrom enum import IntEnum\nfrom typing import NamedTuple\n"
    tail = "\ndef asked():\n    return TABLE.UNITS\n"
    assert digest_of(head + first + tail) == digest_of(head + first + tail)
    assert digest_of(head + first + tail) != digest_of(head + second + tail)


def test_an_unknown_kind_of_global_is_never_found_again():
    """What cannot be told apart must be compiled anew: slow, and never stale."""
    source = "class Odd:\n    pass\nodd = Odd()\ndef asked():\n    return odd\n"
    assert digest_of(source) != digest_of(source)


def test_a_function_that_calls_itself_has_a_key():
    """Recursion ends."""
    source = "def asked(x):\n    return asked(x - 1) if x else 0\n"
    assert digest_of(source) == digest_of(source)


def test_a_global_that_was_replaced_is_seen():
    """A digest taken earlier in the process does not hide a new value."""
    module = module_of(BASE)
    first = function_digest(module.asked, "options")
    module.DEEP = 5
    assert function_digest(module.asked, "options") != first


def test_exchanged_fields_of_a_named_tuple_are_another_type():
    """Numba's own name of the type is the same for both."""

    class Pair(NamedTuple):
        a: int
        b: int

    class Other(NamedTuple):
        b: int
        a: int

    Other.__name__ = Pair.__name__
    Other.__qualname__ = Pair.__qualname__
    first, second = numba.typeof(Pair(1, 2)), numba.typeof(Other(1, 2))
    assert str(first) == str(second)
    assert type_text(first) != type_text(second)
    outer_first, outer_second = numba.typeof((Pair(1, 2),)), numba.typeof((Other(1, 2),))
    assert type_text(outer_first) != type_text(outer_second)


def test_every_kernel_of_the_house_has_a_lasting_key(monkeypatch):
    """No kernel names something that the digest cannot see into."""

    def refuse():
        raise AssertionError("an unknown kind of global")

    monkeypatch.setattr(jit_identity, "uuid4", refuse)
    jit_identity._described.cache_clear()
    seen = 0
    for found in pkgutil.iter_modules(market.__path__, "market."):
        for value in vars(importlib.import_module(found.name)).values():
            if hasattr(value, "py_func"):
                function_digest(value.py_func, "")
                seen += 1
    assert seen > 80
