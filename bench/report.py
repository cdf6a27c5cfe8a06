"""A report over a million fills, from a store in SQLite and in PostgreSQL, in seconds.

    python -m bench.report [--fills 1000000]

A journal of a month is generated (a random walk, a fill on either side of it, orders, outcomes,
decisions, matched round trips) and put into each database; then the whole report is made in a
process of its own, page and JSON. The bar: at most 10 s each, the page at most 2 MB, the identities
hold, and both documents are the same.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from desk import schema
from desk.store import Store
from market.fifo import RETOLD_COLUMNS, retell
from market.layout import (
    LEDGER_COLUMNS,
    LEDGER_TRIPS,
    SCALE_COLUMNS,
    SCALE_LOT,
    SCALE_TICK_LOT,
    TRIP_COLUMNS,
)
from market.ledger import new_lots
from market.types import I8
from tests.desk.databases import Server, programs

LIMIT_S = 10.0
PAGE_MAX = 2_000_000
UNITS = 10**8
TICK, LOT = UNITS // 100, UNITS // 1000
TICK_LOT = TICK * LOT // UNITS
SECOND = 10**9
CYCLE = 30 * SECOND
BATCH = 50_000
OWNED = {"run": "a month", "owner": "executor-1"}
OPENING = {
    "symbol": "SYN-USDT", "base": "SYN", "quote": "USDT", "tick": "0.01", "lot": "0.001",
    "capital": 100_000.0, "limits": {"stop_loss_threshold": 0.02},
    "parameters": {
        "spread_percentage": 0.02, "levels": 3, "base_quantity": 1.0, "max_position": 10.0,
    },
}  # fmt: skip


class Month:
    """Generated history of so many fills: arrays in ticks, lots and units."""

    def __init__(self, fills: int, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        self.start = 1_735_689_600 * SECOND
        steps = np.sort(rng.integers(1, 30 * 86_400, fills))
        self.times: I8 = self.start + steps * SECOND
        self.mids = 20_000 + np.cumsum(rng.integers(-1, 2, fills))
        wanted = rng.choice(np.array([-1, 1]), fills)
        lots = rng.integers(100, 1_000, fills)
        self.sides, self.lots = _bounded(wanted, lots, 10_000)
        self.prices = self.mids - self.sides * 2
        self.fees = self.prices * self.lots * TICK_LOT // 10_000
        self.trips = self._trips()

    def _trips(self) -> tuple[I8, I8]:
        """Return round trips, and how many each fill closed."""
        rows = np.zeros((len(self.times), RETOLD_COLUMNS), dtype=np.int64)
        rows[:, 0], rows[:, 1] = self.times, self.sides
        rows[:, 2], rows[:, 3], rows[:, 4] = self.prices, self.lots, self.fees
        scale = np.zeros(SCALE_COLUMNS, dtype=np.int64)
        scale[SCALE_TICK_LOT], scale[SCALE_LOT] = TICK_LOT, LOT
        ledger, (ring, meter) = np.zeros(LEDGER_COLUMNS, dtype=np.int64), new_lots()
        found = np.zeros((2 * len(rows) + 10_000, TRIP_COLUMNS), dtype=np.int64)
        retell(rows, ledger, ring, meter, found, scale)
        return found[: int(ledger[LEDGER_TRIPS])], ledger

    def fills(self) -> Iterator[dict[str, Any]]:
        """Yield rows of the table."""
        columns = (self.times, self.sides, self.prices, self.lots, self.fees, self.mids)
        rows = zip(*(each.tolist() for each in columns), strict=True)
        for number, (at, side, price, lots, fee, mid) in enumerate(rows, 1):
            yield {
                **OWNED, "trade_id": number, "time_ns": at, "exchange_ns": at, "order_id": number,
                "side": "buy" if side > 0 else "sell", "price": price * TICK,
                "quantity": lots * LOT, "fee": fee, "mark": mid * TICK, "maker": True,
            }  # fmt: skip

    def orders(self) -> Iterator[dict[str, Any]]:
        """Yield an order for each fill, sent up to half a minute before."""
        for each in self.fills():
            yield {
                **OWNED, "order_id": each["order_id"], "time_ns": each["time_ns"] - 10 * SECOND,
                "side": each["side"], "price": each["price"], "quantity": each["quantity"],
                "level": 0, "taker": False,
            }  # fmt: skip

    def outcomes(self) -> Iterator[dict[str, Any]]:
        """Yield an acceptance for each order, and a cancel that came too late for one in two."""
        for each in self.fills():
            line = {**OWNED, "seq": each["order_id"], "order_id": each["order_id"], "amount": None}
            line["time_ns"] = each["time_ns"] - 9 * SECOND
            yield {**line, "place": 0, "outcome": "accepted"}
            if each["order_id"] % 2:
                line["time_ns"] = each["time_ns"]
                yield {**line, "place": 1, "outcome": "cancelled"}

    def closed(self) -> Iterator[dict[str, Any]]:
        """Yield round trips."""
        for number, row in enumerate(self.trips[0].tolist(), 1):
            opened, closed, lots, first, last, profit = row
            yield {
                **OWNED, "seq": number, "place": 0, "opened_ns": opened, "closed_ns": closed,
                "quantity": lots * LOT, "open_price": first * TICK, "close_price": last * TICK,
                "profit": profit,
            }  # fmt: skip

    def cycles(self) -> Iterator[dict[str, Any]]:
        """Yield a decision every half minute with the ledger of all fills up to it."""
        signed = self.sides * self.lots
        position = np.concatenate(([0], np.cumsum(signed)))
        traded = np.concatenate(([0], np.cumsum(self.prices * self.lots * TICK_LOT)))
        cash = np.concatenate(([0], np.cumsum(-signed * self.prices * TICK_LOT)))
        edge = np.concatenate(([0], np.cumsum(signed * (self.mids - self.prices) * TICK_LOT)))
        fees = np.concatenate(([0], np.cumsum(self.fees)))
        closes = self.trips[0][:, 1]
        opening = 100_000 * UNITS
        marks = np.concatenate(([20_000], self.mids))
        for at in range(self.start + CYCLE, int(self.times[-1]) + 2 * CYCLE, CYCLE):
            count = int(np.searchsorted(self.times, at, side="right"))
            count = 0 if at == self.start + CYCLE else count
            held, mark = int(position[count]), int(marks[count])
            profit = int(cash[count]) + held * mark * TICK_LOT - int(fees[count])
            trips = int(np.searchsorted(closes, at, side="right")) if count else 0
            inventory = profit + int(fees[count]) - int(edge[count])
            yield {
                **OWNED, "time_ns": at, "opening": opening, "equity": opening + profit,
                "spread": int(edge[count]), "fees": -int(fees[count]), "inventory": inventory,
                "funding": 0, "turnover": int(traded[count]), "peak": 0, "drawdown": 0,
                "net": opening + profit, "position": held * LOT, "mark": mark * TICK,
                "fills": count, "round_trips": trips, "wins": 0, "observation": [],
            }  # fmt: skip


def _bounded(wanted: I8, lots: I8, most: int) -> tuple[I8, I8]:
    """Return sides that keep the position within a bound."""
    sides, held = wanted.copy(), 0
    for place, (side, size) in enumerate(zip(wanted.tolist(), lots.tolist(), strict=True)):
        turned = -side if abs(held + side * size) > most else side
        sides[place] = turned
        held += turned * size
    return sides, lots


def fill(url: str, month: Month) -> None:
    """Put a month into an empty store."""
    with Store.open(url) as store, store.engine.begin() as connection:
        connection.execute(
            schema.RUNS.insert(), [{**OWNED, "opened_ns": month.start, "opening": OPENING}]
        )
        for table, rows in (
            (schema.FILLS, month.fills()), (schema.ORDERS, month.orders()),
            (schema.OUTCOMES, month.outcomes()), (schema.TRIPS, month.closed()),
            (schema.CYCLES, month.cycles()),
        ):  # fmt: skip
            while page := [each for _, each in zip(range(BATCH), rows, strict=False)]:
                connection.execute(table.insert(), page)


def made(url: str, page: Path) -> dict[str, Any]:
    """Make the report in a process of its own; return its document, seconds and size."""
    asked = json.dumps({"database": url, "html": str(page), "as_json": True})
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "desk.report"], input=asked + "\n", text=True,
        stdout=subprocess.PIPE, check=False,
    )  # fmt: skip
    wall_s = time.monotonic() - began
    return {
        "document": json.loads(done.stdout) if done.stdout else None,
        "exit": done.returncode,
        "wall_s": round(wall_s, 2),
        "page_bytes": page.stat().st_size,
    }


def main() -> int:
    """Generate, report, compare; print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fills", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="folder for the database and the page")
    told = parser.parse_args()
    month = Month(told.fills)
    with tempfile.TemporaryDirectory() as folder:
        place = told.keep or Path(folder)
        url = f"sqlite:///{place / 'desk.db'}"
        if not (place / "desk.db").exists():
            fill(url, month)
        found = {"sqlite": made(url, place / "sqlite.html")}
        if programs() is not None:
            with Server() as server:
                fill(server.url, month)
                found["postgresql"] = made(server.url, place / "postgresql.html")
    documents = [each.pop("document") for each in found.values()]
    print(f"{'database':<12}{'fills':>12}{'trips':>12}{'wall s':>9}{'page KB':>9}{'exit':>6}")
    for name, each in found.items():
        print(
            f"{name:<12}{told.fills:>12,}{len(month.trips[0]):>12,}{each['wall_s']:>9.2f}"
            f"{each['page_bytes'] / 1e3:>9.0f}{each['exit']:>6}"
        )
    same = all(each == documents[0] for each in documents)
    good = same and all(
        each["exit"] == 0 and each["wall_s"] <= LIMIT_S and each["page_bytes"] <= PAGE_MAX
        for each in found.values()
    )
    print(json.dumps({"bench": "report", "fills": told.fills, "same": same, **found}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
