"""What must hold between an executor's journal and its exchange, whatever was killed."""

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from agents.executor import records
from agents.executor.recovery import open_journal
from bench.venue_account import FOREIGN, Account
from market.breach import APPROVED
from market.layout import (
    LEDGER_BASE,
    LEDGER_QUOTE,
    REPORT_FUNDING,
    REPORT_KIND,
    REPORT_LOTS,
    REPORT_TRADE_ID,
)
from market.replay_step import (
    FILLED_LOTS,
    FILLED_ORDER_ID,
    FILLED_PRICE_TICKS,
    FILLED_TRADE_ID,
    PLACED_CODE,
    PLACED_ORDER_ID,
)
from market.types import I8


class House(Protocol):
    """An executor at an exchange, alive or not.

    Attributes:
        folder: of its journal.
        opening: of the account, before anything of ours.
    """

    folder: Path
    opening: dict[str, str]

    @property
    def exchange(self) -> Account:
        """Return its account there."""

    @property
    def prefix(self) -> str:
        """Return what the names of its orders begin with."""

    def open_ids(self) -> list[int]:
        """Return the ids of its open orders."""


class Book:
    """What an executor's journal holds.

    Attributes:
        fills: (trade id, order id, price ticks, lots), as often as they were booked.
        fundings: (number, units), as often as they were booked.
        intents: ids of the orders that were to be sent.
        quote_units, base_units: of the newest ledger.
    """

    def __init__(self, house: House) -> None:
        self.fills: list[tuple[int, int, int, int]] = []
        self.fundings: list[tuple[int, int]] = []
        self.intents: list[int] = []
        with open_journal(house.folder, readonly=True) as journal:
            reports = list(journal.rows(records.REPORTS))  # first: a live executor writes on
            frozen = journal.get(records.STATE)
            until_ns = frozen["now_ns"]
            for row in reports:
                assert row.time_ns <= until_ns, "a report stands without its state"
                told, filled = records.report_rows(row.body)
                paid = told[told[:, REPORT_KIND] == REPORT_FUNDING]
                self.fundings += [
                    (int(each[REPORT_TRADE_ID]), int(each[REPORT_LOTS])) for each in paid
                ]
                columns = (FILLED_TRADE_ID, FILLED_ORDER_ID, FILLED_PRICE_TICKS, FILLED_LOTS)
                self.fills += [tuple(int(each[c]) for c in columns) for each in filled]  # type: ignore[misc]
            for row in journal.rows(records.INTENTS):
                sent = records.sent_rows(row.body)
                placed = sent[(sent[:, PLACED_CODE] == APPROVED) & (sent[:, PLACED_ORDER_ID] > 0)]
                self.intents += placed[:, PLACED_ORDER_ID].tolist()
            ledger: I8 = np.frombuffer(frozen["ledger"], dtype=np.int64)
        self.quote_units, self.base_units = int(ledger[LEDGER_QUOTE]), int(ledger[LEDGER_BASE])


def problems_of(house: House, *, ended: bool) -> list[str]:
    """Return what does not hold; nothing when all does.

    Args:
        house: its executor lives, is dead, or has ended.
        ended: cleanly: then the journal knows of everything, and nothing of ours is open.
    """
    exchange = house.exchange
    orders = exchange.orders()  # before the journal, trades behind it: a live executor goes on
    book = Book(house)
    trades = exchange.trades()
    owners = exchange.orders()
    found = [
        *_of_orders(book, orders, house.prefix),
        *_of_trades(book, trades, owners, house.prefix, ended=ended),
        *_of_fundings(book, exchange.fundings(), ended=ended),
        *_of_foreign(orders),
    ]
    if ended:
        found += [f"order {each} of ours is open" for each in house.open_ids()]
        found += _of_balances(house, book)
    return found


def _of_orders(book: Book, orders: list[dict[str, Any]], prefix: str) -> list[str]:
    """Every order of ours has an intent, and there is one of it."""
    intents = set(book.intents)
    ours = [o["clientOrderId"] for o in orders if o["clientOrderId"].startswith(prefix)]
    times = Counter(ours)
    found = [f"{name} was placed {count} times" for name, count in times.items() if count > 1]
    unknown = [name for name in times if int(name.removeprefix(prefix)) not in intents]
    return found + [f"{name} has no intent" for name in unknown]


def _of_trades(
    book: Book,
    trades: list[dict[str, Any]],
    orders: list[dict[str, Any]],
    prefix: str,
    *,
    ended: bool,
) -> list[str]:
    """Every fill in the journal is a trade of the exchange, once; cleanly ended, the reverse."""
    names = {o["orderId"]: o["clientOrderId"] for o in orders}
    theirs = {
        int(t["id"]): (int(names[t["orderId"]].removeprefix(prefix)), t)
        for t in trades
        if names[t["orderId"]].startswith(prefix)
    }
    mine = Counter(each[0] for each in book.fills)
    found = [f"trade {key} was booked {count} times" for key, count in mine.items() if count > 1]
    found += [f"trade {key} is not the exchange's" for key in mine if key not in theirs]
    found += [
        f"trade {key} belongs to order {theirs[key][0]}, booked to {order_id}"
        for key, order_id, _, _ in book.fills
        if key in theirs and theirs[key][0] != order_id
    ]
    if ended:
        found += [f"trade {key} was not booked" for key in theirs if key not in mine]
    return found


def _of_fundings(book: Book, theirs: dict[int, int], *, ended: bool) -> list[str]:
    """Every funding in the journal is one of the exchange, once; cleanly ended, the reverse."""
    mine = Counter(number for number, _ in book.fundings)
    found = [f"funding {key} was booked {count} times" for key, count in mine.items() if count > 1]
    found += [
        f"funding {key} was booked as {units}, the exchange says {theirs.get(key)}"
        for key, units in book.fundings
        if theirs.get(key) != units
    ]
    if ended:
        found += [f"funding {key} was not booked" for key in theirs if key not in mine]
    return found


def _of_foreign(orders: list[dict[str, Any]]) -> list[str]:
    states = [o["status"] for o in orders if o["clientOrderId"] == FOREIGN]
    return [f"somebody else's order is {state}" for state in states if state != "NEW"]


def _of_balances(house: House, book: Book) -> list[str]:
    """What the ledger moved by is what the account moved by, to the last digit."""
    from agents.facts import read_facts

    facts, now = read_facts(house.folder), house.exchange.balances()
    rows = (
        (facts.meta.quote, book.quote_units - facts.quote_units),
        (facts.meta.base, book.base_units - facts.target_units),
    )
    found = []
    for asset, moved in rows:
        really = Decimal(now[asset]) - Decimal(house.opening[asset])
        if really * 10**8 != moved:
            found.append(f"{asset} moved by {really}, our ledger says {Decimal(moved) / 10**8}")
    return found
