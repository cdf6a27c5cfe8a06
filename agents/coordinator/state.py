"""What the coordinator knows, as frozen values, and the words that tell others of it.

Every durable part of the state is made by folding the log (`records.fold`); nothing here changes
anything. Times are venue time, nanoseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, assert_never

from agents.coordinator.conduct import Conduct
from agents.coordinator.hedge import Hedge, Running
from agents.coordinator.rules import Rules
from protocol.elements import SETS_MAX
from protocol.errors import NackCode
from protocol.merge import digest, weight_units
from protocol.messages import (
    CoordinatorHeartbeat,
    ExecutorState,
    Mode,
    Pair,
    ParameterUpdate,
    QuoteParameters,
    Round,
    RoundSet,
    Snapshot,
    utc_text,
)

NOTHING: Pair = (0, 0)
ALL = "all"
"""The scope of a stop that means every executor."""


class Phase(StrEnum):
    """Where the present boundary, or free proposal, stands."""

    IDLE = "idle"
    COLLECTING = "collecting"
    SETTLING = "settling"
    MEASURING = "measuring"
    DECIDING = "deciding"
    VOTING = "voting"


class Flight(StrEnum):
    """What became of the newest decision."""

    NONE = "none"
    DECIDED = "decided"
    IN_FORCE = "in_force"
    REJECTED = "rejected"


class Fate(StrEnum):
    """What became of one proposal."""

    WAITING = "waiting"
    DECIDED = "decided"
    APPLIED = "applied"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Proposal:
    """One parameter_update as it was logged."""

    id: str
    src: str
    update: ParameterUpdate
    boundary: int | None
    time_ns: int
    renewal: bool = False
    """Whether it only prolongs the set in force."""
    fate: Fate = Fate.WAITING
    code: NackCode | None = None
    detail: str = ""

    @property
    def params(self) -> QuoteParameters:
        """The proposed set."""
        return self.update.data.optimized_params


@dataclass(frozen=True, slots=True)
class Answer:
    """One seat's answer to a boundary; `proposal` is false for a no_update."""

    seat: str
    id: str
    proposal: bool


@dataclass(frozen=True, slots=True)
class OpenBoundary:
    """A boundary at which feed time waits."""

    index: int
    time_ns: int
    id: str
    incumbent: Pair
    answers: tuple[Answer, ...] = ()


@dataclass(frozen=True, slots=True)
class Closed:
    """The last boundary that was closed, and what was decided there."""

    index: int
    id: str
    decision: Pair | None
    renewed_until_ns: int | None


VOID = "void"
"""What counts in place of two different votes of one voter."""


@dataclass(frozen=True, slots=True)
class OpenRound:
    """Sets, and what follows from them, before voters or peers.

    Attributes:
        sets: ids of the proposals; one in master-slave.
        weights: of each set, 1e-8.
        votes: by voter, a `Choice` or `VOID`.
    """

    number: int
    epoch: int
    sets: tuple[str, ...]
    weights: tuple[int, ...]
    candidate: QuoteParameters
    deadline_ns: int
    votes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """What each strategy advised when the measured span began; replayed when it ends.

    Attributes:
        sets: by seat or preset; who advised no change stands for the set in force.
        held: the set in force then.
        since_ns: venue time of it; 0: nothing stands yet.
        trial: sets of proposals whose decision was applied since, by seat, for their outcome.
        against: the set that was in force before that decision.
    """

    sets: Mapping[str, QuoteParameters] = field(default_factory=dict)
    held: QuoteParameters | None = None
    since_ns: int = 0
    trial: Mapping[str, QuoteParameters] = field(default_factory=dict)
    against: QuoteParameters | None = None


@dataclass(frozen=True, slots=True)
class Measuring:
    """A measurement that was asked for: its sets' names in order, and where its span ends."""

    key: str
    names: tuple[str, ...]
    last_ns: int


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How often a seat's own applied sets beat what they replaced."""

    wins: int = 0
    outcomes: int = 0


