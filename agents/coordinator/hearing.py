"""What each word means to the coordinator: it is checked, logged, answered, and may be a signal.

A word that was handled before the process was killed arrives again as new; the log knows its id,
and it gets the answer it has come to. None of these changes what a round does: that is the table.
"""

from dataclasses import replace

from agents.coordinator.draft import Draft, acknowledge, post_closed, reply_of
from agents.coordinator.events import Fenced, Heard, Reply
from agents.coordinator.judged import note_applied
from agents.coordinator.modes import MODES, Signal
from agents.coordinator.records import Kind, update_body
from agents.coordinator.state import State, snapshot
from protocol.errors import NackCode
from protocol.merge import digest
from protocol.messages import (
    Boundary,
    Choice,
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

EARLY_MAX = 64
"""Answers kept that overtook their boundary."""
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
            return _vote(draft, heard, word)
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
        return signal
    draft.state = replace(draft.state, now_ns=max(draft.state.now_ns, word.venue_time))
    body = {"index": word.index, "id": heard.id, "incumbent": list(pair)}
    draft.record(Kind.BOUNDARY, body)
    return Signal.BOUNDARY


def _no_update(draft: Draft, heard: Heard, word: NoUpdate) -> Signal | None:
    state = draft.state
    if heard.src not in state.rules.seats:
        _nack(draft, heard, NackCode.FORBIDDEN, "only seats answer boundaries")
        return None
    if heard.id in state.renewals or heard.id in state.proposals or _is_late(state, heard):
        acknowledge(draft, heard.src, heard.id, Stage.RECEIVED)
        return None
    if not state.rules.lockstep:
        acknowledge(draft, heard.src, heard.id, Stage.RECEIVED)
        return _renew(draft, heard, word)
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
    update = old.update.model_copy(update={"timestamp": utc_text(state.now_ns)})
    body = {"src": heard.src, "id": heard.id, "update": update_body(update), "renewal": True}
    draft.record(Kind.PROPOSAL, body)
    return Signal.PROPOSAL


def _proposal(draft: Draft, heard: Heard, word: ParameterUpdate) -> Signal | None:
    state = draft.state
    known = state.proposals.get(heard.id)
    if known is not None:
        draft.send(reply_of(state, known))
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


def _answer(draft: Draft, heard: Heard, word: ParameterUpdate | None) -> Signal | None:
    """Log one seat's answer to the open boundary."""
    opened = draft.state.boundary
    if opened is None or opened.id != heard.ref:
        # Its boundary has not reached us yet, after a start of ours perhaps.
        held = tuple(each for each in draft.state.early if each.id != heard.id)
        draft.state = replace(draft.state, early=(*held, heard)[-EARLY_MAX:])
        return None
    if any(each.seat == heard.src for each in opened.answers):
        _nack(draft, heard, NackCode.NOT_CHOSEN, "the seat has answered this boundary")
        return None
    update = None if word is None else update_body(word)
    draft.record(Kind.ANSWER, {"seat": heard.src, "id": heard.id, "update": update})
    acknowledge(draft, heard.src, heard.id, Stage.RECEIVED)
    answers = len(opened.answers) + 1
    return Signal.COMPLETE if answers == len(draft.state.rules.seats) else Signal.ANSWER


def _free(draft: Draft, heard: Heard, word: ParameterUpdate) -> Signal | None:
    """Take a proposal that belongs to no boundary: the clock is real, or the sender no seat."""
    if len(draft.state.queue) >= QUEUE_MAX:
        _nack(draft, heard, NackCode.BUSY, f"{QUEUE_MAX} proposals are waiting")
        return None
    body = {"src": heard.src, "id": heard.id, "update": update_body(word)}
    draft.record(Kind.PROPOSAL, body)
    acknowledge(draft, heard.src, heard.id, Stage.RECEIVED)
    return Signal.PROPOSAL


def _vote(draft: Draft, heard: Heard, word: Vote) -> Signal | None:
    state, opened = draft.state, draft.state.round
    if heard.src != state.rules.executor:
        _nack(draft, heard, NackCode.FORBIDDEN, "the executor is the only voter in this mode")
        return None
    acknowledge(draft, heard.src, heard.id, Stage.RECEIVED)
    if opened is None or word.round != opened.number:
        return None
    if word.candidate != digest(state.proposals[opened.proposal].params):
        return None
    body = {"round": opened.number, "epoch": opened.epoch, "voter": heard.src}
    draft.record(Kind.VOTE, {**body, "choice": word.choice.value, "reason": word.reason or ""})
    draft.withdraw_round(opened)
    if word.choice is Choice.APPROVE:
        return Signal.APPROVED
    draft.verdict = _verdict(word)
    return Signal.REJECTED


def _verdict(word: Vote) -> tuple[NackCode, str]:
    """Return code and detail of a rejection: a reason may begin with its code."""
    reason = word.reason or f"the executor said {word.choice.value}"
    first, _, rest = reason.partition(" ")
    for code in NackCode:
        if first.rstrip(":") == code.value and rest:
            return code, rest
    return NackCode.RISK_VETO, reason


def _mode_change(draft: Draft, heard: Heard, word: ModeChange) -> Signal | None:
    state = draft.state
    if heard.id in state.changes:
        acknowledge(draft, heard.src, heard.id, Stage.DECIDED)
        return None
    if word.to not in MODES:
        offered = ", ".join(mode.value for mode in Mode if mode in MODES)
        _nack(draft, heard, NackCode.MODE, f"mode must be one of {offered}, found {word.to.value}")
        return None
    if word.old is not state.mode or word.gen != state.generation:
        found = f"{word.old.value} of generation {word.gen}"
        line = f"must change {state.mode.value} of generation {state.generation}, found {found}"
        _nack(draft, heard, NackCode.STALE_GENERATION, line)
        return None
    opened = state.round
    generation = state.generation + 1
    body = {"id": heard.id, "from": word.old.value, "to": word.to.value, "reason": word.reason}
    if opened is not None:
        draft.record(Kind.VOID, {"round": opened.number, "epoch": opened.epoch})
        draft.withdraw_round(opened)
    draft.record(Kind.MODE, {**body, "generation": generation})
    acknowledge(draft, heard.src, heard.id, Stage.DECIDED)
    return Signal.SWITCHED


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
