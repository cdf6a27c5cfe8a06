"""What the executor knows, how much of it lives on disk, and how it is read back.

The account's arrays are changed in place by the kernels, once a step; everything else is small and
plain. `freeze` gives what the journal keeps at every cycle (only rows in use), `thaw` makes the
same state of it. What is public of the market is not kept: the venue observes it again.
"""

from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from agents.executor.peers import Peers, freeze_peers, new_peers, thaw_peers
from agents.executor.promotion import Contest, Finding, Stage
from agents.session import Session, parameter_row
from agents.sizing import candidate_of, policy_of
from market.account import Account, open_account
from market.layout import LEDGER_TRIPS, LOTS_MAX
from market.ledger import LOTS_COUNT, LOTS_FIRST
from market.own import OWN_METER_COUNT
from market.replay_step import COUNT_COLUMNS, REPLAY_COLUMNS, REPLAY_PEAK
from market.types import F8, I8
from protocol.journal import Entry
from protocol.messages import NackCode, Pair, QuoteParameters
from risk.emergency import Phase

NOTHING: Pair = (0, 0)
COORDINATOR = "coordinator"
"""Its name on the bus."""
TRIPS_KEPT = 1 << 20
"""Closed round trips of one run that are kept one by one; more are only counted."""
REMEMBERED_MAX = 64
"""Votes, and words that paused, which may still be asked for or said again."""
Frozen: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Agreed:
    """A decision as it was judged here: what shall be in force, and when."""

    pair: Pair
    params: QuoteParameters
    not_before_ns: int
    not_after_ns: int
    ref: str
    """Id of the message that it came with, to be answered finally."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the newest decision was judged; `code` None while it is pending or applied."""

    pair: Pair = NOTHING
    applied: bool = False
    code: NackCode | None = None
    detail: str = ""
    digest: str = ""
    """Of the set that was judged; a copied log may lead to another one under the same pair."""


@dataclass(frozen=True, slots=True)
class Voted:
    """A vote given, to be said again when it is asked for again."""

    ref: str
    round: int
    candidate: str
    choice: str
    reason: str


