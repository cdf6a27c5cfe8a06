"""What survives a kill: orders, trades, and through them balances, one JSON line for each change.

A line is written before anyone is told of what it says. A torn last line is cut off. Balances are
never written: they are the opening ones and the trades.
"""

import dataclasses
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from exchange.errors import SimulationError
from exchange.simulated.accounts import Account, Order, Status, Trade, move
from exchange.simulated.house import House
from exchange.simulated.instrument import Instrument
from exchange.simulated.usdm.margin import Funding, Margin

NAME = "exchange.jsonl"
FORMAT = 2


class Store:
    """The file of one exchange.

    Args:
        folder: made when it is missing.
        identity: of recording and symbol; another one is refused.

    Raises:
        SimulationError: the folder cannot be used, or its state belongs to another recording.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self._path = folder / NAME
        self.feed_ns: int | None = None
        self.executions = 0
        self._orders: dict[int, tuple[str, Order]] = {}
        self._trades: list[tuple[str, Trade]] = []
        self._notes: list[dict[str, Any]] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._read(identity)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            self._file = os.open(self._path, flags, 0o600)
        except OSError as error:
            raise SimulationError(f"{folder}: {error.strerror or error}") from None
        if not self._path.stat().st_size:
            self._write({"format": FORMAT, "identity": identity})

    def keep(self, account: Account, order: Order, trade: Trade | None) -> None:
        """Write an order as it stands, and the trade that changed it."""
        self.executions += 1
        told = dataclasses.asdict(order) | {"account": account.name}  # no key stands in the file
        row = {"account": account.name, "order": told, "number": self.executions}
        if trade is not None:
            row["trade"] = dataclasses.asdict(trade)
        self._write(row)

    def note(self, account: Account, change: dict[str, Any]) -> None:
        """Write another change of an account: its `leverage`, or a `funding`."""
        self._write({"account": account.name, "note": change})

    def tick(self, feed_ns: int) -> None:
        """Write how far the feed has come."""
        self._write({"feed": feed_ns})

    def restore(self, house: House, instrument: Instrument) -> None:
        """Bring accounts back to where they were; open orders are put to rest by the caller."""
        accounts = {account.name: account for account in house.accounts}
        for name, trade in self._trades:
            account = accounts.get(name)
            if account is not None:
                move(account, instrument, trade)
        for row in self._notes:
            account = accounts.get(row["account"])
            if account is not None and account.margin is not None:
                recall(account, account.margin, row["note"], instrument)
        for number, (name, order) in sorted(self._orders.items()):
            if name in accounts:
                account = accounts[name]
                account.add(dataclasses.replace(order, account=account.key))
            house.next_order_id = max(house.next_order_id, number + 1)
        last = max((trade.trade_id for _, trade in self._trades), default=0)
        house.next_trade_id = max(house.next_trade_id, last + 1)
        house.next_execution_id = self.executions + 1

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _write(self, row: dict[str, Any]) -> None:
        os.write(self._file, json.dumps(row, separators=(",", ":")).encode() + b"\n")

    def _read(self, identity: str) -> None:
        if not self._path.exists():
            return
        data = self._path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(self._path, whole)
        lines = data[:whole].splitlines()
        if not lines:
            return
        try:
            head = json.loads(lines[0])
            if head.get("identity") != identity or head.get("format") != FORMAT:
                raise SimulationError(
                    f"{self._path}: belongs to {head.get('identity')}, not to {identity}; give "
                    "another --state folder"
                )
            self._take(json.loads(line) for line in lines[1:])
        except (ValueError, KeyError, TypeError) as error:
            raise SimulationError(f"{self._path}: damaged ({error}); give another folder") from None

    def _take(self, rows: Iterable[dict[str, Any]]) -> None:
        for row in rows:
            if "feed" in row:
                self.feed_ns = max(self.feed_ns or 0, row["feed"])
                continue
            if "note" in row:
                self._notes.append(row)
                if "funding" in row["note"]:  # it is not to be paid once more
                    self.feed_ns = max(self.feed_ns or 0, row["note"]["funding"][0])
                continue
            told = row["order"]
            order = Order(
                **told | {"status": Status(told["status"]), "strategy": tuple(told["strategy"])}
            )
            self._orders[order.order_id] = (row["account"], order)
            self.executions = row["number"]
            self.feed_ns = max(self.feed_ns or 0, order.updated_ns)
            if "trade" in row:
                self._trades.append((row["account"], Trade(**row["trade"])))


def recall(
    account: Account, margin: Margin, change: dict[str, Any], instrument: Instrument
) -> None:
    """Repeat a change of an earlier life: a leverage, or a funding."""
    margin.leverage = change.get("leverage", margin.leverage)
    if "funding" in change:
        funding = Funding(*change["funding"])
        margin.funding.append(funding)
        account.balances[instrument.quote] += funding.units
