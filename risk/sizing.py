"""How large an order may be: base, Kelly, then the caps of risk, in the order of DESIGN.md 6.

Kelly's share itself is arithmetic of the strategy and exists once, in `market/policy.py`: c times
the lower confidence bound of the mean net return (mean - 1 standard error) over its variance, in
[probe, 1] (Kelly 1956, Bell System Technical Journal 35, 917-926; the fraction c: MacLean, Ziemba,
Blazenko 1992, Management Science 38, 1562-1585). Here it is asked for a row of returns, and its
answer is cut to what risk allows.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from market.account import Account, Setup
from market.breach import (
    RISK_LIQUID_LOTS,
    RISK_PORTFOLIO_LOTS,
    RISK_VALUE_LOTS,
    position_cap_lots,
)
from market.layout import LEDGER_MARK, PARAMETER_BASE_QUANTITY
from market.policy import (
    KELLY_COUNT,
    KELLY_FRACTION,
    POLICY_CAPITAL,
    cap_lots,
    kelly_moments,
    lots_of,
    new_kelly,
    observe_profit,
    size_fraction,
)
from market.quotes import LOTS_HUGE, smallest_lots
from market.types import F8
from risk.var import Tail


class Bound(StrEnum):
    """What made an order as small as it is."""

    KELLY = "size_fraction"
    MAX_POSITION = "max_position"
    VALUE_AT_RISK = "value_at_risk"
    LIQUIDITY = "liquidity"
    PORTFOLIO = "portfolio"
    MINIMUM = "smallest order"


@dataclass(frozen=True, slots=True)
class Room:
    """Lots that one more order of a side may have, with every open order of that side filled.

    Attributes:
        max_position: below the optimizer's limit of the position.
        value_at_risk: below the loss that may be risked.
        liquidity: of recent flow and of the book, so that it can be left again.
        portfolio: below what the others on the same capital leave.
    """

    max_position: int
    value_at_risk: int
    liquidity: int
    portfolio: int = LOTS_HUGE


@dataclass(frozen=True, slots=True)
class Size:
    """Lots of an order, 0 when none is possible, and the bound that decided."""

    lots: int
    bound: Bound


def kelly_fraction(returns: F8, tuning: F8) -> float:
    """Return the share of base_quantity that past returns support, in [probe, 1].

    Args:
        returns: f8[n], net return per cycle on the capital at full size, oldest first.
        tuning: f8[POLICY_COLUMNS] of `market.policy.policy_settings`.
    """
    kelly = new_kelly()
    for each in returns:
        kelly[KELLY_FRACTION] = 1.0
        observe_profit(float(each) * tuning[POLICY_CAPITAL], tuning, kelly)
    return float(size_fraction(tuning, kelly))


def sized(base_lots: int, fraction: float, room: Room, least_lots: int) -> Size:
    """Return the order: base times fraction, cut to the room; below the smallest order nothing.

    The smallest legal order stays alive where base and room allow it, so that learning goes on.

    Args:
        base_lots: of the optimizer's base_quantity, >= 0.
        fraction: Kelly's, in (0, 1].
        room: what risk leaves; negative where a cap is passed already.
        least_lots: smallest legal order at its price, >= 1.

    Raises:
        ValueError: a figure out of range.
    """
    if base_lots < 0 or not 0.0 < fraction <= 1.0 or least_lots < 1:
        raise ValueError(
            "base_lots >= 0, fraction in (0, 1] and least_lots >= 1 are needed, found "
            f"{base_lots}, {fraction}, {least_lots}"
        )
    caps = (
        (base_lots if base_lots < least_lots else max(least_lots, _share(base_lots, fraction))),
        room.max_position,
        room.value_at_risk,
        room.liquidity,
        room.portfolio,
    )
    names = (
        Bound.KELLY,
        Bound.MAX_POSITION,
        Bound.VALUE_AT_RISK,
        Bound.LIQUIDITY,
        Bound.PORTFOLIO,
    )
    lots, bound = min(zip(caps, names, strict=True), key=lambda pair: pair[0])
    if 0 < lots < least_lots:
        return Size(0, Bound.MINIMUM)
    return Size(max(0, lots), bound)


def _share(lots: int, fraction: float) -> int:
    """Return a fraction of lots, rounded down but for the error of the product."""
    return min(lots, math.floor(lots * fraction + 1e-9))


@dataclass(frozen=True, slots=True)
class Sizing:
    """What the last decision made of Kelly and the caps.

    Attributes:
        fraction: Kelly's share; 0 when nothing was quoted or held.
        edge: lower bound of the net return per cycle at full size, fraction of the capital.
        variance: of that return.
        observations: cycles behind it.
        order: the innermost order of a flat account, and what made it as small as it is.
        room: the caps behind it, lots.
    """

    fraction: float
    edge: float
    variance: float
    observations: int
    order: Size
    room: Room


def sizing_of(account: Account, setup: Setup, parameters: F8) -> Sizing:
    """Return how large an order was at the last decision, and why; the same in replay and live.

    Args:
        account: as the decision left it.
        setup: limits, scale and policy.
        parameters: f8[PARAMETER_COLUMNS], in force.
    """
    kelly, risk, half = account.kelly, account.risk, int(account.ledger[LEDGER_MARK])
    mean, error, variance = kelly_moments(kelly)
    cap = int(position_cap_lots(half, setup.limits, setup.scale))
    room = Room(
        max_position=min(int(cap_lots(parameters, setup.scale)), cap - cap // 100),
        value_at_risk=int(risk[RISK_VALUE_LOTS]),
        liquidity=int(risk[RISK_LIQUID_LOTS]),
        portfolio=int(risk[RISK_PORTFOLIO_LOTS]),
    )
    fraction = float(kelly[KELLY_FRACTION])
    order = Size(0, Bound.KELLY)
    if fraction > 0.0 and half > 0:
        base = int(lots_of(parameters[PARAMETER_BASE_QUANTITY], setup.scale))
        order = sized(base, fraction, room, int(smallest_lots(half // 2, setup.scale)))
    return Sizing(fraction, mean - error, variance, int(kelly[KELLY_COUNT]), order, room)


def exposure_within(tail: Tail, gross: float, limit: float) -> float:
    """Return the largest gross exposure, in the same proportions, whose bound stays within a limit.

    Value at risk grows in proportion to the exposures, so one estimate tells all sizes.

    Args:
        tail: of exposures that add up to `gross`.
        gross: > 0, quote asset.
        limit: largest value at risk, >= 0, quote asset.
    """
    if not (0.0 < gross < math.inf and 0.0 <= limit < math.inf):
        raise ValueError(f"gross must be above 0 and limit at least 0, found {gross} and {limit}")
    return math.inf if tail.value_at_risk <= 0.0 else gross * limit / tail.value_at_risk
