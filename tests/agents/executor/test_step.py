"""What words mean to the executor: decisions, boundaries, votes, stops, pauses."""

import asyncio

import pytest

from agents.executor import records
from agents.executor.events import (
    Alone,
    Cancel,
    DecisionHeard,
    DoneHeard,
    PauseHeard,
    Place,
    Reach,
    RearmHeard,
    Reply,
    RoundHeard,
    Say,
    Shadow,
    Shadowed,
    StopHeard,
    Write,
)
from agents.executor.recovery import new_venue
from agents.executor.state import freeze, new_state, thaw
from agents.executor.step import step
from agents.session import parameter_row
from agents.weighing import Weighed
from market import breach, states
from protocol.merge import digest
from protocol.messages import (
    Ack,
    Choice,
    Decision,
    Mode,
    Nack,
    NackCode,
    PerformanceMetrics,
    QuoteParameters,
    Round,
    RoundSet,
    Stage,
    utc_text,
)
from tests.agents.executor.market import recording, session_for

SECOND_NS = 10**9
STOP = "5" * 32


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    return session_for(recording(tmp_path_factory.mktemp("feed")), feed={"hours": 0.8})


class Life:
    """A state and its venue, driven by hand; keeps every effect."""

    def __init__(self, session, *, lockstep=True):
        self.session = session
        self.state = new_state(session, lockstep=lockstep)
        self.venue = new_venue(session)
        self.effects = []

    def tell(self, event):
        """Tell one word; return its effects."""
        self.state, effects = step(self.state, event, self.state.now_ns)
        self.effects.extend(effects)
        return effects

    def live(self, until_ns=None, steps=None):
        """Live through market steps; return the effects of the last."""
        effects = ()
        while steps is None or steps > 0:
            if until_ns is not None and self.state.now_ns >= until_ns:
                break
            market = self.venue.step()
            self.state, effects = step(self.state, market, market.now_ns)
            self.effects.extend(effects)
            for effect in effects:
                if isinstance(effect, Place):
                    asyncio.run(self.venue.place(effect.order))
                elif isinstance(effect, Cancel):
                    asyncio.run(self.venue.cancel(effect.order_id))
            steps = None if steps is None else steps - 1
        return effects

    def to_boundary(self):
        """Live until the next boundary."""
        while not self.state.waiting:
            self.live(steps=1)
        return self.state.now_ns

    def decision(self, pair=(1, 1), *, spread=1.1, ref="d" * 32, before_s=120, after_s=3600):
        """Return a decision that widens the spread."""
        held = self.state.incumbent
        now_ns = self.state.now_ns
        word = Decision(
            params=held.model_copy(update={"spread_percentage": held.spread_percentage * spread}),
            basis=(),
            mode=Mode.MASTER_SLAVE,
            not_before=now_ns + before_s * SECOND_NS,
            not_after=now_ns + after_s * SECOND_NS,
        )
        return DecisionHeard("coordinator", ref, pair, word)

    def round(self, *, confidence=0.9, drawdown=0.01, spread=1.1, age_s=0, ref="a" * 32):
        """Return a round that puts one set."""
        held = self.state.incumbent
        params = held.model_copy(update={"spread_percentage": held.spread_percentage * spread})
        metrics = PerformanceMetrics(sqn_score=1.0, sharpe_ratio=1.0, max_drawdown=drawdown)
        put = RoundSet(
            id="b" * 32,
            src="optimizer-1",
            timestamp=utc_text(self.state.now_ns - age_s * SECOND_NS),
            params=params,
            performance_metrics=metrics,
            confidence_score=confidence,
            weight=1,
        )
        word = Round(round=1, incumbent=held, sets=(put,), candidate=params, deadline=0)
        return RoundHeard("coordinator", ref, word)

    def done(self, decision=None, until_ns=None):
        """Return the closing of the present boundary."""
        return DoneHeard("coordinator", "e" * 32, self.state.boundary, decision, until_ns)


