"""Imports a Bitstamp order log: single orders with ids, trades, and samples of the book.

Each line is `<local ms> <event> <json>`. There is no exchange clock worth the name (whole seconds,
and those of the order's birth), so exchange times are set to the local ones and the meta says so.

Three things are put right on the way. Orders resting before the log begins are seeded from the
first `order_book` as anonymous amounts, which later samples may only shrink. An `order_created`
that comes after its own `order_deleted` is skipped: it would stay for ever. An order that is being
matched shows in the log before its counterpart leaves; it waits outside the book meanwhile, or
every trade would cross it. A trade's aggressor is the newer of the two orders that shrank by
exactly its amount within two seconds.

The log shows a trade some ten milliseconds after the orders that it filled. Who watches a queue by
its level alone would take that for a cancel and then for a trade; so a trade's exchange time is
set just before the first of its two orders shrank.
"""

import bisect
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import JsonValue

from exchange.errors import FeedError, FeedFormatError, FeedSequenceError
from exchange.importers.assembly import Assembled, Collector, Source, assemble
from exchange.importers.instruments import Options
from exchange.importers.order_book import ASK, BID, OrderBook, Resting
from exchange.importers.reading import Progress, numbered_lines, quiet
from exchange.recording import Counts
from market.layout import BUY, KIND_DEPTH, KIND_SNAPSHOT, KIND_TRADE, SELL

MILLISECOND_NS = 1_000_000
AMOUNT = 100_000_000  # amounts are integers of 1e-8 in here
MATCH_NS = 2_000_000_000
EVENTS = {"order_created", "order_changed", "order_deleted", "order_book", "trade"}
SYMBOL = "BTC-USD"  # a log does not say; --symbol names another one
TICK = "0.01"
LOT = "0.00000001"
Decrement: TypeAlias = tuple[int, int, int, bool]
"""Time, order id, side, whether it was being matched."""


def amount_of(text: str | float) -> int:
    """Return an amount as an integer of 1e-8."""
    return round(float(text) * AMOUNT)