@dataclass(slots=True)
class State:
    """Everything that the pure step works on.

    Attributes:
        session: never changes.
        account: arrays, changed in place.
        parameters: f8[PARAMETER_COLUMNS] in force.
        counts: i8[COUNT_COLUMNS], of records and refusals.
        figures: f8[REPLAY_COLUMNS], what was quoted and risked, summed over steps.
        now_ns: time of the last step lived through; 0 before the first.
        steps: lived through.
        in_force: the applied decision, None for the baseline.
        applied_pair, applied_digest: the newest ever applied; they stay when the set lapses.
        pending: a judged decision whose time has not come.
        boundary: number of the last boundary reached, counted from 1.
        waiting: whether feed time stands at that boundary.
        named: the decision that the closing of the boundary named and we have not judged yet.
        stops: active stop ids, each with whether it asks for a flat position.
        lifted: ids that never stop again.
        told: stop ids whose `stopped` has been said since this start.
        kept_trips: closed round trips already on disk.
        unwritten: entries of past steps that needed no transaction of their own.
        asked: who asked for each stop since this start.
        lockstep: whether feed time waits at boundaries.
        live: whether the venue lives through no step twice: orders go out with all of this on disk.
        ending: whether quotes are withdrawn because this process ends.
        phase: of the emergency stop, after the last step.
    """

    session: Session
    account: Account
    parameters: F8
    counts: I8
    figures: F8
    now_ns: int = 0
    steps: int = 0
    in_force: Agreed | None = None
    applied_pair: Pair = NOTHING
    applied_digest: str = ""
    pending: Agreed | None = None
    verdict: Verdict = field(default_factory=Verdict)
    votes: dict[str, Voted] = field(default_factory=dict)
    """The last votes given, by the message that asked for each; the oldest is forgotten first."""
    boundary: int = 0
    waiting: bool = False
    named: Pair | None = None
    paused: bool = False
    alone: bool = False
    """True while the coordinator has been silent for longer than the autonomy limit."""
    stops: dict[str, bool] = field(default_factory=dict)
    lifted: dict[str, None] = field(default_factory=dict)
    pauses: dict[str, None] = field(default_factory=dict)
    """Ids of the last words that paused or resumed: each is heard once, over a restart too."""
    told: set[str] = field(default_factory=set)
    kept_trips: int = 0
    unwritten: list[Entry] = field(default_factory=list)
    asked: dict[str, str] = field(default_factory=dict)
    lockstep: bool = False
    live: bool = False
    ending: bool = False
    closed: bool = False
    """At a venue: the symbol does not trade there, or not by the rules of the start."""
    late: bool = False
    """At a venue: the step that is decided on is of a past that is too long ago to quote on."""
    phase: Phase = Phase.ARMED
    peers: Peers | None = None
    """The other executors on the same capital; None when there are none."""
    contest: Contest | None = None
    """The policy in shadow beside the live one; None without one."""

    @property
    def is_promoted(self) -> bool:
        """Whether the candidate quotes, in place of the policy of the start."""
        return self.contest is not None and self.contest.stage is Stage.PROMOTED

    @property
    def calm(self) -> bool:
        """Whether a stop is in force and nothing of ours was open, or to be done."""
        return self.phase is Phase.STOPPED

    @property
    def boundary_ns(self) -> int:
        """Venue time of the last boundary; a stop lets a little feed time pass after it."""
        every = self.session.settings.optimizer.boundary_ns
        return (self.session.first_ns // every + self.boundary) * every

    @property
    def incumbent(self) -> QuoteParameters:
        """The set that is quoted by."""
        return self.session.baseline if self.in_force is None else self.in_force.params

    @property
    def quiet(self) -> bool:
        """Whether nothing may be quoted now."""
        gone = self.alone or self.closed or self.late
        return bool(self.stops) or self.paused or self.ending or gone

    @property
    def flatten(self) -> bool:
        """Whether some active stop asks for a flat position."""
        return any(self.stops.values())

    @property
    def open_orders(self) -> int:
        """How many of our orders may still fill, as far as is known here."""
        return int(self.account.own_meter[OWN_METER_COUNT])


def new_state(session: Session, *, lockstep: bool = False, live: bool = False) -> State:
    """Return the state before the first step."""
    figures = np.zeros(REPLAY_COLUMNS)
    figures[REPLAY_PEAK] = -1e300
    return State(
        session=session,
        account=open_account(session.setup, trips=TRIPS_KEPT),
        parameters=parameter_row(session.baseline),
        counts=np.zeros(COUNT_COLUMNS, dtype=np.int64),
        figures=figures,
        lockstep=lockstep,
        live=live,
        peers=new_peers(session.settings, lockstep=lockstep),
        contest=new_contest(session),
    )


def new_contest(session: Session) -> Contest | None:
    """Return the contest of a session before its first step."""
    candidate = candidate_of(session.settings)
    if candidate is None:
        return None
    executor = session.settings.executor
    ready_ns = session.first_ns + executor.warmup_s * 10**9
    since_ns = -(-ready_ns // executor.cycle_ns) * executor.cycle_ns  # a decision's time
    return Contest(policy_of(session.settings), candidate, since_ns)


def enter_stage(state: State, found: Finding, since_ns: int) -> None:
    """Let that of two policies quote, from the next decision on, which a verdict is for.

    What the other one proposed last is forgotten: nobody else writes it anew.
    """
    assert state.contest is not None, "a stage without a contest"
    state.contest = state.contest.after(found, since_ns)
    state.session.setup.policy[:] = state.contest.live
    state.account.proposal[:] = 0.0


def freeze(state: State) -> Frozen:
    """Return everything that must survive as plain values and bytes."""
    account = state.account
    own = int(account.own_meter[OWN_METER_COUNT])
    first = int(account.lots_meter[LOTS_FIRST])
    lots = np.arange(first, first + int(account.lots_meter[LOTS_COUNT])) % LOTS_MAX
    return {
        "own": account.own[:own].tobytes(),
        "own_meter": account.own_meter.tobytes(),
        "ledger": account.ledger.tobytes(),
        "lots": account.lots[lots].tobytes(),
        "lots_meter": account.lots_meter.tobytes(),
        "risk": account.risk.tobytes(),
        "kelly": account.kelly.tobytes(),
        "guard_state": account.guard_state.tobytes(),
        "ladder": account.ladder.tobytes(),
        "remember": account.remember.tobytes(),
        "parameters": state.parameters.tobytes(),
        "counts": state.counts.tobytes(),
        "figures": state.figures.tobytes(),
        "now_ns": state.now_ns,
        "steps": state.steps,
        "in_force": freeze_agreed(state.in_force),
        "applied_pair": list(state.applied_pair),
        "applied_digest": state.applied_digest,
        "pending": freeze_agreed(state.pending),
        "verdict": [
            list(state.verdict.pair),
            state.verdict.applied,
            None if state.verdict.code is None else state.verdict.code.value,
            state.verdict.detail,
            state.verdict.digest,
        ],
        "votes": [
            [each.ref, each.round, each.candidate, each.choice, each.reason]
            for each in state.votes.values()
        ],
        "boundary": state.boundary,
        "waiting": state.waiting,
        "named": None if state.named is None else list(state.named),
        "paused": state.paused,
        "alone": state.alone,
        "stops": dict(state.stops),
        "lifted": list(state.lifted),
        "pauses": list(state.pauses),
        "phase": state.phase.value,
        "kept_trips": int(account.ledger[LEDGER_TRIPS]),
        **({} if state.peers is None else {"peers": freeze_peers(state.peers)}),
        **({} if state.contest is None else {"contest": freeze_contest(state.contest)}),
    }


def thaw(session: Session, frozen: Frozen, *, lockstep: bool = False, live: bool = False) -> State:
    """Return the state that `freeze` was given."""
    state = new_state(session, lockstep=lockstep, live=live)
    account = state.account
    for name in ("own_meter", "ledger", "lots_meter", "risk", "guard_state", "ladder", "remember"):
        _fill(getattr(account, name), frozen[name])
    _fill(account.kelly, frozen["kelly"])
    _fill(state.parameters, frozen["parameters"])
    _fill(state.counts, frozen["counts"])
    _fill(state.figures, frozen["figures"])
    _fill(account.own[: int(account.own_meter[OWN_METER_COUNT])], frozen["own"])
    first = int(account.lots_meter[LOTS_FIRST])
    count = int(account.lots_meter[LOTS_COUNT])
    lots = np.frombuffer(frozen["lots"], dtype=np.int64).reshape(count, account.lots.shape[1])
    account.lots[np.arange(first, first + count) % LOTS_MAX] = lots
    pair, applied, code, detail, told = frozen["verdict"]
    state.now_ns = frozen["now_ns"]
    state.steps = frozen["steps"]
    state.in_force = thaw_agreed(frozen["in_force"])
    state.applied_pair = as_pair(frozen["applied_pair"])
    state.applied_digest = frozen["applied_digest"]
    state.pending = thaw_agreed(frozen["pending"])
    state.verdict = Verdict(
        as_pair(pair), applied, None if code is None else NackCode(code), detail, told
    )
    state.votes = {each[0]: Voted(*each) for each in frozen["votes"]}
    state.boundary = frozen["boundary"]
    state.waiting = frozen["waiting"]
    state.named = None if frozen["named"] is None else as_pair(frozen["named"])
    state.paused = frozen["paused"]
    state.alone = frozen["alone"]
    state.stops = dict(frozen["stops"])
    state.lifted = dict.fromkeys(frozen["lifted"])
    state.pauses = dict.fromkeys(frozen["pauses"])
    state.phase = Phase(frozen.get("phase", Phase.ARMED))
    if live and state.calm:
        state.phase = Phase.CANCELLING  # what a venue shows is asked anew by each process
    state.kept_trips = frozen["kept_trips"]
    if state.peers is not None and "peers" in frozen:
        thaw_peers(state.peers, frozen["peers"])
    if state.contest is not None and "contest" in frozen:
        state.contest = thaw_contest(state.contest, frozen["contest"])
        session.setup.policy[:] = state.contest.live
    return state


def freeze_contest(contest: Contest) -> Frozen:
    """Return how two policies stand as plain values; who they are, the settings say."""
    return {
        "stage": contest.stage.value,
        "since_ns": contest.since_ns,
        "judged": contest.judged,
        "found": None if contest.found is None else contest.found.plain(),
        "weighed": None if contest.weighed is None else contest.weighed.plain(),
    }


def thaw_contest(fresh: Contest, frozen: Frozen) -> Contest:
    """Return the contest that `freeze_contest` was given."""
    found, weighed = (
        None if frozen[name] is None else Finding.of(frozen[name]) for name in ("found", "weighed")
    )
    stage, judged = Stage(frozen["stage"]), frozen["judged"]
    return replace(
        fresh, since_ns=frozen["since_ns"], stage=stage, judged=judged, found=found, weighed=weighed
    )


def freeze_agreed(agreed: Agreed | None) -> Frozen | None:
    """Return a decision as plain values."""
    if agreed is None:
        return None
    return {
        "pair": list(agreed.pair),
        "params": agreed.params.model_dump(),
        "not_before": agreed.not_before_ns,
        "not_after": agreed.not_after_ns,
        "ref": agreed.ref,
    }


def thaw_agreed(frozen: Frozen | None) -> Agreed | None:
    """Return the decision that `freeze_agreed` was given."""
    if frozen is None:
        return None
    return Agreed(
        pair=as_pair(frozen["pair"]),
        params=QuoteParameters(**frozen["params"]),
        not_before_ns=frozen["not_before"],
        not_after_ns=frozen["not_after"],
        ref=frozen["ref"],
    )


def as_pair(value: Any) -> Pair:
    """Return `[epoch, version]` as a pair."""
    epoch, version = value
    return (int(epoch), int(version))


def _fill(target: I8 | F8, held: bytes) -> None:
    """Put saved bytes into an array of the same size."""
    target[...] = np.frombuffer(held, dtype=target.dtype).reshape(target.shape)
