"""Makes the arrays of a candidate new again, so that a worker needs them once and not each time.

Only what is read before it is written counts: rings and scratch keep what they held.
"""

from market.account import Account, Exchange
from market.breach import reopen_risk
from market.jit import kernel
from market.layout import LEDGER_BASE, LEDGER_QUOTE, LEDGER_TARGET, NEVER, NO_ASK, NO_BID
from market.order_lines import (
    METER_ASK_HIGH,
    METER_ASK_LOW,
    METER_BID_HIGH,
    METER_BID_LOW,
    METER_NEXT_NS,
)
from market.own import OWN_METER_HIGHEST_BID, OWN_METER_LOWEST_ASK, OWN_METER_NEXT_ID
from market.types import I8


@kernel
def reopen_account(account: Account, opening: I8) -> None:
    """Leave an account as `account.open_account` made it; `opening` is that of the setup."""
    account.own[:, :] = 0
    account.own_meter[:] = 0
    account.own_meter[OWN_METER_NEXT_ID] = 1
    account.own_meter[OWN_METER_HIGHEST_BID] = NO_ASK
    account.own_meter[OWN_METER_LOWEST_ASK] = NO_BID
    account.ledger[:] = 0
    account.ledger[LEDGER_QUOTE] = opening[0]
    account.ledger[LEDGER_BASE] = opening[1]
    account.ledger[LEDGER_TARGET] = opening[2]
    account.lots_meter[:] = 0
    reopen_risk(account.risk)
    account.kelly[:] = 0.0
    account.guard_state[:] = 0
    account.ladder[:, :, :] = 0
    account.remember[:] = 0
    account.observation[:] = 0.0
    account.proposal[:] = 0.0


@kernel
def reopen_exchange(exchange: Exchange) -> None:
    """Leave an exchange of a tape as `account.open_tape_exchange` made it."""
    exchange.orders[:, :] = 0
    exchange.meter[:] = 0
    exchange.meter[METER_NEXT_NS] = NEVER
    exchange.meter[METER_BID_HIGH] = NO_BID
    exchange.meter[METER_BID_LOW] = NO_ASK
    exchange.meter[METER_ASK_LOW] = NO_ASK
    exchange.meter[METER_ASK_HIGH] = NO_BID
