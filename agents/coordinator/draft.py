"""One step in the making: records fold into the state at once, words wait until they are on disk.

The building blocks of actions live here: each appends what became true, then says it.
"""

from dataclasses import replace

from agents.coordinator.conduct import FAULTS_MAX, bench_ns, is_fault
from agents.coordinator.events import (
    Append,
    Effect,
    Fenced,
    Measure,
    Post,
    Publish,
    Reply,
    Withdraw,
)
from agents.coordinator.records import Body, Kind, Record, fold
from agents.coordinator.state import (
    Decided,
    Fate,
    Flight,
    OpenRound,
    Proposal,
    State,
    present,
    round_word,
    weight,
)
from protocol.bus.frames import derive_id
from protocol.errors import NackCode
from protocol.merge import digest
from protocol.messages import Ack, BoundaryDone, Decision, Nack, QuoteParameters, Stage, Word

Said = Reply | Post | Withdraw | Publish | Fenced | Measure
SHOWN_MAX = 64
"""Messages to peers whose answer is still listened to."""


class Draft:
    """State, records and words of one step; `effects` gives them in their order.

    Attributes:
        state: the state so far.
        verdict: why the voter rejected, for the refusal that follows from it.
        benched: whether somebody was benched in this step.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.verdict: tuple[NackCode, str] | None = None
        self.benched = False
        self._records: list[Record] = []
        self._said: list[Said] = []

    def record(self, kind: Kind, body: Body) -> None:
        """Append one entry, stamped with the venue time, and let it change the state."""
        record = Record(kind=kind, time_ns=self.state.now_ns, body=body)
        self.state = fold(self.state, record)
        self._records.append(record)
        for name, held in self.state.conduct.items():
            if held.faults >= FAULTS_MAX:
                until_ns = self.state.now_ns + bench_ns(held.benches, self.state.rules.round_ns)
                self.record(Kind.BENCH, {"seat": name, "until": until_ns, "faults": held.faults})
                self.benched = True
                break

    def send(self, effect: Said) -> None:
        """Ask for something to be said once all records of the step are on disk."""
        self._said.append(effect)

    def withdraw_round(self, opened: OpenRound) -> None:
        """Stop asking for votes."""
        for voter in self.state.rules.seats:
            if voter not in opened.votes:
                self.send(Withdraw(round_id(self.state, opened, voter)))

    def effects(self) -> tuple[Effect, ...]:
        """Return what is to be done: the log first."""
        log = (Append(tuple(self._records)),) if self._records else ()
        return (*log, *self._said)


def flight_of(state: State) -> Flight:
    """Return where the newest decision stands, for the table of decisions."""
    if state.flight is not None:
        return Flight.DECIDED
    return Flight.IN_FORCE if state.in_force is not None else Flight.NONE


def round_id(state: State, opened: OpenRound, voter: str) -> str:
    """Return the message id of a round to one voter: new with every epoch, as its number is."""
    return derive_id(state.rules.seed, "round", opened.epoch, opened.number, voter)


def decision_id(state: State, decided: Decided) -> str:
    """Return the message id of a decision: the same after any number of restarts."""
    return derive_id(state.rules.seed, "decision", *decided.pair)


def done_id(state: State, index: int) -> str:
    """Return the message id of a boundary_done."""
    return derive_id(state.rules.seed, "boundary_done", index)


def decision_word(decided: Decided) -> Decision:
    """Return a decision as a word; its pair and generation travel in the header."""
    return Decision(
        params=decided.params,
        basis=decided.basis,
        mode=decided.mode,
        not_before=decided.not_before_ns,
        not_after=decided.not_after_ns,
    )


def acknowledge(draft: Draft, dst: str, ref: str, stage: Stage) -> None:
    """Tell the sender of `ref` how far we have come with it."""
    draft.send(Reply(dst, ref, Ack(stage=stage)))


def refuse(draft: Draft, proposal: str, code: NackCode, detail: str) -> None:
    """Refuse a proposal, on disk and to its sender."""
    body: Body = {"id": proposal, "code": code.value, "detail": detail}
    if is_fault(code, detail) and not draft.state.proposals[proposal].renewal:
        body["fault"] = True
    draft.record(Kind.REFUSED, body)
    draft.send(reply_of(draft.state, draft.state.proposals[proposal]))


def reply_of(state: State, proposal: Proposal) -> Reply:
    """Return the answer that a proposal has come to so far."""
    return Reply(proposal.src, proposal.id, _stage(state, proposal))


def _stage(state: State, proposal: Proposal) -> Word:
    match proposal.fate:
        case Fate.WAITING:
            return Ack(stage=Stage.RECEIVED)
        case Fate.DECIDED:
            return Ack(stage=Stage.DECIDED, digest=_digest(state, proposal))
        case Fate.APPLIED:
            return Ack(stage=Stage.APPLIED, digest=_digest(state, proposal))
        case Fate.REFUSED:
            assert proposal.code is not None, f"proposal {proposal.id} refused without a code"
            return Nack(code=proposal.code, detail=proposal.detail)


def _digest(state: State, proposal: Proposal) -> str:
    """Return the digest of what a proposal led to: a merge is another set than any of its parts."""
    for held in (state.flight, state.in_force):
        if held is not None and proposal.id in held.basis:
            return digest(held.params)
    return digest(proposal.params)


def open_round(draft: Draft, sets: tuple[str, ...], candidate: QuoteParameters) -> OpenRound:
    """Log a round: the sets, their weights, and what follows from them."""
    state = draft.state
    body = {
        "round": state.rounds + 1,
        "epoch": state.epoch,
        "sets": list(sets),
        "weights": [weight(state, state.proposals[key]) for key in sets],
        "candidate": candidate.model_dump(),
        "deadline": state.now_ns + state.rules.vote_wait_ns,
    }
    draft.record(Kind.ROUND, body)
    opened = draft.state.round
    assert opened is not None, "a round that was logged is not open"
    return opened


def post_round(draft: Draft, wanted: tuple[str, ...]) -> None:
    """Put the open round to voters, each until its vote is in."""
    state, word = draft.state, round_word(draft.state, draft.state.round)
    assert word is not None and state.round is not None, "no open round to put"  # noqa: PT018
    for voter in wanted:
        key = round_id(state, state.round, voter)
        draft.send(Post(voter, key, word, generation=state.generation))


def show_round(draft: Draft, opened: OpenRound) -> None:
    """Say a round to every present seat as a peer, each until it has received it."""
    state, word = draft.state, round_word(draft.state, opened)
    assert word is not None, "no round to show"
    shown = dict(state.shown)
    for peer in present(state):
        key = round_id(state, opened, peer)
        shown[key] = (opened.number, peer)
        draft.send(Post(peer, key, word, generation=state.generation, until=Stage.RECEIVED))
    while len(shown) > SHOWN_MAX:
        del shown[next(iter(shown))]
    draft.state = replace(draft.state, shown=shown)


def decide(draft: Draft, basis: tuple[str, ...], params: QuoteParameters, author: str) -> None:
    """Make a set the decision in flight.

    Args:
        basis: ids of the proposals that it follows from.
        author: the seat or preset whose set it is; several, joined by +, whose sets it merges.
    """
    state = draft.state
    assert state.flight is None, f"{state.flight} is in flight already"
    # A boundary that still waits for answers has nothing to do with what is decided meanwhile.
    opened = state.boundary if state.settled else None
    start_ns = state.now_ns if opened is None else opened.time_ns
    body = {
        "pair": [state.epoch, state.version + 1],
        "params": params.model_dump(),
        "basis": list(basis),
        "seat": author,
        "mode": state.mode.value,
        "generation": state.generation,
        "not_before": start_ns + state.rules.tuning_latency_ns,
        "not_after": start_ns + state.rules.validity_ns,
        "boundary": None if opened is None else opened.index,
    }
    draft.record(Kind.DECISION, body)
    post_decision(draft)
    for key in basis:
        draft.send(reply_of(draft.state, draft.state.proposals[key]))


def post_decision(draft: Draft) -> None:
    """Send the decision in flight to its executor, and publish it for everybody."""
    flight = draft.state.flight
    assert flight is not None, "no decision to send"
    word = decision_word(flight)
    key = decision_id(draft.state, flight)
    executor = draft.state.rules.executor
    draft.send(Post(executor, key, word, pair=flight.pair, generation=flight.generation))
    draft.send(Publish(word, flight.pair, flight.generation))


def close(draft: Draft) -> None:
    """Close the open boundary: feed time may go on."""
    opened, flight = draft.state.boundary, draft.state.flight
    assert opened is not None, "no boundary to close"
    decided = flight is not None and flight.boundary == opened.index
    pair = list(flight.pair) if flight is not None and decided else None
    body = {"index": opened.index, "decision": pair, "not_after": None}
    held, now_ns = draft.state.in_force, draft.state.now_ns
    if pair is None and held is not None and now_ns <= held.not_after_ns:
        # Nothing better was found. The word tells the end, since the executor may be configured
        # otherwise than we are, and we otherwise than when this was logged.
        body["not_after"] = now_ns + draft.state.rules.validity_ns
    draft.record(Kind.DONE, body)
    draft.state = replace(draft.state, settled=False)
    post_closed(draft)


def post_closed(draft: Draft) -> None:
    """Tell the executor that its last boundary is closed."""
    closed = draft.state.closed
    assert closed is not None, "no boundary was closed"
    word = BoundaryDone(
        index=closed.index, decision=closed.decision, not_after=closed.renewed_until_ns
    )
    key = done_id(draft.state, closed.index)
    draft.send(Post(draft.state.rules.executor, key, word, ref=closed.id))


def send_again(draft: Draft) -> None:
    """Say again what may never have arrived: the decision in flight, its round, what was closed."""
    state = draft.state
    held = state.in_force
    lapsed = held is not None and state.now_ns > held.not_after_ns
    if state.peered is not None and not lapsed:  # else it would begin from another set than it did
        show_round(draft, state.peered)
    if state.flight is not None:
        post_decision(draft)
    elif held is not None:
        draft.send(Publish(decision_word(held), held.pair, held.generation))
    if state.closed is not None and state.boundary is None:
        post_closed(draft)
