"""What a coordinator decides by: seats, limits, rhythm. Made once at start, never changed.

Times are venue time, nanoseconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from agents.coordinator.hedge import Patience
from agents.settings import Clock, Settings
from protocol.errors import SettingsError, printable
from protocol.merge import on_grid
from protocol.messages import Mode, QuoteParameters

SECOND_NS = 1_000_000_000
VOTE_WAIT_S = 5
"""Venue seconds after which an unanswered round is refused; lockstep waits instead."""
HEDGE_WINDOWS = 48
"""T of the Hedge weights, fixed in advance: eight hours of ten-minute boundaries."""
WEIGHT_MAX = 1_000_000
ROUND_NS = 600 * SECOND_NS
PATIENCE = Patience(margin=0.05, windows=3, dwell_ns=0)
PRESETS = (("preset-tight", 0.8), ("preset-steady", 1.0), ("preset-wide", 1.25))
"""Strategies without an optimizer: the starting set with its spread times a factor."""


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
    schedule: tuple[tuple[int, Mode], ...] = ()
    """Boundaries, by number from 1, at which the mode changes without an operator."""
    presets: tuple[tuple[str, QuoteParameters], ...] = ()
    """Strategies of the hierarchical mode beside the optimizers."""
    round_ns: int = ROUND_NS
    """Venue time from boundary to boundary; benches are so many rounds."""
    haste: float = 1.0
    """Venue seconds a wall second, where the clock is real."""
    weights: Mapping[str, int] = field(default_factory=dict)
    """What a seat's vote weighs where that is not 1."""
    hedge_windows: int = HEDGE_WINDOWS
    patience: Patience = PATIENCE

    def weight_of(self, seats: Iterable[str]) -> int:
        """Return what the votes of these seats weigh together."""
        return sum(self.weights.get(each, 1) for each in seats)


def rules_from(settings: Settings, *, name: str = "coordinator") -> Rules:
    """Return the rules that resolved settings ask for.

    Raises:
        RecordingError, AdviceError: see `baseline_of`.
        ModeError: the seats cannot have the mode.
        SettingsError: the schedule of modes cannot be read, or the parameters are off the grid.
    """
    seats, schedule = modes_of(settings)
    told = settings.coordinator
    baseline = baseline_of(settings)
    try:
        on_grid(baseline)
    except ValueError as error:
        first = printable(str(error).splitlines()[0])
        raise SettingsError(f"parameters must be valid on the 1e-8 grid: {first}") from None
    lockstep = settings.run.clock is Clock.LOCKSTEP
    # On a recording that is played faster, five venue seconds are too short for any answer.
    haste = 1.0 if lockstep else max(1.0, settings.run.speed)
    return Rules(
        name=name,
        executor=settings.account.executor,
        seats=seats,
        baseline=baseline,
        mode=told.mode,
        lockstep=lockstep,
        seed=settings.seed,
        confidence_min=told.confidence_min,
        drawdown_max=told.drawdown_max,
        age_max_ns=told.age_max_s * SECOND_NS,
        step_limit=settings.optimizer.step_limit,
        # Live, a decision applies at the next cycle edge; a recording must wait for its tuner.
        tuning_latency_ns=settings.optimizer.tuning_latency_ns,
        validity_ns=settings.optimizer.validity_ns,
        vote_wait_ns=round(VOTE_WAIT_S * haste) * SECOND_NS,
        schedule=schedule,
        presets=presets_of(baseline) if told.presets else (),
        round_ns=settings.optimizer.boundary_ns,
        haste=haste,
        weights=weights_of(told.weights, seats),
        hedge_windows=told.hedge_windows,
        patience=Patience(
            margin=told.hedge_margin,
            windows=told.hedge_streak,
            dwell_ns=told.hedge_dwell * settings.optimizer.boundary_ns,
        ),
    )


def modes_of(settings: Settings) -> tuple[tuple[str, ...], tuple[tuple[int, Mode], ...]]:
    """Return the seats and the scheduled changes of mode, each of which the seats can have.

    Raises:
        ModeError: the seats cannot have a mode.
        SettingsError: the schedule of modes or the weights cannot be read.
    """
    from agents.coordinator.modes.offered import demand  # which stands on this module

    seats = settings.seats
    schedule = schedule_of(settings.coordinator.schedule)
    weights = weights_of(settings.coordinator.weights, seats)
    for mode in (settings.coordinator.mode, *(each for _, each in schedule)):
        demand(mode, seats, weights)
    return seats, schedule


def weights_of(text: str | None, seats: Sequence[str]) -> dict[str, int]:
    """Return the weights of votes that `executor-1:2,optimizer-1:1` asks for.

    Raises:
        SettingsError: what it should look like.
    """
    weights: dict[str, int] = {}
    for part in (text or "").split(",") if text else ():
        name, _, figure = part.strip().partition(":")
        sound = name in seats and name not in weights and len(figure) < 9 and figure.isdecimal()
        if not sound or not 1 <= int(figure) <= WEIGHT_MAX:
            raise SettingsError(
                f"coordinator.weights must be SEAT:WEIGHT,..., found {printable(part.strip())!r}; "
                f"weights are in [1, {WEIGHT_MAX}], seats are {', '.join(seats)}"
            )
        weights[name] = int(figure)
    return weights


def schedule_of(text: str | None) -> tuple[tuple[int, Mode], ...]:
    """Return the changes of mode that `6:peer,12:consensus` asks for, by boundary.

    Raises:
        SettingsError: what it should look like.
    """
    changes = []
    for part in (text or "").split(",") if text else ():
        number, _, name = part.strip().partition(":")
        if not number.isdecimal() or int(number) < 1 or name not in set(Mode):
            offered = ", ".join(Mode)
            raise SettingsError(
                f"coordinator.schedule must be BOUNDARY:MODE,..., found {part.strip()!r}; "
                f"boundaries count from 1, modes are {offered}"
            )
        changes.append((int(number), Mode(name)))
    if sorted({number for number, _ in changes}) != [number for number, _ in changes]:
        raise SettingsError("coordinator.schedule must name each boundary once, in order")
    return tuple(changes)


def presets_of(baseline: QuoteParameters) -> tuple[tuple[str, QuoteParameters], ...]:
    """Return the strategies that need no optimizer."""
    spread = baseline.spread_percentage
    return tuple(
        (name, baseline.model_copy(update={"spread_percentage": min(10.0, spread * factor)}))
        for name, factor in PRESETS
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