class Log:
    """Reads one log in order. `where` names the line in work."""

    def __init__(self) -> None:
        self.book = OrderBook()
        self.out = Collector()
        self.where = ""
        self.now_ns = 0
        self.seeded = False
        self.count = dict.fromkeys(Counts.model_fields, 0)
        self.samples = 0
        self.agreed = 0
        # By amount, in order of time.
        self.decrements: defaultdict[int, list[Decrement]] = defaultdict(list)
        self.trades: list[tuple[int, int, int, int]] = []  # message, time, amount, guessed side

    def line(self, text: bytes) -> None:
        """Take one line.

        Raises:
            FeedError: what, where, and what to do.
        """
        stamp, _, rest = text.partition(b" ")
        name, _, payload = rest.partition(b" ")
        event = name.decode("ascii", "replace")
        if not (stamp.isdigit() and event in EVENTS):
            raise FeedFormatError(
                f"{self.where}: allowed is '<local ms> <event> <json>' with an event of "
                f"{', '.join(sorted(EVENTS))}; found {text[:60]!r}"
            )
        now_ns = int(stamp) * MILLISECOND_NS
        if now_ns < self.now_ns:
            raise FeedSequenceError(
                f"{self.where}: local time runs back by {(self.now_ns - now_ns) // 10**6} ms; "
                "lines must stand in the order they were received"
            )
        self.now_ns = now_ns
        try:
            body = json.loads(payload)
            if event == "trade":
                self.trade(float(body["price"]), amount_of(body["amount"]))
            elif event == "order_book":
                self.sample(body)
            else:
                side = (BID, ASK)[body["order_type"]]
                order = Resting(side, float(body["price"]), amount_of(body["amount"]))
                self.order(event, int(body["id"]), order)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise FeedFormatError(
                f"{self.where}: no Bitstamp event ({type(error).__name__}: {error}); found "
                f"{payload[:60]!r}; the line is damaged: fetch the file again"
            ) from None

    def order(self, event: str, number: int, order: Resting) -> None:
        """Take an order event, then write the levels that it moved."""
        self.count["depth_messages"] += 1
        book = self.book
        known = number in book.orders
        if event == "order_created":
            if known or number in book.gone:
                self.count["orders_ignored"] += 1
                return
            book.place(number, order, self.now_ns)
        elif not known:
            # Rested before the log began. What it still held leaves the anonymous remainder, and
            # its row has no id: nobody shall take this for its birth.
            book.shrink(order.side, order.price, order.amount)
            if event == "order_changed" and number not in book.gone:
                book.place(number, order, self.now_ns)
        else:
            matching = number in book.held
            before = book.withdraw(number)
            order.held_ns = before.held_ns
            self.decrement(number, before, order, matching=matching)
            if event == "order_changed":
                book.place(number, order, self.now_ns)
        if event == "order_deleted":
            book.gone.add(number)
        book.settle(self.now_ns, MATCH_NS)
        unborn = not known and event != "order_created"
        self.write(KIND_DEPTH, 0 if unborn else number)

    def decrement(self, number: int, before: Resting, after: Resting, *, matching: bool) -> None:
        """Remember that an order shrank: perhaps a trade explains it."""
        less = before.amount - after.amount
        if less > 0:
            self.decrements[less].append((self.now_ns, number, before.side, matching))

    def write(self, kind: int, number: int) -> None:
        """Write the levels that moved, under one stamp."""
        changed, self.book.changed = self.book.changed, {}
        entered, self.book.entered = self.book.entered, {}
        if not self.seeded:
            return
        if kind == KIND_DEPTH:
            self.count["level_changes"] += len(changed)
        for (side, price), total in changed.items():
            self.out.one(
                kind,
                self.now_ns,
                self.now_ns,
                side=BUY if side == BID else SELL,
                price=price,
                quantity=total / AMOUNT,
                order_id=entered.get((side, price), number),
            )

    def sample(self, body: dict[str, Any]) -> None:
        """Take the exchange's own book: the first one seeds ours, later ones correct the rest."""
        shown = {}
        for side, name in ((BID, "bids"), (ASK, "asks")):
            shown[side] = {float(price): amount_of(amount) for price, amount in body[name]}
        if self.seeded:
            self.samples += 1
            best = tuple(next(iter(shown[side]), None) for side in (BID, ASK))
            self.agreed += best == (self.book.best(BID), self.book.best(ASK))
            for side in (BID, ASK):
                if shown[side]:
                    self.book.reconcile(side, shown[side], list(shown[side])[-1])
            self.write(KIND_DEPTH, 0)
            return
        self.seeded = True
        self.count["snapshots"] = 1
        for side in (BID, ASK):
            for price, amount in shown[side].items():
                self.book.seed(side, price, amount)
        self.book.changed = {
            (side, price): total for side in (BID, ASK) for price, total in self.book.levels(side)
        }
        self.count["snapshot_levels"] = len(self.book.changed)
        self.write(KIND_SNAPSHOT, 0)

    def trade(self, price: float, amount: int) -> None:
        """Take a trade; who was the aggressor is settled when the whole log is known."""
        bid, ask = self.book.best(BID), self.book.best(ASK)
        guess = BUY
        if bid is not None and ask is not None:
            guess = BUY if price * 2 >= bid + ask else SELL
        self.count["trades"] += 1
        self.trades.append((len(self.out.kind), self.now_ns, amount, guess))
        self.out.one(
            KIND_TRADE,
            self.now_ns,
            self.now_ns,
            side=BUY,
            price=round(price, 8),  # the log prints 236.47 as 236.46999999999999
            quantity=amount / AMOUNT,
        )

    def name_aggressors(self) -> None:
        """Give every trade its aggressor's side, and a time before its orders shrank."""
        for message, when_ns, amount, guess in self.trades:
            near = self.near(when_ns, amount)
            side = self.aggressor(when_ns, near)
            self.out.exch_ns[message] = self.happened(when_ns, near)
            inferred = side != 0
            self.count["aggressors_inferred" if inferred else "aggressors_guessed"] += 1
            side = side or guess
            self.out.bids[message] = int(side == BUY)
            self.out.asks[message] = int(side == SELL)

    def near(self, when_ns: int, amount: int) -> list[Decrement]:
        """Return the orders that shrank by `amount` within two seconds of a time."""
        same = self.decrements.get(amount, [])
        first = bisect.bisect_left(same, (when_ns - MATCH_NS,))
        last = bisect.bisect_right(same, (when_ns + MATCH_NS, 1 << 62))
        return same[first:last]

    @staticmethod
    def happened(when_ns: int, near: list[Decrement]) -> int:
        """Return the exchange time of a trade: before either of its orders is seen to shrink."""
        latest = {side: shrank_ns - 1 for shrank_ns, _, side, _ in near if shrank_ns <= when_ns}
        return min([when_ns, *latest.values()])

    @staticmethod
    def aggressor(when_ns: int, near: list[Decrement]) -> int:
        """Return BUY or SELL by the orders that shrank about then, 0 if none did."""
        if not near:
            return 0
        if len({side for _, _, side, _ in near}) == 2:
            side = max(near, key=lambda found: found[1])[2]  # the newer order met the older one
        else:
            _, _, side, matching = min(near, key=lambda found: abs(found[0] - when_ns))
            if not matching:
                side = 1 - side  # it rested, so its counterpart came
        return BUY if side == BID else SELL


def import_bitstamp(
    files: Sequence[Path], options: Options, progress: Progress = quiet
) -> Assembled:
    """Read an order log; level totals become depth events that carry the order's id.

    Raises:
        FeedError: damaged, out of order, or without an `order_book` to begin from.
    """
    logs = [path for path in files if ".csv" not in path.name] or list(files)
    log = Log()
    for path in logs:
        for number, text in numbered_lines(path, progress):
            log.where = f"{path}:{number}"
            log.line(text)
    where = ", ".join(str(path) for path in logs)
    if not log.seeded:
        raise FeedError(f"{where}: no order_book in it; the book cannot be begun without one")
    log.name_aggressors()
    progress("ordering both clocks", 1.0)
    made = assemble(
        log.out,
        source=Source(
            "bitstamp",
            options.symbol or SYMBOL,
            ", ".join(path.name for path in logs),
            exchange_clock=False,
        ),
        counts=Counts(**log.count),
        options=options,
        defaults=Options(tick=TICK, lot=LOT),
    )
    agreement: dict[str, JsonValue] = {"samples": log.samples, "best_prices_equal": log.agreed}
    return made.noted({"own_book": agreement})
