"""Who decides how much of the base quantity is quoted, as configured."""

from agents.settings import Settings, Sizing
from market.policy import policy_settings
from market.types import F8


def policy_of(settings: Settings) -> F8:
    """Return f8[POLICY_COLUMNS]; with fixed sizing the probe is all of the base quantity."""
    fixed = settings.executor.sizing is Sizing.FIXED
    return policy_settings(
        capital=settings.account.capital,
        level_step=settings.executor.level_step,
        probe=1.0 if fixed else settings.executor.probe,
    )
