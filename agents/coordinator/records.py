"""The entries of the decision log, and how each changes the state. Pure; no file is touched here.

The log is the truth: the state that `step` goes on from is always the one that folding the log
gives, so a coordinator that was killed knows after its start exactly what it knew.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

from agents.coordinator.conduct import Conduct
from agents.coordinator.hedge import Hedge, Running
from agents.coordinator.rules import Rules
from agents.coordinator.state import (
    VOID,
    Answer,
    Closed,
    Decided,
    Fate,
    OpenBoundary,
    OpenRound,
    Outcomes,
    Phase,
    Proposal,
    Standing,
    State,
    incumbent,
    is_whole,
)
from protocol.errors import NackCode
from protocol.messages import Mode, Pair, ParameterUpdate, QuoteParameters

HISTORY_MAX = 1024
"""Answered ids kept in memory; older ones are past every `ttl` by far."""
REST_DOUBLINGS_MAX = 6
"""After so many rounds without a quorum in a row the rest between them grows no more."""

Body = dict[str, Any]
V = TypeVar("V")


class Kind(StrEnum):
    """What an entry says."""

    EPOCH = "epoch"
    BOUNDARY = "boundary"
    ANSWER = "answer"
    PROPOSAL = "proposal"
    ROUND = "round"
    VOTE = "vote"
    VOID = "void"
    MEASURED = "measured"
    ALARM = "alarm"
    """A peer found another merge than ours, or the executor another set under our pair."""
    REFUSED = "refused"
    FAULT = "fault"
    """Somebody said what is no word of ours."""
    BENCH = "bench"
    """Whoever committed so many faults in a row is not heard for a while."""
    TALLY = "tally"
    """Counts of what was refused without an entry of its own."""
    DECISION = "decision"
    APPLIED = "applied"
    REJECTED = "rejected"
    DONE = "done"
    MODE = "mode_change"
    STOP = "stop"
    REARM = "rearm"


@dataclass(frozen=True, slots=True)
class Record:
    """One entry: its kind, venue time, and plain values."""

    kind: Kind
    time_ns: int
    body: Body

    @property
    def short(self) -> Body:
        """What of it is worth a line of a program's log: no documents."""
        plain = {key: value for key, value in self.body.items() if not isinstance(value, dict)}
        return {("change" if key == "event" else key): value for key, value in plain.items()}


def restored(rules: Rules, records: Iterable[Record]) -> State:
    """Return the state after all records, as a start goes on from it: no round is open.

    A boundary that all seats have answered is settled anew, so what follows is decided by the
    log alone.
    """
    state = State(rules=rules, mode=rules.mode)
    for record in records:
        state = fold(state, record)
    phase = Phase.IDLE
    if state.boundary is not None:
        phase = Phase.SETTLING if is_whole(state) else Phase.COLLECTING
    return replace(state, phase=phase)


def fold(state: State, record: Record) -> State:
    """Return the state after one more record."""
    state = replace(state, now_ns=max(state.now_ns, record.time_ns))
    return _FOLDS[record.kind](state, record.body, record.time_ns)


def update_body(update: ParameterUpdate) -> Body:
    """Return a proposal as plain values for the log."""
    return update.model_dump(mode="json")


def _epoch(state: State, body: Body, _time_ns: int) -> State:
    return replace(state, epoch=int(body["epoch"]), round=None)


def _boundary(state: State, body: Body, time_ns: int) -> State:
    opened = OpenBoundary(
        index=body["index"], time_ns=time_ns, id=body["id"], incumbent=_pair(body["incumbent"])
    )
    # A log may be younger than the executor's journal: versions go on above what it has seen.
    version = max(state.version, opened.incumbent[1])
    return replace(state, boundary=opened, version=version, promoted=body.get("promoted", False))


def _answer(state: State, body: Body, time_ns: int) -> State:
    opened = state.boundary
    assert opened is not None, f"answer {body['id']} without an open boundary"
    proposed = body["update"] is not None
    answer = Answer(seat=body["seat"], id=body["id"], proposal=proposed)
    answers = (*opened.answers, answer)
    order = {seat: place for place, seat in enumerate(state.rules.seats)}
    answers = tuple(sorted(answers, key=lambda each: order.get(each.seat, len(order))))
    state = replace(state, boundary=replace(opened, answers=answers))
    if not proposed:
        return replace(state, renewals=_with(state.renewals, answer.id, answer.seat))
    state = _hold(state, body, body["seat"], opened.index, time_ns)
    waiting = tuple(each.id for each in answers if each.proposal)
    others = tuple(each for each in state.queue if each not in waiting)
    return replace(state, queue=(*others, *waiting))


