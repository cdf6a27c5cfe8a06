"""Imports Binance collector lines: spot, USD-M and COIN-M (hftbacktest's collector).

Each line is `<local time> <json>`; the time counts micro- or nanoseconds. The JSON is a stream
frame or a REST depth snapshot, placed where it arrived. Files in name order are one recording.

Synchronisation as the venue describes it: keep diffs until the snapshot, drop those that it
contains, apply the rest after it, and demand an unbroken chain of update ids from then on, spot by
`U == u + 1`, futures by `pu == u`. Applying early diffs at once and overwriting them with the
snapshot gives a crossed book.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exchange.errors import FeedError, FeedFormatError, FeedSequenceError
from exchange.importers.assembly import UNKNOWN_NS, Assembled, Collector, Source, assemble
from exchange.importers.instruments import (
    COINM_CONTRACT,
    COINM_CONTRACT_OTHERS,
    USDM_NOTIONAL,
    Options,
    demand_symbol,
    file_symbol,
    is_inverse,
    split_symbol,
)
from exchange.importers.reading import Progress, numbered_lines, quiet
from exchange.recording import Counts
from market.layout import BUY, KIND_DEPTH, KIND_SNAPSHOT, KIND_TRADE, SELL

MILLISECOND_NS = 1_000_000
MICROSECONDS_BELOW = 10**17  # a present time in microseconds has 16 digits, in nanoseconds 19
MICROSECONDS_FROM = 10**15


class Reader:
    """Reads one recording's lines in order. `where` names the line in work."""

    def __init__(self, wanted: str | None) -> None:
        self.wanted = wanted
        self.symbol: str | None = None
        self.futures: bool | None = None
        self.out = Collector()
        self.where = ""
        self.last_local_ns = 0
        self.snapshot_id: int | None = None
        self.joined = False  # the first diff after the snapshot was found
        self.last_update: int | None = None
        self.last_trade: int | None = None
        self.early: list[tuple[int, dict[str, Any]]] = []
        self.count = dict.fromkeys(Counts.model_fields, 0)

    def line(self, text: bytes) -> None:
        """Take one line.

        Raises:
            FeedError: what, where, and what to do.
        """
        local_ns, payload = self.stamped(text)
        if b"@bookTicker" in payload[:80]:
            self.count["tickers"] += 1
            return
        try:
            found = json.loads(payload)
            body = found.get("data", found)
            if "lastUpdateId" in body:
                self.snapshot(local_ns, body)
                return
            kind = body["e"]
            if kind == "depthUpdate":
                self.named(found, body)
                self.diff(local_ns, body)
            elif kind == "trade":
                self.named(found, body)
                self.trade(local_ns, body)
            else:
                self.count["tickers" if kind == "bookTicker" else "other"] += 1
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise FeedFormatError(
                f"{self.where}: no Binance message ({type(error).__name__}: {error}); found "
                f"{payload[:60]!r}; the line is damaged: fetch the file again"
            ) from None

    def stamped(self, text: bytes) -> tuple[int, bytes]:
        """Return local nanoseconds and the rest of a line."""
        stamp, _, payload = text.partition(b" ")
        if not (stamp.isdigit() and payload):
            raise FeedFormatError(
                f"{self.where}: allowed is '<local time> <json>', found {text[:60]!r}"
            )
        local_ns = int(stamp)
        if local_ns < MICROSECONDS_BELOW:
            if local_ns < MICROSECONDS_FROM:
                raise FeedFormatError(
                    f"{self.where}: local time {local_ns} is neither micro- nor nanoseconds"
                )
            local_ns *= 1000
        if local_ns < self.last_local_ns:
            back = (self.last_local_ns - local_ns) / 1e6
            raise FeedSequenceError(
                f"{self.where}: local time runs back by {back:.3f} ms; lines must stand in the "
                "order they were received: two are swapped, or files are out of order"
            )
        self.last_local_ns = local_ns
        return local_ns, payload

    def named(self, frame: dict[str, Any], body: dict[str, Any]) -> None:
        """Demand the one symbol of this recording, in the message and in its stream's name."""
        symbol = body["s"]
        if symbol != self.symbol:
            demand_symbol(symbol, self.symbol or self.wanted, self.where)
            self.symbol = symbol
        stream = frame.get("stream")
        if stream is not None:
            demand_symbol(stream.partition("@")[0].upper(), symbol, f"{self.where}: stream")

    def snapshot(self, local_ns: int, body: dict[str, Any]) -> None:
        """Take a depth snapshot: the first one opens the book, later ones have nothing to add."""
        self.count["snapshots"] += 1
        if self.snapshot_id is not None:
            # The chain of diffs is unbroken (else we had stopped), so the book is whole already.
            self.count["snapshots_ignored"] += 1
            return
        self.snapshot_id = int(body["lastUpdateId"])
        time_ms = body.get("T", body.get("E"))
        exch_ns = UNKNOWN_NS if time_ms is None else time_ms * MILLISECOND_NS
        self.count["snapshot_levels"] = len(body["bids"]) + len(body["asks"])
        self.out.book(KIND_SNAPSHOT, exch_ns, local_ns, body["bids"], body["asks"])
        early, self.early = self.early, []
        for where, (_, diff) in enumerate(early):
            self.apply(local_ns, diff, f"diff {where + 1} before the snapshot")

    def diff(self, local_ns: int, body: dict[str, Any]) -> None:
        """Take a depth diff: check its place in the chain, then keep it or apply it."""
        self.count["depth_messages"] += 1
        self.count["level_changes"] += len(body["b"]) + len(body["a"])
        if self.futures is None:
            self.futures = "pu" in body
        first, last = body["U"], body["u"]
        expected = body["pu"] if self.futures else first - 1
        if self.last_update is not None and expected != self.last_update:
            found = f"pu {expected}" if self.futures else f"U {first}"
            allowed = self.last_update if self.futures else self.last_update + 1
            verb = "is missing" if expected > self.last_update else "is out of order or doubled"
            raise FeedSequenceError(
                f"{self.where}: an update {verb}: found {found}, allowed {allowed}; the book "
                "cannot be rebuilt across it: import the parts before and after separately"
            )
        self.last_update = last
        if self.snapshot_id is None:
            self.early.append((local_ns, body))
        else:
            self.apply(local_ns, body, self.where)

    def apply(self, local_ns: int, body: dict[str, Any], where: str) -> None:
        """Drop a diff that the snapshot contains, else put it into the recording."""
        first, last = body["U"], body["u"]
        snapshot_id = self.snapshot_id
        if not self.joined and snapshot_id is not None:
            if last < snapshot_id or (last == snapshot_id and not self.futures):
                self.count["depth_dropped"] += 1
                self.count["levels_dropped"] += len(body["b"]) + len(body["a"])
                return
            if first > snapshot_id + 1 and not (self.futures and body["pu"] == snapshot_id):
                raise FeedSequenceError(
                    f"{where}: an update is missing after the snapshot: found U {first}, "
                    f"allowed up to {snapshot_id + 1}; import from a later snapshot"
                )
            self.joined = True
        time_ms = body["T"] if self.futures else body["E"]
        self.out.book(KIND_DEPTH, time_ms * MILLISECOND_NS, local_ns, body["b"], body["a"])

    def trade(self, local_ns: int, body: dict[str, Any]) -> None:
        """Take a public trade; prints that no market order made are left out."""
        number = body["t"]
        if self.last_trade is not None and number != self.last_trade + 1:
            if number <= self.last_trade:
                raise FeedSequenceError(
                    f"{self.where}: trade {number} follows trade {self.last_trade}: two lines "
                    "are swapped or doubled; put them in the order they were received"
                )
            self.count["trade_ids_missing"] += number - self.last_trade - 1
        self.last_trade = number
        if body.get("X", "MARKET") != "MARKET":
            self.count["trades_ignored"] += 1
            return
        self.count["trades"] += 1
        self.out.one(
            KIND_TRADE,
            body["T"] * MILLISECOND_NS,
            local_ns,
            side=SELL if body["m"] else BUY,  # m: the buyer was the maker
            price=float(body["p"]),
            quantity=float(body["q"]),
        )


