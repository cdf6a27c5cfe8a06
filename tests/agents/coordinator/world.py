"""A small world around the coordinator's core: an executor, optimizers, a disk, and a killer.

Everybody resends what was not answered, as the bus does. `kill_at` ends the coordinator before
the n-th effect since the beginning of the world; it starts again from its disk.
"""

from dataclasses import dataclass, field

from agents.coordinator.events import (
    Answered,
    Append,
    Fenced,
    Heard,
    Measure,
    Measured,
    Post,
    Publish,
    Reply,
    Started,
    Withdraw,
)
from agents.coordinator.records import Record, restored
from agents.coordinator.rules import Rules
from agents.coordinator.step import step
from protocol.errors import NackCode
from protocol.merge import candidate_of, clip_step, digest
from protocol.messages import (
    Ack,
    Boundary,
    BoundaryDone,
    Choice,
    Decision,
    Mode,
    Nack,
    NoUpdate,
    ParameterUpdate,
    QuoteParameters,
    Round,
    Stage,
    Vote,
    utc_text,
)

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
BOUNDARY = 600 * SECOND
BASELINE = QuoteParameters(spread_percentage=0.2, levels=3, base_quantity=1.0, max_position=10.0)


def rules(**changes):
    given = {
        "name": "coordinator",
        "executor": "executor-1",
        "seats": ("executor-1", "optimizer-1", "optimizer-2"),
        "baseline": BASELINE,
        "mode": Mode.MASTER_SLAVE,
        "lockstep": True,
        "seed": 1,
        "confidence_min": 0.6,
        "drawdown_max": 0.2,
        "age_max_ns": 900 * SECOND,
        "step_limit": 0.25,
        "tuning_latency_ns": 120 * SECOND,
        "validity_ns": 6 * 3600 * SECOND,
        "vote_wait_ns": 5 * SECOND,
    }
    return Rules(**{**given, **changes})


def ident(*parts):
    import hashlib

    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:32]


def chance(*parts):
    """A number in [0, 1) that depends on `parts` alone."""
    return int(ident(*parts)[:8], 16) / 2**32


def update(params, now_ns, confidence=0.8, drawdown=0.05):
    return ParameterUpdate.model_validate(
        {
            "timestamp": utc_text(now_ns),
            "source_agent": "optimizer",
            "target_agent": "executor",
            "message_type": "parameter_update",
            "data": {
                "optimized_params": params.model_dump(),
                "performance_metrics": {
                    "sqn_score": 1.0,
                    "sharpe_ratio": 1.0,
                    "max_drawdown": drawdown,
                },
                "confidence_score": confidence,
            },
        }
    )


class KilledError(Exception):
    """The coordinator's process is gone."""