@pytest.fixture
def life(session):
    return Life(session)


def replies(effects):
    return [effect.word for effect in effects if isinstance(effect, Reply)]


def test_feed_time_waits_at_the_boundary_until_it_is_closed(life):
    """The boundary is on disk before it is told, and only its own closing lifts it."""
    now_ns = life.to_boundary()
    assert now_ns % (600 * SECOND_NS) == 0
    kinds = [type(effect) for effect in life.effects[-30:]]
    assert kinds.index(Write) < kinds.index(Reach)
    reached = life.effects[-1]
    assert (reached.index, reached.time_ns) == (1, now_ns)
    life.tell(DoneHeard("coordinator", "f" * 32, 7, None, None))
    assert life.state.waiting
    life.tell(life.done())
    assert not life.state.waiting


def test_an_approved_set_comes_into_force_at_its_cycle_edge_and_not_before(life):
    """Received at once; applied on disk, with the first orders, 120 s later; then the ack."""
    life.to_boundary()
    heard = life.decision()
    of = digest(heard.word.params)
    assert replies(life.tell(heard)) == [Ack(stage=Stage.RECEIVED, digest=of)]
    life.tell(life.done((1, 1)))
    assert not life.state.waiting
    before = life.state.parameters.copy()
    life.live(until_ns=heard.word.not_before - SECOND_NS)
    assert (life.state.parameters == before).all()
    effects = life.live(until_ns=heard.word.not_before)
    assert isinstance(effects[0], Write)
    assert [e.kind for e in effects[0].entries if e.table == records.PARAMETERS] == ["applied"]
    assert replies(effects) == [Ack(stage=Stage.APPLIED, digest=of)]
    assert (life.state.parameters == parameter_row(heard.word.params)).all()
    assert life.state.applied_pair == (1, 1)
    assert replies(life.tell(heard)) == [Ack(stage=Stage.APPLIED, digest=of)]


def test_a_boundary_that_names_a_decision_waits_until_it_is_judged(life):
    """boundary_done may overtake the decision; feed time waits for both."""
    life.to_boundary()
    heard = life.decision()
    life.tell(life.done((1, 1)))
    assert life.state.waiting
    life.tell(heard)
    assert not life.state.waiting


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"pair": (0, 9)}, NackCode.FENCED),
        ({"pair": (1, 1)}, None),
        ({"pair": (2, 1)}, NackCode.STALE_VERSION),
        ({"before_s": -20, "after_s": -10}, NackCode.EXPIRED),
        ({"spread": 1.5}, NackCode.STEP),
    ],
)
def test_a_decision_is_judged_in_the_order_of_the_protocol(life, change, code):
    """Epoch, version, expiry, step; each has its code and changes nothing."""
    life.to_boundary()
    life.tell(life.decision())
    heard = life.decision(**{"pair": (1, 2), "ref": "c" * 32, **change})
    said = replies(life.tell(heard))
    if code is None:
        assert said == [Ack(stage=Stage.RECEIVED, digest=digest(heard.word.params))]
    else:
        assert isinstance(said[-1], Nack)
        assert said[-1].code is code
        assert life.state.pending is not None
        assert life.state.pending.pair == (1, 1)


def test_risk_vetoes_what_everybody_else_approved(life):
    """A halted account changes no parameter, at the hearing and at the edge alike."""
    life.to_boundary()
    life.tell(life.decision())
    life.tell(life.done((1, 1)))
    account = life.state.account
    states.enter(account.risk, breach.HALTED, breach.REASON_DRAWDOWN, 0, breach.NEVER_RETURNS)
    effects = life.live(until_ns=life.state.now_ns + 120 * SECOND_NS)
    said = replies(effects)
    assert [word.code for word in said] == [NackCode.RISK_VETO]
    assert life.state.incumbent == life.session.baseline
    assert replies(life.tell(life.decision((1, 2), ref="c" * 32)))[0].code is NackCode.RISK_VETO


