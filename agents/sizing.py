"""What the policy is told: who decides the size, what proposes the depths, what was learned."""

from agents.checkpoint import read_checkpoint
from agents.settings import Policy, Settings, Sizing
from market.policy import policy_settings
from market.types import F8


def policy_of(settings: Settings) -> F8:
    """Return f8[POLICY_COLUMNS] of the live policy.

    Raises:
        CheckpointError: `executor.checkpoint` does not fit.
    """
    executor = settings.executor
    return _row(settings, executor.policy, learned=executor.candidate is None)


def candidate_of(settings: Settings) -> F8 | None:
    """Return f8[POLICY_COLUMNS] of the policy in shadow, None without one; errors: `policy_of`."""
    candidate = settings.executor.candidate
    return None if candidate is None else _row(settings, candidate, learned=True)


def _row(settings: Settings, policy: Policy, *, learned: bool) -> F8:
    """Return a policy's row; with fixed sizing the probe is all of the base quantity."""
    executor = settings.executor
    residual = None
    if learned and executor.checkpoint is not None:
        residual = read_checkpoint(executor.checkpoint, policy).coefficients
    return policy_settings(
        capital=settings.account.capital,
        level_step=executor.level_step,
        probe=1.0 if executor.sizing is Sizing.FIXED else executor.probe,
        dynamic=policy is Policy.PLAN,
        volatility=executor.volatility_reference,
        residual=residual,
    )
