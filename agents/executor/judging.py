"""Judges what others decided or proposed: decisions, their coming into force, votes.

The order is that of PROTOCOL.md 3, "Applying": epoch, version, expiry, bounds, step, veto. Bounds
and veto hold in every mode and are asked twice, when a decision is heard and when it would come
into force. The incumbent lapses to the baseline after its `not_after`; a boundary that closed
without a decision renews it, here and in the coordinator's log alike.
"""

from dataclasses import replace

from agents.executor import records
from agents.executor.events import DecisionHeard, Effect, Reply, RoundHeard, Shadowed
from agents.executor.state import COORDINATOR, Agreed, State, Verdict
from agents.session import parameter_row
from agents.weighing import SHOWN, disagreement, objection
from market.breach import HALTED, RISK_STATE
from protocol.errors import printable
from protocol.journal import Entry
from protocol.merge import digest, within_step
from protocol.messages import (
    Ack,
    Choice,
    Mode,
    Nack,
    NackCode,
    Pair,
    QuoteParameters,
    Round,
    Stage,
    utc_ns,
)
from protocol.orders import ApprovedParameters, Refused
from risk import gate

Problem = tuple[NackCode, str]


def of_decision(state: State, heard: DecisionHeard) -> Problem | None:
    """Return why a decision must not come into force, None when it may."""
    epoch, version = state.verdict.pair
    if heard.pair[0] < epoch:
        return NackCode.FENCED, f"epoch must be at least {epoch}, found {heard.pair[0]}"
    if heard.pair[1] <= version:
        return NackCode.STALE_VERSION, f"version must be above {version}, found {heard.pair[1]}"
    word = heard.word
    if state.now_ns > word.not_after:
        return NackCode.EXPIRED, f"must come before {word.not_after}, found {state.now_ns}"
    problem = of_bounds(state, word.params)
    if problem is not None:
        return problem
    limit = state.session.settings.optimizer.step_limit
    step = within_step(state.incumbent, word.params, limit)
    if step is not None:
        return NackCode.STEP, printable(step)
    return of_veto(state)


def of_bounds(state: State, params: QuoteParameters) -> Problem | None:
    """Return why a set could never make a legal order here."""
    refused = gate.check_bounds(params, state.account, state.session.setup)
    return None if refused is None else _told(refused)


def _told(refused: Refused) -> Problem:
    """Return what the gate said of a set, as an answer."""
    if refused.limit == gate.STATE:
        return NackCode.RISK_VETO, "risk has halted the account"
    line = f"max_position must hold the smallest order, {refused.bound:.0f} lots, found"
    return NackCode.BOUNDS, f"{line} {refused.figure:.0f}"


def of_veto(state: State) -> Problem | None:
    """Return why risk or the operator forbids any change now."""
    if state.stops:
        return NackCode.HALTED, "stopped by the operator"
    if state.account.risk[RISK_STATE] == HALTED:
        return NackCode.RISK_VETO, "risk has halted the account"
    return None


def renew(state: State) -> tuple[list[Entry], list[Effect]]:
    """At a cycle edge: let a pending set come into force, let an old one lapse."""
    entries: list[Entry] = []
    said: list[Effect] = []
    pending, now_ns = state.pending, state.now_ns
    if pending is not None and pending.not_before_ns <= now_ns:
        state.pending = None
        approved = gate.check_parameters(pending.params, state.account, state.session.setup)
        problem = _told(approved) if isinstance(approved, Refused) else of_veto(state)
        if now_ns > pending.not_after_ns:
            problem = NackCode.EXPIRED, f"lapsed at {pending.not_after_ns}"
        if problem is None and isinstance(approved, ApprovedParameters):
            state.in_force = replace(pending, params=approved.params)
            state.applied_pair, state.applied_digest = pending.pair, digest(pending.params)
        # A newer pair may have been judged meanwhile: the highest one judged never falls.
        if pending.pair >= state.verdict.pair:
            state.verdict = (
                Verdict(pending.pair, applied=True, digest=digest(pending.params))
                if problem is None
                else Verdict(pending.pair, False, *problem, digest(pending.params))
            )
        kind = "applied" if problem is None else "refused"
        entries.append(_entry(now_ns, kind, pending, problem))
        if pending.ref:
            answer = _answer(problem, digest(pending.params))
            said.append(Reply(COORDINATOR, pending.ref, answer, state.verdict.pair))
    held = state.in_force
    if held is not None and now_ns > held.not_after_ns:
        state.in_force = None
        entries.append(_entry(now_ns, "lapsed", held, None))
    if entries:
        state.parameters[:] = parameter_row(state.incumbent)
    return entries, said


