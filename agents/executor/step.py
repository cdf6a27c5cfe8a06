"""The pure step of the executor: `step(state, event, now_ns) -> (state, effects)`.

A market step trades (`trade`); a word is judged, becomes one row of the table `heard`, and changes
the state by `fold`, which is also how a start reads those rows back. The account's arrays are
changed in place, so the state returned is the one given; nothing else is touched, and no clock.
"""

from typing import Any, TypeVar, assert_never

from agents.executor import judging, records
from agents.executor.events import (
    Alone,
    Cleared,
    Compared,
    DecisionHeard,
    DoneHeard,
    Effect,
    Event,
    PauseHeard,
    PeerHeard,
    RearmHeard,
    Reply,
    RoundHeard,
    Say,
    Shadow,
    Shadowed,
    StopHeard,
    Write,
)
from agents.executor.promotion import PROMOTIONS, Finding
from agents.executor.state import (
    REMEMBERED_MAX,
    Agreed,
    State,
    Verdict,
    Voted,
    as_pair,
    enter_stage,
    freeze_agreed,
    thaw_agreed,
)
from agents.executor.trade import stopped_replies, trade
from exchange.port import MarketStep
from market.states import release
from protocol.errors import NackCode, printable
from protocol.merge import digest
from protocol.messages import Ack, Choice, Mode, Nack, Pair, Stage, Vote
from risk.emergency import TABLE, Fact

Effects = tuple[Effect, ...]
T = TypeVar("T")


def step(state: State, event: Event, now_ns: int) -> tuple[State, Effects]:
    """Return the state after `event` and what is to be done, in order.

    Args:
        state: its arrays are changed in place.
        event: what happened.
        now_ns: venue time; a market step's own time, else that of the last step.
    """
    match event:
        case MarketStep():
            assert now_ns == event.now_ns > state.now_ns, f"{now_ns} is not after {state.now_ns}"
            return state, trade(state, event)
        case DecisionHeard():
            return state, _decision(state, event)
        case RoundHeard():
            return state, _round(state, event)
        case Shadowed():
            return state, _vote(state, event.asked, judging.of_shadow(event))
        case Compared():
            return state, _compared(state, event)
        case DoneHeard():
            return state, _done(state, event)
        case StopHeard():
            return state, _stop(state, event)
        case RearmHeard():
            return state, _rearm(state, event)
        case PauseHeard():
            said = Reply(event.src, event.ref, Ack(stage=Stage.RECEIVED))
            if event.ref in state.pauses:
                return state, (said,)  # said again, it must not undo what came after it
            kind = "pause" if event.paused else "resume"
            return state, (_keep(state, kind, {"ref": event.ref}, event.ref), said)
        case Alone():
            if event.alone == state.alone:
                return state, ()
            return state, (_keep(state, "alone", {"alone": event.alone}, None),)
        case PeerHeard():
            told = {"name": event.name, "row": None if event.row is None else list(event.row)}
            return state, (_keep(state, "peer", told, None),)
        case Cleared():
            # What is reported of the cancels is booked by the next step; nothing else can follow.
            return state, tuple(stopped_replies(state)) if not state.flatten else ()
        case _:
            assert_never(event)


def _keep(state: State, kind: str, body: dict[str, Any], key: str | None) -> Write:
    """Let a word change the state, and ask for its row."""
    entry = records.heard_entry(state.now_ns, kind, body, key)
    fold(state, kind, body)
    return Write((entry,))


def fold(state: State, kind: str, body: dict[str, Any]) -> None:
    """Change the state as a row of `heard` says.

    Raises:
        ValueError: a kind that this program does not write.
    """
    match kind:
        case "decision":
            _fold_decision(state, body)
        case "done":
            _fold_done(state, body)
        case "stop":
            if body["id"] not in state.lifted:
                state.stops[body["id"]] = body["flatten"] or state.stops.get(body["id"], False)
                if body["flatten"] and state.calm:
                    # Nothing may be open, but whether flat was never asked: see the next step.
                    state.phase = TABLE[state.phase, Fact.OPEN]
        case "rearm":
            for key in body["lifts"]:
                state.stops.pop(key, None)
                state.lifted[key] = None
            # The operator's word ends a halt of risk that waits for one, too.
            release(state.account.ledger, state.account.risk, state.now_ns)
        case "pause" | "resume":
            state.paused = kind == "pause"
            _remember(state.pauses, body["ref"], None)
        case "alone":
            state.alone = body["alone"]
        case "peer":
            if state.peers is not None:
                state.peers.fold(body["name"], body["row"])
        case "policy":
            enter_stage(state, Finding.of(body), body["since_ns"])
        case "vote":
            _remember(state.votes, body["ref"], Voted(**body))
        case _:
            raise ValueError(f"the journal holds a word of kind {kind!r}, which is not known")


