"""Our orders at the exchange: against a lot-by-lot twin, and its laws."""

from hypothesis import given, settings
from hypothesis import strategies as st

from market.layout import (
    BUY,
    KIND_CLEAR,
    KIND_DEPTH,
    KIND_SNAPSHOT,
    KIND_TRADE,
    REPORT_CANCELLED,
    REPORT_EXCH_NS,
    REPORT_FILL,
    REPORT_KIND,
    REPORT_LOTS,
    REPORT_ORDER_ID,
    REPORT_REJECTED,
    REPORT_VISIBLE_NS,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
    SELL,
)
from tests.market.exchange_side import Fast, table
from tests.twins.fills import Exchange

SIDE = st.sampled_from([BUY, SELL])
PRICE = st.integers(98, 102)
EVENT = st.tuples(
    st.just("event"),
    st.sampled_from([KIND_TRADE] * 3 + [KIND_DEPTH] * 5 + [KIND_SNAPSHOT, KIND_CLEAR]),
    st.sampled_from([BUY, BUY, SELL, SELL, 0]),
    PRICE,
    st.integers(0, 9),
    st.sampled_from([3, 3, 3, SEEN_EXCHANGE, SEEN_LOCAL]),
    st.integers(0, 3),
)
PLACE = st.tuples(
    st.just("place"), SIDE, PRICE, st.integers(1, 9), st.integers(0, 9), st.integers(0, 3)
)
CANCEL = st.tuples(st.just("cancel"), st.integers(0, 11), st.integers(0, 3))
STORY = st.lists(st.one_of(EVENT, EVENT, PLACE, CANCEL), min_size=20, max_size=60)


def laid_out(story):
    """Return (events, commands [(time, move)]) of a story; an order's id is its number."""
    events, commands, now, orders = [], [], 100, 0
    for move in story:
        now += move[-1]
        if move[0] == "event":
            _, kind, asked, price, lots, seen, _ = move
            side = asked if asked or kind in {KIND_TRADE, KIND_CLEAR} else BUY
            events.append([kind, side, seen, now, now + 1, price, lots])
        elif move[0] == "place":
            orders += 1
            commands.append((now, ("place", orders, *move[1:-1])))
        elif orders:
            commands.append((now, ("cancel", move[1] % orders + 1)))
    return table(events), commands, now + 20


def told(machine, events, commands, end, *, watch=None):
    """Live through a story, and look after each command."""
    for now, (deed, order_id, *rest) in commands:
        machine.advance(events, now)
        if watch:
            watch(machine)
        if deed == "place":
            side, price, lots, luck = rest
            machine.submit(order_id, side, price, lots, now, taker=luck == 0)
        else:
            machine.cancel(order_id, now)
    machine.advance(events, end)
    if watch:
        watch(machine)
    return machine


@settings(max_examples=300, deadline=None)
@given(STORY)
def test_reports_and_queues_agree_with_the_lot_by_lot_twin(story):
    """Every report, byte for byte, and every order's place in its line."""
    events, commands, end = laid_out(story)
    fast = told(Fast(), events, commands, end)
    slow = told(Exchange(3, 2), events, commands, end)
    assert fast.said() == slow.reports
    assert fast.ahead() == {one.order_id: one.ahead for one in slow.orders if one.resting}


@settings(max_examples=100, deadline=None)
@given(STORY)
def test_looking_more_often_changes_nothing(story):
    """One long advance and many short ones give the same reports."""
    events, commands, end = laid_out(story)
    fast = told(Fast(), events, commands, end)
    often = Fast()
    waiting = list(commands)
    for now in range(100, end + 1):
        often.advance(events, now)
        while waiting and waiting[0][0] == now:
            told(often, events, [waiting.pop(0)], now)
    assert often.said() == fast.said()


@settings(max_examples=150, deadline=None)
@given(STORY)
def test_the_laws_of_fills(story):
    """Parts sum to the order, the queue only falls, nothing fills after its end, lots once."""
    events, commands, end = laid_out(story)
    places = {}

    def watch(machine):
        for order_id, ahead in machine.ahead().items():
            assert 0 <= ahead <= places.get(order_id, ahead)
            places[order_id] = ahead

    said = told(Fast(), events, commands, end, watch=watch).said()
    wanted = {move[1]: move[4] for _, move in commands if move[0] == "place"}
    taker = {move[1] for _, move in commands if move[0] == "place" and move[5] == 0}
    done, over, used = dict.fromkeys(wanted, 0), {}, {}
    for report in said:
        order_id, kind = report[REPORT_ORDER_ID], report[REPORT_KIND]
        if kind == REPORT_FILL:
            assert order_id not in over
            done[order_id] += report[REPORT_LOTS]
            assert done[order_id] <= wanted[order_id]
            if order_id not in taker:
                at = report[REPORT_EXCH_NS]
                used[at] = used.get(at, 0) + report[REPORT_LOTS]
        elif kind in {REPORT_CANCELLED, REPORT_REJECTED}:
            over[order_id] = kind
            assert done[order_id] + report[REPORT_LOTS] == wanted[order_id]
        assert report[REPORT_VISIBLE_NS] == report[REPORT_EXCH_NS] + 2
    for at, lots in used.items():
        assert lots <= events[events[:, 3] == at, 6].sum()
    assert [report[REPORT_EXCH_NS] for report in said] == sorted(r[REPORT_EXCH_NS] for r in said)


@settings(max_examples=80, deadline=None)
@given(STORY)
def test_the_mirror_image_gives_mirrored_fills(story):
    """Sides swapped and prices reflected: neither side is favoured."""
    mirrored = []
    for move in story:
        if move[0] == "event":
            deed, kind, side, price, *rest = move
            side = side if side or kind in {KIND_TRADE, KIND_CLEAR} else BUY
            mirrored.append((deed, kind, -side, 200 - price, *rest))
        elif move[0] == "place":
            mirrored.append(("place", -move[1], 200 - move[2], *move[3:]))
        else:
            mirrored.append(move)
    straight = told(Fast(), *laid_out(story)).said()
    turned = told(Fast(), *laid_out(mirrored)).said()
    back = [
        (kind, who, -side, 200 - price if side else 0, *rest)
        for kind, who, side, price, *rest in turned
    ]
    assert back == straight
