"""What a soak does to a stack of containers: kills, partitions, errors, no database.

Each fault strikes, lasts, and is over when the stack is whole again; seeded, so that a soak can be
had again.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from random import Random
from typing import Any

from bench.container_house import PARTS, Stack, until

CONTROL = 9113
OVERRIDE = f"""
  exchange:
    command:
      - >-
        exec python -m exchange.simulated --feed /feed.npz --host 0.0.0.0 --port 9010
        --speed "$$SPEED" --accounts /run/secrets/accounts.toml --state /data/exchange
        --metrics-port 9112 --metrics-host 0.0.0.0 --control {CONTROL}
"""
"""The stack's own exchange with its control port open, inside its container alone."""
ASK = (
    "import sys, urllib.request as r; print(r.urlopen(r.Request("
    f"'http://127.0.0.1:{CONTROL}/' + sys.argv[1], sys.argv[2].encode() or None)).read().decode())"
)
CUTS = (
    ("executor", "venue"), ("executor", "bus"), ("coordinator", "bus"), ("guardian", "venue"),
    ("optimizer", "bus"), ("desk", "bus"), ("desk", "store"),
)  # fmt: skip
ERRORS = ("error_before", "error_after", "drop_before", "drop_after", "delay_after", "user_delay")
LEAST_S, MOST_S = 2.0, 12.0
"""How long a partition or a fault of the exchange lasts; beyond the guardian's patience too."""
STRUCK_MAX = 12
"""Requests that an error of the exchange strikes."""


Deed = Callable[[Stack, Random], str]
"""Does a fault, and says what it struck."""


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault that is over.

    Attributes:
        kind, what: such as `kill` and `executor`.
        began_ns, ended_ns: feed time.
        took_s: until the stack was whole again.
    """

    kind: str
    what: str
    began_ns: int
    ended_ns: int
    took_s: float


def control(stack: Stack, path: str, body: dict[str, Any] | None = None) -> Any:
    """Ask the exchange's control port, from inside its container."""
    told = "" if body is None else json.dumps(body)
    return json.loads(stack.compose("exec", "-T", "exchange", "python", "-c", ASK, path, told))


def feed_ns(stack: Stack) -> int:
    """Feed time at the exchange."""
    return int(control(stack, "status")["feed_ns"])


def drawn(rng: Random) -> Iterator[tuple[str, Deed]]:
    """Yield faults without end: each part is killed once, in an order of chance, among the rest."""
    killed = [*PARTS, "postgres"]
    rng.shuffle(killed)
    rest = cycle(OTHERS)
    for part in killed:
        yield "kill", partial(kill, part=part)
        yield next(rest)
    yield from rest


def strike(stack: Stack, kind: str, deed: Deed, rng: Random) -> Struck:
    """Let one fault strike, and wait until everybody is well again."""
    before_ns, began_s = feed_ns(stack), time.monotonic()
    what = deed(stack, rng)
    stack.until_healthy((*PARTS, "postgres"))
    after_ns = until(lambda: feed_ns(stack), "the exchange tells its time")
    return Struck(kind, what, before_ns, after_ns, round(time.monotonic() - began_s, 1))


def kill(stack: Stack, rng: Random, *, part: str) -> str:
    """End the main process of a part with -9."""
    del rng
    before = stack.starts(part)
    stack.kill(part)
    until(lambda: stack.starts(part, before), f"{part} is started again")
    return part


def cut(stack: Stack, rng: Random) -> str:
    """Take a part off a network for a while."""
    part, network = rng.choice(CUTS)
    (container,) = stack.compose("ps", "--quiet", part).split()
    name = f"{stack.project}_{network}"
    stack.run("docker", "network", "disconnect", name, container)
    try:
        time.sleep(rng.uniform(LEAST_S, MOST_S))
    finally:
        stack.run("docker", "network", "connect", "--alias", part, name, container)
    return f"{part} off {network}"


def errors(stack: Stack, rng: Random) -> str:
    """Let the exchange fail requests about orders, and cut its streams one time in two."""
    kind, count = rng.choice(ERRORS), rng.randint(1, STRUCK_MAX)
    seconds = round(rng.uniform(LEAST_S, MOST_S), 1)
    asked = {"kind": kind, "request": "order", "count": count, "seconds": seconds}
    if kind.startswith("user_"):
        asked.pop("request")
    control(stack, "faults", asked)
    if rng.random() < 0.5:
        control(stack, "disconnect", {"kind": "all", "code": 1006})
    time.sleep(seconds)
    return f"{kind} {count}"


def no_database(stack: Stack, rng: Random) -> str:
    """Stop the database for a while."""
    stack.compose("stop", "postgres")
    time.sleep(rng.uniform(LEAST_S, MOST_S))
    stack.compose("start", "postgres")
    return "postgres"


OTHERS: tuple[tuple[str, Deed], ...] = (
    ("cut", cut),
    ("errors", errors),
    ("no_database", no_database),
)
