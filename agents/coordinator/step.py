"""The pure step of the coordinator: `step(state, event, now_ns) -> (state, effects)`.

It hears words, raises signals, follows the table of the mode (`modes`) and performs its actions.
What all modes do stands here; `merging` and `supervising` hold what only some of them do.
Every effect list begins with what must be on disk; what is said to others comes after it. Order
and content of what is decided depend on the log alone, so a coordinator that was killed anywhere
decides what the unkilled one would have; only epochs, versions and round numbers differ.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import assert_never

from agents.coordinator.draft import (
    Draft,
    close,
    decide,
    open_round,
    post_round,
    refuse,
    send_again,
)
from agents.coordinator.events import (
    Answered,
    Effect,
    Event,
    Heard,
    Malformed,
    Measured,
    Started,
    Tallied,
    Tick,
)
from agents.coordinator.hearing import hear, note_fault
from agents.coordinator.judged import answered, rejected
from agents.coordinator.merging import ask_all, gather, lapse, merge, share, waiting
from agents.coordinator.modes.offered import MODES
from agents.coordinator.modes.table import Action, Signal
from agents.coordinator.polling import outcome
from agents.coordinator.records import Kind
from agents.coordinator.screening import screen
from agents.coordinator.state import Phase, State, is_whole, voters
from agents.coordinator.supervising import appoint, choose, measure, measured
from protocol.errors import NackCode
from protocol.messages import Boundary, Mode

RUN_MAX = 1000
"""Signals in one step: two for each proposal in the queue, and a few. More is a bug."""


def step(state: State, event: Event, now_ns: int) -> tuple[State, tuple[Effect, ...]]:
    """Return the state after `event` and what is to be done, in order.

    Args:
        state: from `records.restored` at first; a `Started` must be the first event.
        event: what happened.
        now_ns: venue time as far as it is known; it never runs backwards in the state.
    """
    draft = Draft(replace(state, now_ns=max(state.now_ns, now_ns)))
    match event:
        case Started():
            follow(draft, _started(draft))
        case Heard():
            follow(draft, hear(draft, event))
            if isinstance(event.word, Boundary):
                _hear_early(draft)
        case Answered():
            follow(draft, answered(draft, event))
        case Measured():
            follow(draft, measured(draft, event))
        case Tick():
            follow(draft, _tick(draft, event))
        case Malformed():
            note_fault(draft, event)
        case Tallied():
            refused = {name: dict(codes) for name, codes in event.refused.items()}
            draft.record(Kind.TALLY, {"refused": refused, "dropped": dict(event.dropped)})
        case _:
            assert_never(event)
    if draft.benched:
        follow(draft, _absent(draft))
    return draft.state, draft.effects()


def _absent(draft: Draft) -> Signal | None:
    """Wait no longer for whoever was benched."""
    state = draft.state
    if state.phase is Phase.VOTING and state.mode is Mode.CONSENSUS:
        return outcome(draft)
    return Signal.COMPLETE if state.phase is Phase.COLLECTING and is_whole(state) else None


def follow(draft: Draft, signal: Signal | None) -> None:
    """Follow the table from one signal until nothing more is signalled."""
    for _ in range(RUN_MAX):
        if signal is None:
            return
        move = MODES[draft.state.mode][draft.state.phase, signal]
        draft.state = replace(draft.state, phase=move.phase)
        signal = ACTIONS[move.action](draft)
    raise AssertionError(f"signals did not come to rest, last {signal}")


def _hear_early(draft: Draft) -> None:
    """Take in what was said to the boundary that has just been opened, before it was."""
    early = draft.state.early
    draft.state = replace(draft.state, early=())
    for each in early:
        follow(draft, hear(draft, each))


def _started(draft: Draft) -> Signal:
    draft.record(Kind.EPOCH, {"epoch": draft.state.epoch + 1})
    return Signal.STARTED


def _tick(draft: Draft, tick: Tick) -> Signal | None:
    """Let lapse what waited long enough.

    A decision lapses only once the executor has told a time after its end without having applied
    it: by a guessed time one was given up that came into force a moment later (test_step).
    """
    state, flight = draft.state, draft.state.flight
    if state.rules.lockstep:
        return None
    draft.state = replace(state, promoted=tick.promoted)
    lapsed = flight is not None and flight.not_after_ns < tick.seen_ns
    if flight is not None and lapsed and tick.pair is not None and tick.pair < flight.pair:
        rejected(draft, flight, NackCode.EXPIRED, "lapsed before it was applied")
    if state.round is not None and state.now_ns > state.round.deadline_ns:
        return Signal.DEADLINE
    if 0 < state.gather_until_ns < state.now_ns:
        return Signal.DEADLINE
    return None


def _none(_draft: Draft) -> None:
    return None


def _settle(draft: Draft) -> Signal | None:
    """Wait while the executor must have judged an earlier decision and we do not know how.

    A decision that may only come into force later cannot be waited for, feed time stands still:
    proposals are refused as busy then, which is as deterministic. A boundary that still waits for
    answers has nothing to be settled yet: what is looked at now belongs to none.
    """
    draft.state = replace(draft.state, gather_until_ns=0)
    state = draft.state
    opened, flight = state.boundary, state.flight
    if opened is None or not is_whole(state):
        return Signal.SETTLED
    if flight is not None and flight.not_before_ns <= opened.time_ns:
        return None
    draft.state = replace(state, settled=True)
    return Signal.SETTLED


def _next(draft: Draft) -> Signal:
    for each in waiting(draft.state):
        refusal = screen(draft.state, each)
        if refusal is None:
            return Signal.PUT
        refuse(draft, each.id, refusal.code, refusal.detail)
    return Signal.EXHAUSTED


def _ask(draft: Draft) -> None:
    if draft.state.mode is Mode.CONSENSUS:
        ask_all(draft)
        return
    first = waiting(draft.state)[0]
    open_round(draft, (first.id,), first.params)
    post_round(draft, voters(draft.state))


def _decide(draft: Draft) -> Signal:
    opened = draft.state.round
    assert opened is not None, "approved without a round"
    held, opened_ns = draft.state.in_force, opened.deadline_ns - draft.state.rules.vote_wait_ns
    if held is not None and opened_ns <= held.not_after_ns < draft.state.now_ns:
        draft.verdict = (NackCode.EXPIRED, "the set that the round began from has lapsed")
        return _refuse(draft)
    draft.withdraw_round(opened)
    sources = [draft.state.proposals[key].src for key in opened.sets]
    decide(draft, opened.sets, opened.candidate, "+".join(sources))
    if draft.state.mode is Mode.MASTER_SLAVE:
        # The first that is approved is the decision; the others of this round hear so.
        for each in waiting(draft.state):
            refuse(draft, each.id, NackCode.NOT_CHOSEN, "another proposal was approved")
    return Signal.EXHAUSTED


def _refuse(draft: Draft) -> Signal:
    opened = draft.state.round
    assert opened is not None, "refused without a round"
    draft.withdraw_round(opened)
    code, detail = draft.verdict or (NackCode.RISK_VETO, "the executor did not vote in time")
    for key in opened.sets:
        refuse(draft, key, code, detail)
    return _next(draft) if draft.state.mode is Mode.MASTER_SLAVE else Signal.EXHAUSTED


def _void(draft: Draft) -> Signal | None:
    opened = draft.state.round
    if opened is not None:
        draft.record(Kind.VOID, {"round": opened.number, "epoch": opened.epoch})
        draft.withdraw_round(opened)
    draft.state = replace(draft.state, measuring=None)
    return _settle(draft)


def _review(draft: Draft) -> Signal | None:
    return None if draft.state.boundary is not None else Signal.DEADLINE


def _close(draft: Draft) -> Signal | None:
    if draft.state.boundary is not None and draft.state.settled:
        close(draft)
    return _pending(draft.state)


def _resume(draft: Draft) -> Signal | None:
    send_again(draft)
    return _pending(draft.state)


def _pending(state: State) -> Signal | None:
    """Return the signal of what is still to be done once nothing is before a voter."""
    if state.boundary is not None:
        if is_whole(state):
            return Signal.COMPLETE
        if state.phase is Phase.IDLE:
            return Signal.BOUNDARY
    elif state.queue:
        return Signal.PROPOSAL
    return None


ACTIONS: Mapping[Action, Callable[[Draft], Signal | None]] = {
    Action.NONE: _none,
    Action.GATHER: gather,
    Action.SETTLE: _settle,
    Action.NEXT: _next,
    Action.MEASURE: measure,
    Action.MERGE: merge,
    Action.CHOOSE: choose,
    Action.ASK: _ask,
    Action.SHARE: share,
    Action.APPOINT: appoint,
    Action.DECIDE: _decide,
    Action.REFUSE: _refuse,
    Action.LAPSE: lapse,
    Action.VOID: _void,
    Action.REVIEW: _review,
    Action.CLOSE: _close,
    Action.RESUME: _resume,
}