def _remember(held: dict[str, T], key: str, value: T) -> None:
    """Keep one more; the oldest is forgotten beyond the bound."""
    held[key] = value
    while len(held) > REMEMBERED_MAX:
        del held[next(iter(held))]


def _fold_decision(state: State, body: dict[str, Any]) -> None:
    agreed = thaw_agreed(body["agreed"])
    assert agreed is not None, "a judged decision without a set"
    if body["code"] is None:
        state.pending = agreed
        state.verdict = Verdict(agreed.pair, digest=digest(agreed.params))
    else:
        code = NackCode(body["code"])
        # A fenced or stale pair is refused without becoming the highest one judged.
        if code not in (NackCode.FENCED, NackCode.STALE_VERSION):
            told = digest(agreed.params)
            state.verdict = Verdict(agreed.pair, code=code, detail=body["detail"], digest=told)
    if state.named is not None and state.verdict.pair >= state.named:
        state.named = None
        state.waiting = False


def _fold_done(state: State, body: dict[str, Any]) -> None:
    if body["index"] != state.boundary or not state.waiting:
        return
    named: Pair | None = None if body["decision"] is None else as_pair(body["decision"])
    if named is not None and named > state.verdict.pair and named[1] > state.verdict.pair[1]:
        state.named = named  # not judged yet; one whose version is stale would never be
        return
    state.named = None
    state.waiting = False
    held = state.in_force
    until_ns = body["not_after"]
    if until_ns is not None and held is not None and state.now_ns <= held.not_after_ns:
        # Nothing better was found: the set in force is renewed, as in the coordinator's log.
        state.in_force = Agreed(held.pair, held.params, held.not_before_ns, until_ns, held.ref)


def _decision(state: State, heard: DecisionHeard) -> Effects:
    known = judging.stage_of(state, heard.pair, digest(heard.word.params))
    if known is not None:
        if not heard.ref:
            return ()
        if (
            isinstance(known, Ack)
            and state.pending is not None
            and state.pending.pair == heard.pair
        ):
            held = state.pending
            state.pending = Agreed(
                held.pair, held.params, held.not_before_ns, held.not_after_ns, heard.ref
            )
        return (Reply(heard.src, heard.ref, known, state.verdict.pair),)
    problem = judging.of_decision(state, heard)
    word = heard.word
    agreed = Agreed(heard.pair, word.params, word.not_before, word.not_after, heard.ref)
    body = {
        "agreed": freeze_agreed(agreed),
        "code": None if problem is None else problem[0].value,
        "detail": "" if problem is None else problem[1],
    }
    epoch, version = heard.pair
    fenced = problem is not None and problem[0] in (NackCode.FENCED, NackCode.STALE_VERSION)
    replaced = state.pending if problem is None else None
    effects: list[Effect] = []
    if fenced:
        # Nothing changes by it, and a flood of old pairs must not fill the journal.
        assert problem is not None, "fenced without a reason"
    else:
        effects.append(_keep(state, "decision", body, f"{epoch} {version}"))
    if replaced is not None and replaced.ref:
        line = f"{epoch}.{version} came before it was in force"
        late = _nack(NackCode.STALE_VERSION, line)
        effects.append(Reply(heard.src, replaced.ref, late, state.verdict.pair))
    if heard.ref:
        received = Ack(stage=Stage.RECEIVED, digest=digest(heard.word.params))
        answer = _nack(*problem) if problem is not None else received
        effects.append(Reply(heard.src, heard.ref, answer, state.verdict.pair))
    return tuple(effects)


