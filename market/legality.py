"""Which actions a policy may take now: the mask of position, caps and risk state.

A policy, learned or in closed form, wishes; what the mask forbids is replaced here, before a quote
is written, so that no wish ends as a refusal of the gate. The gate judges all the same.
"""

from market.breach import HALTED, REDUCING
from market.jit import inlined_kernel, kernel

PULL_BOTH = 0
BID_ONLY = 1
ASK_ONLY = 2
BOTH = 3
REDUCE = 4
ACTIONS = 5


@inlined_kernel
def is_in(action: int, legal: int) -> bool:
    """Return whether a mask permits an action."""
    return bool((legal >> action) & 1)


@kernel
def legal_actions(
    position_lots: int, max_lots: int, least_lots: int, risk_state: int, ready: bool
) -> int:
    """Return the actions that are permitted, as bits 1 << action.

    A side is permitted where its smallest order, filled, keeps the position within `max_lots`. To
    reduce needs a position; when risk asks for it, it is all that is permitted.

    Args:
        position_lots: signed.
        max_lots: largest position by every cap, >= 0.
        least_lots: smallest legal order, >= 1.
        risk_state: ACTIVE, REDUCING or HALTED.
        ready: whether there is a market to quote on.
    """
    legal = 1 << PULL_BOTH
    if risk_state == HALTED or not ready:
        return legal
    if risk_state == REDUCING:
        return 1 << REDUCE if position_lots != 0 else legal
    if position_lots != 0:
        legal |= 1 << REDUCE
    bids = position_lots + least_lots <= max_lots
    asks = least_lots - position_lots <= max_lots
    if bids:
        legal |= 1 << BID_ONLY
    if asks:
        legal |= 1 << ASK_ONLY
    if bids and asks:
        legal |= 1 << BOTH
    return legal


@kernel
def masked(action: int, legal: int) -> int:
    """Return an action if it is permitted, else what is nearest to it.

    Of two sides the permitted one is quoted; where no side is, the position is reduced, if any.

    Args:
        action: PULL_BOTH .. REDUCE.
        legal: of `legal_actions`.
    """
    if is_in(action, legal):
        return action
    bids = is_in(BID_ONLY, legal)
    asks = is_in(ASK_ONLY, legal)
    if bids or asks:
        if action != BOTH:
            return PULL_BOTH
        return BID_ONLY if bids else ASK_ONLY
    return REDUCE if is_in(REDUCE, legal) else PULL_BOTH
