"""Requests on their way: who comes first, who waits, what is visible when."""

import numpy as np

from exchange.simulated.commands import Cancel
from exchange.simulated.parameters import read_place
from exchange.simulated.refusals import Refusal
from tests.exchange.simulated.plays import Stage

MS = 10**6


def delays(order_ms=0, response_ms=0, cancel_ms=0):
    """One row of delays."""
    return np.array([order_ms * MS, response_ms * MS, cancel_ms * MS])


class Road(Stage):
    """A stage on which requests are on their way for a while."""

    def send(self, who, words, row):
        """Send a request now; return its number."""
        self.ticket += 1
        first, *rest = words.split()
        if first == "cancel":
            command = Cancel(None, rest[0][1:], "c")
        else:
            command = read_place(self.order([first, *rest]), {self.instrument.symbol}, "made")
        told = {"now_ns": self.now_ns, "delays": row}
        self.core.receive(self.accounts[who], self.ticket, command, **told)
        return self.ticket

    def after(self, milliseconds, row):
        """Live on; return (number, answer, when it is visible) of the requests answered."""
        self.now_ns += milliseconds * MS
        found = self.core.advance(self.now_ns, row)
        return [
            (each.ticket, self.told_as(each.told), each.visible_ns)
            for each in found
            if each.ticket is not None
        ]


def test_an_order_arrives_after_its_delay_and_its_answer_comes_later_still():
    """Nothing happens before it arrives; the answer is visible a response delay after that."""
    road, row = Road(), delays(20, 5)
    road.send("A", "BUY LIMIT_MAKER 0.10 @ 99.95 #a", row)
    sent_ns = road.now_ns
    assert road.after(19, row) == []
    assert not road.accounts["A"].open
    assert road.after(1, row) == [(1, "NEW", sent_ns + 25 * MS)]


def test_requests_of_one_kind_do_not_overtake_each_other():
    """A faster road changes nothing for who was sent before."""
    road = Road()
    road.send("A", "BUY LIMIT_MAKER 0.10 @ 99.95 #a", delays(50))
    road.send("A", "BUY LIMIT_MAKER 0.10 @ 99.94 #b", delays(0))
    assert road.after(49, delays()) == []
    assert [number for number, *_ in road.after(1, delays())] == [1, 2]


def test_answers_of_an_account_do_not_overtake_each_other():
    """A faster way back waits for what went before."""
    road = Road()
    road.send("A", "BUY LIMIT_MAKER 0.10 @ 99.95 #a", delays())
    (_, _, first_ns) = road.after(0, delays(0, 100))[0]
    road.send("A", "BUY LIMIT_MAKER 0.10 @ 99.94 #b", delays())
    assert road.after(1, delays())[0][2] == first_ns


def test_at_one_instant_cancels_come_first():
    """An order that is cancelled at the instant at which another would meet it is gone."""
    road = Road()
    road.do("A", "SELL LIMIT_MAKER 0.10 @ 100.00 #ask")
    road.send("B", "BUY LIMIT 0.10 @ 100.00 IOC", delays(10))
    road.send("A", "cancel #ask", delays(0, 0, 10))
    answers = road.after(10, delays())
    assert [told for _, told, _ in answers] == ["CANCELED", "EXPIRED"]


def test_a_cancel_that_is_faster_than_its_order_rides_with_it():
    """It ends the order as it arrives, as in a replay; one for another name finds nothing."""
    road = Road()
    road.send("A", "BUY LIMIT_MAKER 0.10 @ 99.95 #a", delays(50))
    road.send("A", "cancel #a", delays(0, 0, 10))
    road.send("A", "cancel #b", delays(0, 0, 10))
    assert [told for _, told, _ in road.after(49, delays())] == ["-2011"]
    assert [told for _, told, _ in road.after(1, delays())] == ["NEW", "CANCELED"]
    assert not road.accounts["A"].open


def test_a_refusal_is_an_answer_like_any_other():
    """It takes as long as a yes."""
    road, row = Road(), delays(20, 5)
    number = road.send("A", "BUY LIMIT_MAKER 0.10 @ 100.10", row)
    sent_ns = road.now_ns
    assert road.after(20, row) == [(number, "-2010", sent_ns + 25 * MS)]
    assert isinstance(road.told_as(Refusal(-1, "")), str)