def _proposal(state: State, body: Body, time_ns: int) -> State:
    state = _hold(state, body, body["src"], None, time_ns)
    return replace(state, queue=(*state.queue, body["id"]))


def _hold(state: State, body: Body, src: str, boundary: int | None, time_ns: int) -> State:
    update = ParameterUpdate.model_validate(body["update"])
    held = Proposal(
        id=body["id"],
        src=src,
        update=update,
        boundary=boundary,
        time_ns=time_ns,
        renewal=body.get("renewal", False),
    )
    return replace(state, proposals=_with(state.proposals, held.id, held))


def _round(state: State, body: Body, _time_ns: int) -> State:
    opened = OpenRound(
        number=body["round"],
        epoch=body["epoch"],
        sets=tuple(body["sets"]),
        weights=tuple(body["weights"]),
        candidate=QuoteParameters.model_validate(body["candidate"]),
        deadline_ns=body["deadline"],
    )
    return replace(state, round=opened, rounds=opened.number)


def _vote(state: State, body: Body, _time_ns: int) -> State:
    opened = state.round
    if opened is None or opened.number != body["round"]:
        return state
    choice = VOID if body["voter"] in opened.votes else body["choice"]
    if choice == VOID:
        state = _blame(state, body["voter"])
    return replace(state, round=replace(opened, votes={**opened.votes, body["voter"]: choice}))


def _fault(state: State, body: Body, _time_ns: int) -> State:
    state = replace(state, malformed=_with(state.malformed, body["id"], body["seat"]))
    return _blame(state, body["seat"])


def _blame(state: State, name: str) -> State:
    held = state.conduct.get(name, Conduct())
    return replace(state, conduct={**state.conduct, name: held.after_fault()})


def _bench(state: State, body: Body, _time_ns: int) -> State:
    held = state.conduct.get(body["seat"], Conduct())
    benched = held.after_bench(body["until"])
    return replace(state, conduct={**state.conduct, body["seat"]: benched})


def _praise(state: State, basis: tuple[str, ...]) -> State:
    """Break the row of faults of those whose sets were decided, but not of who voted twice."""
    votes = state.round.votes if state.round is not None else {}
    conduct = dict(state.conduct)
    for src in {state.proposals[key].src for key in basis if key in state.proposals}:
        if src in conduct and votes.get(src) != VOID:
            conduct[src] = conduct[src].after_success()
    return replace(state, conduct=conduct)


def _void(state: State, body: Body, time_ns: int) -> State:
    state = replace(state, round=None)
    if not body.get("silent"):
        return state
    wait_ns = state.rules.vote_wait_ns * 2 ** min(state.silences, REST_DOUBLINGS_MAX)
    return replace(state, silences=state.silences + 1, rest_until_ns=time_ns + wait_ns)


def _measured(state: State, body: Body, time_ns: int) -> State:
    outcomes = dict(state.outcomes)
    for seat, won in body["won"].items():
        held = outcomes.get(seat, Outcomes())
        outcomes[seat] = Outcomes(held.wins + bool(won), held.outcomes + 1)
    standing = Standing(
        sets={name: QuoteParameters.model_validate(each) for name, each in body["next"].items()},
        held=incumbent(state),
        since_ns=time_ns,
    )
    state = replace(state, outcomes=outcomes, standing=standing)
    told = body["supervisor"]
    if told is None:
        return state
    hedge = Hedge(tuple(told["experts"]), told["horizon"], tuple(told["lost"]), told["windows"])
    return replace(state, hedge=hedge, running=Running(**told["running"]))


def _unchanged(state: State, _body: Body, _time_ns: int) -> State:
    return state


def _refused(state: State, body: Body, _time_ns: int) -> State:
    state = _settle(state, body["id"], Fate.REFUSED, NackCode(body["code"]), body["detail"])
    if body.get("fault"):
        state = _blame(state, state.proposals[body["id"]].src)
    queue = tuple(each for each in state.queue if each != body["id"])
    if state.round is None or body["id"] not in state.round.sets:
        return replace(state, queue=queue)
    # Voted down: that was an answer, so the next round need not wait.
    return replace(state, queue=queue, round=None, silences=0, rest_until_ns=0)


