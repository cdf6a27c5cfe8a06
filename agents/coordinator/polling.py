"""Votes: who may give one, what two of one voter mean, and when enough are in."""

from collections import Counter

from agents.coordinator.draft import Draft, acknowledge, round_id
from agents.coordinator.events import Heard, Reply, Withdraw
from agents.coordinator.modes.table import Signal
from agents.coordinator.records import Kind
from agents.coordinator.state import VOID, OpenRound, State, voters
from protocol.errors import NackCode, printable
from protocol.merge import digest
from protocol.messages import Choice, Mode, Nack, Stage, Vote


def hear_vote(draft: Draft, heard: Heard, word: Vote) -> Signal | None:
    """Log a vote of the open round; return APPROVED or REJECTED once it is decided."""
    state, opened = draft.state, draft.state.round
    if heard.generation is not None and heard.generation != state.generation:
        line = f"generation must be {state.generation}, found {heard.generation}"
        draft.send(Reply(heard.src, heard.id, _nack(NackCode.STALE_GENERATION, line)))
        return None
    if heard.src not in voters(state):
        line = f"no voter in {state.mode.value}: {', '.join(voters(state)) or 'nobody votes'}"
        draft.send(Reply(heard.src, heard.id, _nack(NackCode.FORBIDDEN, line)))
        return None
    acknowledge(draft, heard.src, heard.id, Stage.RECEIVED)
    if opened is None or word.round != opened.number:
        return None
    found = word.candidate == digest(opened.candidate)
    if not found and state.mode is Mode.MASTER_SLAVE:
        return None
    choice, reason = (word.choice, word.reason) if found else (Choice.REJECT, "another candidate")
    known = opened.votes.get(heard.src)
    if known in (choice.value, VOID):
        return None
    body = {"round": opened.number, "epoch": opened.epoch, "voter": heard.src}
    # A second, different vote voids both; the fold says so whatever it was.
    draft.record(Kind.VOTE, {**body, "choice": choice.value, "reason": reason or ""})
    draft.send(Withdraw(round_id(state, opened, heard.src)))
    return _outcome(draft, word)


def _nack(code: NackCode, detail: str) -> Nack:
    return Nack(code=code, detail=printable(detail))


def _outcome(draft: Draft, word: Vote) -> Signal | None:
    state, opened = draft.state, draft.state.round
    assert opened is not None, "a vote without a round"
    if state.mode is Mode.MASTER_SLAVE:
        if opened.votes[state.rules.executor] == Choice.APPROVE.value:
            return Signal.APPROVED
        draft.verdict = _verdict(word)
        return Signal.REJECTED
    seats = len(state.rules.seats)
    counts = Counter(opened.votes.values())
    others = len(opened.votes) - counts[Choice.APPROVE.value]
    if state.rules.lockstep and len(opened.votes) < seats:
        return None  # feed time waits for every seat, so the log does not depend on the machine
    if 2 * counts[Choice.APPROVE.value] > seats:
        return Signal.APPROVED
    if 2 * (seats - others) <= seats:
        line = f"{counts[Choice.APPROVE.value]} of {seats} seats approve, {others} do not"
        draft.verdict = (NackCode.NOT_CHOSEN, line)
        return Signal.REJECTED
    return None


def silent(state: State, opened: OpenRound) -> list[str]:
    """Return the voters of a round that have not voted."""
    return [each for each in voters(state) if each not in opened.votes]


def _verdict(word: Vote) -> tuple[NackCode, str]:
    """Return code and detail of a rejection: a reason may begin with its code."""
    reason = word.reason or f"the executor said {word.choice.value}"
    first, _, rest = reason.partition(" ")
    for code in NackCode:
        if first.rstrip(":") == code.value and rest:
            return code, rest
    return NackCode.RISK_VETO, reason
