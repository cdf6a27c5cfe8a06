import socket
import struct
from urllib.request import urlopen

import pytest

from exchange.simulated.__main__ import main, parser, wanted_of
from tests.exchange.simulated.market import serving, write

HANDSHAKE = (
    b"GET /ws/playusdt@depth HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def test_what_cannot_be_served_is_one_line(tmp_path, capsys):
    """Whatever is wrong with what was asked for: exit code 4 and no traceback."""
    path, missing = str(write(tmp_path, seconds=60)), str(tmp_path / "no.toml")
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[[account]]\nname = "a"\nkey = "a"\nbalances = { USDT = "-1" }\n')
    for told, words in (
        ((), "either --feed DAY or --synthetic"),
        (("--feed", path, "--speed", "fast"), "--speed must be"),
        (("--feed", path, "--speed", "lockstep"), "needs --control"),
        (("--feed", path, "--host", "0.0.0.0"), "loopback"),
        (("--feed", path, "--step-ms", "0"), "--step-ms must be"),
        (("--feed", path, "--accounts", missing), "cannot be read"),
        (("--feed", path, "--accounts", str(wrong)), "account.0.balances.USDT"),
        (("--feed", path, "--latency", "soon"), "--latency"),
        (("--feed", path, "--fill-model", "hope"), "fill model must be"),
        (("--feed", missing), "no such file"),
    ):
        assert main(told) == 4, told
        line = capsys.readouterr().err.strip()
        assert words in line
        assert "\n" not in line


def test_a_port_that_is_taken_is_one_line(tmp_path, capsys):
    """Said once, with what to do; before that nothing claims to serve."""
    path = str(write(tmp_path, seconds=60))
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        for option, told in (("--port", ()), ("--control", ("--port", "0"))):
            assert main(("--feed", path, *told, option, str(port))) == 4
            said = capsys.readouterr()
            assert said.out == ""
            assert said.err == f"port {port} on 127.0.0.1: is taken; give another {option}\n"


def test_a_client_that_breaks_its_handshake_off_leaves_no_trace(tmp_path):
    """Sockets that are reset at once, and lines that are no HTTP: the log is about the exchange."""
    with (
        (tmp_path / "said").open("w") as file,
        serving("--feed", write(tmp_path, seconds=60), errors=file) as server,
    ):
        port = int(server.url.rpartition(":")[2])
        for asked in (HANDSHAKE, HANDSHAKE.replace(b"13", b"7"), b"GET /ws HTTP/9.9\r\n\r\n"):
            for _ in range(5):
                with socket.create_connection(("127.0.0.1", port)) as client:
                    client.sendall(asked)
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with urlopen(f"{server.url}/api/v3/ping", timeout=20) as answer:
            assert answer.status == 200
    assert (tmp_path / "said").read_text() == ""


def test_a_check_says_in_one_line_what_cannot_be_served_and_serves_nothing(tmp_path, capsys):
    """By the name that the recording has for whoever asked, and with the symbol that it is of."""
    path, damaged = write(tmp_path, seconds=60), tmp_path / "feed.npz"
    damaged.write_bytes(path.read_bytes()[:1000])
    told = ("--called", "FEED=my.npz", "--check", "PLAY-USDT")
    assert main(("--feed", str(path), *told)) == 0
    for feed, symbol, words in (
        (path, "SYN-USDT", "FEED=my.npz is of PLAY-USDT, not of SYN-USDT; set SYMBOL=PLAY-USDT"),
        (damaged, "PLAY-USDT", "FEED=my.npz: damaged or no recording"),
        (tmp_path / "none.npz", "PLAY-USDT", "FEED=my.npz: no such file"),
    ):
        assert main(("--feed", str(feed), *told[:3], symbol)) == 4
        line = capsys.readouterr().err.strip()
        assert words in line
        assert "\n" not in line


def test_the_default_is_the_recordings_own_market():
    """Speed 1, no latency, the recording's fees."""
    wanted = wanted_of(parser().parse_args(["--synthetic"]))
    assert (wanted.speed, wanted.latency, wanted.maker_fee_bps) == (1.0, "0", None)
    with pytest.raises(SystemExit):
        parser().parse_args(["--speeed", "1"])
