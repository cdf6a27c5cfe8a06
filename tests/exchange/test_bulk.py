"""Bulk files come whole or not at all, from a server in a process of its own."""

import datetime as dt
import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from agents.cli.feed import app
from exchange.bulk import KINDS, TRIES, Wanted, download
from exchange.errors import FeedDamagedError, FeedError

DAY = dt.date(2024, 7, 23)
NAME = "BTCUSDT-trades-2024-07-23.zip"
BODY = np.random.default_rng(1).bytes(3_000_000)


class Server:
    """Files, and a process that serves them."""

    def __init__(self, root, port):
        self.root, self.url = root, f"http://127.0.0.1:{port}"
        self.pauses = []

    def path(self, name=NAME, folder="data/spot/daily/trades/BTCUSDT"):
        """Return where a file lies."""
        return self.root / folder / name

    def put(self, body=BODY, name=NAME, folder="data/spot/daily/trades/BTCUSDT", stated=None):
        """Serve a file and its checksum."""
        path = self.path(name, folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        digest = stated or hashlib.sha256(body).hexdigest()
        path.with_name(name + ".CHECKSUM").write_text(f"{digest}  {name}\n")

    def fetch(self, out, **told):
        """Download a day of trades, or what is told."""
        wanted = {"market": "spot", "kind": "trades", "symbol": "BTCUSDT"} | told
        days = {"first": DAY, "last": DAY, "base_url": self.url}
        self.told = []
        return download(
            Wanted(**(days | wanted)),
            out,
            pause=self.pauses.append,
            progress=lambda what, share: self.told.append((what, share)),
        )

    def served(self):
        """Return (name, range, status, bytes) of the requests for files."""
        lines = (self.root / "requests.log").read_text().splitlines()
        return [line.split() for line in lines if ".CHECKSUM" not in line]


@pytest.fixture
def server(tmp_path):
    root = tmp_path / "served"
    root.mkdir()
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.exchange.bulk_server", str(root)], stdout=subprocess.PIPE
    )
    assert program.stdout is not None
    yield Server(root, int(program.stdout.readline()))
    program.kill()
    program.wait()
    program.stdout.close()


def test_a_file_comes_whole_and_is_not_fetched_twice(server, tmp_path):
    """Verified, told how far, and the second time only verified."""
    server.put()
    (got,) = server.fetch(tmp_path / "out")
    assert got.path.read_bytes() == BODY
    assert got.bytes_sent == len(BODY)
    assert server.told[-1] == (NAME, 1.0)
    assert 0.0 < server.told[0][1] < 1.0
    (again,) = server.fetch(tmp_path / "out")
    assert again.bytes_sent == 0
    assert len(server.served()) == 1


def test_what_was_cut_is_resumed_where_it_ended(server, tmp_path):
    """Twice cut and once refused: each byte is sent once."""
    server.put()
    path = server.path()
    path.with_name(NAME + ".cut").write_text("1000000")
    real = server.pauses

    class Pauses(list):
        def append(self, seconds):
            super().append(seconds)
            if len(self) == 1:
                path.with_name(NAME + ".fail").write_text("")
            if len(self) == 2:
                path.with_name(NAME + ".cut").write_text("500000")

    server.pauses = Pauses(real)
    (got,) = server.fetch(tmp_path)
    assert got.path.read_bytes() == BODY
    assert [each[1:] for each in server.served()] == [
        ["None", "200", "1000000"],
        ["bytes=1000000-", "503", "0"],
        ["bytes=1000000-", "206", "500000"],
        ["bytes=1500000-", "206", "1500000"],
    ]
    assert server.pauses == [2.0, 4.0, 8.0]
    assert not path.with_name(NAME + ".part").exists()


def test_a_part_of_another_file_is_begun_anew(server, tmp_path):
    """A resumed file whose checksum is wrong may have changed at the server: fetched whole once."""
    server.put()
    part = tmp_path / (NAME + ".part")
    part.write_bytes(bytes(1_000))
    assert server.fetch(tmp_path)[0].path.read_bytes() == BODY
    part.write_bytes(BODY)  # all of it was there already
    (tmp_path / NAME).unlink()
    assert server.fetch(tmp_path)[0].bytes_sent == 0


def test_a_file_that_its_checksum_does_not_fit_is_taken_away(server, tmp_path):
    """Nothing remains that could be taken for the file."""
    server.put(stated="0" * 64)
    with pytest.raises(FeedDamagedError, match="CHECKSUM says 000000"):
        server.fetch(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    server.path(NAME + ".CHECKSUM").write_text("hello")
    with pytest.raises(FeedDamagedError, match="found 'hello'"):
        server.fetch(tmp_path / "out")


def test_a_day_that_is_not_served_is_named_and_a_dead_server_is_left(server, tmp_path):
    """The days before it stay; a server that does not answer is tried so many times."""
    server.put()
    with pytest.raises(FeedError, match=r"2024-07-24\.zip\.CHECKSUM: not there"):
        server.fetch(tmp_path, last=dt.date(2024, 7, 24))
    assert (tmp_path / NAME).exists()
    assert server.pauses == []
    with pytest.raises(FeedError, match=f"failed {TRIES} times"):
        server.fetch(tmp_path, base_url="http://127.0.0.1:1")
    assert len(server.pauses) == TRIES - 1


@pytest.mark.parametrize(
    ("told", "match"),
    [
        ({"market": "options"}, "spot, usdm, coinm"),
        ({"kind": "depth"}, "trades, aggTrades, bookTicker, bookDepth"),
        ({"kind": "bookDepth"}, "usdm and coinm alone"),
        ({"symbol": "../x"}, "symbol must be"),
        ({"last": dt.date(2024, 7, 22)}, "must not be before"),
        ({"base_url": "file:///etc"}, "http or https"),
    ],
)
def test_what_no_server_has_is_refused_before_a_request(server, tmp_path, told, match):
    """The word that is wrong, and the words that are allowed."""
    with pytest.raises(FeedError, match=match):
        server.fetch(tmp_path / "out", **told)
    assert not (server.root / "requests.log").exists()


def test_the_command_says_that_no_kind_holds_depth(server, tmp_path):
    """For every kind, on stderr before the download, and in JSON."""
    assert all(text.startswith("no depth") for text in KINDS.values())
    folder, name = "data/futures/um/daily/bookDepth/BTCUSDT", "BTCUSDT-bookDepth-2024-07-23.zip"
    server.put(b"percentages", name, folder)
    told = ["download", "btc-usdt", "--from", "2024-07-23", "--kind", "bookDepth"]
    told += ["--market", "usdm", "--out", str(tmp_path), "--url", server.url]
    result = CliRunner().invoke(app, told)
    assert result.exit_code == 0, result.output
    assert "bookDepth hold no depth" in result.stderr
    assert "they make no recording by themselves" in result.stdout
    found = json.loads(CliRunner().invoke(app, [*told, "--json"]).stdout)
    assert found["depth"] is False
    assert found["files"][0]["path"].endswith(name)
    wrong = CliRunner().invoke(app, ["download", "BTCUSDT", "--from", "July"])
    assert "a day as 2024-07-23" in str(wrong.exception)
