"""What a coordinator decides by: seats, limits, rhythm. Made once at start, never changed.

Times are venue time, nanoseconds.
"""

from dataclasses import dataclass

from agents.settings import Clock, Settings
from protocol.messages import Mode, QuoteParameters

SECOND_NS = 1_000_000_000
VOTE_WAIT_S = 5
"""Venue seconds after which an unanswered round is refused; lockstep waits instead."""
UNITS = 100_000_000


@dataclass(frozen=True, slots=True)
class Rules:
    """The configuration of the pure core."""

    name: str
    executor: str
    seats: tuple[str, ...]
    """Who must answer a boundary, in the order in which proposals are looked at."""
    baseline: QuoteParameters
    mode: Mode
    """At the first start; afterwards the log decides."""
    lockstep: bool
    seed: int
    confidence_min: float
    drawdown_max: float
    age_max_ns: int
    step_limit: float
    tuning_latency_ns: int
    validity_ns: int
    vote_wait_ns: int


def rules_from(settings: Settings, *, name: str = "coordinator") -> Rules:
    """Return the rules that resolved settings ask for.

    Raises:
        RecordingError, AdviceError: see `baseline_of`.
        ModeError: the mode is not in this version.
    """
    from agents.coordinator.modes import demand  # which stands on this module

    demand(settings.coordinator.mode)
    baseline = baseline_of(settings)
    lockstep = settings.run.clock is Clock.LOCKSTEP
    # On a recording that is played faster, five venue seconds are too short for any answer.
    haste = 1.0 if lockstep else max(1.0, settings.run.speed)
    return Rules(
        name=name,
        executor=settings.account.executor,
        seats=(settings.account.executor, *settings.optimizer_seats),
        baseline=baseline,
        mode=settings.coordinator.mode,
        lockstep=lockstep,
        seed=settings.seed,
        confidence_min=settings.coordinator.confidence_min,
        drawdown_max=settings.coordinator.drawdown_max,
        age_max_ns=settings.coordinator.age_max_s * SECOND_NS,
        step_limit=settings.optimizer.step_limit,
        # Live, a decision applies at the next cycle edge; a recording must wait for its tuner.
        tuning_latency_ns=settings.optimizer.tuning_latency_ns,
        validity_ns=settings.optimizer.validity_ns,
        vote_wait_ns=round(VOTE_WAIT_S * haste) * SECOND_NS,
    )


def baseline_of(settings: Settings) -> QuoteParameters:
    """Return the starting parameters: the configured ones, what is missing from the recording.

    Raises:
        RecordingError, AdviceError: something is missing and the recording does not tell it.
    """
    given = settings.parameters.model_dump()
    if any(value is None for value in given.values()):
        # Loaded only here: a resolved configuration names all four, and starts at once.
        from agents.session import open_session

        return open_session(settings).baseline
    return QuoteParameters.model_validate(given)
