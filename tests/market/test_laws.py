"""The laws of fills, for both exchange sides and every fill model, over random stories."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.layout import (
    BUY,
    KIND_TRADE,
    ORDER_ID,
    ORDER_STATE,
    REPORT_CANCELLED,
    REPORT_EXCH_NS,
    REPORT_FILL,
    REPORT_KIND,
    REPORT_LOTS,
    REPORT_ORDER_ID,
    REPORT_REFUSED,
    REPORT_REJECTED,
    REPORT_VISIBLE_NS,
    SELL,
    STATE_FREE,
)
from market.order_lines import METER_ARRIVED, METER_BIDS, METER_NEXT_NS, METER_SENT
from market.queueing import QUEUE_AHEAD
from tests.market.exchange_side import FIRST, NO_IDS, Fast, Grown, Slow, Taped, table
from tests.market.stories import Story, law, mirrored, stories

WHOLE = ("risk-averse", "fifo", "trade-through", "touch")


@law(200)
@given(stories())
def test_the_events_agree_with_the_lot_by_lot_twin(story):
    """Every report, byte for byte, and every order's place in its line."""
    fast, slow = story.told(Fast), story.told(Slow)
    assert fast.said() == slow.said()
    assert fast.ahead() == pytest.approx(slow.ahead())


@law(250)
@given(stories())
def test_the_tape_says_what_the_events_say(story):
    """The same bytes, whatever the model, the segments and the delays."""
    assert story.told(Taped).said() == story.told(Fast).said()


@law(80)
@given(stories(), st.integers(1, 9))
def test_a_growing_tape_says_what_the_events_say(story, rows):
    """Made by its real builder, a step at a time, its segments cut anew each time."""
    assert story.told(Grown, segment_rows=rows).said() == story.told(Fast).said()


@law(80)
@given(stories())
def test_quiet_steps_may_be_left_out_on_a_tape(story):
    """A step that reaches nothing of ours and that nothing arrives in needs no call."""

    class Lazy(Taped):
        def step(self, now):
            low, high = self.stream.frames[now - FIRST, 2:4]
            meter = self.side.meter
            if low > meter[7] and high < meter[9] and meter[METER_NEXT_NS] > now:
                return 0
            return super().step(now)

    assert story.told(Lazy).said() == story.told(Fast).said()


@law(80)
@given(stories())
def test_the_laws_of_fills(story):
    """Parts sum to the order, nothing fills after its end, lots once, reports in order."""
    said = story.told(Fast).said()
    wanted = {move[1]: move[4] for _, move in story.commands if move[0] == "place"}
    taker = {move[1] for _, move in story.commands if move[0] == "place" and move[5] == 0}
    cancelled = {}
    for now, move in story.commands:
        if move[0] == "cancel":
            cancelled.setdefault(move[1], now + story.delays[now - FIRST, 2])
    done, over, used = dict.fromkeys(wanted, 0), {}, {}
    arrives = dict.fromkeys(wanted, 0)
    for now, move in story.commands:
        if move[0] == "place":
            arrives[move[1]] = now + story.delays[now - FIRST, 0]
    for row in said:
        order_id, kind, at = row[REPORT_ORDER_ID], row[REPORT_KIND], row[REPORT_EXCH_NS]
        if kind == REPORT_FILL:
            assert order_id not in over
            done[order_id] += row[REPORT_LOTS]
            assert done[order_id] <= wanted[order_id]
            assert at <= max(cancelled.get(order_id, at), arrives[order_id])
            if order_id not in taker:
                used[at] = used.get(at, 0) + row[REPORT_LOTS]
        elif kind in {REPORT_CANCELLED, REPORT_REJECTED, REPORT_REFUSED}:
            over[order_id] = kind
            assert done[order_id] + row[REPORT_LOTS] == wanted[order_id]
    for at, lots in used.items():
        assert lots <= story.events[story.events[:, 3] == at, 6].sum()
    for column in (REPORT_EXCH_NS, REPORT_VISIBLE_NS):
        assert [row[column] for row in said] == sorted(row[column] for row in said)


