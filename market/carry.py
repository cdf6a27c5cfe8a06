"""How much may be carried: the largest position by value at risk and by what the market can take.

Written at each decision into the risk row, from public figures of that moment; the ladder is cut
to it (`policy.py`), and no order may go beyond it (`breach.py`).
"""

import math

from market.breach import (
    LIMIT_CAPITAL,
    LIMIT_CLOSE_S,
    LIMIT_FLOW,
    LIMIT_IMPACT,
    LIMIT_VALUE,
    LIMIT_VALUE_S,
    RISK_LIQUID_LOTS,
    RISK_PORTFOLIO_LOTS,
    RISK_VALUE_LOTS,
    position_cap_lots,
    stress_cap_lots,
)
from market.jit import inlined_kernel, kernel
from market.layout import SCALE_TICK_LOT, VIEW_FLOW, VIEW_LOSS, VIEW_ROOM, VIEW_SIGMA
from market.quotes import LOTS_HUGE
from market.types import F8, I8
from market.value import SCORE


@kernel
def value_cap_lots(view_row: F8, limits: F8, scale: I8) -> int:
    """Return the largest position whose 99 % loss stays within LIMIT_VALUE.

    That is LIMIT_VALUE x capital / loss of a lot. The loss is VIEW_LOSS (`value.py`); before enough
    cycles were seen, and where nothing moved in them, it is that of a normal distribution with the
    volatility now, 2.326 sigma sqrt(LIMIT_VALUE_S).
    """
    if limits[LIMIT_VALUE] <= 0.0:
        return LOTS_HUGE
    risked = view_row[VIEW_LOSS]
    if not risked > 0.0:
        risked = SCORE * view_row[VIEW_SIGMA] * math.sqrt(limits[LIMIT_VALUE_S])
    risked *= scale[SCALE_TICK_LOT]  # quote units a lot
    if risked == 0.0:
        return LOTS_HUGE
    if not risked > 0.0:
        return 0  # no number: nothing may be carried
    return int(min(float(LOTS_HUGE), limits[LIMIT_VALUE] * limits[LIMIT_CAPITAL] / risked))


@kernel
def liquid_cap_lots(view_row: F8, limits: F8) -> int:
    """Return the largest position that the market can take back.

    Within LIMIT_CLOSE_S, as LIMIT_FLOW of what trades: LIMIT_FLOW x flow x time lots. At once, for
    at most LIMIT_IMPACT of its worth: VIEW_ROOM (`liquidity.py`), which looks no farther than the
    limit of the position.
    """
    cap = float(LOTS_HUGE)
    if limits[LIMIT_FLOW] > 0.0:
        room = limits[LIMIT_FLOW] * view_row[VIEW_FLOW] * limits[LIMIT_CLOSE_S]
        cap = min(cap, room) if room >= 0.0 else 0.0  # no number: nothing may be carried
    if limits[LIMIT_IMPACT] > 0.0:
        room = view_row[VIEW_ROOM]
        cap = min(cap, room) if room >= 0.0 else 0.0
    return int(cap)


@inlined_kernel
def carry_lots(half_ticks: int, view_row: F8, limits: F8, scale: I8, risk: I8) -> int:
    """Write the caps of this decision into the risk row; return the least of all, in lots.

    A percent of air is left below the limits of position and stress, worth something else at
    every mid: a move within a cycle must not make refusals.
    """
    risk[RISK_VALUE_LOTS] = value_cap_lots(view_row, limits, scale)
    risk[RISK_LIQUID_LOTS] = liquid_cap_lots(view_row, limits)
    cap = position_cap_lots(half_ticks, limits, scale)
    cap = min(cap, stress_cap_lots(half_ticks, limits, scale))
    cap = min(cap - cap // 100, risk[RISK_VALUE_LOTS])
    return int(min(cap, risk[RISK_LIQUID_LOTS], risk[RISK_PORTFOLIO_LOTS]))
