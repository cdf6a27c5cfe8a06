"""What a simulated exchange shows on its metrics endpoint: copied from what it holds already."""

from collections.abc import Iterator

from exchange.simulated.service import Service
from protocol.exposition import Figure, counter, counters, gauge, gauges
from protocol.telemetry_server import Shown


def shown(service: Service) -> Shown:
    """Return what the process of a service shows."""
    return Shown("exchange", lambda: figures(service), {})


def figures(service: Service) -> Iterator[Figure]:
    """Yield every figure; counters of orders and trades go on over a restart with a state."""
    markets = service.markets
    yield gauge("exchange_feed_seconds", "Feed time, since the epoch", service.now_ns / 1e9)
    yield gauge("exchange_feed_ended", "1 once a feed is over", service.over.is_set())
    resting = {
        symbol: float(sum(len(each.open) for each in market.house.accounts))
        for symbol, market in markets.items()
    }
    yield gauges("exchange_open_orders", "Of all accounts", "symbol", resting)
    orders = {symbol: each.house.next_order_id - 1.0 for symbol, each in markets.items()}
    yield counters("exchange_orders_total", "Accepted", "symbol", orders)
    trades = {symbol: each.house.next_trade_id - 1.0 for symbol, each in markets.items()}
    yield counters("exchange_trades_total", "Of all accounts", "symbol", trades)
    yield gauge("exchange_connections", "WebSockets", len(service.hub.connections))
    answers = sum(each.answers for each in service.hub.counts.values())
    yield counter("exchange_answers_total", "To requests about orders", answers)
