"""Kernels on disk: never stale, never half written, bounded, and no run depends on the folder."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from market.jit_cache import NOTICE, Store, cache_root

ROOT = Path(__file__).parents[2]

DEEP = (
    "from market.jit import kernel\nFACTOR = 3\n\n@kernel\ndef scaled(x):\n    return x * FACTOR\n"
)
MIDDLE = (
    "from market.deep import scaled\nfrom market.jit import kernel\n\n"
    "@kernel\ndef middle(x):\n    return scaled(x) + 1\n"
)
TOP = (
    "from market.jit import kernel\nfrom market.middle import middle\n\n"
    "@kernel\ndef top(x):\n    return middle(x) * 2\n"
)
APART = "from market.jit import kernel\n\n@kernel\ndef apart(x):\n    return x - 1\n"
RUN = (
    "from market.apart import apart\nfrom market.jit_cache import STORE\n"
    "from market.top import top\n"
    "print(top(7), apart(7), STORE.compiled, STORE.loaded)\n"
)


@pytest.fixture
def house(tmp_path):
    """Return a folder with a small `market` of its own: the decorator and four kernels."""
    package = tmp_path / "house" / "market"
    package.mkdir(parents=True)
    for path in (ROOT / "market" / "__init__.py", *(ROOT / "market").glob("jit*.py")):
        shutil.copy(path, package)
    for name, text in (("deep", DEEP), ("middle", MIDDLE), ("top", TOP), ("apart", APART)):
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    return package.parent


def started(house, kernels, code=RUN):
    environment = os.environ | {"PYTHONPATH": str(house), "COUNTERPOINT_KERNELS": str(kernels)}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=house,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcome(process):
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    return [int(word) for word in out.split()], error


@pytest.mark.slow
def test_an_edit_three_files_deep_is_seen_and_strangers_are_kept(house, tmp_path):
    """A constant changes: its three dependents are compiled anew, the fourth kernel is loaded."""
    kernels = tmp_path / "kernels"
    first, error = outcome(started(house, kernels))
    assert first == [44, 6, 4, 0]
    assert error.splitlines() == [NOTICE]
    assert outcome(started(house, kernels)) == ([44, 6, 0, 2], "")
    deep = house / "market" / "deep.py"
    # The same length within the same second: Python itself may not see it, and then its old
    # answer must not be kept under the new source. So its own cache is taken away.
    deep.write_text(DEEP.replace("FACTOR = 3", "FACTOR = 5"), encoding="utf-8")
    shutil.rmtree(house / "market" / "__pycache__", ignore_errors=True)
    assert outcome(started(house, kernels))[0] == [72, 6, 3, 1]
    deep.write_text(DEEP, encoding="utf-8")
    shutil.rmtree(house / "market" / "__pycache__", ignore_errors=True)
    assert outcome(started(house, kernels))[0] == [44, 6, 0, 2]


def test_an_edit_under_a_running_process_is_not_mixed_up(house, tmp_path):
    """A process compiles late what it imported early: the new source must not get its code."""
    kernels = tmp_path / "kernels"
    edit = (
        "from pathlib import Path\nimport market.deep\n"
        f"Path(market.deep.__file__).write_text({DEEP.replace('= 3', '= 5')!r})\n"
    )
    assert outcome(started(house, kernels, edit + RUN))[0][0] == 44
    shutil.rmtree(house / "market" / "__pycache__", ignore_errors=True)
    assert outcome(started(house, kernels))[0][0] == 72


def test_a_damaged_file_is_compiled_anew(house, tmp_path):
    """Cut short, emptied or with one byte changed: never an answer, never an error."""
    kernels = tmp_path / "kernels"
    outcome(started(house, kernels))
    damages = (
        lambda body: body[:-9],
        lambda _: b"",
        lambda body: body[:99] + bytes([body[99] ^ 1]) + body[100:],
        lambda body: b"\0" * len(body),
    )
    for path, damage in zip(sorted(kernels.iterdir()), damages, strict=True):
        path.write_bytes(damage(path.read_bytes()))
    assert outcome(started(house, kernels))[0] == [44, 6, 4, 0]
    assert outcome(started(house, kernels))[0] == [44, 6, 0, 2]


@pytest.mark.parametrize("_again", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
def test_processes_that_compile_at_once_do_not_disturb_each_other(_again, house, tmp_path):
    """On an empty folder, one of three writers killed: the others go on."""
    kernels = tmp_path / "kernels"
    writers = [started(house, kernels) for _ in range(3)]
    while not kernels.exists() and writers[0].poll() is None:
        pass  # the first file is about to be written
    writers[0].send_signal(signal.SIGKILL)
    writers[0].communicate()
    for writer in writers[1:]:
        assert outcome(writer)[0][:2] == [44, 6]
    assert outcome(started(house, kernels))[0] == [44, 6, 0, 2]


def test_a_folder_that_cannot_be_used_costs_one_line(house, tmp_path):
    """A file stands where the folder should be: the run goes on, and says so once."""
    kernels = tmp_path / "kernels"
    kernels.write_text("in the way", encoding="utf-8")
    figures, error = outcome(started(house, kernels))
    assert figures == [44, 6, 4, 0]
    assert len(error.splitlines()) == 2
    assert f"compiled kernels cannot be kept in {kernels}" in error


def test_a_full_disk_costs_one_line(tmp_path, monkeypatch):
    """Nothing half written stays behind, and nobody tries again."""
    told = []
    store = Store(tmp_path, told.append)

    def full(path, _body):
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    store.save("a.kernel", b"a")
    store.save("b.kernel", b"b")
    assert told == [f"compiled kernels cannot be kept in {tmp_path}: No space left on device"]
    assert list(tmp_path.iterdir()) == []


def test_the_least_recently_used_are_removed(tmp_path):
    """The bound holds when the next compilation begins; what was just loaded stays."""
    store = Store(tmp_path, lambda _: None, bytes_max=350)
    for number in range(5):
        store.save(f"{number}.kernel", b"x" * 68)  # 100 bytes with the check
        os.utime(tmp_path / f"{number}.kernel", (number, number))
    (tmp_path / "9.kernel.0.draft").write_bytes(b"")
    os.utime(tmp_path / "9.kernel.0.draft", (1, 1))
    (tmp_path / "mine.txt").write_text("not ours", encoding="utf-8")
    assert store.load("1.kernel") == b"x" * 68
    store.note_compiling()
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["1.kernel", "3.kernel", "4.kernel", "mine.txt"]


def test_the_folder_follows_the_environment(monkeypatch):
    """Told, the cache of the user, or none for a user without a home."""
    monkeypatch.setenv("COUNTERPOINT_KERNELS", "told")
    assert cache_root() == Path("told")
    monkeypatch.delenv("COUNTERPOINT_KERNELS")
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    assert cache_root() == Path("cache/counterpoint/kernels")
    monkeypatch.delenv("XDG_CACHE_HOME")

    def homeless():
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", homeless)
    assert cache_root() is None