def test_a_set_lapses_to_the_baseline_and_no_update_renews_it(life):
    """Past not_after the configured parameters are quoted again; the pair stays."""
    life.to_boundary()
    heard = life.decision(after_s=200)
    life.tell(heard)
    life.tell(life.done((1, 1)))
    life.live(until_ns=heard.word.not_before)
    assert life.state.in_force is not None
    life.live(until_ns=heard.word.not_after + 30 * SECOND_NS)
    assert life.state.in_force is None
    assert (life.state.parameters == parameter_row(life.session.baseline)).all()
    assert life.state.applied_pair == (1, 1)
    life.tell(life.decision((1, 2), ref="c" * 32, before_s=0, after_s=900))
    now_ns = life.to_boundary()
    until_ns = now_ns + 77 * SECOND_NS
    life.tell(life.done(until_ns=until_ns))
    held = life.state.in_force
    assert held is not None
    assert held.not_after_ns == until_ns, "the coordinator's word decides, not our settings"


def test_a_boundary_keeps_its_time_when_a_stop_lets_feed_time_pass(life):
    """After a restart it is told again: the coordinator compares that time with decisions."""
    reached_ns = life.to_boundary()
    life.state.now_ns += 2 * SECOND_NS
    assert (life.state.boundary, life.state.boundary_ns) == (1, reached_ns)


def test_a_round_that_figures_forbid_is_rejected_without_a_replay(life):
    """Confidence, drawdown, age and step; the reason begins with the code."""
    life.to_boundary()
    wrong = [
        ({"confidence": 0.5}, NackCode.CONFIDENCE),
        ({"drawdown": 0.5}, NackCode.BOUNDS),
        ({"age_s": 2000}, NackCode.EXPIRED),
        ({"spread": 1.4}, NackCode.STEP),
    ]
    for number, (change, code) in enumerate(wrong):
        effects = life.tell(life.round(ref=f"{number:032x}", **change))
        assert [type(effect) for effect in effects] == [Write, Say]
        assert effects[1].word.choice is Choice.REJECT
        assert effects[1].word.reason.startswith(code.value)


@pytest.mark.parametrize(
    ("incumbent", "candidate", "choice"),
    [
        ((1.0, 10.0), (2.0, 20.0), Choice.APPROVE),
        ((1.0, 10.0), (0.9, 5.0), Choice.APPROVE),
        ((1.0, 10.0), (0.5, 9.0), Choice.REJECT),
        ((0.0, 0.0), (0.0, 0.0), Choice.APPROVE),
        ((0.0, 0.0), (-1.0, 5.0), Choice.REJECT),
    ],
)
def test_the_shadow_replay_decides_the_vote(life, incumbent, candidate, choice):
    """Worse in profit and in profit per risk is a rejection; the vote is on disk before it goes."""
    life.to_boundary()
    asked = life.round()
    assert life.tell(asked) == (Shadow(asked),)
    effects = life.tell(Shadowed(asked, Weighed(*incumbent), Weighed(*candidate)))
    assert [type(effect) for effect in effects] == [Write, Say]
    vote = effects[1].word
    assert (vote.choice, vote.candidate) == (choice, digest(asked.word.candidate))
    assert life.tell(asked) == (Say(asked.ref, vote),)


def test_a_stop_cancels_everything_and_lasts_until_it_is_lifted(life):
    """Latched before `received`; `stopped` only once nothing is open; lifted for good."""
    life.live(until_ns=life.session.first_ns + 200 * SECOND_NS)
    assert life.state.open_orders > 0
    effects = life.tell(StopHeard(STOP, flatten=False, src="operator"))
    assert isinstance(effects[0], Write)
    assert replies(effects) == [Ack(stage=Stage.RECEIVED)]
    life.effects.clear()
    life.live(steps=4)
    assert life.state.open_orders == 0
    assert replies(life.effects) == [Ack(stage=Stage.STOPPED)]
    assert not any(isinstance(effect, Place) for effect in life.effects)
    life.effects.clear()
    life.live(steps=90)
    assert not any(isinstance(effect, Place) for effect in life.effects)
    life.tell(RearmHeard("operator", "9" * 32, (STOP,)))
    life.live(steps=40)
    assert any(isinstance(effect, Place) for effect in life.effects)
    life.tell(StopHeard(STOP, flatten=False, src="operator"))
    assert not life.state.stops