def _decision(state: State, body: Body, _time_ns: int) -> State:
    decided = Decided(
        pair=_pair(body["pair"]),
        params=QuoteParameters.model_validate(body["params"]),
        basis=tuple(body["basis"]),
        mode=Mode(body["mode"]),
        generation=body["generation"],
        not_before_ns=body["not_before"],
        not_after_ns=body["not_after"],
        boundary=body["boundary"],
    )
    state = _praise(state, decided.basis)
    for each in decided.basis:
        state = _settle(state, each, Fate.DECIDED)
    queue = tuple(each for each in state.queue if each not in decided.basis)
    version = decided.pair[1]
    state = replace(state, silences=0, rest_until_ns=0)
    peered = state.round if decided.mode is Mode.PEER else None
    return replace(state, flight=decided, version=version, queue=queue, round=None, peered=peered)


def _applied(state: State, body: Body, _time_ns: int) -> State:
    flight = state.flight
    assert flight is not None, f"decision {body['pair']} was applied without having been made"
    own = [state.proposals[each] for each in flight.basis if each in state.proposals]
    trial = {each.src: each.params for each in own}
    standing = replace(state.standing, trial=trial, against=incumbent(state))
    for each in flight.basis:
        state = _settle(state, each, Fate.APPLIED)
    return replace(state, in_force=flight, flight=None, peered=None, standing=standing)


def _rejected(state: State, body: Body, _time_ns: int) -> State:
    flight = state.flight
    assert flight is not None, f"decision {body['pair']} was rejected without having been made"
    for each in flight.basis:
        state = _settle(state, each, Fate.REFUSED, NackCode(body["code"]), body["detail"])
    return replace(state, flight=None, version=max(state.version, body.get("seen", 0)))


def _done(state: State, body: Body, _time_ns: int) -> State:
    opened = state.boundary
    assert opened is not None, f"boundary {body['index']} closed without having been open"
    decision = None if body["decision"] is None else _pair(body["decision"])
    until_ns = body["not_after"]
    closed = Closed(opened.index, opened.id, decision, until_ns)
    in_force = state.in_force
    if in_force is not None and until_ns is not None:
        in_force = replace(in_force, not_after_ns=until_ns)
    return replace(state, boundary=None, closed=closed, in_force=in_force)


def _mode(state: State, body: Body, _time_ns: int) -> State:
    changes = _with(state.changes, body["id"], body["generation"])
    return replace(
        state,
        mode=Mode(body["to"]),
        generation=body["generation"],
        changes=changes,
        round=None,
        peered=None,
        standing=Standing(),  # what stood under another mode may be hours old
    )


def _stop(state: State, body: Body, _time_ns: int) -> State:
    if body["id"] in state.lifted:
        return state
    return replace(state, stops={**state.stops, body["id"]: body["scope"]})


def _rearm(state: State, body: Body, _time_ns: int) -> State:
    lifts = frozenset(body["lifts"])
    stops = {each: scope for each, scope in state.stops.items() if each not in lifts}
    return replace(state, stops=stops, lifted=state.lifted | lifts)


_FOLDS: Mapping[Kind, Callable[[State, Body, int], State]] = {
    Kind.EPOCH: _epoch,
    Kind.BOUNDARY: _boundary,
    Kind.ANSWER: _answer,
    Kind.PROPOSAL: _proposal,
    Kind.ROUND: _round,
    Kind.VOTE: _vote,
    Kind.VOID: _void,
    Kind.MEASURED: _measured,
    Kind.ALARM: _unchanged,
    Kind.REFUSED: _refused,
    Kind.FAULT: _fault,
    Kind.BENCH: _bench,
    Kind.TALLY: _unchanged,
    Kind.DECISION: _decision,
    Kind.APPLIED: _applied,
    Kind.REJECTED: _rejected,
    Kind.DONE: _done,
    Kind.MODE: _mode,
    Kind.STOP: _stop,
    Kind.REARM: _rearm,
}


def _pair(value: Any) -> Pair:
    epoch, version = value
    return (int(epoch), int(version))


def _with(held: Mapping[str, V], key: str, value: V) -> Mapping[str, V]:
    """Return `held` with one more, the oldest forgotten beyond the bound."""
    grown = {**held, key: value}
    while len(grown) > HISTORY_MAX:
        del grown[next(iter(grown))]
    return grown


def _settle(
    state: State, key: str, fate: Fate, code: NackCode | None = None, detail: str = ""
) -> State:
    held = state.proposals.get(key)
    if held is None:
        return state
    settled = replace(held, fate=fate, code=code, detail=detail)
    return replace(state, proposals={**state.proposals, key: settled})
