"""Ports for the processes that a test or a bench starts."""

import random
import socket
from contextlib import ExitStack
from itertools import cycle
from typing import Final

ROOM: Final = 16
"""How far after a port another one may be asked for."""
PORTS: Final = range(20_000, 32_000, ROOM)
"""Below those that the kernel lends to whoever connects: it would, before the process is up."""
_ORDER = cycle(random.SystemRandom().sample(PORTS, len(PORTS)))


def free_ports(*after: int) -> int:
    """Return a port that nobody has now, as little as those so far `after` it; none twice soon."""
    assert all(0 < each < ROOM for each in after), f"{after} reach into the next one's room"
    for port in _ORDER:
        with ExitStack() as probes:
            try:
                for each in (0, *after):
                    probes.enter_context(socket.socket()).bind(("127.0.0.1", port + each))
            except OSError:
                continue
            return port
    raise AssertionError("a cycle has no end")
