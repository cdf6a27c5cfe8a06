"""Reads a decision log as a stranger would, and says what it does not explain.

From the log alone, without the state machine that wrote it: every decision stands under exactly
one mode, that of its generation, and follows from that mode's rule; one decision is in flight at a
time; versions rise; a round adopts at most once. An empty answer is a sound log.
"""

from collections.abc import Callable, Iterable, Mapping

from agents.coordinator.records import Body, Kind, Record
from agents.coordinator.rules import Rules
from agents.coordinator.state import VOID
from protocol.merge import UNITS, digest, median_merge, peer_merge, within_step
from protocol.messages import Choice, Mode, Pair, QuoteParameters


def audit(rules: Rules, records: Iterable[Record], applied: Iterable[Pair] = ()) -> list[str]:
    """Return what is wrong with a log, one line each.

    Args:
        rules: seats, limits, the mode at the first start.
        records: the whole log, oldest first.
        applied: pairs that the executor says it applied; each needs exactly one decision.
    """
    auditor = _Auditor(rules)
    for record in records:
        auditor.now_ns = max(auditor.now_ns, record.time_ns)
        _HEARD.get(record.kind, _Auditor.skip)(auditor, record.body)
    for pair in applied:
        if tuple(pair) not in auditor.decided:
            auditor.wrong(f"{tuple(pair)} was applied, and no decision of the log says so")
    return auditor.problems


