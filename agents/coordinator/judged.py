"""How the executor judged a decision, by its answer or by the pair that it trades under."""

from dataclasses import replace

from agents.coordinator.draft import (
    Draft,
    decision_id,
    done_id,
    flight_of,
    post_closed,
    post_decision,
    post_round,
    reply_of,
    round_id,
)
from agents.coordinator.events import Answered, Fenced, Withdraw
from agents.coordinator.modes.flight import FLIGHT, Judgement
from agents.coordinator.modes.table import Signal
from agents.coordinator.records import Body, Kind
from agents.coordinator.state import Decided, Phase, State, voters
from protocol.errors import NackCode
from protocol.merge import digest
from protocol.messages import Ack, Nack, Pair, Stage


def answered(draft: Draft, event: Answered) -> Signal | None:
    """Take in an answer to something we posted, or the end of its ttl."""
    state = draft.state
    flight = state.flight
    if flight is not None and event.id == decision_id(state, flight):
        return _judged(draft, event, flight)
    if event.id in state.shown:
        _checked(draft, event)
        return None
    if event.word is not None:
        return None  # received; a vote comes as a word of its own
    if _is_closed(state, event.id):
        post_closed(draft)
    elif state.round is not None:
        for voter in voters(state):
            if event.id == round_id(state, state.round, voter):
                post_round(draft, (voter,))
    return None


def _checked(draft: Draft, event: Answered) -> None:
    """Log the alarm of a peer that found another merge than ours: one of us is broken, or lies."""
    shown = dict(draft.state.shown)
    number, peer = shown.pop(event.id)
    draft.state = replace(draft.state, shown=shown)
    if isinstance(event.word, Nack):
        body = {"round": number, "peer": peer, "code": event.word.code.value}
        draft.record(Kind.ALARM, {**body, "detail": event.word.detail})


def _is_closed(state: State, key: str) -> bool:
    closed = state.closed
    return state.boundary is None and closed is not None and key == done_id(state, closed.index)


def _judged(draft: Draft, event: Answered, flight: Decided) -> Signal | None:
    match event.word:
        case None:
            post_decision(draft)
        case Ack(digest=str(of)) if of != digest(flight.params):
            # Two logs make one message id of one pair: this answers the other one's decision.
            detail = f"another set was judged under {flight.pair[0]}.{flight.pair[1]}"
            _end(draft, event, flight, NackCode.REPLAY, detail)
        case Ack(stage=Stage.APPLIED):
            return applied(draft)
        case Nack(code=NackCode.FENCED | NackCode.REPLAY as code, detail=detail):
            _end(draft, event, flight, code, detail)
        case Nack(code=code, detail=detail):
            return rejected(draft, flight, code, detail, seen=event.pair)
        case _:
            pass  # received
    return None


def _end(draft: Draft, event: Answered, flight: Decided, code: NackCode, detail: str) -> None:
    """Log the alarm that somebody else decides under our key, from a copy of this log perhaps.

    The decision is over, or the next start would say it again and be fenced by it again.
    """
    body = {"pair": list(flight.pair), "peer": draft.state.rules.executor}
    draft.record(Kind.ALARM, {**body, "code": code.value, "detail": detail})
    rejected(draft, flight, code, detail, seen=event.pair)
    draft.send(Fenced(detail))


def note_applied(draft: Draft, pair: Pair) -> Signal | None:
    """Learn from the pair that the executor trades under what a lost answer did not tell."""
    flight = draft.state.flight
    if flight is None or pair < flight.pair:
        return None
    draft.send(Withdraw(decision_id(draft.state, flight)))
    return applied(draft)


def applied(draft: Draft) -> Signal | None:
    """Record that the decision in flight is in force."""
    flight = draft.state.flight
    assert flight is not None, "nothing in flight that could be applied"
    assert FLIGHT[flight_of(draft.state), Judgement.APPLIED] is not None, "a table without it"
    draft.record(Kind.APPLIED, {"pair": list(flight.pair)})
    return _told(draft, flight)


def rejected(
    draft: Draft, flight: Decided, code: NackCode, detail: str, *, seen: Pair | None = None
) -> Signal | None:
    """Record that the executor refused the decision in flight, or that it lapsed.

    Args:
        seen: the highest pair that it has judged; the decision may be behind it: a log that was
            put back from a copy may be older than what the executor knows.
    """
    body: Body = {"pair": list(flight.pair), "code": code.value, "detail": detail}
    if seen is not None and seen[1] > flight.pair[1]:
        body["seen"] = seen[1]
    draft.record(Kind.REJECTED, body)
    return _told(draft, flight)


def _told(draft: Draft, flight: Decided) -> Signal | None:
    for each in flight.basis:
        proposal = draft.state.proposals.get(each)
        if proposal is not None:
            draft.send(reply_of(draft.state, proposal))
    # A complete boundary may have waited for this.
    return Signal.COMPLETE if draft.state.phase is Phase.SETTLING else None
