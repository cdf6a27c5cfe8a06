"""Imports whatever the named packages import, at once or later, so that its bytecode is written.

    python imports.py PACKAGE ...

An image whose root cannot be written would compile every module anew at each start. Modules that
nobody imports stay without bytecode: half of what is installed.
"""

import ast
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path


def modules_of(package: str) -> Iterator[str]:
    """Yield a package and every module in it."""
    yield package
    found = importlib.util.find_spec(package)
    for each in pkgutil.walk_packages(found.submodule_search_locations, f"{package}."):
        yield each.name


def named_in(path: Path) -> Iterator[str]:
    """Yield every module that a file names in an import, also inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


def main(packages: list[str]) -> int:
    """Import all of it; return how many of our own modules could not be."""
    ours = [name for package in packages for name in modules_of(package)]
    later: set[str] = set()
    failed = 0
    for name in ours:
        try:
            file = importlib.import_module(name).__file__
        except ImportError as error:
            sys.stderr.write(f"{name}: {error}\n")
            failed += 1
            continue
        later.update(named_in(Path(str(file))))
    for name in sorted(later.difference(sys.modules)):
        try:
            importlib.import_module(name)
        except ImportError:
            continue  # a name in a module, or what this machine need not have
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