@dataclass(frozen=True, slots=True)
class Decided:
    """One entry of the decision log."""

    pair: Pair
    params: QuoteParameters
    basis: tuple[str, ...]
    mode: Mode
    generation: int
    not_before_ns: int
    not_after_ns: int
    boundary: int | None


@dataclass(frozen=True, slots=True)
class State:
    """Everything; the fields up to `lifted` follow from the log alone."""

    rules: Rules
    epoch: int = 0
    version: int = 0
    generation: int = 0
    mode: Mode = Mode.MASTER_SLAVE
    rounds: int = 0
    boundary: OpenBoundary | None = None
    closed: Closed | None = None
    queue: tuple[str, ...] = ()
    round: OpenRound | None = None
    flight: Decided | None = None
    peered: OpenRound | None = None
    """The round of peers that led to the decision in flight."""
    in_force: Decided | None = None
    proposals: Mapping[str, Proposal] = field(default_factory=dict)
    renewals: Mapping[str, str] = field(default_factory=dict)
    """no_update ids already logged, with the seat that said it."""
    changes: Mapping[str, int] = field(default_factory=dict)
    """mode_change ids already accepted, with the generation that each began."""
    stops: Mapping[str, str] = field(default_factory=dict)
    """Active stop ids with their scope."""
    standing: Standing = field(default_factory=Standing)
    outcomes: Mapping[str, Outcomes] = field(default_factory=dict)
    """By seat; what its reliability follows from."""
    conduct: Mapping[str, Conduct] = field(default_factory=dict)
    """By whoever committed a fault of content."""
    malformed: Mapping[str, str] = field(default_factory=dict)
    """Ids of such faults that are counted already, with who said them."""
    hedge: Hedge | None = None
    running: Running = field(default_factory=Running)
    silences: int = 0
    """Rounds in a row that found no quorum in time."""
    rest_until_ns: int = 0
    """Venue time before which no new round is put after such a one."""
    lifted: frozenset[str] = frozenset()
    promoted: bool = False
    """Whether the executor's candidate quotes; on the real clock its status tells, not the log."""
    phase: Phase = Phase.IDLE
    settled: bool = False
    """Whether the open boundary's proposals may be put: no earlier decision awaits judgement."""
    early: tuple[Any, ...] = ()
    """Answers (`events.Heard`) that overtook their boundary; heard as soon as it is open."""
    measuring: Measuring | None = None
    shown: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """Rounds said to peers, by message id: number and peer; whoever finds otherwise is heard."""
    passed: Mapping[str, int] = field(default_factory=dict)
    """Venue time at which a seat last said that it proposes nothing; real clock only."""
    gather_until_ns: int = 0
    """Venue time until which other seats' proposals are waited for; real clock only."""
    now_ns: int = 0

    @property
    def newest(self) -> Decided | None:
        """The newest decision that the executor has not rejected."""
        return self.flight or self.in_force


def incumbent(state: State) -> QuoteParameters:
    """Return the set that the executor quotes by: the newest applied one, else the baseline."""
    held = state.in_force
    if held is None or state.now_ns > held.not_after_ns:
        return state.rules.baseline
    return held.params


def halted(state: State) -> bool:
    """Return whether some stop of the executor is not lifted."""
    return bool(active_stops(state))


def active_stops(state: State) -> tuple[str, ...]:
    """Return the ids of the executor's stops that are not lifted, in order of id."""
    scopes = (ALL, state.rules.executor)
    ids = sorted(each for each, scope in state.stops.items() if scope in scopes)
    return tuple(ids[:SETS_MAX])  # as many as a heartbeat carries; one is enough to stay stopped


