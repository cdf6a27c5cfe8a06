"""What each word means to the coordinator: it is checked, logged, answered, and may be a signal.

A word that was handled before the process was killed arrives again as new; the log knows its id,
and it gets the answer it has come to. None of these changes what a round does: that is the table.
"""

from dataclasses import replace

from agents.coordinator.draft import Draft, acknowledge, post_closed, post_round, refuse, reply_of
from agents.coordinator.events import Fenced, Heard, Malformed, Reply
from agents.coordinator.judged import note_applied
from agents.coordinator.modes.offered import objection
from agents.coordinator.modes.table import Signal
from agents.coordinator.polling import bench_nack, hear_vote, silent
from agents.coordinator.records import Kind, update_body
from agents.coordinator.state import Phase, State, is_benched, is_whole, snapshot
from protocol.bus.frames import derive_id
from protocol.errors import NackCode, printable
from protocol.merge import digest
from protocol.messages import (
    Boundary,
    EmergencyStop,
    Mode,
    ModeChange,
    Nack,
    NoUpdate,
    ParameterUpdate,
    Rearm,
    SnapshotRequest,
    Stage,
    Vote,
    utc_text,
)

EARLY_EACH = 8
"""Answers of one seat kept that overtook their boundary: a flooding seat drops its own alone."""
PLAIN = "plain"
"""Under this name propose all who cannot sign; nobody in the roster may have it."""
QUEUE_MAX = 16
"""Proposals that may wait at once beside those of the boundary."""


def hear(draft: Draft, heard: Heard) -> Signal | None:
    """Take in one message; return the signal that it is, if any."""
    match heard.word:
        case Boundary() as word:
            return _boundary(draft, heard, word)
        case NoUpdate() as word:
            return _no_update(draft, heard, word)
        case ParameterUpdate() as word:
            return _proposal(draft, heard, word)
        case Vote() as word:
            return hear_vote(draft, heard, word)
        case ModeChange() as word:
            return _mode_change(draft, heard, word)
        case EmergencyStop() as word:
            return _stop(draft, heard, word)
        case Rearm() as word:
            return _rearm(draft, heard, word)
        case SnapshotRequest():
            draft.send(Reply(heard.src, heard.id, snapshot(draft.state)))
            return None
        case _:
            detail = f"the coordinator takes no {heard.word.type_name}"
            draft.send(Reply(heard.src, heard.id, Nack(code=NackCode.FORBIDDEN, detail=detail)))
            return None


def note_fault(draft: Draft, event: Malformed) -> None:
    """Count what is no word of ours against whoever said it, each id once.

    What somebody says on the bench is not counted one by one, so no flood reaches the log.
    """
    if is_benched(draft.state, event.src) or event.id in draft.state.malformed:
        return
    body = {"seat": event.src, "id": event.id, "code": event.code.value, "detail": event.detail}
    draft.record(Kind.FAULT, body)


def _nack(draft: Draft, heard: Heard, code: NackCode, detail: str) -> None:
    draft.send(Reply(heard.src, heard.id, Nack(code=code, detail=detail)))


def _boundary(draft: Draft, heard: Heard, word: Boundary) -> Signal | None:
    state = draft.state
    if heard.src != state.rules.executor:
        _nack(draft, heard, NackCode.FORBIDDEN, "only the executor reaches boundaries")
        return None
    pair = heard.pair or (0, 0)
    if pair[0] > state.epoch:
        draft.send(Fenced(f"the executor has judged epoch {pair[0]}, ours is {state.epoch}"))
        return None
    signal = note_applied(draft, pair)
    acknowledge(draft, heard.src, heard.id, Stage.RECEIVED)
    if state.closed is not None and word.index <= state.closed.index:
        if word.index == state.closed.index:
            post_closed(draft)
        return None
    if state.boundary is not None:
        # The same one, told again. An executor never opens the next before this one is closed.
        if state.round is not None and signal is None:
            post_round(draft, tuple(silent(state, state.round)))
        return signal
    draft.state = replace(draft.state, now_ns=max(draft.state.now_ns, word.venue_time))
    body = {"index": word.index, "id": heard.id, "incumbent": list(pair)}
    draft.record(Kind.BOUNDARY, {**body, "promoted": word.promoted})
    whole = Signal.COMPLETE if is_whole(draft.state) else Signal.BOUNDARY  # if all are benched
    return _scheduled(draft, word.index) or whole


