"""Our orders at the exchange, told as plays that a trader can check by hand.

Every play is acted twice: over its events, and over the tape of them.
"""

import pytest

from market.layout import (
    BUY,
    KIND_CLEAR,
    KIND_DEPTH,
    KIND_SNAPSHOT,
    KIND_TRADE,
    REPORT_ACCEPTED,
    REPORT_FILL,
    REPORT_KIND,
    REPORT_ORDER_ID,
    REPORT_VISIBLE_NS,
    SEEN_LOCAL,
    SELL,
)
from tests.market.exchange_side import Fast, Taped, table
from tests.market.plays import play


def test_an_order_waits_behind_what_was_there_before_it():
    """The queue is eaten first, then we are."""
    play("""
        bid 5 @ 99
        buy A 3 @ 99
        sold 4 @ 99
        sold 2 @ 99 -> A filled 1 @ 99
        sold 9 @ 99 -> A filled 2 @ 99
    """)


def test_a_shrinking_level_brings_us_forward_and_a_growing_one_does_not_push_us_back():
    """Who leaves may have stood before us only as far as the level shows it."""
    play("""
        bid 5 @ 99
        buy A 3 @ 99
        bid 2 @ 99
        bid 50 @ 99
        sold 2 @ 99
        sold 1 @ 99 -> A filled 1 @ 99
    """)


def test_a_print_through_our_price_fills_us_up_to_its_volume():
    """The queue at our price is gone once the trade is beyond it."""
    play("""
        bid 5 @ 99
        buy A 3 @ 99
        sold 2 @ 98 -> A filled 2 @ 99
        sold 1 @ 99 -> A filled 1 @ 99
    """)


def test_an_ask_that_comes_to_rest_at_our_bid_fills_us_up_to_its_size():
    """Only what is newly posted there counts, and only once."""
    play("""
        bid 5 @ 99
        buy A 9 @ 99
        ask 2 @ 99 -> A filled 2 @ 99
        ask 2 @ 99
        ask 5 @ 99 -> A filled 3 @ 99
        ask 1 @ 99
    """)


def test_liquidity_posted_behind_the_best_price_does_not_reach_us():
    """An ask at 98 meets our bid of 99 first; what then joins at 99 stands behind it."""
    play("""
        buy A 9 @ 99
        ask 2 @ 98 -> A filled 2 @ 99
        ask 5 @ 99
        ask 3 @ 98 -> A filled 1 @ 99
    """)


def test_one_traded_lot_fills_one_order_best_price_first():
    """Ten lots for twelve wanted: the better price has its fill, the other the rest."""
    play("""
        sell A 6 @ 103
        sell B 6 @ 102
        bought 10 @ 103 -> B filled 6 @ 102, A filled 4 @ 103
    """)


def test_the_earlier_order_at_a_price_fills_first():
    """Time beats size inside one price level."""
    play("""
        buy A 2 @ 99
        buy B 5 @ 99
        sold 3 @ 99 -> A filled 2 @ 99, B filled 1 @ 99
    """)


def test_those_who_queued_between_two_of_our_orders_are_served_between_them():
    """Two before A, four more before B: twelve lots serve A and then B, nine leave B nothing."""
    for sold, told in ((9, "A filled 3 @ 99"), (12, "A filled 3 @ 99, B filled 3 @ 99")):
        play(f"""
            bid 2 @ 99
            buy A 3 @ 99
            bid 6 @ 99
            buy B 3 @ 99
            sold {sold} @ 99 -> {told}
        """)


def test_a_print_by_the_other_aggressor_does_not_touch_us():
    """A buyer lifts asks, not our bid."""
    play("""
        buy A 2 @ 99
        bought 9 @ 99
    """)


def test_a_post_only_order_that_would_cross_is_rejected():
    """At the ask it would take; one tick below it rests."""
    play("""
        ask 4 @ 101
        buy A 2 @ 101 -> A rejected 2 @ 101
        buy B 2 @ 100
    """)


def test_a_cancel_takes_effect_on_arrival_and_a_fill_before_it_stands():
    """Between sending and arrival the order is still there."""
    play("""
        buy A 4 @ 99
        sold 1 @ 99 -> A filled 1 @ 99
        cancel A -> A cancelled 3 @ 99
        sold 9 @ 99
    """)


def test_a_cancel_that_comes_too_late_is_told_so():
    """The order was filled before, whether we knew it or not."""
    play("""
        buy A 2 @ 99
        sold 9 @ 99 -> A filled 2 @ 99
        cancel A -> A too late 0 @ 0
    """)


def test_a_flatten_walks_the_book_and_its_rest_is_cancelled():
    """Best price first, nothing beyond the limit, nothing stays."""
    play("""
        ask 2 @ 101
        ask 3 @ 103
        ask 9 @ 105
        take A 9 @ 104 -> A filled 2 @ 101, A filled 3 @ 103, A cancelled 4 @ 104
    """)


def live(rows, orders, end=120, **told):
    """Both machines after a day of event rows and orders (id, side, price, lots, time)."""
    for kind in (Fast, Taped):
        machine = kind(table(rows), **told)
        for order_id, side, price, lots, now in orders:
            machine.advance(now)
            machine.submit(order_id, side, price, lots, now)
        machine.advance(end)
        yield machine


