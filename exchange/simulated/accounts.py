"""Accounts, orders and trades as the exchange keeps them. Money is whole 1e-8 of its asset.

What is locked is what the open orders could cost. It is never kept beside them: it is counted.
Nothing here decides whether an order fills; `core.py` does.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from exchange.simulated.instrument import Instrument, half_even
from exchange.simulated.usdm.margin import Margin, booked
from market.layout import BUY, UNITS


class Status(StrEnum):
    """Where an order is in its life."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"


@dataclass(slots=True)
class Order:
    """One order. `lots` is what was asked for; an amendment lowers it."""

    order_id: int
    account: str
    client_id: str
    side: int
    kind: str  # LIMIT, LIMIT_MAKER or MARKET
    time_in_force: str
    price_ticks: int  # 0 of a market order
    lots: int
    made_ns: int
    stp: str
    quote_order_units: int = 0
    executed: int = 0  # lots
    spent: int = 0  # quote units
    status: Status = Status.NEW
    updated_ns: int = 0
    amends: int = 0
    prevented: int = 0  # lots that self-trade prevention took off
    strategy: tuple[int | None, int | None] = (None, None)
    reduce_only: bool = False  # USD-M

    @property
    def post_only(self) -> bool:
        """Whether it never takes."""
        return self.kind == "LIMIT_MAKER" or self.time_in_force == "GTX"

    @property
    def remaining(self) -> int:
        """The lots that may still fill."""
        return self.lots - self.executed - self.prevented

    @property
    def is_open(self) -> bool:
        """Whether it rests."""
        return self.status in {Status.NEW, Status.PARTIALLY_FILLED}


@dataclass(frozen=True, slots=True)
class Trade:
    """One fill of one account."""

    trade_id: int
    order_id: int
    side: int
    price_ticks: int
    lots: int
    quote_units: int
    commission: int
    commission_asset: str
    time_ns: int
    is_maker: bool
    realised: int = 0  # quote units; USD-M


@dataclass(frozen=True, slots=True)
class Fees:
    """What an account pays, 1e-8 of the notional, and in which asset.

    Attributes:
        asset: paid in this one while there is enough of it; None: each fill in its own asset.
        asset_price: of that asset in the quote, units.
        discount: 1e-8 of the fee that paying in it saves.
    """

    maker: int
    taker: int
    asset: str | None = None
    asset_price: int = 0
    discount: int = 25_000_000


