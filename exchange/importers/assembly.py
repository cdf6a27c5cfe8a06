"""Turns collected messages into a recording: grid, clocks, order, meta.

Importers collect messages in the order in which they were received; everything that all formats
share happens here, once. Messages are batches: the levels of one message stay together.
"""

import dataclasses
from array import array
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

import numpy as np
from pydantic import JsonValue

from exchange.errors import FeedError, FeedFormatError
from exchange.importers.grid import (
    finest_lot,
    infer_lot,
    infer_tick,
    prices_on_grid,
    quantities_on_grid,
)
from exchange.importers.instruments import (
    NOTHING_GIVEN,
    OTHER_VENUE,
    VENUES,
    Options,
    split_symbol,
)
from exchange.recording import Counts, Data, Meta, Recording, encode, ratio
from market.clocks import merge_clocks
from market.layout import (
    BUY,
    EVENT_COLUMNS,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    EVENT_SIDE,
    KIND_CLEAR,
    KIND_DEPTH,
    KIND_SNAPSHOT,
    KIND_TRADE,
    SEEN_LOCAL,
    SELL,
)
from market.types import F8, I8

UNKNOWN_NS = -1  # exchange time of a message that carries none


class Collector:
    """Messages as received: a table of messages and, in step with it, one of their rows."""

    def __init__(self) -> None:
        self.kind = array("q")
        self.exch_ns = array("q")
        self.local_ns = array("q")
        self.bids = array("q")
        self.asks = array("q")
        self.price = array("d")
        self.quantity = array("d")
        self.order_id = array("Q")

    def book(
        self,
        kind: int,
        exch_ns: int,
        local_ns: int,
        bids: Sequence[Sequence[str] | tuple[float, float]],
        asks: Sequence[Sequence[str] | tuple[float, float]],
    ) -> None:
        """Add a depth message: (price, quantity) pairs of both sides, new totals."""
        self.kind.append(kind)
        self.exch_ns.append(exch_ns)
        self.local_ns.append(local_ns)
        self.bids.append(len(bids))
        self.asks.append(len(asks))
        for side in (bids, asks):
            if side:
                prices, quantities = zip(*side, strict=True)
                self.price.extend(map(float, prices))
                self.quantity.extend(map(float, quantities))
                self.order_id.extend(bytes(len(side)))

    def one(
        self,
        kind: int,
        exch_ns: int,
        local_ns: int,
        *,
        side: int,
        price: float,
        quantity: float,
        order_id: int = 0,
    ) -> None:
        """Add a message of one row: a trade by its aggressor, a level, or a clear (side 0)."""
        self.kind.append(kind)
        self.exch_ns.append(exch_ns)
        self.local_ns.append(local_ns)
        self.bids.append(int(side != SELL))
        self.asks.append(int(side == SELL))
        self.price.append(price)
        self.quantity.append(quantity)
        self.order_id.append(order_id)


@dataclasses.dataclass(frozen=True, slots=True)
class Assembled:
    """A recording, and its records when they hold order ids."""

    recording: Recording
    data: Data | None

    def noted(self, notes: dict[str, JsonValue]) -> "Assembled":
        """Return the same with more notes in its meta."""
        meta = self.recording.meta
        meta = meta.model_copy(update={"notes": {**meta.notes, **notes}})
        return Assembled(Recording(meta, self.recording.events), self.data)


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """Where messages came from."""

    venue: str
    symbol: str
    text: str
    exchange_clock: bool = True