def _entry(now_ns: int, kind: str, agreed: Agreed, problem: Problem | None) -> Entry:
    body = {
        "pair": list(agreed.pair),
        "params": agreed.params.model_dump(),
        "code": None if problem is None else problem[0].value,
        "detail": "" if problem is None else problem[1],
    }
    return Entry(records.PARAMETERS, now_ns, kind, body, key=f"{kind} {now_ns}")


def _answer(problem: Problem | None, of: str) -> Ack | Nack:
    if problem is None:
        return Ack(stage=Stage.APPLIED, digest=of)
    return Nack(code=problem[0], detail=printable(problem[1]))


def stage_of(state: State, pair: Pair, told: str) -> Ack | Nack | None:
    """Return the answer that a decision has come to, None when it is to be judged.

    The one that was judged last is known, and the one in force, and the one that waits for its
    time: a newer one, refused, may have come between. Another set under such a pair (`told` is the
    digest) comes of a copied log or a stolen key, and must not take the first one's answer; an
    `ack` names the set that it is about.
    """
    verdict = state.verdict
    if pair == state.applied_pair:
        same = told == state.applied_digest
        return Ack(stage=Stage.APPLIED, digest=told) if same else _other(pair)
    if state.pending is not None and pair == state.pending.pair:
        same = told == digest(state.pending.params)
        return Ack(stage=Stage.RECEIVED, digest=told) if same else _other(pair)
    if pair != verdict.pair:
        return None
    if told != verdict.digest:
        return _other(pair)
    if verdict.code is not None:
        return Nack(code=verdict.code, detail=printable(verdict.detail))
    return Ack(stage=Stage.RECEIVED, digest=told)


def _other(pair: Pair) -> Nack:
    return Nack(code=NackCode.REPLAY, detail=f"another set was judged under {pair[0]}.{pair[1]}")


def of_round(state: State, asked: RoundHeard) -> Problem | None:
    """Return why a round is rejected before it is replayed, None to replay it."""
    word, settings = asked.word, state.session.settings
    merged = asked.mode is Mode.CONSENSUS
    problem = of_merge(state, asked) if merged else _of_only_set(state, word)
    if problem is not None:
        return problem
    step = within_step(state.incumbent, word.candidate, settings.optimizer.step_limit)
    if step is not None:
        return NackCode.STEP, printable(step)
    return of_bounds(state, word.candidate) or of_veto(state)


def of_merge(state: State, asked: RoundHeard) -> Problem | None:
    """Return why a candidate is not what we find, as an equal of the other seats."""
    word = asked.word
    own, told = digest(state.incumbent), digest(word.incumbent)
    # Nobody waits for a peer, so what follows from the round may be in force here already.
    if own != told and asked.mode is Mode.CONSENSUS:
        line = f"the set in force here is {own[:SHOWN]}, the round begins at {told[:SHOWN]}"
        return NackCode.STALE_VERSION, line
    found = disagreement(word, asked.mode, state.session.settings)
    return None if found is None else (NackCode.SCHEMA, found)


def _of_only_set(state: State, word: Round) -> Problem | None:
    rules = state.session.settings.coordinator
    chosen = next((s for s in word.sets if digest(s.params) == digest(word.candidate)), None)
    if chosen is None:
        return NackCode.SCHEMA, "no set of the round has the candidate's digest"
    if not chosen.confidence_score >= rules.confidence_min:
        found = f"{chosen.confidence_score:.4g}"
        line = f"confidence_score must be at least {rules.confidence_min:g}, found {found}"
        return NackCode.CONFIDENCE, line
    drawdown = chosen.performance_metrics.max_drawdown
    if not drawdown <= rules.drawdown_max:
        line = f"max_drawdown must be at most {rules.drawdown_max:g}, found {drawdown:.4g}"
        return NackCode.BOUNDS, line
    age_s = (state.now_ns - utc_ns(chosen.timestamp)) / 1e9
    if not abs(age_s) <= rules.age_max_s:
        line = f"age must be at most {rules.age_max_s} s of venue time, found {age_s:.0f} s"
        return NackCode.EXPIRED, line
    return None


def of_shadow(seen: Shadowed) -> Problem | None:
    """Return why the shadow replay speaks against a set, None when it is not worse."""
    line = objection(seen.incumbent, seen.candidate)
    return None if line is None else (NackCode.RISK_VETO, line)


def choice_of(problem: Problem | None) -> tuple[Choice, str]:
    """Return a vote and its reason, which begins with the code that a refusal will carry."""
    if problem is None:
        return Choice.APPROVE, "not worse on the newest window"
    return Choice.REJECT, printable(f"{problem[0].value}: {problem[1]}")