@dataclass
class World:
    """One run of a few boundaries; `outcome` says what was decided."""

    rules: Rules
    boundaries: int = 6
    kill_at: tuple[int, ...] = ()
    salt: int = 0
    disk: list[Record] = field(default_factory=list)
    effects: list = field(default_factory=list)
    count: int = 0
    kills: int = 0

    def __post_init__(self):
        self.index = 0  # of the boundary that the executor waits at, from 1
        self.pair, self.params = (0, 0), self.rules.baseline
        self.judged: dict = {}  # pair -> word
        self.pending = None
        self.done = 0
        self.outboxes: dict[str, Heard] = {}  # what others have said and is unanswered
        self.posts: dict[str, Post] = {}  # what the coordinator has said and is unanswered
        self.measures: list[Measure] = []
        self.applied: list = []
        self.known = {(0, 0): self.rules.baseline}
        self.start()

    # --- the coordinator's process -----------------------------------------------------------
    def start(self):
        """Start the coordinator from its disk."""
        self.posts, self.measures = {}, []
        self.state = restored(self.rules, self.disk)
        self.run(Started())

    def run(self, event, now_ns=0):
        """Give it one event; when it dies in it, start it again."""
        try:
            state, effects = step(self.state, event, now_ns)
            for effect in effects:
                self.perform(effect)
            self.state = state
        except KilledError:
            self.kills += 1
            self.start()

    def perform(self, effect):
        """Do one effect, or die before it."""
        self.count += 1
        if self.count in self.kill_at:
            raise KilledError
        self.effects.append(effect)
        match effect:
            case Append(records):
                self.disk.extend(records)
            case Reply(_dst, ref, word):
                self.answered(ref, word)
            case Post():
                self.posts[effect.id] = effect
            case Withdraw(key):
                self.posts.pop(key, None)
            case Measure():
                self.measures.append(effect)
            case Publish(word, pair, _generation):
                self.known[pair] = word.params
            case Fenced(detail):
                raise AssertionError(detail)

    def answered(self, ref, word):
        """Take in an answer of the coordinator."""
        heard = self.outboxes.get(ref)
        final = not isinstance(word, Ack) or word.stage is Stage.APPLIED
        if heard is not None and isinstance(heard.word, (NoUpdate, Vote, Boundary)):
            final = True
        if heard is not None and final:
            del self.outboxes[ref]

    # --- the others --------------------------------------------------------------------------
    def say(self, heard):
        """Say something until it is answered."""
        self.outboxes[heard.id] = heard

    @property
    def now_ns(self):
        """Venue time of the present boundary."""
        return START + self.index * BOUNDARY

    def next_boundary(self):
        """Reach the next boundary; all seats answer it."""
        self.index += 1
        key = ident("boundary", self.index)
        self.say(
            Heard(
                "executor-1",
                key,
                Boundary(index=self.index, venue_time=self.now_ns),
                pair=self.pair,
            )
        )
        for seat in self.rules.seats:
            self.say(Heard(seat, ident(seat, "answer", self.index), self.answer(seat), ref=key))

    def answer(self, seat):
        """Return what a seat says, by chance."""
        dice = chance(self.salt, seat, self.index)
        if seat == "executor-1" or dice < 0.3:
            span = (self.now_ns - BOUNDARY, self.now_ns)
            return NoUpdate(window=span, digest=digest(self.params), reason="nothing better")
        wanted = self.params.model_copy(
            update={"spread_percentage": self.params.spread_percentage * (0.7 + dice)}
        )
        sound = clip_step(self.params, wanted, 0.25 if dice < 0.9 else 0.5)
        return update(sound, self.now_ns, confidence=0.5 if 0.5 < dice < 0.6 else 0.8)

    def judge(self, post):
        """The executor's answer to something posted to it."""
        match post.word:
            case Round() as word:
                if post.until is Stage.RECEIVED:
                    return self.check(post, word)
                likes = () if post.dst == "executor-1" else (post.dst,)
                good = chance(self.salt, *likes, digest(word.candidate), self.index) < 0.6
                vote = Vote(
                    round=word.round,
                    candidate=digest(word.candidate),
                    choice=Choice.APPROVE if good else Choice.REJECT,
                    reason=None if good else "E_RISK_VETO the replay was worse",
                )
                self.say(Heard(post.dst, ident("vote", post.id), vote, ref=post.id))
                return vote
            case Decision():
                if post.pair not in self.judged and self.pending is None:
                    self.pending = post
                return self.judged.get(post.pair, Ack(stage=Stage.RECEIVED))
            case BoundaryDone() as word:
                if word.index == self.index:
                    self.done = max(self.done, word.index)
                    self.named = word.decision
                return Ack(stage=Stage.RECEIVED)
        raise AssertionError(post)

    def check(self, _post, word):
        """A peer's answer to a round: it recomputes the merge."""
        limit, seats = self.rules.step_limit, len(self.rules.seats)
        found = candidate_of(word, Mode.PEER, seats=seats, fraction=limit)
        assert digest(found) == digest(word.candidate)
        return Ack(stage=Stage.RECEIVED)

    def measure(self, asked):
        """The replay of the supervisor: by chance, but the same for the same set and span."""
        span = (asked.first_ns, asked.last_ns)
        nets = tuple(chance(self.salt, digest(each), *span) - 0.5 for each in asked.sets)
        self.run(Measured(asked.key, nets))

    def go_on(self):
        """Feed time passes to the next boundary; a pending decision meets its cycle edge."""
        if self.named is not None and self.pending is None and self.named not in self.judged:
            return  # not heard of the decision yet
        if self.pending is not None:
            post, self.pending = self.pending, None
            if chance(self.salt, "edge", self.index) < 0.2:
                self.judged[post.pair] = Nack(code=NackCode.RISK_VETO, detail="late veto")
            else:
                self.judged[post.pair] = Ack(stage=Stage.APPLIED)
                self.pair, self.params = post.pair, post.word.params
                self.applied.append((self.index, digest(self.params)))
        self.next_boundary()

    def play(self):
        """Run to the end; every pass resends everything that is unanswered."""
        self.next_boundary()
        for _ in range(400 * self.boundaries):
            for heard in list(self.outboxes.values()):
                if heard.id in self.outboxes:
                    self.run(heard)
            for post in list(self.posts.values()):
                answer = self.judge(post)
                if post.id in self.posts:
                    final = not isinstance(post.word, Decision) or post.pair in self.judged
                    if final:
                        self.posts.pop(post.id, None)
                    if not isinstance(answer, Vote):
                        self.run(Answered(post.id, answer))
            for asked in list(self.measures):
                if asked in self.measures:
                    self.measures.remove(asked)
                    self.measure(asked)
            if self.done == self.index:
                if self.index == self.boundaries:
                    return self
                self.go_on()
        raise AssertionError(f"stuck at boundary {self.index}: {self.state.phase}")
