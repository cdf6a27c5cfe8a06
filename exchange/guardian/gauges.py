"""What a guardian shows of itself on its metrics endpoint. Nobody decides by it."""

from collections.abc import Iterator

from exchange.guardian.machine import Phase
from exchange.guardian.shell import Keeper
from protocol.exposition import Figure, counter, gauge
from protocol.telemetry_server import Shown


def shown(keeper: Keeper, symbol: str) -> Shown:
    """Return what the process of a keeper shows."""
    labels = {"symbol": symbol}
    return Shown("guardian", lambda: figures(keeper), labels, lambda: problem_of(keeper))


def figures(keeper: Keeper) -> Iterator[Figure]:
    """Yield every figure; counters begin with the process."""
    state = keeper.state
    reached = keeper.ready and not state.failures
    watching, alarmed = state.phase is Phase.WATCHING, state.phase is Phase.ALARMED
    yield gauge("guardian_exchange_reached", "1 while the exchange answers", reached)
    yield gauge("guardian_watching", "1 while a beat is heard", watching)
    yield gauge("guardian_alarmed", "1 after a silence", alarmed)
    yield gauge("guardian_silent_seconds", "Since the beat last moved", state.silent_ns / 1e9)
    yield gauge("guardian_sweeping", "1 while our orders are cancelled", state.sweeping)
    yield counter("guardian_stops_written_total", "Stops", keeper.stops_written)
    yield counter("guardian_orders_cancelled_total", "Orders", keeper.cancelled)


def problem_of(keeper: Keeper) -> str | None:
    """Return why this guardian could not cancel now, None when it could."""
    if not keeper.ready:
        return "the exchange has not answered yet"
    return "the exchange does not answer" if keeper.state.failures else None
