"""Votes: who may give one, what two of one voter mean, and when enough are in."""

from agents.coordinator.draft import Draft, acknowledge, round_id
from agents.coordinator.events import Heard, Reply, Withdraw
from agents.coordinator.modes.table import Signal
from agents.coordinator.records import Kind
from agents.coordinator.state import VOID, OpenRound, State, is_benched, voters
from protocol.errors import NackCode, printable
from protocol.merge import digest
from protocol.messages import Choice, Mode, Nack, Stage, Vote, utc_text


def hear_vote(draft: Draft, heard: Heard, word: Vote) -> Signal | None:
    """Log a vote of the open round; return APPROVED or REJECTED once it is decided."""
    state, opened = draft.state, draft.state.round
    if heard.generation is not None and heard.generation != state.generation:
        line = f"generation must be {state.generation}, found {heard.generation}"
        draft.send(Reply(heard.src, heard.id, _nack(NackCode.STALE_GENERATION, line)))
        return None
    able = state.rules.seats if state.mode is Mode.CONSENSUS else voters(state)
    if heard.src not in able:
        line = f"no voter in {state.mode.value}: {', '.join(able) or 'nobody votes'}"
        draft.send(Reply(heard.src, heard.id, _nack(NackCode.FORBIDDEN, line)))
        return None
    if is_benched(state, heard.src) and state.mode is not Mode.MASTER_SLAVE:
        draft.send(Reply(heard.src, heard.id, bench_nack(state, heard.src)))
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
    if state.mode is Mode.MASTER_SLAVE:
        return _of_master(draft, word)
    return outcome(draft)


def _nack(code: NackCode, detail: str) -> Nack:
    return Nack(code=code, detail=printable(detail))


def bench_nack(state: State, name: str) -> Nack:
    """Return what a benched party hears: nothing of it is taken, and until when."""
    left_ns = state.conduct[name].until_ns - state.now_ns
    line = f"{name} is benched until {utc_text(state.conduct[name].until_ns)} of venue time"
    # In lockstep venue time may pass at any speed: nobody knows when that will be.
    wait_ms = None if state.rules.lockstep else round(left_ns / 1e6 / state.rules.haste)
    return Nack(code=NackCode.FORBIDDEN, detail=line, retry_after_ms=wait_ms)


def _of_master(draft: Draft, word: Vote) -> Signal:
    opened = draft.state.round
    assert opened is not None, "a vote without a round"
    if opened.votes[draft.state.rules.executor] == Choice.APPROVE.value:
        return Signal.APPROVED
    draft.verdict = _verdict(word)
    return Signal.REJECTED


def outcome(draft: Draft) -> Signal | None:
    """Return what the votes of the open round come to, None while that is not known.

    The quorum is more than half of all that is configured: absent and benched seats weigh against.
    """
    state, opened, rules = draft.state, draft.state.round, draft.state.rules
    assert opened is not None, "an outcome without a round"
    awaited = [each for each in voters(state) if each not in opened.votes]
    if rules.lockstep and awaited:
        return None  # feed time waits for every seat, so the log does not depend on the machine
    approving = [each for each, said in opened.votes.items() if said == Choice.APPROVE.value]
    total, approve = rules.weight_of(rules.seats), rules.weight_of(approving)
    possible = approve + rules.weight_of(awaited)
    if 2 * approve > total:
        return Signal.APPROVED
    if 2 * possible <= total:
        what = "units of weight" if rules.weights else "seats"
        line = f"{approve} of {total} {what} approve, {total - possible} do not"
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