@dataclass(slots=True)
class Account:
    """One client of the exchange, with its orders and trades in one symbol.

    Attributes:
        key: the first, by which the account is known inside.
        balances: free and locked together; one and the same of all its symbols.
        more_keys: others that reach it, each with its secret.
        margin: of an account of USD-M futures; None: spot.
        symbol: of the orders and trades.
        elsewhere: the same client in the other symbols; what it has locked there is locked here.
    """

    name: str
    key: str
    secret: str
    fees: Fees
    balances: dict[str, int]
    number: int = 0
    public_key: str | None = None
    more_keys: dict[str, str] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    open: dict[int, Order] = field(default_factory=dict)
    by_client: dict[str, int] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    updated_ns: int = 0
    margin: Margin | None = None
    symbol: str = ""
    elsewhere: list["Elsewhere"] = field(default_factory=list, repr=False, compare=False)

    def add(self, order: Order) -> None:
        """Keep an order; a later one with the same client id hides the earlier one."""
        self.orders[order.order_id] = order
        self.by_client[order.client_id] = order.order_id
        if order.is_open:
            self.open[order.order_id] = order

    def find(self, order_id: int | None, client_id: str | None) -> Order | None:
        """Return an order by either id; None when there is none, or both name different ones."""
        if order_id is None:
            order_id = self.by_client.get(client_id or "")
        order = self.orders.get(order_id or 0)
        if order is not None and client_id is not None and order.client_id != client_id:
            return None
        return order

    def locked(self, asset: str, instrument: Instrument) -> int:
        """Return what the open orders hold of an asset, units; those in other symbols too."""
        others = (each.account.tied_up(asset, each.instrument) for each in self.elsewhere)
        return self.tied_up(asset, instrument) + sum(others)

    def tied_up(self, asset: str, instrument: Instrument) -> int:
        """Return what the open orders of this symbol hold of an asset, units."""
        total = 0
        for order in self.open.values():
            if order.side == BUY:
                if asset == instrument.quote:
                    total += self.cost(order.price_ticks, order.remaining, instrument)
            elif asset == instrument.base:
                total += order.remaining * instrument.lot
        return total

    def cost(
        self, price_ticks: int, lots: int, instrument: Instrument, *, taker: bool = False
    ) -> int:
        """Return what a buy may cost, quote units; its fee too where that is taken from the quote.

        Such a fee is rounded up: what is locked is enough.
        """
        notional = instrument.notional(price_ticks, lots)
        return notional + self.fee_bound(notional, instrument, taker=taker)

    def fee_bound(self, notional: int, instrument: Instrument, *, taker: bool) -> int:
        """Return the most that a buy's fee can take from the quote asset, units."""
        if instrument.fee_in_base or self.fees.asset is not None:
            return 0
        rate = max(0, self.fees.taker if taker else self.fees.maker)
        return -(-notional * rate // UNITS)

    def free(self, asset: str, instrument: Instrument) -> int:
        """Return what an order may use of an asset, units."""
        return self.balances.get(asset, 0) - self.locked(asset, instrument)

    def held_lots(self, instrument: Instrument) -> int:
        """Return the base held, in lots: of futures the signed position."""
        return self.balances.get(instrument.base, 0) // instrument.lot

    def assets(self) -> Iterator[str]:
        """Return the assets that it has or had, in a steady order."""
        return iter(self.balances)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A client in another symbol.

    Attributes:
        instrument: that symbol's assets and steps, which never change.
        mark: twice the middle of its recorded quotes, ticks.
    """

    account: Account
    instrument: Instrument
    mark: Callable[[], int]


def commission_of(
    account: Account, instrument: Instrument, side: int, lots: int, notional: int, *, maker: bool
) -> tuple[int, str]:
    """Return (units, asset) of a fill's commission; a rebate is negative.

    A buy pays from the base that it receives and a sell from the quote, unless the account pays in
    another asset and has enough of it; the instrument may take all from the quote.
    """
    fees = account.fees
    rate = fees.maker if maker else fees.taker
    if fees.asset is not None and fees.asset_price > 0:
        fee = half_even(notional, rate * (UNITS - fees.discount) // UNITS)
        in_asset = half_even(fee, UNITS, fees.asset_price)
        if account.balances.get(fees.asset, 0) >= in_asset:
            return in_asset, fees.asset
    if side == BUY and instrument.fee_in_base:
        return half_even(lots * instrument.lot, rate), instrument.base
    return half_even(notional, rate), instrument.quote


def book_trade(account: Account, instrument: Instrument, order: Order, trade: Trade) -> None:
    """Move the balances by one fill, and keep it."""
    move(account, instrument, trade)
    order.executed += trade.lots
    order.spent += trade.quote_units
    order.updated_ns = trade.time_ns


def move(account: Account, instrument: Instrument, trade: Trade) -> None:
    """Move balances and position by a trade, and keep it with the account."""
    if account.margin is not None:
        held = account.held_lots(instrument)
        told = (account.margin.entry, held, trade.side, trade.lots, trade.quote_units)
        account.margin.entry, _ = booked(*told)
    base, quote = instrument.base, instrument.quote
    balances = account.balances
    balances[base] = balances.get(base, 0) + trade.side * trade.lots * instrument.lot
    balances[quote] = balances.get(quote, 0) - trade.side * trade.quote_units
    asset = trade.commission_asset
    balances[asset] = balances.get(asset, 0) - trade.commission
    account.trades.append(trade)
    account.updated_ns = trade.time_ns