def _scheduled(draft: Draft, index: int) -> Signal | None:
    """Change the mode at a boundary for which that was configured."""
    state = draft.state
    wanted = dict(state.rules.schedule).get(index)
    if wanted is None or wanted is state.mode:
        return None
    key = derive_id(state.rules.seed, "schedule", index)
    switch(draft, key, wanted, f"scheduled for boundary {index}")
    # What lies before voters is voided first; after that the boundary is looked at by itself.
    return Signal.SWITCHED if state.phase is not Phase.IDLE else None


def _no_update(draft: Draft, heard: Heard, word: NoUpdate) -> Signal | None:
    state = draft.state
    if heard.src not in state.rules.seats:
        _nack(draft, heard, NackCode.FORBIDDEN, "only seats answer boundaries")
        return None
    if heard.id in state.renewals or heard.id in state.proposals or _is_late(state, heard):
        acknowledge(draft, heard.src, heard.id, Stage.RECEIVED)
        return None
    if is_benched(state, heard.src):
        if _is_early(state, heard):
            _hold(draft, heard)
            return None
        acknowledge(draft, heard.src, heard.id, Stage.RECEIVED)  # it counts as absent
        return None
    if not state.rules.lockstep:
        acknowledge(draft, heard.src, heard.id, Stage.RECEIVED)
        draft.state = replace(state, passed={**state.passed, heard.src: state.now_ns})
        waited = state.phase is Phase.COLLECTING and state.boundary is None
        # Presets say nothing themselves: the supervisor looks at them when the others pass.
        rested = state.phase is Phase.IDLE and state.mode is Mode.HIERARCHICAL
        waited = waited or (rested and bool(state.rules.presets))
        return _renew(draft, heard, word) or (Signal.PROPOSAL if waited else None)
    return _answer(draft, heard, None)


def _renew(draft: Draft, heard: Heard, word: NoUpdate) -> Signal | None:
    """On the real clock, put a set that grows old to the vote again: nothing better was found.

    In lockstep `boundary_done` carries the renewal; here the executor must hear a decision.
    """
    state, held = draft.state, draft.state.in_force
    if held is None or state.flight is not None or word.digest != digest(held.params):
        return None
    old = state.proposals.get(held.basis[0]) if held.basis else None
    waiting = any(state.proposals[each].renewal for each in state.queue)
    young = held.not_after_ns - state.now_ns > state.rules.validity_ns // 2
    if old is None or young or waiting:
        return None
    # What is in force may be a merge: its own set is renewed, on one of its parts' grounds.
    data = old.update.data.model_copy(update={"optimized_params": held.params})
    change = {"timestamp": utc_text(state.now_ns), "data": data}
    update = old.update.model_copy(update=change)
    body = {"src": heard.src, "id": heard.id, "update": update_body(update), "renewal": True}
    draft.record(Kind.PROPOSAL, body)
    return Signal.PROPOSAL


def _proposal(draft: Draft, heard: Heard, word: ParameterUpdate) -> Signal | None:
    state = draft.state
    known = state.proposals.get(heard.id)
    if known is not None:
        draft.send(reply_of(state, known))
        return None
    if is_benched(state, heard.src):
        if _is_early(state, heard):
            _hold(draft, heard)
            return None
        draft.send(Reply(heard.src, heard.id, bench_nack(state, heard.src)))
        return None
    if heard.generation is not None and heard.generation != state.generation:
        line = f"generation must be {state.generation}, found {heard.generation}"
        _nack(draft, heard, NackCode.STALE_GENERATION, line)
        return None
    if heard.ref is None:
        return _free(draft, heard, word)
    if _is_late(state, heard):
        _nack(draft, heard, NackCode.EXPIRED, "the boundary is closed")
        return None
    if heard.src not in state.rules.seats:
        _nack(draft, heard, NackCode.FORBIDDEN, "only seats answer boundaries")
        return None
    return _answer(draft, heard, word)


def _is_late(state: State, heard: Heard) -> bool:
    return state.closed is not None and heard.ref == state.closed.id


def _is_early(state: State, heard: Heard) -> bool:
    """Return whether a seat answers a boundary that has not reached us yet."""
    if heard.ref is None or heard.src not in state.rules.seats or _is_late(state, heard):
        return False
    return state.boundary is None or state.boundary.id != heard.ref