def test_a_stop_that_flattens_closes_the_position_with_taker_orders(life):
    """`stopped` means flat then, and the taker order passed the gate like any other."""
    life.live(until_ns=life.session.first_ns + 200 * SECOND_NS)
    while life.venue._ours._ledger[0] == life.state.session.setup.opening[0]:
        life.live(steps=1)
    life.live(steps=1)
    life.tell(StopHeard(STOP, flatten=True, src="operator"))
    life.effects.clear()
    life.live(steps=6)
    placed = [effect.order.order for effect in life.effects if isinstance(effect, Place)]
    assert placed
    assert all(order.taker for order in placed)
    assert replies(life.effects)[-1] == Ack(stage=Stage.STOPPED)
    assert life.state.open_orders == 0


def test_a_stop_that_flattens_after_a_calm_one_waits_until_the_position_is_closed(life):
    """Nothing open is not yet flat: `stopped` to the second stop comes after its taker order."""
    life.live(until_ns=life.session.first_ns + 200 * SECOND_NS)
    while life.venue._ours._ledger[0] == life.state.session.setup.opening[0]:
        life.live(steps=1)
    life.tell(StopHeard("4" * 32, flatten=False, src="operator"))
    life.live(steps=6)
    assert life.state.calm
    effects = life.tell(StopHeard(STOP, flatten=True, src="operator"))
    assert replies(effects) == [Ack(stage=Stage.RECEIVED)]
    life.effects.clear()
    life.live(steps=6)
    assert any(isinstance(effect, Place) for effect in life.effects)
    assert replies(life.effects) == [Ack(stage=Stage.STOPPED)]


@pytest.mark.parametrize(
    ("off", "on"),
    [
        (PauseHeard("operator", "1" * 32, paused=True), PauseHeard("operator", "2" * 32, False)),
        (Alone(alone=True), Alone(alone=False)),
    ],
    ids=["pause", "alone"],
)
def test_quotes_are_withdrawn_and_come_back(life, off, on):
    """Pause, or a silent coordinator: nothing rests, and afterwards quoting resumes."""
    life.live(until_ns=life.session.first_ns + 200 * SECOND_NS)
    life.tell(off)
    life.live(steps=3)
    assert life.state.open_orders == 0
    life.tell(on)
    life.live(steps=40)
    assert life.state.open_orders > 0


def test_a_set_that_could_never_be_quoted_is_out_of_bounds(life):
    """A largest position below the smallest order would silently quote nothing."""
    life.to_boundary()
    tiny = QuoteParameters(spread_percentage=0.1, levels=1, base_quantity=1e-8, max_position=1e-8)
    heard = life.decision()
    word = heard.word.model_copy(update={"params": tiny})
    said = replies(life.tell(DecisionHeard("coordinator", heard.ref, (1, 1), word)))
    assert said[0].code is NackCode.BOUNDS


def test_what_was_heard_in_an_earlier_life_changes_nothing_when_it_comes_again(life):
    """A later time would be another row under a known key, and no journal takes that."""
    words = [
        PauseHeard("operator", "1" * 32, paused=True),
        PauseHeard("operator", "2" * 32, paused=False),
        RearmHeard("operator", "3" * 32, (STOP,)),
    ]
    for word in words:
        life.live(steps=1)
        assert isinstance(life.tell(word)[0], Write)
    state = thaw(life.session, freeze(life.state), lockstep=True)
    life.state = state
    life.live(steps=1)
    for word in words:
        assert life.tell(word) == (Reply("operator", word.ref, Ack(stage=Stage.RECEIVED)),)
    assert not state.paused