def assemble(
    collected: Collector,
    *,
    source: Source,
    counts: Counts,
    options: Options,
    inverse: bool = False,
    defaults: Options = NOTHING_GIVEN,
) -> Assembled:
    """Make a recording of what was collected.

    Args:
        collected: messages in the order of their local times.
        source: venue, symbol and a text that says whence.
        counts: what the importer counted.
        options: what the caller gave; it goes before everything.
        inverse: quantities are contracts.
        defaults: the importer's own figures, before the venue's.

    Raises:
        FeedError: nothing was collected, or figures do not fit a grid.
    """
    if len(collected.kind) == 0:
        raise FeedError(f"{source.text}: holds no depth and no trades; nothing to record")
    kind = np.array(collected.kind, np.int64)
    local_ns = np.array(collected.local_ns, np.int64)
    exch_ns, raised = raised_clock(np.array(collected.exch_ns, np.int64), kind)
    offset_ns = clock_offset(exch_ns, local_ns, kind)
    local_ns += offset_ns
    exch_ns = snapshot_times(exch_ns, local_ns, kind)
    rows = rows_of(collected, kind, exch_ns, local_ns)
    price, quantity = np.array(collected.price), np.array(collected.quantity)
    demand_figures(price, quantity, source.text)
    traded = rows[:, EVENT_KIND] == KIND_TRADE
    tick = given_step(options.tick or defaults.tick) or infer_tick(price, traded)
    wanted = given_step(options.lot or defaults.lot)
    lot, coarser = wanted or "1", False  # an inverse contract is indivisible
    if not inverse:
        lot, coarser = finest_lot(tick, wanted or infer_lot(quantity, price, traded))
    ticks, keep = prices_on_grid(price, tick, traded)
    lots, rounded = quantities_on_grid(quantity, lot, traded & (not coarser))
    rows[:, EVENT_PRICE_TICKS], rows[:, EVENT_LOTS] = ticks, lots
    order_ids = np.array(collected.order_id, np.uint64) if collected.order_id else None
    if not keep.all():
        rows, order_ids = rows[keep], None if order_ids is None else order_ids[keep]
    events, origin = both_clocks(rows)
    counted = counts.model_copy(
        update={"off_grid": int((~keep).sum()), "rounded": rounded, "clock_raised": raised}
    )
    meta = described(
        source, options, tick=tick, lot=lot, inverse=inverse, defaults=defaults
    ).model_copy(
        update={
            "span_ns": (int(local_ns[0]), int(local_ns[-1])),
            "clock_offset_ns": offset_ns,
            "counts": counted,
        }
    )
    data = None
    if order_ids is not None and order_ids.any():
        data = encode(events, tick=tick, lot=lot, order_ids=order_ids[origin])
    return Assembled(Recording(meta, events), data)


def given_step(text: str | None) -> str | None:
    """Return a tick or lot given by the caller, checked."""
    if text is not None:
        ratio(text)
    return text


def demand_figures(price: F8, quantity: F8, where: str) -> None:
    """Refuse NaN, infinite and negative figures."""
    for name, values in (("price", price), ("quantity", quantity)):
        wrong = ~(np.isfinite(values) & (values >= 0))
        if wrong.any():
            found = values[int(np.argmax(wrong))]
            raise FeedFormatError(f"{where}: a {name} is {found}; allowed are figures from 0 up")


def raised_clock(exch_ns: I8, kind: I8) -> tuple[I8, int]:
    """Return exchange times that never run backwards within a stream, and how many were raised.

    Depth and trades are two streams: between them the exchange's stamps overtake one another.
    """
    result = exch_ns.copy()
    raised = 0
    for stream in (kind == KIND_TRADE, (kind != KIND_TRADE) & (exch_ns != UNKNOWN_NS)):
        times = np.maximum.accumulate(exch_ns[stream])
        raised += int((times != exch_ns[stream]).sum())
        result[stream] = times
    return result, raised


def clock_offset(exch_ns: I8, local_ns: I8, kind: I8) -> int:
    """Return what to add to local times so that none precedes its exchange time, >= 0.

    Snapshots have no say: they are answers to a question, stamped at another moment.
    """
    timed = (exch_ns != UNKNOWN_NS) & (kind != KIND_SNAPSHOT)
    return max(0, int((exch_ns[timed] - local_ns[timed]).max())) if timed.any() else 0


def snapshot_times(exch_ns: I8, local_ns: I8, kind: I8) -> I8:
    """Return exchange times with a snapshot's set: no later than its arrival or the next diff."""
    result = exch_ns.copy()
    after = np.iinfo(np.int64).max
    for row in np.flatnonzero(kind != KIND_TRADE)[::-1]:
        if kind[row] in {KIND_SNAPSHOT, KIND_CLEAR} or exch_ns[row] == UNKNOWN_NS:
            own = exch_ns[row] if exch_ns[row] != UNKNOWN_NS else local_ns[row]
            result[row] = min(own, local_ns[row], after)
        after = result[row]
    return result


