"""Planted defects: each is a patch of production code that the simulation must find.

A patch replaces one piece of one function's source, so that it says what it changes; a piece that
no longer stands there once is an error, not a defect that was found.
"""

import inspect
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True, slots=True)
class Defect:
    """One patch: in which function, what stands there, what shall stand there instead."""

    name: str
    place: str
    old: str
    new: str


STEP, JUDGING = "agents.executor.step", "agents.executor.judging"
TRADE, HEARING = "agents.executor.trade", "agents.coordinator.hearing"
FOLDS, DRAFT = "agents.coordinator.records", "agents.coordinator.draft"
POLLING, JUDGED = "agents.coordinator.polling", "agents.coordinator.judged"
INBOX, OUTBOX = "protocol.bus.inbox", "protocol.bus.outbox"
DEFECTS = (
    Defect("no dedupe", f"{INBOX}:Inbox.hear", "if known is not None:", "if False:"),
    Defect(
        "resend that ends at received",
        f"{OUTBOX}:is_final",
        "answer.stage == (until or _FINAL_STAGE.get(request))",
        "True",
    ),
    Defect(
        "publish before the log",
        f"{DRAFT}:Draft.effects",
        "return (*log, *self._said)",
        "return (*self._said, *log)",
    ),
    Defect("an epoch that is not counted", "agents.coordinator.step:_started", "+ 1", "+ 0"),
    Defect(
        "a decision that is lower in epoch",
        f"{JUDGING}:of_decision",
        "heard.pair[0] < epoch",
        "False",
    ),
    Defect("> for >= in versions", f"{JUDGING}:of_decision", "heard.pair[1] <= version", "False"),
    Defect(
        "no expiry at the hearing and the edge",
        f"{JUDGING}:renew",
        "if now_ns > pending.not_after_ns:",
        "if False:",
    ),
    Defect(
        "applied before its time",
        f"{JUDGING}:renew",
        "pending.not_before_ns <= now_ns",
        "True",
    ),
    Defect("no step limit", f"{JUDGING}:of_decision", "if step is not None:", "if False:"),
    Defect("no veto while stopped", f"{JUDGING}:of_veto", "if state.stops:", "if False:"),
    Defect(
        "a stop that is not durable",
        f"{STEP}:_stop",
        'effects.append(_keep(state, "stop", body, key))',
        'fold(state, "stop", body)',
    ),
    Defect(
        "a lifted stop that stops again",
        f"{STEP}:fold",
        "state.lifted[key] = None",
        "pass",
    ),
    Defect("stopped said at once", f"{TRADE}:_enter_phase", "state.open_orders or count", "False"),
    Defect("quotes while stopped", f"{TRADE}:trade", "1 if state.quiet else 0", "0"),
    Defect(
        "a rearm that is not durable",
        f"{STEP}:_rearm",
        'effects.append(_keep(state, "rearm", {"lifts": list(heard.lifts)}, heard.ref))',
        'fold(state, "rearm", {"lifts": list(heard.lifts)})',
    ),
    Defect(
        "a decision that is not on disk",
        f"{STEP}:_decision",
        'effects.append(_keep(state, "decision", body, f"{epoch} {version}"))',
        'fold(state, "decision", body)',
    ),
    Defect(
        "a vote that is not on disk",
        f"{STEP}:_vote",
        "return (kept, Say(asked.ref, _word(Voted(**body))))",
        "return (Say(asked.ref, _word(Voted(**body))),)",
    ),
    Defect(
        "a second vote of a voter",
        f"{STEP}:fold",
        '_remember(state.votes, body["ref"], Voted(**body))',
        "pass",
    ),
    Defect(
        "an optimizer's vote that is not on disk",
        "agents.optimizer.voting:Votes.give",
        'self._journal.append((Entry(TABLE, now_ns, "vote", body, key=ref),))',
        "del body",
    ),
    Defect(
        "two in flight",
        "agents.coordinator.screening:_possible",
        "if state.flight is not None:",
        "if False:",
    ),
    Defect(
        "two votes of one voter count as the last",
        f"{FOLDS}:_vote",
        'VOID if body["voter"] in opened.votes else body["choice"]',
        'body["choice"]',
    ),
    Defect("a quorum of half", f"{POLLING}:outcome", "2 * approve > total", "2 * approve >= total"),
    Defect(
        "a highest pair that falls",
        f"{JUDGING}:renew",
        "if pending.pair >= state.verdict.pair:",
        "if True:",
    ),
    Defect(
        "a pause that is said again",
        f"{STEP}:step",
        "if event.ref in state.pauses:",
        "if False:",
    ),
    Defect(
        "a base that lapsed meanwhile",
        "agents.coordinator.step:_decide",
        "opened_ns <= held.not_after_ns < draft.state.now_ns",
        "False",
    ),
    Defect(
        "a mode that is not logged",
        f"{HEARING}:switch",
        'draft.record(Kind.MODE, {**body, "generation": state.generation + 1})',
        "draft.state = replace(state, mode=mode, round=None, generation=state.generation + 1)",
    ),
    Defect(
        "a stop that the coordinator forgets",
        f"{HEARING}:_stop",
        'draft.record(Kind.STOP, {**body, "reason": word.reason})',
        "pass",
    ),
    Defect(
        "applied that is not logged",
        f"{JUDGED}:applied",
        'draft.record(Kind.APPLIED, {"pair": list(flight.pair)})',
        "draft.state = replace(draft.state, flight=None, in_force=flight)",
    ),
    Defect(
        "an answer that comes to nothing",
        f"{JUDGED}:_judged",
        "return applied(draft)",
        "return None",
    ),
    Defect(
        "proposals from a set that has lapsed",
        "agents.executor.shell_bus:BusLink._post_boundary",
        "NOTHING if state.in_force is None else state.applied_pair",
        "state.applied_pair",
    ),
    Defect(
        "a boundary that a clock has ended",
        "agents.optimizer.shell:Optimizer._say",
        "if isinstance(final, Nack) and final.code is NackCode.EXPIRED and ref is not None:",
        "if False:",
    ),
    Defect(
        "an answer that is said again as of long ago",
        "protocol.bus.saying:Saying.say_again",
        "stamped_anew(self._identity, frames, self._clock())",
        "frames",
    ),
    Defect(
        "a decision that lapses by a guessed time",
        "agents.coordinator.step:_tick",
        "tick.pair < flight.pair",
        "True",
    ),
    Defect(
        "a set that takes another one's answer",
        f"{JUDGING}:stage_of",
        "same = told == state.applied_digest",
        "same = True",
    ),
    Defect(
        "what was accepted in an earlier life is called expired",
        "protocol.bus.hearing:Hearing._recalled",
        "if recall is None or",
        "if True or",
    ),
    Defect(
        "a set that is renewed by the executor's own settings",
        f"{STEP}:_fold_done",
        'until_ns = body["not_after"]',
        'until_ns = body["not_after"] and (\n'
        "        state.now_ns + state.session.settings.optimizer.validity_ns\n    )",
    ),
    Defect(
        "no alarm of another set under our pair",
        f"{JUDGED}:_judged",
        "NackCode.FENCED | NackCode.REPLAY as code",
        "NackCode.FENCED as code",
    ),
    Defect(
        "a fenced decision that is said again",
        f"{JUDGED}:_end",
        "rejected(draft, flight, code, detail, seen=event.pair)\n    draft.send",
        "draft.send",
    ),
    Defect(
        ">= for > in epochs",
        f"{JUDGING}:of_decision",
        "heard.pair[0] < epoch",
        "heard.pair[0] <= epoch",
    ),
    Defect(
        "renormalised peer weights",
        "protocol.merge:peer_merge",
        "incumbent = on_grid(incumbent)",
        "incumbent = on_grid(incumbent)\n    sets = list(sets)\n"
        "    whole = sum(each for _, each in sets) or 1\n"
        "    sets = [(each, weight * (UNITS // seats) // whole) for each, weight in sets]",
    ),
    Defect(
        "a stale generation that is taken",
        f"{HEARING}:_proposal",
        "heard.generation != state.generation",
        "False",
    ),
    Defect(
        "a rearm that lifts every stop",
        f"{STEP}:fold",
        'for key in body["lifts"]:',
        'for key in {*state.stops, *body["lifts"]}:',
    ),
    Defect(
        "an order before its intent",
        f"{TRADE}:trade",
        "return (Write(tuple(entries), frozen), *sends, *said)",
        "return (*sends, Write(tuple(entries), frozen), *said)",
    ),
    Defect(
        "a hub without rates",
        "protocol.bus.gatekeeper:Rates.take",
        "allowed = tokens >= 1.0",
        "allowed = True",
    ),
    Defect(
        "a roster that is not read anew",
        "protocol.bus.frames:Opener.trust",
        "self.roster = roster",
        "pass",
    ),
    Defect(
        "a signature that is not looked at",
        "protocol.bus.frames:open_frames",
        "not member.verifies(frames[3], preimage(*frames[:3]))",
        "False",
    ),
    Defect(
        "rights that are not looked at",
        "protocol.bus.frames:open_frames",
        "header.type not in member.may_send",
        "False",
    ),
    Defect(
        "a seat that is behind and asks for nothing",
        "agents.optimizer.shell:Optimizer._repair",
        "(row.epoch, row.version) > self._known.newest",
        "False",
    ),
    Defect(
        "a torn write that is kept",
        "protocol.journal:Journal._transact",
        'run("ROLLBACK")',
        'self._connection.real.execute("COMMIT")',
    ),
    Defect(
        "a checksum that is not looked at",
        "protocol.journal:Journal._unpack",
        "zlib.crc32(body, zlib.crc32(head)) != crc",
        "False",
    ),
)


