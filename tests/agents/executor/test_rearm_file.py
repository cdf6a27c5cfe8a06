"""A `rearm` that comes as a file: the operator's signature lifts, nothing else does."""

from types import SimpleNamespace

import pytest

from agents.executor.events import RearmHeard
from agents.executor.rearm_file import RearmFile
from protocol.bus.frames import NOTHING_MORE, header_for, seal
from protocol.codec import encode
from protocol.keys import load_identity, new_keys
from protocol.messages import Pause, Rearm
from protocol.rearm_file import REARM_NAME, REFUSED_NAME, put, read, rearm_text
from protocol.topics import Channel

ID = "1" * 32
NAME = "executor-1"
NOW_NS = 1_700_000_000 * 10**9


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Of this installation, and of another."""
    folders = tmp_path_factory.mktemp("own"), tmp_path_factory.mktemp("other")
    for folder in folders:
        new_keys(folder)
    return folders


@pytest.fixture
def state(keys):
    """What the file is judged by."""
    account = SimpleNamespace(executor=NAME)
    settings = SimpleNamespace(keys_folder=keys[0], account=account)
    return SimpleNamespace(
        session=SimpleNamespace(settings=settings), stops={ID: False}, lifted=dict[str, None]()
    )


def signed(folder, *, who="operator", dst=NAME, word=None, now_ns=NOW_NS):
    """The text of a file, signed by whom the arguments say."""
    word = word or Rearm(lifts=(ID,), reason="test")
    header = header_for(who, dst, word.type_name, now_ns, 10_000, NOTHING_MORE)
    identity = load_identity(who, folder, {})
    return rearm_text(seal(identity, Channel.CONTROL, header, encode(word)))


def test_the_operators_word_lifts_and_the_file_goes_once_the_journal_has_it(keys, state, tmp_path):
    """It is asked for once, however often one looks."""
    file = RearmFile(tmp_path, state, lambda: NOW_NS)
    assert file.look(state) == []
    put(tmp_path, signed(keys[0]))
    (heard,) = file.look(state)
    assert isinstance(heard, RearmHeard)
    assert (heard.src, heard.lifts) == ("", (ID,))
    assert file.look(state) == []
    file.tidy(state)
    assert (tmp_path / REARM_NAME).exists()
    state.stops.clear()
    state.lifted[ID] = None
    file.tidy(state)
    assert not (tmp_path / REARM_NAME).exists()
    assert not (tmp_path / REFUSED_NAME).exists()


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"own": False}, "signature does not hold"),
        ({"who": "optimizer-1"}, "rights does not hold"),
        ({"dst": "executor-2"}, "it is for executor-2"),
        ({"now_ns": NOW_NS - 11 * 10**9}, "expired does not hold"),
        ({"word": Pause()}, "it is pause, not rearm"),
    ],
)
def test_whatever_is_not_the_operators_rearm_of_now_lifts_nothing(keys, state, tmp_path, told, why):
    """It is laid aside with the reason, for the person who wrote it."""
    told = dict(told)
    text = signed(keys[0 if told.pop("own", True) else 1], **told)
    put(tmp_path, text)
    assert RearmFile(tmp_path, state, lambda: NOW_NS).look(state) == []
    assert not (tmp_path / REARM_NAME).exists()
    assert read(tmp_path, REFUSED_NAME) == text + why.encode() + b"\n"


@pytest.mark.parametrize("place", range(4))
def test_a_changed_byte_in_any_frame_lifts_nothing(keys, state, tmp_path, place):
    """The signature covers all of it."""
    lines = signed(keys[0]).splitlines(keepends=True)
    middle = len(lines[place]) // 2
    other = b"A" if lines[place][middle : middle + 1] != b"A" else b"B"
    lines[place] = lines[place][:middle] + other + lines[place][middle + 1 :]
    put(tmp_path, b"".join(lines))
    assert RearmFile(tmp_path, state, lambda: NOW_NS).look(state) == []
    assert read(tmp_path, REFUSED_NAME)


@pytest.mark.parametrize("text", [b"", b"rearm\n", b"\xff\xfe\n" * 4, b"AAAA\n" * 4])
def test_a_file_of_anything_is_refused(state, tmp_path, text):
    """Somebody's `touch rearm` is no operator."""
    put(tmp_path, text)
    assert RearmFile(tmp_path, state, lambda: NOW_NS).look(state) == []
    assert read(tmp_path, REFUSED_NAME).startswith(text)


def test_nobody_looks_while_no_stop_is_in_force(keys, state, tmp_path):
    """There is nothing to lift."""
    state.stops.clear()
    put(tmp_path, signed(keys[0]))
    assert RearmFile(tmp_path, state, lambda: NOW_NS).look(state) == []
    assert (tmp_path / REARM_NAME).exists()
