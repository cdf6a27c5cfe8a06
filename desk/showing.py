"""What a desk shows on its metrics endpoint: whether what it tells people can be believed."""

from collections.abc import Iterator

from desk.catching_up import CatchingUp
from desk.live import Live
from protocol.bus.participant import COORDINATOR
from protocol.exposition import Figure, counter, gauge, gauges
from protocol.telemetry_server import Shown

NEVER_S = float("inf")


def shown(live: Live, reader: CatchingUp) -> Shown:
    """Return what the process of a desk shows."""
    return Shown("desk", lambda: figures(live, reader), {})


def figures(live: Live, reader: CatchingUp) -> Iterator[Figure]:
    """Yield every figure."""
    ages = {COORDINATOR: live.age_s("heartbeat", COORDINATOR)}
    ages |= {name: live.age_s("status", name) for name in live.executors}
    heard = {name: NEVER_S if age is None else age for name, age in ages.items()}
    yield gauges("desk_heard_age_seconds", "Since somebody was heard", "member", heard)
    yield gauge("desk_store_failing", "1 while the store takes nothing", bool(reader.failing))
    yield counter("desk_rounds_total", "Times that all journals were read", reader.rounds)
