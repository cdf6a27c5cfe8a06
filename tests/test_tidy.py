"""The house rules, as a test. Each message says what was found and what to do instead."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("protocol", "market", "risk", "exchange", "agents", "desk")
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
SHELLS = re.compile(r"(__main__|shell|cli/|bus/|telemetry|jit|warm)")
BANNED_NAMES = {"utils", "helpers", "common", "misc"}
CLOCKS = {("time", "time"), ("datetime", "now"), ("datetime", "utcnow"), ("time", "sleep")}


def tracked(*suffixes: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    return [ROOT / name for name in listed if name.endswith(suffixes) and (ROOT / name).is_file()]


def sources() -> list[Path]:
    return [path for path in tracked(".py") if path.relative_to(ROOT).parts[0] in PACKAGES]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", tracked(".py"), ids=name_of)
def test_a_file_is_one_sitting_and_a_function_one_screen(path):
    """400 lines a file, 70 lines a function: longer ones are two things."""
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= FILE_LINES_MAX, f"{name_of(path)}: {lines} lines; split it by what it is about"
    for node in ast.walk(parsed(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= FUNCTION_LINES_MAX, (
                f"{name_of(path)}:{node.lineno} {node.name} has {length} lines; cut it in two"
            )


def test_an_init_file_holds_a_docstring_and_nothing_else():
    """A leaf costs only that leaf when `__init__` imports nothing."""
    for path in sources():
        if path.name == "__init__.py":
            body = parsed(path).body
            assert len(body) == 1, f"{name_of(path)}: keep the docstring, move the rest out"
            assert isinstance(body[0], ast.Expr), f"{name_of(path)}: begin with a docstring"


def test_no_room_is_called_utils():
    """A name that fits everything says nothing."""
    for path in tracked(".py"):
        assert path.stem not in BANNED_NAMES, f"{name_of(path)}: name it after what it holds"


def test_every_module_says_what_lives_here():
    """The docstring is the sign on the door."""
    for path in sources():
        assert ast.get_docstring(parsed(path)), f"{name_of(path)}: add a module docstring"


def test_compiled_code_lives_in_market_under_one_decorator():
    """Numba's own cache serves stale code across files; `@kernel` does not."""
    for path in tracked(".py"):
        if name_of(path) in {"market/jit.py", "tests/test_tidy.py"}:
            continue
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\b(nb|numba)\.(n?jit|vectorize|guvectorize)\b", text), (
            f"{name_of(path)}: use `from market.jit import kernel`"
        )
        if "@kernel" in text and path.relative_to(ROOT).parts[0] in PACKAGES:
            assert name_of(path).startswith("market/"), f"{name_of(path)}: move kernels to market/"


def test_time_and_chance_are_arguments():
    """Only process shells may ask the machine for the time; nothing asks it for chance."""
    for path in sources():
        if SHELLS.search(name_of(path)):
            continue
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                pair = (node.value.id, node.attr)
                assert pair not in CLOCKS, f"{name_of(path)}:{node.lineno}: take now_ns instead"
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"np\.random\.(seed|rand|randn|normal|uniform)\(", text), (
            f"{name_of(path)}: take a numpy Generator instead"
        )


def test_only_the_gate_makes_an_approved():
    """The type checker and the seal say the same: no order slips past the gate."""
    for path in sources():
        if name_of(path) in {"risk/gate.py", "protocol/orders.py"}:
            continue
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "Approved", (
                    f"{name_of(path)}:{node.lineno}: pass the order through risk.gate"
                )


def test_no_error_is_swallowed():
    """`except Exception: pass` hides the night's first clue."""
    for path in tracked(".py"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ExceptHandler):
                kind = node.type.id if isinstance(node.type, ast.Name) else None
                broad = node.type is None or kind in {"Exception", "BaseException"}
                silent = all(isinstance(line, ast.Pass) for line in node.body)
                assert not (broad and silent), f"{name_of(path)}:{node.lineno}: say what happened"


def test_nothing_names_a_machine_or_a_registry():
    """A clone works anywhere; versions are names and numbers."""
    patterns = (r"/root/", r"/home/\w+/", r"index-url", r"pypi\.org", r"registry\.npmjs", "/work/")
    for path in tracked(
        ".py", ".toml", ".md", ".txt", ".yml", ".yaml", ".json", "Makefile", "Dockerfile", "run"
    ):
        if path.name == "test_tidy.py":
            continue
        text = path.read_text(encoding="utf-8")
        for pattern in patterns:
            assert not re.search(pattern, text), f"{name_of(path)}: holds {pattern}; take it out"


def test_locked_versions_are_names_and_numbers():
    """constraints.txt pins everything that pyproject asks for, for users and for development."""
    pins = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        match = re.fullmatch(r"([A-Za-z0-9_.-]+)==([A-Za-z0-9_.!+-]+)", line)
        assert match, f"constraints.txt: {line!r} is not name==version"
        pins[re.sub(r"[-_.]+", "-", match[1]).lower()] = match[2]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = ("dev", "desk", "alerts", "postgres")
    extras = [project["optional-dependencies"][name] for name in names]
    for wanted in sum(extras, project["dependencies"]):
        name = re.sub(r"[-_.]+", "-", re.split(r"[\[><=!~ ]", wanted)[0]).lower()
        assert name in pins, f"constraints.txt: {name} is not pinned"


def test_no_leftovers():
    """A marker without an issue is a promise to nobody."""
    words = ("TO" + "DO", "FIX" + "ME", "X" * 3, "NotImplemented" + "Error")
    for path in tracked(".py", ".md"):
        text = path.read_text(encoding="utf-8")
        for word in words:
            assert not re.search(rf"\b{word}\b", text), f"{name_of(path)}: finish or remove {word}"


def test_a_test_does_not_sleep():
    """Waiting for an event is exact; sleeping is a guess."""
    for path in tracked(".py"):
        if name_of(path).startswith("tests/") and path.name != "test_tidy.py":
            for node in ast.walk(parsed(path)):
                if isinstance(node, ast.Attribute) and node.attr == "sleep":
                    owner = getattr(node.value, "id", "")
                    assert owner != "time", f"{name_of(path)}:{node.lineno}: wait for the event"


def test_the_changelog_is_written_for_people():
    """A user-visible change is found under Unreleased or a version."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## Unreleased" in text or re.search(r"^## \d", text, re.MULTILINE)
