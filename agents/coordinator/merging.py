"""Peer and consensus: all fresh sets of the seats together, and what follows from them."""

from dataclasses import replace

from agents.coordinator.draft import Draft, decide, open_round, post_round, refuse, show_round
from agents.coordinator.modes.table import Signal
from agents.coordinator.polling import silent
from agents.coordinator.records import Kind
from agents.coordinator.screening import fresh
from agents.coordinator.state import Proposal, State, incumbent, present, voters, weight
from protocol.errors import NackCode
from protocol.merge import digest, median_merge, peer_merge
from protocol.messages import Mode, QuoteParameters


def waiting(state: State) -> tuple[Proposal, ...]:
    """Return the proposals that may be looked at: a boundary's only once it is settled."""
    held = (state.proposals[each] for each in state.queue)
    return tuple(each for each in held if state.settled or each.boundary is None)


def gather(draft: Draft) -> Signal | None:
    """Wait for the other seats a little, on the real clock; no longer once all have proposed."""
    state = draft.state
    if state.boundary is not None:
        return None  # its seats answer it, each once
    heard = {each.src for each in waiting(state)} | _passed(state)
    awaited = set(present(state)) - {state.rules.executor}
    rests = state.now_ns < state.rest_until_ns
    if awaited <= heard:
        if not rests or state.rules.lockstep:
            return Signal.COMPLETE
        until_ns = state.rest_until_ns
    elif state.rules.lockstep:
        return Signal.COMPLETE  # of no boundary, left over from another mode: nobody adds to it
    else:
        later_ns = max(state.now_ns + state.rules.vote_wait_ns, state.rest_until_ns)
        until_ns = state.gather_until_ns or later_ns
    draft.state = replace(state, gather_until_ns=until_ns)
    return None


def _passed(state: State) -> set[str]:
    """Return the seats that have just said that they propose nothing."""
    wait_ns = state.rules.vote_wait_ns
    return {seat for seat, at_ns in state.passed.items() if state.now_ns - at_ns <= wait_ns}


def sift(draft: Draft) -> tuple[Proposal, ...]:
    """Refuse what may take no part; return the newest fresh proposal of each seat, in order."""
    newest: dict[str, Proposal] = {}
    for each in waiting(draft.state):
        refusal = fresh(draft.state, each)
        older = newest.get(each.src)
        if refusal is not None:
            refuse(draft, each.id, refusal.code, refusal.detail)
            continue
        if older is not None:
            refuse(draft, older.id, NackCode.NOT_CHOSEN, "the seat has proposed anew")
        newest[each.src] = each
    return tuple(newest[seat] for seat in draft.state.rules.seats if seat in newest)


def merge(draft: Draft) -> Signal:
    """Refuse what is not fresh; signal PUT when the rest merges to a set that is not in force."""
    sets = sift(draft)
    if not sets:
        return Signal.EXHAUSTED
    same = digest(merged(draft.state, sets)) == digest(incumbent(draft.state))
    if not same or any(each.renewal for each in sets):
        return Signal.PUT
    for each in sets:
        refuse(draft, each.id, NackCode.NOT_CHOSEN, "together the sets change nothing")
    return Signal.EXHAUSTED


def merged(state: State, sets: tuple[Proposal, ...]) -> QuoteParameters:
    """Return what follows from the sets under the present mode."""
    held, rules = incumbent(state), state.rules
    seats, fraction = len(rules.seats), rules.step_limit
    if state.mode is Mode.PEER:
        weighted = [(each.params, weight(state, each)) for each in sets]
        return peer_merge(held, weighted, seats=seats, fraction=fraction)
    assert state.mode is Mode.CONSENSUS, f"{state.mode} merges nothing"
    return median_merge(held, [each.params for each in sets], seats=seats, fraction=fraction)


def authors(sets: tuple[Proposal, ...]) -> str:
    """Return whose sets were merged, for people."""
    return "+".join(each.src for each in sets)


def ask_all(draft: Draft) -> None:
    """Put the candidate of all sets to every voter."""
    sets = _in_order(draft.state)
    open_round(draft, tuple(each.id for each in sets), merged(draft.state, sets))
    post_round(draft, voters(draft.state))


def share(draft: Draft) -> Signal:
    """Show every set and the merge to all peers, and decide it: they check, nobody votes."""
    sets = _in_order(draft.state)
    opened = open_round(draft, tuple(each.id for each in sets), merged(draft.state, sets))
    show_round(draft, opened)
    decide(draft, opened.sets, opened.candidate, authors(sets))
    return Signal.EXHAUSTED


def lapse(draft: Draft) -> Signal:
    """Void a round that found no quorum in time; the incumbent stays, the next one waits."""
    opened = draft.state.round
    assert opened is not None, "a deadline without a round"
    absent = silent(draft.state, opened)
    draft.withdraw_round(opened)
    body = {"round": opened.number, "epoch": opened.epoch, "silent": absent}
    draft.record(Kind.VOID, body)
    line = f"no quorum in time: {', '.join(absent)} did not vote"
    for key in opened.sets:
        refuse(draft, key, NackCode.NOT_CHOSEN, line)
    return Signal.EXHAUSTED


def _in_order(state: State) -> tuple[Proposal, ...]:
    """Return the sifted proposals, one a seat, in the order of seats."""
    held = {each.src: each for each in waiting(state)}
    return tuple(held[seat] for seat in state.rules.seats if seat in held)
