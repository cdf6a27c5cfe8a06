"""What must always hold of updates and stops: one method each, numbered as in reliability.md.

The watch sees every write, every answer, every frame that is taken and every order, and the states
of the living after each event. It knows nothing of how they come about.
"""

import math
from collections import defaultdict
from typing import Any

from agents.coordinator.audit import _HEARD, _Auditor
from agents.coordinator.records import Kind, Record, fold, restored
from agents.executor import records
from agents.session import parameter_row
from market.layout import ORDER_STATE, STATE_IN_FLIGHT, STATE_RESTING
from protocol.journal import Entry
from protocol.merge import digest, within_step
from protocol.messages import Ack, NackCode, QuoteParameters, Stage
from tests.simulation.bounds import Bounds
from tests.simulation.engine import SECOND, demand

DURABLE = (
    *("version", "flight", "in_force", "queue", "stops", "lifted", "closed", "mode"),
    *("generation", "standing", "outcomes", "hedge", "running", "rounds", "silences", "changes"),
    *("conduct", "malformed"),
)
FINAL = {
    "parameter_update": Stage.APPLIED,
    "decision": Stage.APPLIED,
    "mode_change": Stage.DECIDED,
    "emergency_stop": Stage.STOPPED,
}
"""The stage that is final, where it is not `received` (PROTOCOL.md 1)."""
AUTONOMY_SLACK_NS = 2 * SECOND
PROPOSALS_EVERY = 8
"""Entries of a log between two comparisons of all proposals, which are many."""


def _about(body: Any) -> str:
    """Return what an entry without a key is about, for the trace."""
    told = body if isinstance(body, dict) else {}
    for name in ("pair", "id", "round", "epoch", "lifts"):
        if told.get(name) is not None:
            return f"{name} {str(told[name])[:8]} {told.get('code') or ''}".strip()
    return ""


