"""The words of one of Binance's exchanges: `wire` (spot) and `usdm.wire` are such modules."""

from typing import Any, Protocol

from exchange.simulated.accounts import Account, Order, Trade
from exchange.simulated.instrument import Instrument
from exchange.simulated.refusals import Refusal


class Dialect(Protocol):
    """How orders, trades, accounts and refusals are told."""

    def order_row(self, order: Order, instrument: Instrument) -> dict[str, Any]:
        """Return an order as it is told when one asks for it."""
        ...

    def placed_row(
        self, order: Order, instrument: Instrument, trades: list[Trade], response: str
    ) -> dict[str, Any]:
        """Return the answer to a new order."""
        ...

    def cancelled_row(
        self, order: Order, instrument: Instrument, new_client_id: str
    ) -> dict[str, Any]:
        """Return the answer to a cancel."""
        ...

    def trade_row(self, trade: Trade, instrument: Instrument) -> dict[str, Any]:
        """Return a trade of the account."""
        ...

    def execution_report(
        self,
        order: Order,
        instrument: Instrument,
        *,
        execution: str,
        execution_id: int,
        now_ns: int,
        trade: Trade | None = None,
        client_id: str | None = None,
        previous_client_id: str = "",
    ) -> dict[str, Any]:
        """Return one event of an order's life."""
        ...

    def account_position(
        self, account: Account, instrument: Instrument, now_ns: int
    ) -> dict[str, Any] | None:
        """Return the event that tells what an account holds; None when there is nothing new."""
        ...

    def refused(self, refusal: Refusal) -> Refusal:
        """Return a refusal with this exchange's code and text."""
        ...