class _Auditor:
    """What has been read so far."""

    def __init__(self, rules: Rules) -> None:
        self.problems: list[str] = []
        self.decided: dict[Pair, QuoteParameters] = {}
        self.now_ns = 0
        self._rules, self._seats, self._limit = rules, len(rules.seats), rules.step_limit
        self._mode, self._generation = rules.mode, 0
        self._applied, self._until_ns = rules.baseline, 0
        self._ends: dict[Pair, int] = {}
        self._sets: dict[str, tuple[str, QuoteParameters]] = {}  # by id: seat, set
        self._flying: Pair | None = None
        self._round: Body | None = None
        self._votes: dict[str, str] = {}
        self._runs: str | None = None
        self._benched: dict[str, int] = {}

    def wrong(self, line: str) -> None:
        """Note one violation."""
        self.problems.append(line)

    def skip(self, body: Body) -> None:
        """Read what no decision depends on."""

    def change(self, body: Body) -> None:
        """Read a change of mode."""
        if body["from"] != self._mode.value or body["generation"] != self._generation + 1:
            self.wrong(f"change {body['id']} does not follow from {self._mode.value}")
        self._mode, self._generation = Mode(body["to"]), body["generation"]
        self._round = None

    def propose(self, body: Body) -> None:
        """Read a proposal."""
        if body["update"] is not None:
            params = body["update"]["data"]["optimized_params"]
            seat = body.get("seat") or body["src"]
            self._sets[body["id"]] = (seat, QuoteParameters.model_validate(params))

    def open(self, body: Body) -> None:
        """Read the opening of a round."""
        self._round, self._votes = body, {}
        for key in body["sets"]:
            self._demand_present(self._sets[key][0], f"round {body['round']} has a set of")

    def vote(self, body: Body) -> None:
        """Read a vote."""
        known = body["voter"] in self._votes
        if self._mode is not Mode.MASTER_SLAVE:
            self._demand_present(body["voter"], f"round {body['round']} has a vote of")
        self._votes[body["voter"]] = VOID if known else body["choice"]

    def bench(self, body: Body) -> None:
        """Read that somebody counts as absent for a while."""
        self._benched[body["seat"]] = body["until"]

    def _demand_present(self, name: str, where: str) -> None:
        if self.now_ns < self._benched.get(name, 0):
            self.wrong(f"{where} {name}, who is benched")

    def measure(self, body: Body) -> None:
        """Read what the supervisor measured."""
        if body["supervisor"] is not None:
            self._runs = body["supervisor"]["running"]["expert"]

    def decide(self, body: Body) -> None:
        """Read a decision, and ask whether the rule of its mode explains it."""
        epoch, version = body["pair"]
        pair: Pair = (epoch, version)
        params = QuoteParameters.model_validate(body["params"])
        if self._flying is not None:
            self.wrong(f"{pair} was decided while {self._flying} was in flight")
        newest = max((each for _, each in self.decided), default=0)
        if version <= newest or epoch < max((each for each, _ in self.decided), default=0):
            self.wrong(f"{pair} does not rise above version {newest}")
        if (body["mode"], body["generation"]) != (self._mode.value, self._generation):
            self.wrong(f"{pair} stands under {body['mode']}, {self._mode.value} was in force")
        step = within_step(self._held(), params, self._limit)
        if step is not None:
            self.wrong(f"{pair}: {step}")
        line = _RULES[self._mode](self, body, params)
        if line is not None:
            self.wrong(f"{pair} under {self._mode.value}: {line}")
        self.decided[pair], self._ends[pair] = params, body["not_after"]
        self._flying, self._round = pair, None

    def end(self, body: Body) -> None:
        """Read that the decision in flight was refused."""
        epoch, version = body["pair"]
        if self._flying != (epoch, version):
            self.wrong(f"{(epoch, version)} was judged while {self._flying} was in flight")
        self._flying = None

    def apply(self, body: Body) -> None:
        """Read that the decision in flight came into force."""
        flying = self._flying
        self.end(body)
        if flying is not None:
            self._applied, self._until_ns = self.decided[flying], self._ends[flying]

    def close(self, body: Body) -> None:
        """Read that a boundary was closed; without a decision it renews what is in force."""
        if body["not_after"] is None:
            return
        if body["decision"] is not None or self.now_ns > self._until_ns:
            self.wrong(f"boundary {body['index']} renewed what was not in force")
        self._until_ns = body["not_after"]

    # --- the rules ---------------------------------------------------------------------------
    def master_slave(self, body: Body, params: QuoteParameters) -> str | None:
        """One set, one approval, the executor's."""
        line = self._of_round(body, params)
        if line is not None:
            return line
        if self._votes != {self._rules.executor: Choice.APPROVE.value}:
            return f"votes are {self._votes}"
        return None if len(body["basis"]) == 1 else f"rests on {len(body['basis'])} sets"

    def peer(self, body: Body, params: QuoteParameters) -> str | None:
        """The weighted merge of the round."""
        line = self._of_round(body, params) or self._of_seats(body)
        if line is not None or self._round is None:
            return line
        weights = self._round["weights"]
        if sum(weights) > UNITS:
            return f"weights sum to {sum(weights)}"
        sets = [self._sets[key][1] for key in body["basis"]]
        weighted = list(zip(sets, weights, strict=True))
        found = peer_merge(self._held(), weighted, seats=self._seats, fraction=self._limit)
        return None if digest(found) == digest(params) else "is not the merge of its sets"

    def consensus(self, body: Body, params: QuoteParameters) -> str | None:
        """The median, approved by more than half of all seats."""
        line = self._of_round(body, params) or self._of_seats(body)
        if line is not None:
            return line
        rules, said = self._rules, self._votes.items()
        approve = rules.weight_of(each for each, choice in said if choice == Choice.APPROVE.value)
        if not 2 * approve > rules.weight_of(rules.seats):
            return f"{approve} of {rules.weight_of(rules.seats)} seats approve"
        if not set(self._votes) <= set(self._rules.seats):
            return f"strangers voted: {sorted(set(self._votes) - set(self._rules.seats))}"
        sets = [self._sets[key][1] for key in body["basis"]]
        found = median_merge(self._held(), sets, seats=self._seats, fraction=self._limit)
        return None if digest(found) == digest(params) else "is not the median of its sets"

    def hierarchical(self, body: Body, _params: QuoteParameters) -> str | None:
        """A set of the strategy that runs."""
        if body["seat"] != self._runs:
            return f"is of {body['seat']}, {self._runs} runs"
        others = {self._sets[key][0] for key in body["basis"]} - {self._runs}
        return f"rests on sets of {sorted(map(str, others))}" if others else None

    def _of_round(self, body: Body, params: QuoteParameters) -> str | None:
        if self._round is None:
            return "no round is open"
        if body["basis"] != self._round["sets"]:
            return "rests on other sets than the round's"
        same = digest(QuoteParameters.model_validate(self._round["candidate"])) == digest(params)
        return None if same else "is not the candidate of the round"

    def _of_seats(self, body: Body) -> str | None:
        seats = [self._sets[key][0] for key in body["basis"]]
        twice = len(set(seats)) < len(seats)
        return "two sets of one seat" if twice or not set(seats) <= set(self._rules.seats) else None

    def _held(self) -> QuoteParameters:
        """The incumbent: what was applied last, until it lapses."""
        return self._applied if self.now_ns <= self._until_ns else self._rules.baseline


_RULES: Mapping[Mode, Callable[[_Auditor, Body, QuoteParameters], str | None]] = {
    Mode.MASTER_SLAVE: _Auditor.master_slave,
    Mode.PEER: _Auditor.peer,
    Mode.CONSENSUS: _Auditor.consensus,
    Mode.HIERARCHICAL: _Auditor.hierarchical,
}
_HEARD: Mapping[Kind, Callable[[_Auditor, Body], None]] = {
    Kind.MODE: _Auditor.change,
    Kind.ANSWER: _Auditor.propose,
    Kind.PROPOSAL: _Auditor.propose,
    Kind.ROUND: _Auditor.open,
    Kind.VOTE: _Auditor.vote,
    Kind.BENCH: _Auditor.bench,
    Kind.MEASURED: _Auditor.measure,
    Kind.DECISION: _Auditor.decide,
    Kind.APPLIED: _Auditor.apply,
    Kind.REJECTED: _Auditor.end,
    Kind.DONE: _Auditor.close,
}