def heartbeat(state: State) -> CoordinatorHeartbeat:
    """Return the sign of life that participants repair their state by."""
    held = state.newest
    epoch, version = held.pair if held else NOTHING
    row = ExecutorState(
        executor=state.rules.executor,
        epoch=epoch,
        version=version,
        digest=digest(held.params) if held else None,
        mode=state.mode,
        generation=state.generation,
        stops=active_stops(state),
    )
    return CoordinatorHeartbeat(epoch=state.epoch, executors=(row,))


def snapshot(state: State) -> Snapshot:
    """Return the whole state, as an answer to whoever joins."""
    held = state.newest
    return Snapshot(
        pair=held.pair if held else NOTHING,
        params=held.params if held else None,
        not_before=held.not_before_ns if held else None,
        not_after=held.not_after_ns if held else None,
        mode=state.mode,
        generation=state.generation,
        round=round_word(state, state.round),
        stops=active_stops(state),
    )


def weight(state: State, proposal: Proposal) -> int:
    """Return w = w_max x confidence x reliability in 1e-8, with w_max = 1 / seats."""
    seen = state.outcomes.get(proposal.src, Outcomes())
    return weight_units(
        proposal.update.data.confidence_score,
        wins=seen.wins,
        outcomes=seen.outcomes,
        seats=len(state.rules.seats),
    )


def standing_of(state: State, seat: str) -> dict[str, Any]:
    """Return how a seat stands, as plain values: weight, reliability, faults in a row, bench."""
    seen, held = state.outcomes.get(seat, Outcomes()), state.conduct.get(seat, Conduct())
    return {
        "name": seat,
        "weight": state.rules.weight_of((seat,)),
        "wins": seen.wins,
        "outcomes": seen.outcomes,
        "reliability": round((seen.wins + 1) / (seen.outcomes + 2), 4),
        "faults": held.faults,
        "benched_until": utc_text(held.until_ns) if is_benched(state, seat) else None,
    }


def round_word(state: State, opened: OpenRound | None) -> Round | None:
    """Return a round that begins from the set in force as a word, None when there is none."""
    if opened is None:
        return None
    return Round(
        round=opened.number,
        incumbent=incumbent(state),
        sets=tuple(
            _set(state.proposals[key], weight)
            for key, weight in zip(opened.sets, opened.weights, strict=True)
        ),
        candidate=opened.candidate,
        deadline=opened.deadline_ns,
    )


def _set(put: Proposal, weight: int) -> RoundSet:
    return RoundSet(
        id=put.id,
        src=put.src,
        timestamp=put.update.timestamp,
        params=put.params,
        performance_metrics=put.update.data.performance_metrics,
        confidence_score=put.update.data.confidence_score,
        weight=weight,
    )


def is_whole(state: State) -> bool:
    """Return whether a boundary is open and every seat that is not benched has answered it."""
    opened = state.boundary
    if opened is None:
        return False
    answered = {each.seat for each in opened.answers}
    return answered.issuperset(present(state))


def is_benched(state: State, name: str) -> bool:
    """Return whether nothing that a party says is taken for now."""
    held = state.conduct.get(name)
    return held is not None and state.now_ns < held.until_ns


def present(state: State) -> tuple[str, ...]:
    """Return the seats that are not benched, in their order; the others count as absent."""
    return tuple(each for each in state.rules.seats if not is_benched(state, each))


def voters(state: State) -> tuple[str, ...]:
    """Return who votes under the present mode, in the order of seats; a master is never benched."""
    match state.mode:
        case Mode.MASTER_SLAVE:
            return (state.rules.executor,)
        case Mode.CONSENSUS:
            return present(state)
        case Mode.PEER | Mode.HIERARCHICAL:
            return ()
        case _:
            assert_never(state.mode)


def experts(state: State) -> tuple[str, ...]:
    """Return the strategies that a supervisor chooses from: the optimizers, then the presets."""
    seats = tuple(each for each in state.rules.seats if each != state.rules.executor)
    return (*seats, *(name for name, _ in state.rules.presets))
