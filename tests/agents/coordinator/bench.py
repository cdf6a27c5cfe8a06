"""A coordinator on a table, for tests that say single words to it."""

from agents.coordinator.events import (
    Answered,
    Append,
    Heard,
    Measure,
    Measured,
    Post,
    Started,
)
from agents.coordinator.records import restored
from agents.coordinator.step import step
from protocol.merge import digest
from protocol.messages import Boundary, Choice, ModeChange, NoUpdate, Vote
from tests.agents.coordinator.world import BASELINE, BOUNDARY, START, ident, rules, update

WIDER = BASELINE.model_copy(update={"spread_percentage": 0.24})
WIDEST = BASELINE.model_copy(update={"spread_percentage": 0.3})


class Bench:
    """A coordinator on a table: say something to it, look at what it does."""

    def __init__(self, **changes):
        self.disk, self.effects = [], []
        self.rules = rules(**changes)
        self.state = restored(self.rules, ())
        self.do(Started())

    def do(self, event, now_ns=0):
        """Take one step and keep what it logs."""
        self.state, effects = step(self.state, event, now_ns)
        for effect in effects:
            if isinstance(effect, Append):
                self.disk.extend(effect.records)
        self.effects.extend(effects)
        return effects

    def restart(self):
        """Kill the coordinator and start it again from its disk."""
        self.state = restored(self.rules, self.disk)
        return self.do(Started())

    def hear(self, src, word, *key, ref=None, pair=None, generation=None, now_ns=0):
        """Let it hear a word from somebody."""
        event = Heard(src, ident(src, *key), word, ref=ref, pair=pair, generation=generation)
        return self.do(event, now_ns)

    def boundary(self, index, pair=(0, 0), *, promoted=False):
        """Reach a boundary; the executor proposes nothing."""
        key = ident("executor-1", "boundary", index)
        word = Boundary(index=index, venue_time=START + index * BOUNDARY, promoted=promoted)
        self.hear("executor-1", word, "boundary", index, pair=pair)
        nothing = NoUpdate(window=(0, 1), digest=digest(BASELINE), reason="executor")
        self.hear("executor-1", nothing, "answer", index, ref=key)
        return key

    def vote(self, choice=Choice.APPROVE, reason=None, voter="executor-1", serial=0, **more):
        """Let the executor, or another, vote on the open round."""
        opened = self.state.round
        candidate = more.pop("candidate", None) or digest(opened.candidate)
        word = Vote(round=opened.number, candidate=candidate, choice=choice, reason=reason)
        return self.hear(voter, word, "vote", opened.number, serial, **more)

    def measure(self, net=lambda each: each.spread_percentage):
        """Answer the newest measurement that was asked for."""
        asked = [each for each in self.effects if isinstance(each, Measure)][-1]
        return self.do(Measured(asked.key, tuple(net(each) for each in asked.sets)))

    def switch(self, mode, serial=0):
        """Change the mode, as the operator."""
        state = self.state
        document = {"from": state.mode, "to": mode, "gen": state.generation, "reason": "drill"}
        return self.hear("operator", ModeChange.model_validate(document), "mode", serial)

    def propose(self, index, **spreads):
        """Let optimizers answer boundary `index`: a spread, or None for nothing better."""
        key, now = ident("executor-1", "boundary", index), START + index * BOUNDARY
        effects = ()
        for seat, spread in spreads.items():
            name = seat.replace("_", "-")
            if spread is None:
                word = NoUpdate(window=(0, 1), digest=digest(BASELINE), reason="nothing")
            else:
                word = update(BASELINE.model_copy(update={"spread_percentage": spread}), now)
            effects = self.hear(name, word, "answer", index, ref=key)
        return effects

    def decided(self, index=1, params=WIDER):
        """Bring a proposal through to a decision in flight."""
        key = self.boundary(index, self.pair())
        now = START + index * BOUNDARY
        self.hear("optimizer-1", update(params, now), "answer", index, ref=key)
        self.vote()
        return self.state.flight

    def pair(self):
        """Return the pair that the executor trades under."""
        return self.state.in_force.pair if self.state.in_force else (0, 0)

    def judge(self, word):
        """Let the executor judge the decision in flight."""
        posts = [each for each in self.effects if isinstance(each, Post)]
        key = next(each.id for each in posts if each.pair == self.state.flight.pair)
        return self.do(Answered(key, word))

    def kinds(self):
        """Return what was logged, in order."""
        return [record.kind for record in self.disk]
