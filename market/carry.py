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
)
from market.jit import inlined_kernel, kernel
from market.layout import SCALE_TICK_LOT, VIEW_FLOW, VIEW_MID, VIEW_SIGMA
from market.quotes import LOTS_HUGE
from market.types import F8, I8

VALUE_SCORE = 2.3263478740408408  # quantile of the normal distribution at 99 %
DAY_S = 86_400.0


@kernel
def value_cap_lots(view_row: F8, limits: F8, scale: I8) -> int:
    """Return the largest position whose 99 % loss over LIMIT_VALUE_S stays within LIMIT_VALUE.

    Normal, of the volatility now: LIMIT_VALUE x capital / (2.326 sigma sqrt(horizon)) lots.
    """
    if limits[LIMIT_VALUE] <= 0.0:
        return LOTS_HUGE
    risked = VALUE_SCORE * view_row[VIEW_SIGMA] * math.sqrt(limits[LIMIT_VALUE_S])
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
    at most LIMIT_IMPACT of its worth by the square-root law (Almgren et al. 2005, Risk 18(7)):
    cost = sigma_day sqrt(Q / V_day), so Q = V_day (LIMIT_IMPACT / sigma_day)^2.
    """
    cap = float(LOTS_HUGE)
    if limits[LIMIT_FLOW] > 0.0:
        cap = min(cap, limits[LIMIT_FLOW] * view_row[VIEW_FLOW] * limits[LIMIT_CLOSE_S])
    if limits[LIMIT_IMPACT] > 0.0 and view_row[VIEW_MID] > 0.0 and view_row[VIEW_SIGMA] != 0.0:
        sigma = view_row[VIEW_SIGMA] * math.sqrt(DAY_S) / view_row[VIEW_MID]
        cap = min(cap, view_row[VIEW_FLOW] * DAY_S * (limits[LIMIT_IMPACT] / sigma) ** 2)
    return int(cap) if cap >= 0.0 else 0  # no number: nothing may be carried


@inlined_kernel
def carry_lots(half_ticks: int, view_row: F8, limits: F8, scale: I8, risk: I8) -> int:
    """Write the caps of this decision into the risk row; return the least of all, in lots.

    A percent of air is left below the limit of the position, which is worth something else at
    every mid: a move within a cycle must not make refusals.
    """
    risk[RISK_VALUE_LOTS] = value_cap_lots(view_row, limits, scale)
    risk[RISK_LIQUID_LOTS] = liquid_cap_lots(view_row, limits)
    cap = position_cap_lots(half_ticks, limits, scale)
    cap = min(cap - cap // 100, risk[RISK_VALUE_LOTS])
    return int(min(cap, risk[RISK_LIQUID_LOTS], risk[RISK_PORTFOLIO_LOTS]))
