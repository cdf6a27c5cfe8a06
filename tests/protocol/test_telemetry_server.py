"""The endpoint that every process has: what it answers, and whom it lets go."""

import asyncio
import socket
import time
from contextlib import suppress
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from protocol import telemetry_server
from protocol.errors import SettingsError
from protocol.exposition import gauge
from protocol.telemetry_server import Shown, answer_to, serving


def shown(problem=None, figures=()):
    """What some process shows."""
    return Shown("executor", lambda: figures, {"seat": "one"}, lambda: problem)


def get(port, path="/metrics"):
    """Ask as Prometheus does."""
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return answer.read().decode()


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET /metrics HTTP/1.1", "200 OK"),
        ("GET /health?x=1 HTTP/1.1", "200 OK"),
        ("GET / HTTP/1.1", "404 Not Found"),
        ("POST /health HTTP/1.1", "405 Method Not Allowed"),
        ("", "405 Method Not Allowed"),
    ],
)
def test_only_two_questions_are_answered(line, status):
    """Whatever else is asked gets what may be asked."""
    assert answer_to(line, shown())[0] == status


async def test_figures_of_the_part_and_of_its_process_are_served():
    """Both with the labels of the process; a restart shows as another start."""
    async with serving(0, shown(figures=(gauge("x", "y", 3.0),))) as port:
        text = await asyncio.to_thread(get, port)
    found = {
        each.name: each
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }
    assert found["counterpoint_x"].value == 3.0
    assert found["counterpoint_build_info"].labels["part"] == "executor"
    assert {each.labels["seat"] for each in found.values()} == {"one"}
    assert 0 < found["process_start_time_seconds"].value <= time.time()
    assert found["process_resident_memory_bytes"].value > 10**6
    assert found["process_open_fds"].value > 0
    assert found["process_cpu_seconds_total"].value > 0


async def test_who_is_not_well_says_why():
    """An engine of containers looks at the status, a person reads the line."""
    async with serving(0, shown(problem="the venue is not connected")) as port:
        with pytest.raises(HTTPError) as caught:
            await asyncio.to_thread(get, port, "/health")
        with caught.value as answer:
            assert answer.code == 503
            assert answer.read() == b"the venue is not connected\n"


async def test_a_taken_port_is_one_line():
    """A second process on the same port is told which setting to change."""
    async with serving(0, shown()) as port:
        with pytest.raises(SettingsError, match=rf"found {port} on 127.0.0.1: .*; set bus\.metri"):
            async with serving(port, shown()):
                pass


def flood(port):
    """Ask forty half questions at once, and one without an end; return what was said to them."""
    opened = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(41)]
    for each in opened[:-1]:
        with suppress(ConnectionError):
            each.sendall(b"GET /metrics HTTP/1.1\r\n")
    with suppress(ConnectionError):
        opened[-1].sendall(b"x" * 100_000)
    said = b""
    for each in opened:
        with suppress(ConnectionError), each:
            said += each.recv(100)
    return said


async def test_whoever_asks_slowly_or_too_much_is_let_go(monkeypatch):
    """A flood of half questions keeps nobody from asking, and none of it is heard for long."""
    monkeypatch.setattr(telemetry_server, "PATIENCE_S", 0.05)
    async with serving(0, shown()) as port:
        assert await asyncio.to_thread(flood, port) == b""
        assert "counterpoint_build_info" in await asyncio.to_thread(get, port)