@law(80)
@given(stories())
def test_a_place_in_line_is_never_lost(story):
    """The lots before us only fall, and are never fewer than none."""
    places = {}

    def watch(machine):
        for order_id, ahead in machine.ahead().items():
            assert 0 <= ahead <= places.get(order_id, ahead)
            places[order_id] = ahead

    story.told(Fast, watch=watch)


@law(80)
@given(stories())
def test_the_mirror_image_gives_mirrored_fills(story):
    """Sides swapped and prices reflected: neither side is favoured."""
    straight, turned = story.told(Fast).said(), mirrored(story).told(Fast).said()
    back = [
        (kind, who, -side, 200 - price if side else 0, *rest)
        for kind, who, side, price, *rest in turned
    ]
    assert back == straight


@law(80)
@given(stories(models=WHOLE), st.sampled_from([Fast, Taped]))
def test_twice_the_lots_change_nothing_else(story, kind):
    """A market twice as large with orders twice as large, where no probability splits lots."""
    events = story.events.copy()
    events[:, 6] *= 2
    commands = [
        (now, (*move[:4], 2 * move[4], move[5]) if move[0] == "place" else move)
        for now, move in story.commands
    ]
    told = {"events": events, "commands": commands, "least": 2 * story.least}
    twice = Story(**{**vars(story), **told}).told(kind).said()
    halved = [(*row[:REPORT_LOTS], row[REPORT_LOTS] // 2, *row[REPORT_LOTS + 1 :]) for row in twice]
    assert halved == story.told(kind).said()


@law(80)
@given(stories())
def test_the_bounds_enclose_every_model(story):
    """Alone in its line, an order has no fewer fills than the pessimist's and no more than ..."""
    first = [one for one in story.commands if one[1][0] == "place"][:1]
    filled = {}
    for name in ("trade-through", story.model, "touch"):
        said = Story(**{**vars(story), "model": name, "commands": first}).told(Fast).said()
        filled[name] = sum(row[REPORT_LOTS] for row in said if row[REPORT_KIND] == REPORT_FILL)
    assert filled["trade-through"] <= filled[story.model] <= filled["touch"]


@law(80)
@given(stories(), st.sampled_from([Fast, Taped]))
def test_nothing_is_left_on_its_way(story, kind):
    """At the end every row is free or rests, and the lines hold exactly what rests."""
    machine = story.told(kind)
    orders, meter = machine.side.orders, machine.side.meter
    used = orders[orders[:, ORDER_STATE] != STATE_FREE]
    assert len(used) == meter[METER_BIDS : METER_BIDS + 2].sum()
    assert set(used[:, ORDER_ID]) == set(machine.ahead())
    assert meter[METER_SENT] == meter[METER_ARRIVED]


def test_who_is_before_our_first_order_is_not_behind_our_second():
    """A probability may put the later order nearer the front; it is served after all the same."""
    rows = [[KIND_TRADE, SELL, 3, FIRST + 20, 0, 99, 6]]
    for lots, filled in ((6, [(1, 1)]), (9, [(1, 3), (2, 1)])):
        rows[0][6] = lots
        machine = Fast(table(rows))
        machine.advance(FIRST)
        machine.submit(1, BUY, 99, 3, FIRST)
        machine.submit(2, BUY, 99, 3, FIRST)
        machine.advance(FIRST + 10)
        slots = machine.side.lines[0, :2]
        machine.side.queue[slots, QUEUE_AHEAD] = 5.0, 2.0
        machine.advance(FIRST + 30)
        fills = [row for row in machine.said() if row[REPORT_KIND] == REPORT_FILL]
        assert [(row[REPORT_ORDER_ID], row[REPORT_LOTS]) for row in fills] == filled


@law(60)
@given(stories(models=("fifo",)), st.sampled_from([Fast, Taped]))
def test_without_order_ids_order_by_order_is_the_strict_model(story, kind):
    """Who left is not known, so nobody before us did."""
    strict = Story(**{**vars(story), "model": "risk-averse"})
    assert story.told(kind, born=NO_IDS).said() == strict.told(kind).said()
