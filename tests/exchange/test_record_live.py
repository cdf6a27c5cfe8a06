"""`counterpoint record` against `counterpoint replay-exchange`, both as processes, over sockets."""

import contextlib
import json
import os
import signal
import time
import urllib.request

import numpy as np
import pytest

from bench.recorder import (
    agreement,
    feed_ns,
    fundings_agree,
    killed,
    perpetual,
    record_day,
    recorded,
    served,
)
from exchange.errors import RecordingError
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import Recording, save
from exchange.recording_folder import load_recording
from exchange.recording_live import Rotation, rotation_of
from market.layout import EVENT_KIND, EVENT_LOCAL_NS, KIND_CLEAR

SPEED = 120.0


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    """An artificial hour."""
    path = tmp_path_factory.mktemp("source") / "day.npz"
    recording = synthetic_recording(seed=3, hours=1.0)
    meta = save(path, recording)
    return path, Recording(meta, recording.events)


def clears_of(folder):
    """Return where the book was lost."""
    return np.flatnonzero(load_recording(folder).events[:, EVENT_KIND] == KIND_CLEAR)


def ask(at, path, **told):
    """Ask the exchange's control port for something."""
    request = urllib.request.Request(f"{at['control']}{path}", json.dumps(told).encode())
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.loads(answer.read())


def until(condition, *, seconds=30.0):
    """Wait for what another process does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        signal.sigtimedwait([], 0.05)


@pytest.mark.slow
def test_what_is_recorded_over_sockets_is_the_market_that_was_served(feed, tmp_path):
    """Every trade in order, and the whole book at every minute; sealed at the end, and sound."""
    path, source = feed
    said = record_day(path, tmp_path / "day", speed=SPEED, seconds=12)
    assert said["exit_code"] == 0
    assert said["skipped"] == said["losses"] == 0
    assert said["files"]
    assert all(each["passed"] for each in said["files"]), said["files"]
    found = load_recording(tmp_path / "day")
    assert found.meta.venue == "binance"
    agreed = agreement(source, found)
    assert agreed.trades > 100
    assert agreed.trades_equal
    assert agreed.books == agreed.books_equal >= 10


@pytest.mark.slow
@pytest.mark.slice
def test_a_recorder_killed_at_a_moment_loses_at_most_the_last_second(feed, tmp_path):
    """Kill -9: what was seen a second before is on the disk and can be read."""
    assert killed(feed[0], tmp_path / "day", speed=SPEED, after_s=2.3) <= 1.0


@pytest.mark.slow
def test_a_perpetual_contract_is_recorded_with_its_fundings_over_a_kill(feed, tmp_path):
    """Sockets of USD-M futures: trades, books, and every funding, a recorder's death between."""
    source = perpetual(feed[1], every_s=120)
    path, folder = tmp_path / "perpetual.npz", tmp_path / "day"
    save(path, source)
    assert killed(path, tmp_path / "killed", speed=SPEED, after_s=3.0, futures=True) <= 1.0
    said = record_day(path, folder, speed=SPEED, seconds=10, futures=True)
    assert said["exit_code"] == 0
    assert said["skipped"] == said["losses"] == 0
    assert all(each["passed"] for each in said["files"]), said["files"]
    found, sealed = load_recording(folder), load_recording(folder / said["files"][0]["file"])
    assert (found.meta.venue, found.meta.spot, found.meta.fee_in_base) == (
        "binanceusdm",
        False,
        False,
    )
    assert found.meta.maker_fee_bps == 2.0
    agreed = agreement(source, found)
    assert agreed.trades > 100
    assert agreed.trades_equal
    assert agreed.books == agreed.books_equal >= 8
    assert len(found.meta.funding) == said["fundings"] >= 3
    assert fundings_agree(source.meta, found.meta, speed=SPEED)
    assert sealed.meta.funding == found.meta.funding
    with served(path, SPEED, futures=True) as at, recorded(at, tmp_path / "killed", SPEED):
        until(lambda: len(load_recording(tmp_path / "killed").meta.funding) >= 1)


@pytest.mark.slow
def test_a_stream_that_is_cut_or_has_a_gap_shows_and_the_book_is_right_again(feed, tmp_path):
    """A cut connection and a missing diff each make one clear; what follows is the market again."""
    path, source = feed
    folder = tmp_path / "day"
    with served(path, SPEED) as at, recorded(at, folder, SPEED) as process:
        for number, (deed, told) in enumerate(
            (("/disconnect", {"kind": "market"}), ("/withhold", {"diffs": 1}))
        ):
            ask(at, deed, **told)
            until(lambda count=2 * number + 2: len(clears_of(folder)) == count)
        begun = feed_ns(at)
        assert begun is not None
        until(lambda: load_recording(folder).events[-1, EVENT_LOCAL_NS] > begun + 200 * 10**9)
        process.send_signal(signal.SIGTERM)
        said = json.loads(process.communicate(timeout=30)[0])
    events = load_recording(folder).events
    agreed = agreement(source, Recording(source.meta, events[clears_of(folder)[-1] + 1 :]))
    assert agreed.trades_equal
    assert agreed.books == agreed.books_equal >= 2
    assert said["losses"] == 2
    assert all(each["passed"] for each in said["files"]), said["files"]


@pytest.mark.slow
def test_a_recorder_ends_and_seals_while_its_exchange_is_gone(feed, tmp_path):
    """SIGTERM counts also while it tries again and again to reach anybody."""
    with contextlib.ExitStack() as house:
        at = house.enter_context(served(feed[0], SPEED))
        process = house.enter_context(recorded(at, tmp_path / "day", SPEED))
        os.kill(at["pid"], signal.SIGKILL)
        until(lambda: len(clears_of(tmp_path / "day")) == 1)
        process.send_signal(signal.SIGTERM)
        said = json.loads(process.communicate(timeout=15)[0])
    assert process.returncode == 0
    assert [each["file"] for each in said["files"]] == ["000001.npz"]


@pytest.mark.parametrize(
    ("text", "rotation"),
    [
        ("1h", Rotation()),
        ("15m", Rotation(every_ns=900 * 10**9)),
        ("2d", Rotation(every_ns=2 * 86_400 * 10**9)),
        ("64MB", Rotation(1 << 62, 1_000_000)),
    ],
)
def test_rotation_is_a_time_or_a_size(text, rotation):
    """As a person writes it."""
    assert rotation_of(text) == rotation


@pytest.mark.parametrize("text", ["", "h", "0h", "-1h", "1", "1.5h", "1GB", "1 h", "1w"])
def test_any_other_rotation_is_refused(text):
    """With what is allowed."""
    with pytest.raises(RecordingError, match="15m, 1h, 1d"):
        rotation_of(text)
