"""Settings of risk: every limit with its unit and range, and the profiles that set them together.

What a limit does is in `market/breach.py`, `market/states.py` and `market/carry.py`.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, model_validator

from agents.section import Section


class Profile(StrEnum):
    """Limits that go together; each may still be set by itself."""

    CONSERVATIVE = "conservative"
    NORMAL = "normal"
    RESEARCH = "research"


class Return(StrEnum):
    """Who ends a halt."""

    AUTOMATIC = "automatic"
    OPERATOR = "operator"


PROFILES: dict[Profile, dict[str, Any]] = {
    Profile.NORMAL: {},
    Profile.CONSERVATIVE: {
        "stop_loss_threshold": 0.01,
        "daily_loss_limit": 0.002,
        "peak_drawdown_limit": 0.005,
        "volatility_cutoff": 3.0,
        "price_collar": 0.02,
        "max_order_size": 0.005,
        "open_orders_max": 100,
        "order_rate_max": 20.0,
        "order_burst_max": 60,
        "price_age_s": 15.0,
        "value_at_risk_limit": 0.0005,
        "participation_limit": 0.02,
        "liquidation_s": 14_400,
        "flatten_cost_limit": 0.005,
        "stressed_loss_limit": 0.0015,
        "loss_return": "operator",
    },
    Profile.RESEARCH: {
        "max_position_size": 0.5,
        "stop_loss_threshold": 0.05,
        "daily_loss_limit": 0.10,
        "peak_drawdown_limit": 0.25,
        "volatility_cutoff": 10.0,
        "price_collar": 0.2,
        "max_order_size": 0.5,
        "value_at_risk_limit": 0.20,
        "participation_limit": 0.25,
        "flatten_cost_limit": 0.05,
        "stressed_loss_limit": 0.25,
        "loss_return": "automatic",
        "drawdown_rest_s": 86_400,
    },
}
"""What a profile sets; `normal` is what the fields below say."""


class Risk(Section):
    """What may be sent and what must stop. Fractions are of the capital unless said."""

    profile: Annotated[Profile, Field(strict=False)] = Field(
        Profile.NORMAL, description="limits that go together: conservative, normal, research"
    )
    max_position_size: float = Field(0.01, gt=0, le=1, description="largest position")
    stop_loss_threshold: float = Field(
        0.02, gt=0, le=1, description="loss of a position, fraction of its cost, that reduces it"
    )
    daily_loss_limit: float = Field(
        0.05, gt=0, le=1, description="loss in a UTC day, or in any 24 hours, that halts"
    )
    loss_return: Annotated[Return, Field(strict=False)] = Field(
        Return.AUTOMATIC,
        description="what ends the halt of a daily loss: automatic (the next UTC day, a milder "
        "24 hours) or operator",
    )
    peak_drawdown_limit: float = Field(
        0.10, gt=0, le=1, description="fall from the peak that halts"
    )
    drawdown_rest_s: int = Field(
        0, ge=0, le=366 * 86_400, description="seconds of halt after it; 0: until an operator"
    )
    volatility_cutoff: float = Field(
        5.0, ge=0, le=1000, description="sigma over its slow average that halts quoting; 0: off"
    )
    price_collar: float = Field(
        0.05,
        gt=0,
        le=1,
        description="largest distance of an order from mid and from the last trade, fraction of it",
    )
    price_age_s: float = Field(
        60.0, ge=0, le=86_400, description="silence of the market that halts, seconds; 0: off"
    )
    max_order_size: float | None = Field(
        None, gt=0, le=2, description="largest order; unset: twice max_position_size"
    )
    open_orders_max: int = Field(200, ge=1, le=256, description="orders open at once")
    order_rate_max: float = Field(
        100.0, ge=0, le=1e6, description="orders a second in the long run; 0: off"
    )
    order_burst_max: int = Field(200, ge=1, le=100_000, description="orders at once")
    value_at_risk_limit: float = Field(
        0.05, ge=0, le=1, description="loss at 99 % that a position may have; 0: off"
    )
    value_at_risk_s: int = Field(
        3_600, ge=1, le=86_400, description="seconds over which it is reckoned"
    )
    participation_limit: float = Field(
        0.05, ge=0, le=1, description="share of recent flow in which a position is closed; 0: off"
    )
    liquidation_s: int = Field(
        86_400, ge=1, le=30 * 86_400, description="seconds in which that must be possible"
    )
    flatten_cost_limit: float = Field(
        0.02, ge=0, le=1, description="cost of closing it at once, fraction of its worth; 0: off"
    )
    stressed_loss_limit: float = Field(
        0.10, ge=0, le=1, description="loss by stressed_move that a position may have; 0: off"
    )
    stressed_move: float = Field(
        0.20, gt=0, le=1, description="adverse move of the worst scenario, fraction of the price"
    )
    loss_closes: bool = Field(
        default=False, description="a loss that halts also closes the position, as a taker"
    )
    cooldown_s: int = Field(600, ge=0, le=86_400, description="seconds of rest after a stop loss")

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, given: Any) -> Any:
        """Let the profile say what is not said one by one."""
        if not isinstance(given, dict):
            return given
        try:
            profile = Profile(given.get("profile", Profile.NORMAL))
        except ValueError:
            return given  # refused as a field, in one line
        return PROFILES[profile] | given

    @property
    def order_share(self) -> float:
        """The largest order, fraction of the capital."""
        told = self.max_order_size
        return 2.0 * self.max_position_size if told is None else told