def _nack(code: NackCode, detail: str) -> Nack:
    return Nack(code=code, detail=printable(detail))


def _round(state: State, asked: RoundHeard) -> Effects:
    if asked.mode is Mode.PEER:
        problem = judging.of_merge(state, asked)
        said = Ack(stage=Stage.RECEIVED) if problem is None else _nack(*problem)
        return (Reply(asked.src, asked.ref, said),)
    voted = state.votes.get(asked.ref)
    if voted is not None:
        return (Say(asked.ref, _word(voted)),)
    problem = judging.of_round(state, asked)
    if problem is None:
        return (Shadow(asked),)
    return _vote(state, asked, problem)


def _vote(state: State, asked: RoundHeard, problem: judging.Problem | None) -> Effects:
    voted = state.votes.get(asked.ref)
    if voted is not None:  # a round that was asked for twice was replayed twice
        return (Say(asked.ref, _word(voted)),)
    choice, reason = judging.choice_of(problem)
    body: dict[str, Any] = {
        "ref": asked.ref,
        "round": asked.word.round,
        "candidate": digest(asked.word.candidate),
        "choice": choice.value,
        "reason": reason,
    }
    kept = _keep(state, "vote", body, asked.ref)
    return (kept, Say(asked.ref, _word(Voted(**body))))


def _word(voted: Voted) -> Vote:
    return Vote(
        round=voted.round,
        candidate=voted.candidate,
        choice=Choice(voted.choice),
        reason=voted.reason,
    )


def _done(state: State, heard: DoneHeard) -> Effects:
    said = Reply(heard.src, heard.ref, Ack(stage=Stage.RECEIVED))
    if heard.index != state.boundary or not state.waiting or state.named is not None:
        return (said,)
    pair = None if heard.decision is None else list(heard.decision)
    body = {"index": heard.index, "decision": pair, "not_after": heard.not_after_ns}
    return (_keep(state, "done", body, str(heard.index)), said)


def _compared(state: State, event: Compared) -> Effects:
    """Keep a verdict, and let the other policy quote, if that was found, from a decision on.

    A verdict on a stage that is over, or on no more than is known already, came late: it is none.
    """
    contest, found = state.contest, event.found
    if contest is None or event.since_ns != contest.since_ns or found.blocks <= contest.judged:
        return ()
    since_ns = contest.since_ns
    if found.stage is not contest.stage:
        assert (contest.stage, found.stage) in PROMOTIONS, f"{contest.stage} to {found.stage}"
        cycle_ns = state.session.settings.executor.cycle_ns
        since_ns = -(-state.now_ns // cycle_ns) * cycle_ns
    body = {"since_ns": since_ns, **found.plain()}
    return (_keep(state, "policy", body, f"{contest.since_ns} {found.blocks}"),)


def _rearm(state: State, heard: RearmHeard) -> Effects:
    effects: list[Effect] = []
    if not state.lifted.keys() >= set(heard.lifts):  # else heard before, in an earlier life perhaps
        effects.append(_keep(state, "rearm", {"lifts": list(heard.lifts)}, heard.ref))
    if heard.src:
        effects.append(Reply(heard.src, heard.ref, Ack(stage=Stage.RECEIVED)))
    return tuple(effects)


def _stop(state: State, heard: StopHeard) -> Effects:
    effects: list[Effect] = []
    # A heartbeat that told of it first could not say whether it flattens: the word adds that.
    known = state.stops.get(heard.id)
    if heard.id not in state.lifted and (known is None or heard.flatten > known):
        body = {"id": heard.id, "flatten": heard.flatten}
        key = heard.id if known is None else f"{heard.id} flatten"
        effects.append(_keep(state, "stop", body, key))
    if heard.src:
        state.asked[heard.id] = heard.src
        if heard.id in state.lifted:
            # A stop that was lifted already asks for nothing: it is over.
            return (*effects, Reply(heard.src, heard.id, Ack(stage=Stage.STOPPED)))
        state.told.discard(heard.id)
        effects.append(Reply(heard.src, heard.id, Ack(stage=Stage.RECEIVED)))
        if state.calm:
            effects.extend(stopped_replies(state))
    return tuple(effects)
