"""The arrays of one account, of one exchange side and of one setup, each bundled under names.

A kernel takes a bundle as one argument; inside are only arrays, laid out as `layout.py` says.
Nothing here computes.
"""

from typing import NamedTuple

import numpy as np

from market.book import new_book
from market.breach import new_risk
from market.funding import NO_FUNDING
from market.guard import new_guard
from market.layout import TRIP_COLUMNS
from market.ledger import ONE_TIER, new_ledger, new_lots
from market.observation import new_observation
from market.order_lines import Exchange, open_exchange
from market.own import new_own
from market.policy import new_kelly, new_proposal
from market.types import F8, I8

__all__ = [
    "REMEMBER_ACTION",
    "REMEMBER_COLUMNS",
    "REMEMBER_CYCLES",
    "REMEMBER_EXCESS",
    "Account",
    "Exchange",
    "Setup",
    "open_account",
    "open_exchange",
    "open_tape_exchange",
]

# --- what the strategy remembers besides its parts: i8[REMEMBER_COLUMNS], zeros at first -----
REMEMBER_EXCESS = 0  # equity less the worth of the target, quote units, at the last cycle
REMEMBER_CYCLES = 1  # cycles decided so far
REMEMBER_ACTION = 2  # last action chosen (policy.PULL_BOTH .. REDUCE)
REMEMBER_COLUMNS = 3


class Account(NamedTuple):
    """Everything that changes while one account trades, as the executor knows it."""

    own: I8  # i8[ORDERS_MAX, OWN_COLUMNS]
    own_meter: I8  # i8[OWN_METER_COLUMNS]
    ledger: I8  # i8[LEDGER_COLUMNS]
    lots: I8  # i8[LOTS_MAX, LOT_COLUMNS]
    lots_meter: I8  # i8[LOTS_METER_COLUMNS]
    trips: I8  # i8[n, TRIP_COLUMNS]
    risk: I8  # i8[RISK_COLUMNS]
    kelly: F8  # f8[KELLY_COLUMNS]
    guard_state: I8  # i8[HELD_COLUMNS]
    ladder: I8  # i8[2, LEVELS_MAX, LADDER_COLUMNS]
    remember: I8  # i8[REMEMBER_COLUMNS]
    actions: I8  # i8[ACTIONS_MAX, ACTION_COLUMNS]
    observation: F8  # f8[OBSERVATION_COLUMNS]: what was seen at the last cycle
    proposal: F8  # f8[PROPOSAL_COLUMNS]: of a learned policy, for the next cycle


class Setup(NamedTuple):
    """What does not change while an account trades."""

    scale: I8  # i8[SCALE_COLUMNS]
    model: F8  # f8[MODEL_COLUMNS]: how our place in a line is told
    limits: F8  # f8[LIMIT_COLUMNS]
    policy: F8  # f8[POLICY_COLUMNS]
    guarding: F8  # f8[GUARD_COLUMNS]
    cycle: I8  # i8[1]: time between decisions, ns
    opening: I8  # i8[3]: quote, base and target units at the start
    funding: I8 = NO_FUNDING  # i8[n, FUNDING_COLUMNS]; empty on spot
    tiers: I8 = ONE_TIER  # i8[n, TIER_COLUMNS]; empty: the scale's fees


def open_account(setup: Setup, *, trips: int) -> Account:
    """Return an account at its opening balances, with room for so many closed round trips."""
    own, own_meter = new_own()
    lots, lots_meter = new_lots()
    guard_state, ladder, actions = new_guard()
    quote_units, base_units, target_units = (int(units) for units in setup.opening)
    return Account(
        own=own,
        own_meter=own_meter,
        ledger=new_ledger(quote_units, base_units, target_units),
        lots=lots,
        lots_meter=lots_meter,
        trips=np.zeros((trips, TRIP_COLUMNS), dtype=np.int64),
        risk=new_risk(),
        kelly=new_kelly(),
        guard_state=guard_state,
        ladder=ladder,
        remember=np.zeros(REMEMBER_COLUMNS, dtype=np.int64),
        actions=actions,
        observation=new_observation(),
        proposal=new_proposal(),
    )


def open_tape_exchange() -> Exchange:
    """Return an exchange side without orders and without a book, for a tape."""
    return open_exchange(*new_book(0, 0))