def rows_of(collected: Collector, kind: I8, exch_ns: I8, local_ns: I8) -> I8:
    """Return i8[n, EVENT_COLUMNS] with kinds, sides and times; prices and lots still zero."""
    bids, asks = np.array(collected.bids, np.int64), np.array(collected.asks, np.int64)
    both = np.stack([bids, asks], axis=1).ravel()
    rows = np.zeros((int(both.sum()), EVENT_COLUMNS), np.int64)
    rows[:, EVENT_KIND] = np.repeat(kind, bids + asks)
    rows[:, EVENT_EXCH_NS] = np.repeat(exch_ns, bids + asks)
    rows[:, EVENT_LOCAL_NS] = np.repeat(local_ns, bids + asks)
    side = np.repeat(np.tile(np.array([BUY, SELL]), len(kind)), both)
    rows[:, EVENT_SIDE] = np.where(rows[:, EVENT_KIND] == KIND_CLEAR, 0, side)
    return rows


def both_clocks(rows: I8) -> tuple[I8, I8]:
    """Order rows for two clocks at once: each clock sees its own subset in its own order.

    A row that one clock would see out of place is split into an exchange-only and a local-only
    copy, as hftbacktest's `correct_event_order` does.

    Args:
        rows: i8[n, EVENT_COLUMNS], local times monotone; rows of one stream in sequence.

    Returns:
        events i8[m, EVENT_COLUMNS] with EVENT_SEEN set, m >= n, and i8[m], the row of each.
    """
    exch_order = np.argsort(rows[:, EVENT_EXCH_NS], kind="stable")
    origin = np.zeros(2 * rows.shape[0], np.int64)
    seen = np.zeros(2 * rows.shape[0], np.int64)
    count = merge_clocks(exch_order, rows, origin, seen)
    events = rows[origin[:count]]
    events[:, EVENT_SEEN] = seen[:count]
    return events, origin[:count]


def described(
    source: Source,
    options: Options,
    *,
    tick: str,
    lot: str,
    inverse: bool = False,
    defaults: Options = NOTHING_GIVEN,
) -> Meta:
    """Return the meta of an instrument; flags go before the importer's figures and the venue's."""
    venue = options.venue or source.venue
    facts = VENUES.get(venue, OTHER_VENUE)
    base, quote = split_symbol(options.symbol or source.symbol)
    maker = facts.maker_fee_bps if options.maker_fee_bps is None else options.maker_fee_bps
    taker = facts.taker_fee_bps if options.taker_fee_bps is None else options.taker_fee_bps
    return Meta(
        venue=venue,
        symbol=f"{base}-{quote}",
        base=base,
        quote=quote,
        tick=tick,
        lot=lot,
        min_notional=given_amount(
            options.min_notional or defaults.min_notional or facts.min_notional
        ),
        maker_fee_bps=maker,
        taker_fee_bps=taker,
        fee_in_base=facts.fee_in_base,
        spot=facts.spot,
        inverse=inverse,
        contract_size=given_amount(options.contract_size or defaults.contract_size or "1"),
        exchange_clock=source.exchange_clock,
        source=source.text,
    )


def given_amount(text: str) -> str:
    """Return a decimal amount in plain notation.

    Raises:
        FeedFormatError: it is no decimal from 0 up.
    """
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(-1)
    if not (value.is_finite() and value >= 0):
        raise FeedFormatError(f"an amount must be a decimal from 0 up, found {text!r}")
    return format(value, "f")


def batches(rows: I8) -> int:
    """Return how many runs of equal stamps there are."""
    if rows.shape[0] == 0:
        return 0
    stamps = rows[:, [EVENT_EXCH_NS, EVENT_LOCAL_NS]]
    return 1 + int((np.diff(stamps, axis=0) != 0).any(axis=1).sum())


def counts_of(events: I8) -> Counts:
    """Count what the local clock saw; messages are batches under one pair of stamps."""
    local = events[(events[:, EVENT_SEEN] & SEEN_LOCAL) != 0]
    kind = local[:, EVENT_KIND]
    return Counts(
        depth_messages=batches(local[kind == KIND_DEPTH]),
        level_changes=int((kind == KIND_DEPTH).sum()),
        snapshots=batches(local[kind == KIND_SNAPSHOT]),
        snapshot_levels=int((kind == KIND_SNAPSHOT).sum()),
        clears=int((kind == KIND_CLEAR).sum()),
        trades=int((kind == KIND_TRADE).sum()),
    )
