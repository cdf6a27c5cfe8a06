"""The supervisor: replays every standing set on the last window, and lets one strategy run.

Nothing that a seat says of itself enters: not its metrics, not its confidence. A set is judged by
what it would have done on the window that followed it, which nobody knew when he proposed it. The
same figures tell peers how reliable each seat's applied sets have been.
"""

from dataclasses import asdict, replace
from typing import Any

from agents.coordinator.draft import Draft, decide, refuse
from agents.coordinator.events import Measure, Measured
from agents.coordinator.hedge import begun, losses_of, running_after
from agents.coordinator.merging import sift
from agents.coordinator.modes.table import Signal
from agents.coordinator.records import Kind
from agents.coordinator.state import (
    Measuring,
    Phase,
    Proposal,
    State,
    experts,
    halted,
    incumbent,
    is_benched,
)
from protocol.bus.frames import derive_id
from protocol.errors import NackCode
from protocol.merge import clip_step, digest
from protocol.messages import Mode, QuoteParameters

HELD = "held"
AGAINST = "against"
"""Names of the sets that the others are compared with: in force then, in force before a trial."""
SPAN_MIN_NS = 60_000_000_000
"""On the real clock a shorter span says nothing, and what stands goes on standing."""


def measure(draft: Draft) -> Signal | None:
    """Ask for the replay of everything that stands; at first there is nothing."""
    state = draft.state
    if not _is_due(state):
        return Signal.MEASURED
    wanted = _wanted(state)
    if not wanted:
        _take_down(draft, {}, state.now_ns)
        return Signal.MEASURED
    first_ns, last_ns = state.standing.since_ns, state.now_ns
    parts = (state.epoch, state.generation, first_ns, last_ns)
    key = derive_id(state.rules.seed, "measure", *parts)
    draft.state = replace(state, measuring=Measuring(key, tuple(wanted), last_ns))
    draft.send(Measure(key, tuple(wanted.values()), first_ns, last_ns, state.promoted))
    return None


def measured(draft: Draft, event: Measured) -> Signal | None:
    """Take in what was measured, unless a switch has made it void."""
    state, asked = draft.state, draft.state.measuring
    if state.phase is not Phase.MEASURING or asked is None or event.key != asked.key:
        return None
    nets = dict(zip(asked.names, event.nets, strict=True))
    draft.state = replace(state, measuring=None)
    _take_down(draft, nets, asked.last_ns)
    return Signal.MEASURED


def choose(draft: Draft) -> Signal:
    """Refuse all sets but the running strategy's; signal PUT when that is a new one."""
    sets = sift(draft)
    state = draft.state
    runs, chosen = state.running.expert, _chosen(state, sets)
    for each in sets:
        if each.src != runs:
            refuse(draft, each.id, NackCode.NOT_CHOSEN, f"{runs} is the strategy that runs")
    if chosen is None:
        return Signal.EXHAUSTED
    own = [each for each in sets if each.src == runs]
    prolonged = any(each.renewal for each in own) or (not own and _is_old(state))
    if digest(chosen) == digest(incumbent(state)) and not prolonged:
        for each in own:
            refuse(draft, each.id, NackCode.NOT_CHOSEN, "the set is in force already")
        return Signal.EXHAUSTED
    return Signal.PUT


def appoint(draft: Draft) -> Signal:
    """Make the running strategy's set the decision."""
    state = draft.state
    own = tuple(each for each in sift(draft) if each.src == state.running.expert)
    chosen = _chosen(state, own)
    assert chosen is not None and state.running.expert is not None, "nothing to appoint"  # noqa: PT018
    decide(draft, tuple(each.id for each in own), chosen, state.running.expert)
    return Signal.EXHAUSTED


