"""Our orders at the exchange, told as plays that a trader can check by hand."""

import pytest

from market import fills
from market.fills import METER_READ, METER_WRITTEN
from market.layout import (
    BUY,
    KIND_CLEAR,
    KIND_DEPTH,
    KIND_SNAPSHOT,
    KIND_TRADE,
    ORDERS_MAX,
    REPORT_ACCEPTED,
    REPORT_CANCEL_REJECTED,
    REPORT_CANCELLED,
    REPORT_FILL,
    REPORT_KIND,
    REPORT_ORDER_ID,
    REPORT_REJECTED,
    REPORTS_MAX,
    SEEN_LOCAL,
    SELL,
)
from tests.market.exchange_side import Fast, table

WORDS = {
    REPORT_ACCEPTED: "accepted", REPORT_REJECTED: "rejected", REPORT_FILL: "filled",
    REPORT_CANCELLED: "cancelled", REPORT_CANCEL_REJECTED: "too late",
}  # fmt: skip


def play(text, **delays):
    """Tell a market day in lines and compare what the exchange says with what the lines expect.

    `bid 3 @ 99` and `ask 3 @ 101` set a level, `sold 2 @ 99` and `bought 2 @ 101` are prints,
    `buy A 2 @ 99`, `sell A 2 @ 101`, `take A 2 @ 101` (buys at once) and `cancel A` are ours.
    What follows `->` is what our orders hear by the next line.
    """
    machine, ids, rows, now = Fast(**{"order_delay": 1, "response_delay": 1} | delays), {}, [], 100
    heard = 0
    for line in (raw.strip() for raw in text.strip().splitlines()):
        deed, _, expected = (part.strip() for part in line.partition("->"))
        word, *rest = deed.replace("@", " ").split()
        if word in {"bid", "ask", "sold", "bought"}:
            lots, price = (int(figure) for figure in rest)
            kind = KIND_DEPTH if word in {"bid", "ask"} else KIND_TRADE
            side = BUY if word in {"bid", "bought"} else SELL
            rows.append([kind, side, 3, now, now, price, lots])
        elif word == "cancel":
            assert machine.cancel(ids[rest[0]], now) in {fills.OK, fills.UNKNOWN_ORDER}
        else:
            ids[rest[0]] = len(ids) + 1
            side = SELL if word == "sell" else BUY
            lots, price = int(rest[1]), int(rest[2])
            assert (
                machine.submit(len(ids), side, price, lots, now, taker=word == "take") == fills.OK
            )
        now += 5
        machine.advance(table(rows), now - 1)
        said = machine.said()[heard:]
        heard += len(said)
        names = {number: name for name, number in ids.items()}
        words = [f"{names[r[1]]} {WORDS[r[0]]} {r[4]} @ {r[3]}" for r in said]
        words = [text for text in words if "accepted" not in text]
        assert ", ".join(words) == expected, line


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


def test_a_lost_connection_does_not_bring_us_to_the_front():
    """A clear says that we do not know, not that the queue left."""
    machine = Fast()
    rows = [[KIND_DEPTH, BUY, 3, 100, 100, 99, 5]]
    machine.submit(1, BUY, 99, 2, 101)
    rows += [
        [KIND_CLEAR, 0, 3, 110, 110, 0, 0],
        [KIND_SNAPSHOT, BUY, 3, 110, 110, 99, 9],
        [KIND_TRADE, SELL, 3, 111, 111, 99, 5],
    ]
    machine.advance(table(rows), 120)
    assert machine.ahead() == {1: 0}
    assert len(machine.said()) == 1


def test_a_later_order_never_passes_an_earlier_one_at_its_price():
    """The level looks empty after a lost connection; the earlier order's queue still stands."""
    machine = Fast()
    rows = [[KIND_DEPTH, BUY, 3, 100, 100, 99, 5], [KIND_CLEAR, 0, 3, 110, 110, 0, 0]]
    machine.submit(1, BUY, 99, 2, 101)
    machine.advance(table(rows), 111)
    machine.submit(2, BUY, 99, 2, 111)
    machine.advance(table(rows), 120)
    assert machine.ahead() == {1: 5, 2: 5}


def test_what_arrives_with_an_event_comes_after_it():
    """We cannot have been there first."""
    machine = Fast(order_delay=5)
    machine.submit(1, BUY, 99, 2, 100)
    rows = [[KIND_TRADE, SELL, 3, 105, 105, 98, 9], [KIND_DEPTH, BUY, 3, 105, 105, 99, 4]]
    machine.advance(table(rows), 105)
    assert [report[REPORT_KIND] for report in machine.said()] == [REPORT_ACCEPTED]
    assert machine.ahead() == {1: 4}


def test_an_event_for_the_local_clock_alone_fills_nothing():
    """The exchange has its own tape."""
    machine = Fast()
    machine.submit(1, BUY, 99, 2, 100)
    machine.advance(table([[KIND_TRADE, SELL, SEEN_LOCAL, 110, 110, 98, 9]]), 120)
    assert [report[REPORT_KIND] for report in machine.said()] == [REPORT_ACCEPTED]


def test_a_full_table_refuses_the_next_order():
    """A bound and a code, never a crash."""
    machine = Fast()
    for number in range(ORDERS_MAX):
        assert machine.submit(number + 1, BUY, 99, 1, 100) == fills.OK
    assert machine.submit(999, BUY, 99, 1, 100) == fills.FULL
    assert machine.cancel(998, 100) == fills.FULL
    assert machine.meter[fills.METER_OVERFLOW] == 1  # the cancel of a gone order is no loss
    machine.cancel(7, 100)
    machine.advance(table([]), 110)
    assert machine.submit(999, BUY, 99, 1, 110) == fills.OK


def test_an_unread_ring_is_counted_when_it_runs_over():
    """The reader can tell that it is missing something."""
    machine = Fast()
    machine.submit(1, BUY, 99, 10_000, 100)
    rows = [[KIND_TRADE, SELL, 3, 110 + at, 110 + at, 99, 1] for at in range(REPORTS_MAX + 5)]
    waiting = machine.advance(table(rows), 10_000)
    assert waiting == REPORTS_MAX + 6
    assert machine.meter[fills.METER_OVERFLOW] == 6


@pytest.mark.parametrize(("side", "price", "ours"), [(0, 99, BUY), (0, 101, SELL), (0, 100, None)])
def test_an_unknown_aggressor_is_told_from_the_touch(side, price, ours):
    """At the bid it sold, at the ask it bought, between them nobody knows."""
    machine = Fast()
    rows = [[KIND_DEPTH, BUY, 3, 90, 90, 99, 1], [KIND_DEPTH, SELL, 3, 90, 90, 101, 1]]
    machine.advance(table(rows), 95)
    machine.submit(1, BUY, 100, 5, 95)
    machine.submit(2, SELL, 101, 5, 95)
    rows += [[KIND_TRADE, side, 3, 110, 110, price, 9]]
    machine.advance(table(rows), 120)
    hit = {BUY: {1}, SELL: {2}, None: set()}[ours]
    assert {r[REPORT_ORDER_ID] for r in machine.said() if r[REPORT_KIND] == REPORT_FILL} == hit
    assert machine.meter[METER_WRITTEN] - machine.meter[METER_READ] == 2 + len(hit)
