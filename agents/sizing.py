"""What the policy is told: who decides the size, what proposes the depths, what was learned."""

from agents.checkpoint import read_checkpoint
from agents.settings import Policy, Settings, Sizing
from market.policy import policy_settings
from market.types import F8


def policy_of(settings: Settings) -> F8:
    """Return f8[POLICY_COLUMNS]; with fixed sizing the probe is all of the base quantity.

    Raises:
        CheckpointError: `executor.checkpoint` does not fit.
    """
    executor = settings.executor
    fixed = executor.sizing is Sizing.FIXED
    path = executor.checkpoint
    return policy_settings(
        capital=settings.account.capital,
        level_step=executor.level_step,
        probe=1.0 if fixed else executor.probe,
        dynamic=executor.policy is Policy.PLAN,
        residual=None if path is None else read_checkpoint(path, executor.policy).coefficients,
    )
