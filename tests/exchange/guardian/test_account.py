import hashlib
import hmac
import http.server
import json
import threading
import time
from urllib.parse import parse_qsl, urlsplit

import pytest

from exchange.errors import VenueError
from exchange.guardian.account import BinanceAccount, Place, UnreachedError

SECRET = "secret"


class Exchange(http.server.ThreadingHTTPServer):
    """Answers the few requests of a guardian, and keeps them."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.heard, self.orders, self.wrong, self.offset_ms = [], {}, [], 0

    @property
    def url(self):
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    """Knows time, open orders, cancels and the switch; keeps connections."""

    protocol_version = "HTTP/1.1"

    def answer(self, status, told, **headers):
        """Send one answer."""
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_any(self):
        """Take a request."""
        world = self.server
        parts = urlsplit(self.path)
        told = dict(parse_qsl(parts.query))
        world.heard.append((self.command, parts.path, told))
        now = int(time.time() * 1000) + world.offset_ms
        if parts.path.endswith("/time"):
            return self.answer(200, {"serverTime": now})
        plain, _, sign = parts.query.rpartition("&signature=")
        assert sign == hmac.new(SECRET.encode(), plain.encode(), hashlib.sha256).hexdigest()
        if world.wrong:
            return self.answer(*world.wrong.pop(0))
        if abs(now - int(told["timestamp"])) > 1000:
            return self.answer(400, {"code": -1021, "msg": "Timestamp"})
        if self.command == "DELETE":
            world.orders.pop(int(told["orderId"]))
            return self.answer(200, {})
        if self.command == "POST":
            return self.answer(200, {"symbol": told["symbol"]})
        rows = [{"orderId": n, "clientOrderId": name} for n, name in world.orders.items()]
        return self.answer(200, rows)

    do_GET = do_DELETE = do_POST = handle_any  # noqa: N815 - names of the library

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def exchange():
    with Exchange() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def account_at(exchange, *, futures=False):
    place = Place(f"{exchange.url}/{'fapi' if futures else 'api'}", "XUSDT", "cp-a-", futures)
    return BinanceAccount(place, "key", SECRET, time.monotonic_ns)


def test_ours_are_cancelled_by_their_names_alone(exchange):
    """Another executor's and a person's orders stay."""
    exchange.orders = {n: f"cp-a-{n}" for n in range(1, 40)}
    exchange.orders |= {100: "cp-b-1", 101: "web_1", 102: "xcp-a-1"}
    account = account_at(exchange)
    assert account.sweep(cancel=False) == 39
    assert account.sweep(cancel=True) == 39
    assert sorted(exchange.orders) == [100, 101, 102]
    assert account.sweep(cancel=True) == 0
    account.close()


def test_a_servers_clock_that_jumps_is_asked_for_again(exchange):
    """-1021 is answered by the server's time, once, and the request goes out again."""
    account = account_at(exchange)
    assert account.sweep(cancel=True) == 0
    exchange.offset_ms = 3_600_000
    assert account.sweep(cancel=True) == 0
    account.close()


@pytest.mark.parametrize(
    ("answer", "wait_s"),
    [
        ((503, {"code": -1007, "msg": "Timeout"}), 0.0),
        ((200, b"<html>"), 0.0),
        ((401, {"code": -2015, "msg": "Invalid API-key"}), 0.0),
        ((429, {"code": -1003, "msg": "Too many"}), 0.0),
    ],
)
def test_an_answer_that_does_not_help_is_no_answer(exchange, answer, wait_s):
    """It is never taken for 'nothing is open'."""
    account = account_at(exchange)
    exchange.wrong = [answer]
    with pytest.raises(UnreachedError) as failed:
        account.sweep(cancel=True)
    assert failed.value.wait_s == wait_s
    assert account.sweep(cancel=True) == 0
    account.close()


def test_nobody_there_is_said_at_once():
    """A port that nobody serves."""
    account = BinanceAccount(
        Place("http://127.0.0.1:9/api", "X", "cp-a-"), "k", "s", time.monotonic_ns
    )
    with pytest.raises(UnreachedError, match="refused"):
        account.sweep(cancel=True)
    account.close()
    with pytest.raises(VenueError, match="address"):
        BinanceAccount(Place("nowhere", "X", "cp-a-"), "k", "s", time.monotonic_ns)


def test_the_switch_of_futures_is_one_signed_request(exchange):
    """Its address, symbol and milliseconds, as Binance documents them."""
    account = account_at(exchange, futures=True)
    account.arm(30_000)
    method, path, told = exchange.heard[-1]
    assert (method, path) == ("POST", "/fapi/v1/countdownCancelAll")
    assert (told["symbol"], told["countdownTime"]) == ("XUSDT", "30000")
    account.close()
