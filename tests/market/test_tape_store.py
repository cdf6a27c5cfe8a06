"""Tapes on disk: the same bytes again, and nothing that is damaged or foreign."""

import contextlib
import dataclasses
import multiprocessing
import os

import numpy as np
import pytest

from market import tape_store
from market.latency import ConstantLatency, SampledLatency
from market.tape_sides import Making
from market.tape_store import StoreError, load_tape, save_tape, tape_key, tape_path
from market.tape_stream import ArraySource, stream_tape
from tests.market import day

MAKING = Making(day.TOLD["interval_ns"], day.TOLD["cycle_ns"], day.OBSERVER, day.LATENCY)


@pytest.fixture(scope="module")
def tape():
    return stream_tape(ArraySource(day.split_events()), MAKING)


def bytes_of(tape):
    """Everything in a tape, as bytes."""
    parts = [tape.steps, tape.views, tape.plans, *tape.stream]
    numbers = (tape.base, tape.width, tape.interval_ns, tape.cycle_ns)
    return numbers, [(part.tobytes(), part.shape, part.dtype) for part in parts]


def names(folder):
    """What lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_a_stored_tape_is_the_tape(tape, tmp_path):
    """Every byte, as plain arrays that may be written to without touching the file."""
    assert load_tape(tmp_path, "ab") is None
    save_tape(tmp_path / "deep", "ab", tape)
    for _ in range(2):
        found = load_tape(tmp_path / "deep", "ab")
        assert bytes_of(found) == bytes_of(tape)
        assert found.event_count == tape.event_count > 0
        for array in (found.steps, found.views, found.stream.level_lots):
            assert type(array) is np.ndarray
            assert array.flags.writeable
            assert array.flags.c_contiguous
            assert array.flags.aligned
            array[:] = 0
    assert names(tmp_path / "deep") == ["ab.tape"]


def test_a_flipped_bit_anywhere_is_noticed(tape, tmp_path):
    """In the header, in an array; the padding between them means nothing."""
    path = save_tape(tmp_path, "ab", tape)
    good, rng = path.read_bytes(), np.random.default_rng(1)
    places = [0, 9, 13, 40, *rng.integers(0, len(good), 30).tolist()]
    noticed = 0
    for place in places:
        bad = bytearray(good)
        bad[place] ^= 1 << int(rng.integers(0, 8))
        path.write_bytes(bytes(bad))
        with contextlib.suppress(StoreError):
            assert bytes_of(load_tape(tmp_path, "ab")) == bytes_of(tape)
            continue
        noticed += 1
    assert noticed >= len(places) - 2


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_file_that_is_cut_off_is_noticed(share, tape, tmp_path):
    """Wherever it ends."""
    path = save_tape(tmp_path, "ab", tape)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(StoreError, match=r"ab\.tape"):
        load_tape(tmp_path, "ab")


def test_another_tape_under_the_same_name_is_noticed(tape, tmp_path):
    """The file says whose it is."""
    save_tape(tmp_path, "ab", tape).rename(tape_path(tmp_path, "cd"))
    with pytest.raises(StoreError, match="ab"):
        load_tape(tmp_path, "cd")


def test_a_failed_write_leaves_nothing(tape, tmp_path, monkeypatch):
    """No half file, and the old tape still there."""
    save_tape(tmp_path, "ab", tape)

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tape_store.os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        save_tape(tmp_path, "ab", tape)
    assert names(tmp_path) == ["ab.tape"]
    assert bytes_of(load_tape(tmp_path, "ab")) == bytes_of(tape)


def keep(folder, rounds):
    """Store and load the same tape again and again; run in a process of its own."""
    tape = stream_tape(ArraySource(day.events()[:3_000]), MAKING)
    for _ in range(rounds):
        save_tape(folder, "ab", tape)
        assert bytes_of(load_tape(folder, "ab")) == bytes_of(tape)


def test_two_processes_do_no_harm(tmp_path):
    """Each always finds a whole tape."""
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=keep, args=(tmp_path, 15)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert names(tmp_path) == ["ab.tape"]


def test_the_store_forgets_what_was_used_longest_ago(tape, tmp_path, monkeypatch):
    """Never the tape that is being kept."""
    for number, key in enumerate(("aa", "bb", "cc")):
        path = save_tape(tmp_path, key, tape)
        os.utime(path, ns=(number, number))
    monkeypatch.setattr(tape_store, "KEPT_BYTES", 2 * path.stat().st_size + 1)
    save_tape(tmp_path, "dd", tape)
    assert names(tmp_path) == ["cc.tape", "dd.tape"]
    monkeypatch.setattr(tape_store, "KEPT_BYTES", 0)
    save_tape(tmp_path, "dd", tape)
    assert names(tmp_path) == ["dd.tape"]


def test_a_key_tells_every_input_apart(monkeypatch):
    """Recording, part, feed, and all of how it is made."""
    settings = day.OBSERVER.copy()
    settings[3] += 1e-9
    makings = [
        MAKING,
        dataclasses.replace(MAKING, interval_ns=1),
        dataclasses.replace(MAKING, cycle_ns=1),
        dataclasses.replace(MAKING, settings=settings),
        dataclasses.replace(MAKING, latency=ConstantLatency(1)),
        dataclasses.replace(MAKING, latency=SampledLatency(1, 2)),
        dataclasses.replace(MAKING, latency=SampledLatency(1, 2, seed=2)),
    ]
    keys = [tape_key(content="a", making=making) for making in makings]
    keys.append(tape_key(content="b", making=MAKING))
    keys.append(tape_key(content="a", making=MAKING, span="until 5"))
    keys.append(tape_key(content="a", making=MAKING, feed="5ns"))
    keys.append(tape_key(content="a", making=MAKING, births=True))
    assert keys[0] == tape_key(content="a", making=MAKING)
    monkeypatch.setattr(tape_store, "builder_digest", lambda: "another day")
    keys.append(tape_key(content="a", making=MAKING))
    assert len(set(keys)) == len(keys)
