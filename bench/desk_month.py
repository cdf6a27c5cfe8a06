"""A month of an executor's history, generated, and put into a store of either kind.

A random walk, a fill on either side of it, an order for each fill, outcomes, decisions each half
minute, matched round trips, and hourly boundaries with a proposal, votes and a decision each.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import sqlalchemy as sa

from desk import schema
from desk.store import Store
from desk.sums import recounted
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

UNITS: Final = 10**8
TICK, LOT = UNITS // 100, UNITS // 1000
TICK_LOT = TICK * LOT // UNITS
SECOND: Final = 10**9
CYCLE: Final = 30 * SECOND
HOURS: Final = 720
BATCH: Final = 50_000
RUN, EXECUTOR, COORDINATOR = "a month", "executor-1", "coordinator"
SET: Final = {
    "spread_percentage": 0.02, "levels": 3, "base_quantity": 1.0, "max_position": 10.0,
}  # fmt: skip
OPENING: Final = {
    "symbol": "SYN-USDT", "base": "SYN", "quote": "USDT", "tick": "0.01", "lot": "0.001",
    "capital": 100_000.0, "limits": {"stop_loss_threshold": 0.02}, "parameters": SET,
}  # fmt: skip
CURSORS: Final = (
    (EXECUTOR, "reports"), (EXECUTOR, "intents"), (EXECUTOR, "refusals"), (EXECUTOR, "cycles"),
    (EXECUTOR, "parameters"), (COORDINATOR, "log"),
)  # fmt: skip
Columns = dict[str, Any]
"""By name: a value a row, or one for all."""


class Month:
    """Generated history of so many fills: arrays in ticks, lots and units."""

    def __init__(self, fills: int, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        self.count = fills
        self.start = 1_735_689_600 * SECOND
        steps = np.sort(rng.integers(1, HOURS * 3_600, fills))
        self.times: I8 = self.start + steps * SECOND
        self.mids = 20_000 + np.cumsum(rng.integers(-1, 2, fills))
        wanted = rng.choice(np.array([-1, 1]), fills)
        lots = rng.integers(100, 1_000, fills)
        self.sides, self.lots = _bounded(wanted, lots, 10_000)
        self.prices = self.mids - self.sides * 2
        self.fees = self.prices * self.lots * TICK_LOT // 10_000
        self.trips = self._trips()

    def _trips(self) -> I8:
        """Return round trips, as the ledger matches them."""
        rows = np.zeros((self.count, RETOLD_COLUMNS), dtype=np.int64)
        rows[:, 0], rows[:, 1] = self.times, self.sides
        rows[:, 2], rows[:, 3], rows[:, 4] = self.prices, self.lots, self.fees
        scale = np.zeros(SCALE_COLUMNS, dtype=np.int64)
        scale[SCALE_TICK_LOT], scale[SCALE_LOT] = TICK_LOT, LOT
        ledger, (ring, meter) = np.zeros(LEDGER_COLUMNS, dtype=np.int64), new_lots()
        found = np.zeros((2 * len(rows) + 10_000, TRIP_COLUMNS), dtype=np.int64)
        retell(rows, ledger, ring, meter, found, scale)
        trips: I8 = found[: int(ledger[LEDGER_TRIPS])]
        return trips

    def tables(self) -> Iterator[tuple[sa.Table, Columns]]:
        """Yield every table with its columns."""
        ids = np.arange(1, self.count + 1)
        sides = np.where(self.sides > 0, "buy", "sell")
        priced = {"side": sides, "price": self.prices * TICK, "quantity": self.lots * LOT}
        yield schema.FILLS, {
            **priced, "trade_id": ids, "time_ns": self.times, "exchange_ns": self.times,
            "order_id": ids, "fee": self.fees, "mark": self.mids * TICK, "maker": True,
        }  # fmt: skip
        yield schema.ORDERS, {
            **priced, "order_id": ids, "time_ns": self.times - 10 * SECOND, "level": 0,
            "taker": False,
        }  # fmt: skip
        accepted = {"seq": ids, "place": 0, "order_id": ids, "outcome": "accepted", "amount": None}
        yield schema.OUTCOMES, {**accepted, "time_ns": self.times - 9 * SECOND}
        late = {"seq": ids[::2], "place": 1, "order_id": ids[::2], "outcome": "cancelled"}
        yield schema.OUTCOMES, {**late, "amount": None, "time_ns": self.times[::2]}
        opened, closed, lots, first, last, profit = self.trips.T
        yield schema.TRIPS, {
            "seq": np.arange(1, len(profit) + 1), "place": 0, "opened_ns": opened,
            "closed_ns": closed, "quantity": lots * LOT, "open_price": first * TICK,
            "close_price": last * TICK, "profit": profit,
        }  # fmt: skip
        yield schema.CYCLES, self._cycles()
        yield schema.EVENTS, _applied(self.start)
        yield schema.EVENTS, _log(self.start)

    def _cycles(self) -> Columns:
        """Return a decision every half minute with the ledger of all fills up to it."""
        times = np.arange(self.start + CYCLE, int(self.times[-1]) + 2 * CYCLE, CYCLE)
        count = np.searchsorted(self.times, times, side="right")
        count[0] = 0
        signed = self.sides * self.lots

        def so_far(each: I8) -> I8:
            found: I8 = np.concatenate(([0], np.cumsum(each)))[count]
            return found

        held, fees = so_far(signed), so_far(self.fees)
        edge = so_far(signed * (self.mids - self.prices) * TICK_LOT)
        mark = np.concatenate(([20_000], self.mids))[count]
        profit = so_far(-signed * self.prices * TICK_LOT) + held * mark * TICK_LOT - fees
        opening = 100_000 * UNITS
        trips = np.searchsorted(self.trips[:, 1], times, side="right") * (count > 0)
        return {
            "time_ns": times, "opening": opening, "equity": opening + profit, "spread": edge,
            "fees": -fees, "inventory": profit + fees - edge, "funding": 0,
            "turnover": so_far(self.prices * self.lots * TICK_LOT), "peak": 0, "drawdown": 0,
            "net": opening + profit, "position": held * LOT, "mark": mark * TICK, "fills": count,
            "round_trips": trips, "wins": 0, "observation": "[]",
        }  # fmt: skip


def _bounded(wanted: I8, lots: I8, most: int) -> tuple[I8, I8]:
    """Return sides that keep the position within a bound."""
    sides, held = wanted.copy(), 0
    for place, (side, size) in enumerate(zip(wanted.tolist(), lots.tolist(), strict=True)):
        turned = -side if abs(held + side * size) > most else side
        sides[place] = turned
        held += turned * size
    return sides, lots


def _set(hour: int) -> dict[str, Any]:
    return {**SET, "spread_percentage": round(0.02 + 0.001 * (hour % 5), 4)}


def _applied(start: int) -> Columns:
    """Return a set that came into force each hour."""
    hours = range(1, HOURS)
    bodies = [json.dumps({"pair": [1, hour], "params": _set(hour)}) for hour in hours]
    return {
        "source": "parameters", "seq": np.array(hours), "kind": "applied", "body": bodies,
        "time_ns": start + np.array(hours) * 3_600 * SECOND,
    }  # fmt: skip


def _log(start: int) -> Columns:
    """Return a decision log: two seats answer each hour, four vote, one set is decided."""
    kinds, bodies, times = [], [], []
    for hour in range(1, HOURS):
        for kind, body in _boundary(hour, start + hour * 3_600 * SECOND):
            kinds.append(kind)
            bodies.append(json.dumps(body))
            times.append(start + hour * 3_600 * SECOND)
    return {
        "owner": COORDINATOR, "source": "log", "seq": np.arange(1, len(kinds) + 1),
        "kind": kinds, "body": bodies, "time_ns": np.array(times),
    }  # fmt: skip


def _boundary(hour: int, at: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the entries of one hour, as the coordinator writes them."""
    ids = [f"{hour:030x}{seat:02x}" for seat in (1, 2)]
    metrics = {"sqn_score": 1.0, "sharpe_ratio": 1.0, "max_drawdown": 0.01}
    yield "boundary", {"index": hour, "id": ids[0], "incumbent": [1, hour - 1]}
    for seat, key in enumerate(ids, 1):
        data = {"optimized_params": _set(hour), "performance_metrics": metrics}
        data |= {"confidence_score": round(0.5 + 0.05 * ((hour + seat) % 10), 2)}
        yield "answer", {"id": key, "seat": f"optimizer-{seat}", "update": {"data": data}}
    yield "round", {"sets": ids, "number": hour}
    for voter in ("optimizer-1", "optimizer-2", EXECUTOR, "optimizer-3"):
        yield "vote", {"voter": voter, "choice": "approve", "reason": ""}
    yield "decision", {
        "pair": [1, hour], "params": _set(hour), "basis": ids, "seat": None, "mode": "consensus",
        "generation": 1, "not_before": at, "not_after": at + 7_200 * SECOND, "boundary": hour,
    }  # fmt: skip
    yield "applied", {"pair": [1, hour]}
    yield "done", {"index": hour, "decision": [1, hour], "not_after": at + 7_200 * SECOND}


