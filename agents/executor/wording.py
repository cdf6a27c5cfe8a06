"""Rows of the executor's journal in the units of its instrument: decimal text, sides by name."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from agents.executor import records
from agents.executor.telling import money, text
from market.layout import BUY
from market.replay_step import (
    FILLED_EXCH_NS,
    FILLED_FEE,
    FILLED_HALF_TICKS,
    FILLED_LOTS,
    FILLED_MAKER,
    FILLED_ORDER_ID,
    FILLED_PRICE_TICKS,
    FILLED_SIDE,
    FILLED_TRADE_ID,
    PLACED_LEVEL,
    PLACED_LOTS,
    PLACED_ORDER_ID,
    PLACED_PRICE_TICKS,
    PLACED_SIDE,
)
from risk.states import TABLE

REASONS: Final = {0: "", **{rule.reason: rule.name for rule in TABLE}}
"""What led to a risk state, by code."""
Line = dict[str, Any]


def side_of(side: int) -> str:
    """Return buy or sell."""
    return "buy" if side == BUY else "sell"


@dataclass(frozen=True, slots=True)
class Wording:
    """The units of an instrument.

    Attributes:
        tick: price of one tick.
        lot: quantity of one lot.
    """

    tick: Decimal
    lot: Decimal

    def price(self, ticks: int) -> str:
        """Return a price."""
        return text(self.tick * ticks)

    def middle(self, half_ticks: int) -> str:
        """Return a price that was kept as bid + ask."""
        return text(self.tick * half_ticks / 2)

    def quantity(self, lots: int) -> str:
        """Return a quantity, signed."""
        return text(self.lot * lots)

    def order(self, each: list[int]) -> Line:
        """Return a row of `intents` that is an order."""
        return {
            "order_id": each[PLACED_ORDER_ID],
            "side": side_of(each[PLACED_SIDE]),
            "price": self.price(each[PLACED_PRICE_TICKS]),
            "quantity": self.quantity(each[PLACED_LOTS]),
            "level": each[PLACED_LEVEL],
            "taker": bool(each[records.SENT_TAKER]),
        }

    def fill(self, each: list[int]) -> Line:
        """Return a row of fills; `mark` is the mid at which it was booked."""
        return {
            "order_id": each[FILLED_ORDER_ID],
            "trade_id": each[FILLED_TRADE_ID],
            "side": side_of(each[FILLED_SIDE]),
            "price": self.price(each[FILLED_PRICE_TICKS]),
            "quantity": self.quantity(each[FILLED_LOTS]),
            "maker": bool(each[FILLED_MAKER]),
            "fee": money(each[FILLED_FEE]),
            "mark": self.middle(each[FILLED_HALF_TICKS]),
            "exchange_time": each[FILLED_EXCH_NS],
        }