def test_a_lost_connection_does_not_bring_us_to_the_front():
    """A clear says that we do not know, not that the queue left."""
    rows = [
        [KIND_DEPTH, BUY, 3, 100, 100, 99, 5],
        [KIND_CLEAR, 0, 3, 110, 110, 0, 0],
        [KIND_SNAPSHOT, BUY, 3, 110, 110, 99, 9],
        [KIND_TRADE, SELL, 3, 111, 111, 99, 5],
    ]
    for machine in live(rows, [(1, BUY, 99, 2, 101)]):
        assert machine.ahead() == {1: 0}
        assert len(machine.said()) == 1


def test_a_later_order_never_passes_an_earlier_one_at_its_price():
    """The level looks empty after a lost connection; the earlier order's queue still stands."""
    rows = [[KIND_DEPTH, BUY, 3, 100, 100, 99, 5], [KIND_CLEAR, 0, 3, 110, 110, 0, 0]]
    for machine in live(rows, [(1, BUY, 99, 2, 101), (2, BUY, 99, 2, 111)]):
        assert machine.ahead() == {1: 5, 2: 5}


def test_what_arrives_with_an_event_comes_after_it():
    """We cannot have been there first."""
    rows = [
        [KIND_TRADE, SELL, 3, 105, 105, 98, 9],
        [KIND_DEPTH, BUY, 3, 105, 105, 99, 4],
        [KIND_TRADE, SELL, 3, 110, 110, 99, 4],
    ]
    for machine in live(rows, [(1, BUY, 99, 2, 100)], order_delay=5):
        assert [report[REPORT_KIND] for report in machine.said()] == [REPORT_ACCEPTED]
        assert machine.ahead() == {1: 0}


def test_an_event_for_the_local_clock_alone_fills_nothing():
    """The exchange has its own tape."""
    rows = [[KIND_TRADE, SELL, SEEN_LOCAL, 110, 110, 98, 9]]
    for machine in live(rows, [(1, BUY, 99, 2, 100)]):
        assert [report[REPORT_KIND] for report in machine.said()] == [REPORT_ACCEPTED]


@pytest.mark.parametrize(("side", "price", "ours"), [(0, 99, BUY), (0, 101, SELL), (0, 100, None)])
def test_an_unknown_aggressor_is_told_from_the_touch(side, price, ours):
    """At the bid it sold, at the ask it bought, between them nobody knows."""
    rows = [
        [KIND_DEPTH, BUY, 3, 90, 90, 99, 1],
        [KIND_DEPTH, SELL, 3, 90, 90, 101, 1],
        [KIND_TRADE, side, 3, 110, 110, price, 9],
    ]
    hit = {BUY: {1}, SELL: {2}, None: set()}[ours]
    for machine in live(rows, [(1, BUY, 100, 5, 95), (2, SELL, 101, 5, 95)]):
        said = machine.said()
        assert {r[REPORT_ORDER_ID] for r in said if r[REPORT_KIND] == REPORT_FILL} == hit
        assert len(said) == 2 + len(hit)


def test_the_newer_of_two_orders_that_would_meet_is_refused():
    """The guard withholds such; this is the second wall, and it holds for a flatten too."""
    play("""
        buy A 2 @ 99
        sell B 2 @ 99 -> B refused 2 @ 99
        sell C 2 @ 98 -> C refused 2 @ 98
        sell D 2 @ 100
        ask 5 @ 101
        take E 2 @ 101 -> E refused 2 @ 101
    """)


def test_an_order_below_the_smallest_one_is_refused():
    """The exchange's filters, with a report like any other."""
    play(
        """
        buy A 2 @ 99 -> A refused 2 @ 99
        buy B 3 @ 99
    """,
        least=3,
    )


def test_a_cancel_never_overtakes_its_own_order():
    """Sent after it over a faster line, it takes effect as soon as there is something to cancel."""
    play(
        """
        buy A 2 @ 99
        cancel A
        bid 1 @ 98 -> A cancelled 2 @ 99
    """,
        order_delay=12,
        cancel_delay=1,
    )


def test_a_cancel_may_overtake_the_next_order():
    """Each kind has its own delay: a slow order waits while a fast cancel is done."""
    play(
        """
        buy A 2 @ 99
        bid 9 @ 97
        bid 9 @ 98
        buy B 2 @ 99
        cancel A -> A cancelled 2 @ 99
        sold 2 @ 98
        sold 2 @ 98 -> B filled 2 @ 99
    """,
        order_delay=10,
        cancel_delay=1,
    )


def test_no_report_overtakes_the_one_before_it():
    """A slow answer holds the faster one behind it back."""
    machine = Fast(table([[KIND_TRADE, SELL, 3, 108, 108, 99, 1]]))
    machine.delays = machine.delays.copy()
    machine.delays[:15, 1], machine.delays[15:, 1] = 20, 1
    machine.advance(100)
    machine.submit(1, BUY, 99, 2, 100)
    machine.advance(120)
    assert [report[REPORT_VISIBLE_NS] for report in machine.said()] == [123, 123]