def import_binance(
    files: Sequence[Path], options: Options, progress: Progress = quiet
) -> Assembled:
    """Read collector files in the order given as one recording.

    Raises:
        FeedError: damaged, of another symbol, without snapshot, or with an update missing.
    """
    reader = Reader(options.symbol)
    for path in files:
        named = file_symbol(path)
        for number, text in numbered_lines(path, progress):
            reader.where = f"{path}:{number}"
            reader.line(text)
        if named is not None and options.symbol is None and reader.symbol is not None:
            demand_symbol(reader.symbol, named, f"{path}: the file's name says {named}, it")
    where = ", ".join(str(path) for path in files)
    if reader.symbol is None:
        raise FeedError(f"{where}: no depth diff and no trade in it")
    if reader.snapshot_id is None:
        raise FeedSequenceError(
            f"{where}: no depth snapshot (lastUpdateId) in it; add the part of the recording "
            "that begins with one"
        )
    progress("ordering both clocks", 1.0)
    inverse = is_inverse(reader.symbol)
    base, _ = split_symbol(reader.symbol)
    venue = "binance-coinm" if inverse else "binance-usdm" if reader.futures else "binance-spot"
    defaults = Options()
    if inverse:
        defaults = Options(contract_size=COINM_CONTRACT.get(base, COINM_CONTRACT_OTHERS))
    elif reader.futures:
        defaults = Options(min_notional=USDM_NOTIONAL.get(base))
    return assemble(
        reader.out,
        source=Source(venue, reader.symbol, ", ".join(path.name for path in files)),
        counts=Counts(**reader.count),
        options=options,
        inverse=inverse,
        defaults=defaults,
    )
