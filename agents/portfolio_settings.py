"""Settings of several executors on one capital; with a single one nothing here is asked.

What the limits mean is in `risk/portfolio.py`.
"""

from pydantic import Field

from agents.section import Section
from risk.portfolio import PortfolioLimits


class Portfolio(Section):
    """What executors that share a capital may carry together."""

    correlation_threshold: float = Field(
        0.7, gt=0, le=1, description="correlation of returns from which a pair counts together"
    )
    correlation_pair_limit: float = Field(
        0.75, gt=0, le=1, description="share of its two position limits for such a pair; 1: off"
    )
    correlation_portfolio_limit: float = Field(
        0.75,
        gt=0,
        le=1,
        description="share of all position limits, correlations counted, for all; 1: off",
    )
    joint_value_limit: float = Field(
        0.05, ge=0, le=1, description="loss at 99 % of all together, of all capital; 0: off"
    )
    report_age_s: int = Field(
        10, ge=1, le=3600, description="an older report counts as its limits fully used, seconds"
    )
    window_cycles: int = Field(
        240, ge=40, le=5000, description="cycles whose returns tell correlations"
    )

    def limits(self, horizon_s: float) -> PortfolioLimits:
        """Return them for the reckoning; value at risk over the horizon of `risk`."""
        return PortfolioLimits(
            threshold=self.correlation_threshold,
            pair=self.correlation_pair_limit,
            portfolio=self.correlation_portfolio_limit,
            value=self.joint_value_limit,
            value_s=horizon_s,
            age_ns=self.report_age_s * 10**9,
        )