class Watch:
    """The checks of one simulation.

    Attributes:
        decided: every decision of any log, by pair and digest.
        judged_sets: digest of the set that the executor's disk holds for each pair.
        applied: pairs in the order in which they came into force.
        stopped, lifted: ids that the operator said.
    """

    def __init__(self, world: Any) -> None:
        self.world = world
        self.decided: dict[tuple[int, int], dict[str, list[dict[str, Any]]]] = {}
        self.applied: list[tuple[int, int]] = []
        self.judged: tuple[int, int] = (0, 0)
        self.stopped: set[str] = set()
        self.lifted: set[str] = set()
        self.stops: dict[str, bool] = {}  # as the executor's disk has them
        self.lifts: set[str] = set()
        self.rearms: dict[str, set[str]] = {}  # lifts of each rearm that was said
        self.calm: set[str] = set()  # ids to which `stopped` was said
        self.votes: dict[tuple[str, str], str] = {}
        self.rows: dict[Any, set[Any]] = defaultdict(set)
        self.auditors: dict[Any, _Auditor] = {}
        self.folds: dict[Any, Any] = {}
        self.held = world.rules.baseline
        self.quoted: Any = None
        self.bounds = Bounds(self)
        world.network.forwarded = self.bounds.forwarding
        self.judged_sets: dict[tuple[int, int], str] = {}
        self.epochs: dict[Any, int] = defaultdict(int)

    # --- writes ------------------------------------------------------------------------------
    def wrote(self, disk: Any, entries: tuple[Entry, ...]) -> None:
        """Look at what came onto a disk."""
        for entry in entries:
            about = entry.key or _about(entry.body)
            self.world.engine.note(f"{disk.name} wrote {entry.table} {entry.kind} {about}")
            if disk.name == "coordinator":
                self._logged(disk, entry)
            elif disk.name == "executor":
                self._kept(entry)
            elif disk.name == "votes":
                self.rows[disk].add(entry.key)

    def _logged(self, disk: Any, entry: Entry) -> None:
        kind, body = Kind(entry.kind), entry.body
        record = Record(kind, entry.time_ns, body)
        self.rows[disk].add((kind, body.get("id")))
        self.rows[disk].update((kind, each) for each in body.get("lifts", ()))
        auditor = self.auditors.setdefault(disk, _Auditor(self.world.rules))
        auditor.now_ns = max(auditor.now_ns, record.time_ns)
        if kind is Kind.DECISION:
            self.bounds.deciding(disk, auditor, record)
        elif kind is Kind.BENCH:
            self.bounds.benches[disk, body["seat"]] = (body["until"], auditor._round)
        _HEARD.get(kind, _Auditor.skip)(auditor, body)
        if disk not in self.folds:
            self.folds[disk] = restored(self.world.rules, ())
        self.folds[disk] = fold(self.folds[disk], record)
        self.one_candidate_a_round(auditor)
        if kind in (Kind.PROPOSAL, Kind.ANSWER):
            self.bounds.no_stale_generation(auditor, body)
        if kind in (Kind.APPLIED, Kind.REJECTED, Kind.ALARM) and "pair" in body:
            self.rows[disk].add((kind, tuple(body["pair"])))
        if kind is Kind.EPOCH:
            last = self.epochs[disk]
            demand(body["epoch"] > last, 15, f"epoch {body['epoch']} after {last}")
            self.epochs[disk] = body["epoch"]
        if kind is Kind.DECISION:
            self.rows[disk].update(("decided", each) for each in body["basis"])
            pair = (body["pair"][0], body["pair"][1])
            key = digest(QuoteParameters.model_validate(body["params"]))
            twice = (Kind.DECISION, pair) in self.rows[disk]
            demand(not twice, 17, f"{pair} was decided twice in one log")
            self.rows[disk].add((Kind.DECISION, pair))
            self.decided.setdefault(pair, {}).setdefault(key, []).append(body)

    def forked(self, old: Any, new: Any) -> None:
        """Let a copied disk be known as its original is."""
        auditor = self.auditors[new] = _Auditor(self.world.rules)
        for entry in new.kept:
            auditor.now_ns = max(auditor.now_ns, entry.time_ns)
            _HEARD.get(Kind(entry.kind), _Auditor.skip)(auditor, entry.body)
        self.epochs[new] = self.epochs[old]
        self.bounds.copied(old, new)
        self.rows[new] = set(self.rows[old])
        self.folds[new] = self.folds[old]

    def _kept(self, entry: Entry) -> None:
        body = entry.body
        self.rows["executor"].add((entry.kind, entry.key))
        if entry.table == records.INTENTS:
            self.bounds.intent_ns = entry.time_ns
        elif entry.table == records.PARAMETERS and entry.kind == "applied":
            self._came_into_force(entry)
        elif entry.table == records.PARAMETERS and entry.kind == "lapsed":
            self.held = self.world.rules.baseline
        elif entry.table == records.HEARD and entry.kind == "decision":
            pair = tuple(body["agreed"]["pair"])
            self.nothing_from_a_lower_epoch(pair, body["code"])
            self.judged_sets[pair] = digest(QuoteParameters(**body["agreed"]["params"]))
            if body["code"] is None:
                self.bounds.accepted.add(pair)
                self.one_step_away(QuoteParameters(**body["agreed"]["params"]))
        elif entry.table == records.HEARD and entry.kind == "stop":
            if body["id"] not in self.lifts:
                self.stops[body["id"]] = body["flatten"]
        elif entry.table == records.HEARD and entry.kind == "rearm":
            self.only_the_operator_lifts(body["lifts"])
            for each in body["lifts"]:
                self.lifts.add(each)
                self.stops.pop(each, None)
                self.calm.discard(each)

    def _came_into_force(self, entry: Entry) -> None:
        pair = tuple(entry.body["pair"])
        params = QuoteParameters(**entry.body["params"])
        self.in_bounds(params)
        told = self.explained_by_one_entry(pair, params)
        self.versions_rise(pair)
        self.not_expired(pair, entry.time_ns, told)
        demand(not self.stops, 6, f"{pair} came into force while stopped")
        self.applied.append(pair)
        self.held = params

    def epoch_of(self, node: Any) -> int:
        """Return the epoch that a coordinator's log has come to."""
        return self.epochs[node.disks["log"]]

    # --- one function for each ---------------------------------------------------------------
    def nothing_open_after_stopped(self, node: Any, key: str) -> None:
        """6: when `stopped` is said the venue shows nothing of ours open."""
        rows = node.shell.venue._ours._exchange.orders[:, ORDER_STATE]
        count = int(((rows == STATE_IN_FLIGHT) | (rows == STATE_RESTING)).sum())
        demand(count == 0, 6, f"said stopped to {key[:8]} with {count} orders open")
        self.calm.add(key)

    def placing(self, node: Any, order: Any) -> None:
        """6: no order is sent while stopped, but what closes the position if that was asked."""
        node.world.counts["orders"] += 1
        self.bounds.intended(node)
        closing = any(flat for key, flat in self.stops.items() if key not in self.calm)
        sound = not self.stops or (order.order.taker and closing)
        demand(bool(sound), 6, f"an order was sent under {len(self.stops)} stops")
        state = node.shell.state
        demand(
            closing or not (state.paused or state.alone), 6, "an order was sent while not allowed"
        )

        seen_ns = max(node.link.participant.coordinator_seen_ns, node.joined_ns)
        silent_ns = self.world.engine.now_ns - seen_ns
        limit_ns = round(self.world.settings.executor.autonomy_limit_s * SECOND)
        line = f"an order was sent {silent_ns / SECOND:.1f} s after the coordinator fell silent"
        demand(closing or silent_ns <= limit_ns + AUTONOMY_SLACK_NS, 6, line)

    def only_the_operator_lifts(self, lifts: list[str]) -> None:
        """6: nothing but an authenticated rearm lifts a stop."""
        demand(set(lifts) <= self.lifted, 6, f"{lifts} were lifted by nobody")

    def in_bounds(self, params: QuoteParameters) -> None:
        """10: what is in force is finite and in bounds."""
        values = params.model_dump().values()
        demand(all(math.isfinite(each) and each > 0 for each in values), 10, f"{params}")
        QuoteParameters.model_validate(params.model_dump())

    def one_step_away(self, params: QuoteParameters) -> None:
        """10: what is accepted is one step from what was in force then."""
        step = within_step(self.held, params, self.world.rules.step_limit)
        demand(step is None, 10, f"from {self.held} to {params}: {step}")

    def versions_rise(self, pair: Any) -> None:
        """11: one application of a pair, in rising order."""
        last = self.applied[-1] if self.applied else (0, 0)
        demand(pair > last and pair[1] > last[1], 11, f"{pair} was applied after {last}")

    def not_expired(self, pair: Any, now_ns: int, told: list[dict[str, Any]]) -> None:
        """12: no update takes effect before its time or after its end."""
        spans = [(each["not_before"], each["not_after"]) for each in told]
        timely = any(first <= now_ns <= last for first, last in spans)
        demand(timely, 12, f"{pair} was applied at {now_ns}, not in {spans}")

    def opened(self, party: Any, message: Any) -> None:
        """13: only frames that their source has sealed are taken, by whom they are for."""
        demand(message.raw in party.network.sealed, 13, f"{party.name} took a foreign frame")

    def handling(self, party: Any, message: Any) -> None:
        """13: no message is handled twice in one life, nor by another."""
        header = message.header
        key = (header.src, header.id)
        if header.type == "parameter_update":
            self.bounds.generations[header.id] = header.gen
        demand(key not in party.handled, 13, f"{party.name} handled {header.type} twice")
        demand(header.dst == party.name, 13, f"{party.name} handled a message for {header.dst}")
        party.handled.add(key)
        self.world.engine.note(f"{party.name} hears {header.type} of {header.src} {header.id[:8]}")

    def answering(self, party: Any, to: Any, word: Any) -> None:
        """14: what is acknowledged is on disk."""
        stage = word.stage.value if isinstance(word, Ack) else word.type_name
        code = getattr(word, "code", "")
        self.world.engine.note(f"{party.name} answers {to.type} of {to.src}: {stage} {code}")
        self.bounds.fenced_by_a_higher_epoch_alone(to, word)
        node = party.node
        if code == NackCode.BUSY:
            party.handled.discard((to.src, to.id))  # it had no effect, and will be said again
        if not isinstance(word, Ack):
            self.bounds.no_expiry_of_what_was_accepted(party.name, to, word)
            return
        if party.name == "coordinator":
            self._promised_by_coordinator(node, to, word.stage)
        elif party.name == self.world.rules.executor:
            self._promised_by_executor(node, to, word)

    def _promised_by_executor(self, node: Any, to: Any, word: Ack) -> None:
        stage = word.stage
        rows, pair = self.rows["executor"], (to.epoch, to.version)
        sound = True
        match to.type, stage:
            case "decision", Stage.RECEIVED:
                sound = ("decision", f"decision {pair[0]} {pair[1]}") in rows
                self.no_answer_of_another_set(word, pair)
            case "decision", Stage.APPLIED:
                sound = pair in self.applied
                self.no_answer_of_another_set(word, pair)
            case "emergency_stop", Stage.RECEIVED:
                sound = ("stop", f"stop {to.id}") in rows
            case "emergency_stop", Stage.STOPPED:
                if to.id not in self.lifts:
                    sound = ("stop", f"stop {to.id}") in rows
                    self.nothing_open_after_stopped(node, to.id)
            case "rearm", Stage.RECEIVED:
                sound = self.rearms[to.id] <= self.lifts
        demand(sound, 14, f"the executor said {stage.value} to {to.type}, its disk knows nothing")

    def no_answer_of_another_set(self, word: Any, pair: Any) -> None:
        """11: of two sets under one pair, from a copied log, each answer names the one judged.

        The second is nacked, and a coordinator that hears of another set logs an alarm and ends.
        """
        held = self.judged_sets.get(pair)
        demand(word.digest == held, 11, f"{pair} was answered for another set than was judged")

    def _promised_by_coordinator(self, node: Any, to: Any, stage: Stage) -> None:
        rows = self.rows[node.disks["log"]]
        sound = True
        match to.type, stage:
            case "parameter_update", Stage.RECEIVED:
                sound = (Kind.PROPOSAL, to.id) in rows or (Kind.ANSWER, to.id) in rows
            case "parameter_update", Stage.DECIDED | Stage.APPLIED:
                sound = ("decided", to.id) in rows
            case "mode_change", Stage.DECIDED:
                sound = (Kind.MODE, to.id) in rows
            case "emergency_stop", Stage.STOPPED:
                sound = (Kind.STOP, to.id) in rows
        demand(sound, 14, f"the coordinator said {stage.value} to {to.type}, its log knows nothing")

    def ended(self, party: Any, header: Any, until: Stage | None, word: Any) -> None:
        """14: only a final answer ends the resending of what must arrive."""
        self.bounds.ended(party, header, word)
        if isinstance(word, Ack):
            final = until or FINAL.get(header.type, Stage.RECEIVED)
            line = f"{party.name} gave up {header.type} after {word.stage.value}"
            demand(word.stage is final, 14, line)

    def posting(self, party: Any, dst: str, word: Any, more: Any) -> None:
        """14 and 16: a vote is on disk before it is said, and a voter says one a round."""
        said = more[0] if more else None
        self.world.engine.note(f"{party.name} says {word.type_name} to {dst}")
        if word.type_name == "boundary":
            self.bounds.boundary_starts_at_what_is_in_force(party.node, said.pair)
        if word.type_name == "snapshot_request":
            self.bounds.asked_ns[party.name] = self.world.engine.now_ns
        if word.type_name == "decision":
            demand(said.pair in self.decided, 14, f"{said.pair} was said before it was logged")
        if word.type_name != "vote" or party.node.name in self.world.liars:
            return
        choice = f"{word.candidate} {word.choice.value}"
        key = (party.name, said.ref)
        demand(self.votes.setdefault(key, choice) == choice, 16, f"{party.name} voted twice")
        disk = party.node.disks.get("votes")
        kept = (
            ("vote", f"vote {said.ref}") in self.rows["executor"]
            if disk is None
            else said.ref in self.rows[disk]
        )
        demand(kept, 14, f"{party.name} voted before the vote was on disk")

    def nothing_from_a_lower_epoch(self, pair: Any, code: str | None) -> None:
        """15: what was judged rises in epoch and version."""
        demand(pair > self.judged, 15, f"{pair} was judged after {self.judged}")
        if code is None:
            demand(pair[1] > self.judged[1], 15, f"version of {pair} after {self.judged}")
        self.judged = max(self.judged, pair)

    def one_candidate_a_round(self, auditor: _Auditor) -> None:
        """16 and 17: the log alone explains each decision, under exactly one mode."""
        demand(not auditor.problems, 17, "; ".join(auditor.problems))

    def explained_by_one_entry(self, pair: Any, params: Any) -> list[dict[str, Any]]:
        """17: the set that came into force is the one that was decided, and judged, under its pair.

        Copies of one log may have decided the same set under it, each with times of its own.
        """
        key = digest(params)
        found = self.decided.get(pair, {}).get(key, [])
        demand(bool(found), 17, f"{pair} was applied, and no log decided that set")
        demand(self.judged_sets.get(pair) == key, 17, f"{pair}: another set was judged")
        return found

    def the_log_is_the_state(self) -> None:
        """19: whoever reads the log knows what the living coordinator knows."""
        for node in self.world.coordinators:
            if node.shell is None or node.shell._me is None:
                continue
            disk = node.disks["log"]
            written = len(disk.kept)
            if node.seen == (node.life, written):
                continue
            node.seen = (node.life, written)
            folded = self.folds.get(disk)
            names = DURABLE if written % PROPOSALS_EVERY else (*DURABLE, "proposals")
            for name in names if folded is not None else ():
                here, there = getattr(node.shell._state, name), getattr(folded, name)
                if here is not there and here != there:
                    demand(False, 19, f"{name} of the coordinator is {here}, its log says {there}")

    def the_disk_is_the_state(self) -> None:
        """6, 10, 19: the executor lives by what its disk says."""
        node = self.world.executor
        if node.shell is None:
            return
        state = node.shell.state
        demand(state.stops.keys() == self.stops.keys(), 6, "stops differ from those on disk")
        held = state.in_force
        if held is not None:
            same = held.pair == (self.applied[-1] if self.applied else None)
            demand(same, 19, "what is in force is not what was applied last on disk")
        if self.quoted is not held:
            self.quoted = held
            row = parameter_row(state.incumbent)
            demand(bool((row == state.parameters).all()), 10, "it quotes by other parameters")

    def after(self) -> None:
        """Look at the living; what an event has not touched stays as it was looked at."""
        node = self.world.engine.node
        if node is None or node in self.world.coordinators:
            self.the_log_is_the_state()
        if node is None or node is self.world.executor:
            self.the_disk_is_the_state()
