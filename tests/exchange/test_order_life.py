"""An order's life under news that comes twice, late, in any order, or not at all."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.order_life import (
    FILLS_WAIT_NS,
    LIFE,
    MISSES_MIN,
    QUERY_EVERY_NS,
    TERMINAL,
    Due,
    Life,
    LiveOrder,
    News,
    OrderLifeError,
    Trade,
    Withdrawal,
    Word,
    cancel_found_nothing,
    cancel_in_doubt,
    due,
    hear,
    missed,
    withdraw,
)
from exchange.reconcile import Found, FoundOrder, FoundTrade, asked_for, reconcile, short_of
from market.layout import (
    BUY,
    REPORT_ACCEPTED,
    REPORT_CANCEL_REJECTED,
    REPORT_CANCELLED,
    REPORT_FILL,
    REPORT_KIND,
    REPORT_LOTS,
    REPORT_REFUSED,
    REPORT_REJECTED,
    REPORT_TRADE_ID,
)
from tests.examples import examples

LOTS = 6


def order(**changes) -> LiveOrder:
    return replace(LiveOrder(order_id=7, side=BUY, price_ticks=100, lots=LOTS), **changes)


def traded(trade_id, lots) -> Word:
    return Word(News.TRADED, 10 + trade_id, trade=Trade(trade_id, 100, lots, 10 + trade_id, 1))


def kinds(rows):
    return [row[REPORT_KIND] for row in rows]


def test_every_pair_of_state_and_news_is_answered():
    """No news is unforeseen, and an end stays an end."""
    assert set(LIFE) == {(life, news) for life in Life for news in News}
    for (life, _), after in LIFE.items():
        if life in TERMINAL and life is not Life.ABSENT:
            assert after is life
        if life is Life.ABSENT:
            assert after in {Life.ABSENT, Life.OPEN, Life.FILLED, Life.CANCELLED}


def test_every_state_but_the_first_can_be_reached():
    """The table holds no state that nothing leads to."""
    reached = {after for (life, _), after in LIFE.items() if after is not life}
    assert reached == set(Life) - {Life.SENT}


def test_an_answer_that_says_nothing_is_never_a_no():
    """After a time-out, 5xx or -1007 the order is asked for until the answer is certain."""
    lost, rows = hear(order(deadline_ns=5_000), Word(News.IN_DOUBT, 0), 1)
    assert (lost.life, rows) == (Life.DOUBT, ())
    lost, asked = due(lost, QUERY_EVERY_NS)
    assert asked is Due.QUERY
    assert due(lost, QUERY_EVERY_NS + 1)[1] is None
    for _ in range(MISSES_MIN):
        lost, rows = missed(lost, 5_000, 2)
        assert (lost.life, rows) == (Life.DOUBT, ()), "it may still arrive"
    lost, rows = missed(lost, 5_001, 3)
    assert lost.life is Life.ABSENT
    assert kinds(rows) == [REPORT_REFUSED]


def test_no_such_order_once_and_then_found():
    """A replica that lags does not make an order disappear."""
    lost, _ = hear(order(), Word(News.IN_DOUBT, 0), 1)
    lost, rows = missed(lost, 10**9, 2)
    assert (lost.life, rows) == (Life.DOUBT, ())
    found, rows = hear(lost, Word(News.FOUND_OPEN, 5), 3)
    assert found.life is Life.OPEN
    assert found.misses == 0
    assert kinds(rows) == [REPORT_ACCEPTED]


def test_an_order_believed_dead_that_shows_up_is_cancelled_and_its_fills_count():
    """Nobody waits for it any more, so it must not rest; what it traded is ours."""
    dead = order(life=Life.ABSENT, told_end=True)
    alive, rows = hear(dead, Word(News.FOUND_OPEN, 5), 6)
    assert (alive.life, rows) == (Life.OPEN, ())
    alive, what = due(alive, 1)
    assert what is Due.CANCEL
    alive, rows = hear(alive, traded(1, 2), 7)
    assert kinds(rows) == [REPORT_FILL]
    alive, rows = hear(alive, Word(News.ENDED, 9, executed=2), 9)
    assert (alive.life, rows) == (Life.CANCELLED, ())


def test_the_end_is_told_after_the_last_fill():
    """The answer to a cancel overtakes a fill: the order is over for us when both are here."""
    live, _ = hear(order(), Word(News.ACCEPTED, 1), 1)
    live, rows = hear(live, Word(News.ENDED, 20, executed=4), 21)
    assert (live.life, rows, live.over) == (Life.CANCELLED, (), False)
    live, what = due(live, 5)
    assert what is None
    live, what = due(live, 5 + FILLS_WAIT_NS)
    assert what is Due.TRADES
    live, rows = hear(live, traded(1, 4), 22)
    assert kinds(rows) == [REPORT_FILL, REPORT_CANCELLED]
    assert rows[1][REPORT_LOTS] == LOTS - 4
    live, rows = hear(live, traded(2, 1), 23)
    assert kinds(rows) == [REPORT_FILL], "a fill later than the end is taken"
    assert live.life is Life.CANCELLED


def test_a_fill_before_the_reply_opens_the_order():
    """The stream may be quicker than the answer, whose news is then old."""
    live, rows = hear(order(), traded(1, 2), 5)
    assert kinds(rows) == [REPORT_ACCEPTED, REPORT_FILL]
    assert hear(live, Word(News.ACCEPTED, 1), 6)[1] == ()
    assert hear(live, Word(News.IN_DOUBT, 1), 6)[0].life is Life.OPEN
    _, rows = hear(live, traded(2, 4), 7)
    assert kinds(rows) == [REPORT_FILL]


def test_a_taker_is_reported_by_its_fills_and_its_rest():
    """As a recording does: no acceptance, fills, then what was not filled."""
    live, rows = hear(order(taker=1), Word(News.ACCEPTED, 1), 1)
    live, more = hear(live, traded(1, 2), 2)
    _, end = hear(live, Word(News.ENDED, 3, executed=2), 3)
    assert kinds((*rows, *more, *end)) == [REPORT_FILL, REPORT_CANCELLED]


@pytest.mark.parametrize(("refused", "kind"), [(False, REPORT_REJECTED), (True, REPORT_REFUSED)])
def test_a_refusal_is_told_once(refused, kind):
    """A crossing post-only order is rejected, everything else is refused."""
    word = Word(News.REJECTED, 1, refused=refused)
    live, rows = hear(order(), word, 1)
    assert kinds(rows) == [kind]
    assert hear(live, word, 2)[1] == ()


def test_a_cancel_that_overtakes_its_order_is_sent_again():
    """It found nothing while the order was on its way: that is no end."""
    live, now = withdraw(order())
    assert now
    assert withdraw(live)[1] is False
    live, rows = cancel_found_nothing(live, 3)
    assert (live.withdrawal, rows) == (Withdrawal.WANTED, ())
    assert due(live, 0)[1] is None
    live, _ = hear(live, Word(News.ACCEPTED, 4), 4)
    assert due(live, 0)[1] is Due.CANCEL


def test_a_cancel_of_an_order_that_is_gone_is_told_after_its_fill():
    """The race with a fill is lost: the fill first, then that the cancel came too late."""
    live, _ = hear(order(), Word(News.ACCEPTED, 1), 1)
    live, _ = withdraw(live)
    live, rows = cancel_found_nothing(live, 3)
    assert (live.life, rows) == (Life.GONE, ())
    assert due(live, QUERY_EVERY_NS)[1] is Due.QUERY
    live, rows = hear(live, traded(1, LOTS), 4)
    assert kinds(rows) == [REPORT_FILL, REPORT_CANCEL_REJECTED]
    assert (live.life, live.owed) == (Life.FILLED, 0)


def test_a_cancel_whose_answer_is_lost_is_sent_again_when_the_order_is_still_there():
    """Ask first, then decide."""
    live, _ = hear(order(), Word(News.ACCEPTED, 1), 1)
    live, _ = withdraw(live)
    live = cancel_in_doubt(live)
    live, what = due(live, QUERY_EVERY_NS)
    assert what is Due.QUERY
    live, _ = hear(live, Word(News.FOUND_OPEN, 5), 5)
    assert due(live, QUERY_EVERY_NS)[1] is Due.CANCEL


def test_more_than_was_ordered_is_a_broken_exchange():
    """An impossible figure stops, it is not booked."""
    live, _ = hear(order(), traded(1, LOTS), 1)
    with pytest.raises(OrderLifeError, match="cannot have executed"):
        hear(live, traded(2, 1), 2)


# --- any order, any loss ---------------------------------------------------------------------


@dataclass
class Truth:
    """What really happened to one order, and every word that an exchange may say of it."""

    arrived: bool
    fills: list[int]
    cancelled: bool
    words: list[Word] = field(default_factory=list)

    def __post_init__(self):
        done, at = 0, 1
        if self.arrived:
            self.words.append(Word(News.ACCEPTED, at))
            for number, lots in enumerate(self.fills, start=1):
                done += lots
                self.words.append(traded(number, lots))
            if self.cancelled and done < LOTS:
                self.words.append(Word(News.ENDED, 50, executed=done))
        self.words.append(Word(News.IN_DOUBT, 0))
        self.done = done

    def state(self) -> FoundOrder | None:
        """Return what a query finds."""
        if not self.arrived:
            return None
        news = News.FOUND_OPEN
        if self.done == LOTS:
            news = News.COMPLETED
        elif self.cancelled:
            news = News.ENDED
        return FoundOrder("cp-a-7", 7, news, self.done, 60)

    def found(self, live: LiveOrder) -> Found:
        """Return what every question finds."""
        state = self.state()
        is_open = state is not None and state.news is News.FOUND_OPEN
        return Found(
            asked_ns=10**9,
            open=(state,) if is_open else (),
            ended=dict.fromkeys(asked_for([live], [7] if is_open else []), state),
            trades=tuple(
                FoundTrade(7, word.trade) for word in self.words if word.trade is not None
            ),
            quote_units=0,
            base_units=0,
        )


@st.composite
def truths(draw):
    arrived = draw(st.booleans())
    fills = []
    while arrived and sum(fills) < LOTS and draw(st.booleans()):
        fills.append(draw(st.integers(1, LOTS - sum(fills))))
    return Truth(arrived, fills, draw(st.booleans()))


@settings(max_examples=examples(600))
@given(truths(), st.data())
def test_any_loss_doubling_and_order_of_news_leads_to_the_truth(truth, data):
    """Invariants 1 and 5: after reconciling every fill is told once, and the end is right."""
    words = data.draw(st.lists(st.sampled_from(truth.words), max_size=14))
    live, told = order(), []
    for number, word in enumerate(words):
        if data.draw(st.integers(0, 4)) == 0:
            live, _ = withdraw(live)
        before = live.life
        live, rows = hear(live, word, 100 + number)
        news = (word.news, News.COMPLETED) if word.trade else (word.news,)
        assert live.life in {LIFE[before, each] for each in news}
        assert live.filled <= live.executed <= LOTS
        told.extend(rows)
        live, _ = due(live, number * QUERY_EVERY_NS)
    for _ in range(MISSES_MIN):
        state = reconcile({7: live}, 7, truth.found(live), 1_000)
        live = state.orders[7]
        told.extend(state.rows)
        assert not state.unknown
        assert bool(state.cancels) == (truth.arrived and not truth.cancelled and truth.done < LOTS)
    fills = [row for row in told if row[REPORT_KIND] == REPORT_FILL]
    ids = [row[REPORT_TRADE_ID] for row in fills]
    assert sorted(ids) == list(range(1, len(truth.fills) + 1))
    assert sum(row[REPORT_LOTS] for row in fills) == live.filled == truth.done
    if not truth.arrived:
        assert live.life is Life.ABSENT
    elif truth.done == LOTS:
        assert live.life in {Life.FILLED, Life.CANCELLED}
    elif truth.cancelled:
        assert live.life is Life.CANCELLED
    else:
        assert live.life is Life.OPEN
    ends = [row for row in told if row[REPORT_KIND] in (REPORT_CANCELLED, REPORT_REFUSED)]
    assert len(ends) == (live.life in {Life.CANCELLED, Life.ABSENT})
    accepted = [row for row in told if row[REPORT_KIND] == REPORT_ACCEPTED]
    assert len(accepted) == truth.arrived
    if accepted:
        assert told[0] == accepted[0]


def test_trades_of_ours_that_the_journal_does_not_know_refuse_the_start():
    """A fill without an intent is never guessed into the books."""
    stranger = FoundTrade(9, Trade(4, 100, 1, 5, 1))
    other = FoundTrade(None, Trade(5, 100, 1, 5, 1))
    open_orders = (
        FoundOrder("cp-a-12", 12, News.FOUND_OPEN, 0, 1),
        FoundOrder("hand-made", None, News.FOUND_OPEN, 3, 1),
    )
    state = reconcile({}, 8, Found(1, open_orders, {}, (stranger, other), 0, 0), 9)
    assert len(state.unknown) == 1
    assert "trade 4" in state.unknown[0]
    assert state.cancels == ("cp-a-12",)
    assert state.foreign == ("hand-made",)


def test_an_account_may_hold_more_than_we_know_of_but_not_less():
    """Others may trade there too; what is ours must be there."""
    found = Found(1, (), {}, (), quote_units=10 * 10**8, base_units=5)
    assert short_of(found, 10 * 10**8, 5) == ""
    assert "quote 10.0" in short_of(found, 10 * 10**8 + 1, 5)