def _chosen(state: State, sets: tuple[Proposal, ...]) -> QuoteParameters | None:
    """Return one step towards what the running strategy wants, None when it wants nothing new."""
    held, limit = incumbent(state), state.rules.step_limit
    if state.flight is not None or halted(state):
        return None
    for each in sets:
        if each.src == state.running.expert:
            return clip_step(held, each.params, limit)
    wanted = dict(state.rules.presets).get(state.running.expert or "")
    return None if wanted is None else clip_step(held, wanted, limit)


def _is_old(state: State) -> bool:
    """Return whether a preset's set in force needs a decision to stay so: on the real clock."""
    held = state.in_force
    if held is None or state.rules.lockstep:
        return False
    return held.not_after_ns - state.now_ns <= state.rules.validity_ns // 2


def _is_due(state: State) -> bool:
    """Return whether the span since the standing sets were taken down is over."""
    if state.boundary is not None:
        return state.settled
    since_ns = state.standing.since_ns
    return since_ns == 0 or state.now_ns - since_ns >= SPAN_MIN_NS


def _wanted(state: State) -> dict[str, QuoteParameters]:
    """Return the sets to be replayed, by what they are: strategies, trials, what they replace."""
    standing = state.standing
    wanted: dict[str, QuoteParameters] = {}
    if state.mode is Mode.HIERARCHICAL and standing.held is not None:
        wanted = {f"of {name}": each for name, each in standing.sets.items()}
        wanted[HELD] = standing.held
    if standing.since_ns and standing.against is not None and standing.trial:
        wanted |= {f"by {seat}": each for seat, each in standing.trial.items()}
        wanted[AGAINST] = standing.against
    return wanted


def _take_down(draft: Draft, nets: dict[str, float], last_ns: int) -> None:
    """Log what was measured, who runs from now on, and what stands until the next time."""
    state = draft.state
    standing = state.standing
    won = {
        seat: nets[f"by {seat}"] > nets[AGAINST]
        for seat in standing.trial
        if f"by {seat}" in nets and nets[f"by {seat}"] != nets[AGAINST]  # no fill, no outcome
    }
    body: dict[str, Any] = {
        "window": [standing.since_ns, last_ns],
        "boundary": None if state.boundary is None else state.boundary.index,
        "nets": nets,
        "won": won,
        "next": {name: each.model_dump() for name, each in _next(state).items()},
        "supervisor": None,
    }
    if state.mode is Mode.HIERARCHICAL:
        body |= _supervised(state, nets)
    draft.record(Kind.MEASURED, body)


def _supervised(state: State, nets: dict[str, float]) -> dict[str, Any]:
    """Return the losses of the window, the weights and the strategy under which it was lived."""
    names = experts(state)
    found = {name: nets[f"of {name}"] for name in names if f"of {name}" in nets}
    losses = losses_of(found, nets[HELD]) if found else {}
    hedge = state.hedge
    if hedge is None or hedge.experts != names:
        hedge = begun(names, state.rules.hedge_windows)
    weights = dict(zip(hedge.experts, hedge.weights(), strict=True))
    later = hedge.after(losses) if losses else hedge
    running = running_after(state.running, later, state.now_ns, state.rules.patience)
    return {
        "losses": losses,
        "weights": weights,
        "ran": state.running.expert,
        "supervisor": {**asdict(later), "running": asdict(running)},
    }


def _next(state: State) -> dict[str, QuoteParameters]:
    """Return what each strategy advises now: its fresh set, its preset, or no change."""
    held = incumbent(state)
    advised = {each.src: each.params for each in map(state.proposals.__getitem__, state.queue)}
    answered = {each.seat for each in state.boundary.answers} if state.boundary else set()
    presets = dict(state.rules.presets)
    following: dict[str, QuoteParameters] = {}
    for name in experts(state):
        if is_benched(state, name):
            continue  # absent: whose loss is missing has lost everything
        if name in advised:
            following[name] = clip_step(held, advised[name], state.rules.step_limit)
        elif name in presets:
            following[name] = clip_step(held, presets[name], state.rules.step_limit)
        elif name in answered:
            following[name] = held
        elif name in state.standing.sets:
            following[name] = state.standing.sets[name]
    return following
