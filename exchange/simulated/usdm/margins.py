"""What the margin of an account allows, and what reduces its position. Judged as orders arrive.

Available is the wallet with the profit of the open position at the mark, less what position and
open orders tie up. The mark is the middle of the recorded quotes. Nothing is liquidated.
"""

from dataclasses import dataclass, replace

from exchange.simulated.accounts import Account, Order
from exchange.simulated.instrument import Instrument
from exchange.simulated.matching import Plan
from exchange.simulated.refusals import Refusal
from exchange.simulated.usdm.margin import initial_margin, worth_at
from exchange.simulated.usdm.wire import wallet_of
from market.layout import BUY


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands at a mark; quote units.

    Attributes:
        wallet: without the open profit.
        worth: of the position, signed.
        profit: of the open position.
        position_margin: that the position ties up alone.
        margin: with the open orders.
        buys, sells: worth of the open orders.
        elsewhere: open profit less margin in the other symbols of the wallet.
    """

    wallet: int
    worth: int
    profit: int
    position_margin: int
    margin: int
    buys: int
    sells: int
    elsewhere: int = 0

    @property
    def available(self) -> int:
        """What new orders may tie up, in any symbol."""
        return self.wallet + self.profit - self.margin + self.elsewhere


def standing_of(account: Account, instrument: Instrument, mark_half_ticks: int) -> Standing:
    """Return how an account stands in a symbol, with a wallet for all."""
    now = standing_alone(account, instrument, mark_half_ticks)
    others = [
        standing_alone(each.account, each.instrument, each.mark()) for each in account.elsewhere
    ]
    return replace(now, elsewhere=sum(each.profit - each.margin for each in others))


def standing_alone(account: Account, instrument: Instrument, mark_half_ticks: int) -> Standing:
    """Return how an account stands, but for what other symbols earn and tie up."""
    assert account.margin is not None
    leverage = account.margin.leverage
    worth = worth_at(account.held_lots(instrument), mark_half_ticks, instrument)
    buys, sells = (
        sum(
            instrument.notional(order.price_ticks, order.remaining)
            for order in account.open.values()
            if (order.side == BUY) == bought and not order.reduce_only
        )
        for bought in (True, False)
    )
    return Standing(
        wallet=wallet_of(account, instrument),
        worth=worth,
        profit=worth - account.margin.entry,
        position_margin=initial_margin(worth, 0, 0, leverage),
        margin=initial_margin(worth, buys, sells, leverage),
        buys=buys,
        sells=sells,
    )


def demand_margin(
    account: Account, instrument: Instrument, order: Order, plan: Plan, mark_half_ticks: int
) -> None:
    """Raise Refusal for an order that the account's margin does not allow."""
    assert account.margin is not None
    if order.reduce_only:
        return
    now = standing_of(account, instrument, mark_half_ticks)
    worth = plan.spent if order.kind == "MARKET" else 0
    worth = worth or instrument.notional(order.price_ticks, order.lots)
    buys, sells = (worth, 0) if order.side == BUY else (0, worth)
    leverage = account.margin.leverage
    then = initial_margin(now.worth, now.buys + buys, now.sells + sells, leverage)
    more = then - now.margin
    if more > 0 and now.available < more + account.fee_bound(worth, instrument, taker=True):
        raise Refusal(-2019, "Margin is insufficient.")


def reducible(account: Account, instrument: Instrument, side: int) -> int:
    """Return the lots by which orders of a side may still reduce the position."""
    held = account.held_lots(instrument)
    if held * side >= 0:
        return 0
    waiting = sum(
        order.remaining
        for order in account.open.values()
        if order.reduce_only and order.side == side
    )
    return abs(held) - waiting


def demand_reduction(account: Account, instrument: Instrument, side: int, lots: int) -> int:
    """Return the lots that a reduce-only order may have, at most those wanted.

    Raises:
        Refusal: it would not reduce the position.
    """
    left = reducible(account, instrument, side)
    if left <= 0:
        raise Refusal(-2022, "ReduceOnly Order is rejected.")
    return min(lots, left)


def beyond_the_position(account: Account, instrument: Instrument) -> list[Order]:
    """Return the reduce-only orders that have become too many for the position, newest first."""
    found = []
    for side in (1, -1):
        waiting = [o for o in account.open.values() if o.reduce_only and o.side == side]
        held = account.held_lots(instrument)
        room = abs(held) if held * side < 0 else 0
        too_many = sum(order.remaining for order in waiting) - room
        for order in reversed(waiting):
            if too_many <= 0:
                break
            found.append(order)
            too_many -= order.remaining
    return found