@contextmanager
def planted(defect: Defect) -> Iterator[None]:
    """Put a defect into the running program, everywhere the function is known; take it out."""
    module_name, _, path = defect.place.partition(":")
    module = import_module(module_name)
    *owners, name = path.split(".")
    owner: Any = module
    for each in owners:
        owner = getattr(owner, each)
    whole = getattr(owner, name)
    source = textwrap.dedent(inspect.getsource(whole))
    if source.count(defect.old) != 1:
        raise ValueError(f"{defect.place} holds {source.count(defect.old)} times: {defect.old}")
    scope: dict[str, Any] = {}
    text = "from __future__ import annotations\n" + source.replace(defect.old, defect.new)
    exec(compile(text, defect.place, "exec"), module.__dict__, scope)
    broken = scope[name]
    known = [(owner, name)]
    if not owners:
        loaded = [each for each in list(sys.modules.values()) if each is not None]
        known += [
            (each, key)
            for each in loaded
            if each.__name__.startswith(("agents.", "protocol."))
            for key, value in list(vars(each).items())
            if value is whole and each is not module
        ]
    tables = [
        (table, key)
        for table in (vars(module).get("_FOLDS"), vars(module).get("ACTIONS"))
        if table is not None
        for key, value in table.items()
        if value is whole
    ]
    for each, key in known:
        setattr(each, key, broken)
    for table, key in tables:
        table[key] = broken
    try:
        yield
    finally:
        for each, key in known:
            setattr(each, key, whole)
        for table, key in tables:
            table[key] = whole