def fill(store: Store, month: Month) -> int:
    """Put a month into an empty store, past its usual entrance; return how many rows."""
    opening = {"run": RUN, "owner": EXECUTOR, "opened_ns": month.start, "opening": OPENING}
    with store.engine.begin() as connection:
        connection.execute(schema.RUNS.insert(), [opening])
        rows = 1
        for table, columns in month.tables():
            rows += _poured(connection, table, {"run": RUN, "owner": EXECUTOR, **columns})
        for owner, source in CURSORS:
            key = {"run": RUN, "owner": owner, "source": source}
            sums = recounted(connection, RUN, owner).get(source, {})
            connection.execute(schema.CURSORS.insert(), [{**key, "seq": month.count, "sums": sums}])
    if store.engine.dialect.name == "postgresql":
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("ANALYZE"))  # as its own daemon does within a minute
    return rows


def _poured(connection: sa.Connection, table: sa.Table, columns: Columns) -> int:
    """Insert columns, by COPY where there is one; return how many rows."""
    length = len(columns["time_ns"] if "time_ns" in columns else columns["seq"])
    names = list(columns)
    postgres = connection.dialect.name == "postgresql"
    raw: Any = connection.connection.cursor()
    for first in range(0, length, BATCH):
        lists = [_part(each, first, min(BATCH, length - first)) for each in columns.values()]
        rows = zip(*lists, strict=True)
        if postgres:
            with raw.copy(f"COPY {table.name} ({', '.join(names)}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            marks = ", ".join("?" * len(names))
            into = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608
            raw.executemany(into, rows)
    return length


def _part(values: Any, first: int, count: int) -> Sequence[Any]:
    """Return so many values of a column as plain ones."""
    if isinstance(values, np.ndarray):
        return list(values[first : first + count].tolist())
    if isinstance(values, list):
        return values[first : first + count]
    return [values] * count