def _hold(draft: Draft, heard: Heard) -> None:
    """Keep an answer until its boundary comes, and judge it then.

    Time goes on at boundaries: whoever is benched by the last one may be waited for at this one.
    """
    held = [each for each in draft.state.early if each.id != heard.id]
    own = [each for each in held if each.src == heard.src]
    if len(own) >= EARLY_EACH:
        held.remove(own[0])
    draft.state = replace(draft.state, early=(*held, heard))


def _answer(draft: Draft, heard: Heard, word: ParameterUpdate | None) -> Signal | None:
    """Log one seat's answer to the open boundary."""
    opened = draft.state.boundary
    if opened is None or opened.id != heard.ref:
        _hold(draft, heard)
        return None
    if any(each.seat == heard.src for each in opened.answers):
        _nack(draft, heard, NackCode.NOT_CHOSEN, "the seat has answered this boundary")
        return None
    update = None if word is None else update_body(word)
    draft.record(Kind.ANSWER, {"seat": heard.src, "id": heard.id, "update": update})
    acknowledge(draft, heard.src, heard.id, Stage.RECEIVED)
    return Signal.COMPLETE if is_whole(draft.state) else Signal.ANSWER


def _free(draft: Draft, heard: Heard, word: ParameterUpdate) -> Signal | None:
    """Take a proposal that belongs to no boundary: the clock is real, or the sender no seat."""
    state = draft.state
    body = {"src": heard.src, "id": heard.id, "update": update_body(word)}
    if state.mode is not Mode.MASTER_SLAVE and (
        state.rules.lockstep or heard.src not in state.rules.seats
    ):
        line = f"{state.mode.value} takes the sets of seats alone, in lockstep at boundaries alone"
        if heard.src == PLAIN:  # there is no way back: the log alone can tell
            draft.record(Kind.PROPOSAL, body)
            refuse(draft, heard.id, NackCode.MODE, line)
            return None
        _nack(draft, heard, NackCode.MODE, line)
        return None
    if len(state.queue) >= QUEUE_MAX:
        _nack(draft, heard, NackCode.BUSY, f"{QUEUE_MAX} proposals are waiting")
        return None
    draft.record(Kind.PROPOSAL, body)
    acknowledge(draft, heard.src, heard.id, Stage.RECEIVED)
    return Signal.PROPOSAL


def _mode_change(draft: Draft, heard: Heard, word: ModeChange) -> Signal | None:
    state = draft.state
    if heard.id in state.changes:
        acknowledge(draft, heard.src, heard.id, Stage.DECIDED)
        return None
    line = objection(word.to, state.rules.seats, state.rules.weights)
    if line is not None:
        _nack(draft, heard, NackCode.MODE, printable(line))
        return None
    if word.old is not state.mode or word.gen != state.generation:
        found = f"{word.old.value} of generation {word.gen}"
        line = f"must change {state.mode.value} of generation {state.generation}, found {found}"
        _nack(draft, heard, NackCode.STALE_GENERATION, line)
        return None
    switch(draft, heard.id, word.to, word.reason)
    acknowledge(draft, heard.src, heard.id, Stage.DECIDED)
    return Signal.SWITCHED


def switch(draft: Draft, key: str, mode: Mode, reason: str) -> None:
    """Void the open round and append the change of mode: the next generation begins."""
    state, opened = draft.state, draft.state.round
    if opened is not None:
        draft.record(Kind.VOID, {"round": opened.number, "epoch": opened.epoch})
        draft.withdraw_round(opened)
    body = {"id": key, "from": state.mode.value, "to": mode.value, "reason": reason}
    draft.record(Kind.MODE, {**body, "generation": state.generation + 1})


def _stop(draft: Draft, heard: Heard, word: EmergencyStop) -> Signal | None:
    state = draft.state
    if heard.id not in state.stops:
        body = {"id": heard.id, "scope": word.scope, "flatten": word.flatten}
        draft.record(Kind.STOP, {**body, "reason": word.reason})
    # Latched here; only the executor can say that nothing is open, and we have nothing open.
    acknowledge(draft, heard.src, heard.id, Stage.STOPPED)
    return Signal.SWITCHED if draft.state.stops != state.stops else None


def _rearm(draft: Draft, heard: Heard, word: Rearm) -> Signal | None:
    if not draft.state.lifted.issuperset(word.lifts):
        draft.record(Kind.REARM, {"lifts": list(word.lifts), "reason": word.reason})
    acknowledge(draft, heard.src, heard.id, Stage.RECEIVED)
    return None
