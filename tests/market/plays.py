"""Tells a market day in lines, and lets both exchange sides act it."""

import numpy as np

from market.layout import (
    BUY,
    KIND_DEPTH,
    KIND_TRADE,
    REPORT_ACCEPTED,
    REPORT_CANCEL_REJECTED,
    REPORT_CANCELLED,
    REPORT_FILL,
    REPORT_REFUSED,
    REPORT_REJECTED,
    SELL,
)
from market.queueing import fill_model
from tests.market.exchange_side import Fast, Taped, scale_of, table

WORDS = {
    REPORT_ACCEPTED: "accepted", REPORT_REJECTED: "rejected", REPORT_FILL: "filled",
    REPORT_CANCELLED: "cancelled", REPORT_CANCEL_REJECTED: "too late", REPORT_REFUSED: "refused",
}  # fmt: skip
MARKET = {"bid", "ask", "sold", "bought"}
LINE_NS = 5


def lines_of(text):
    """The lines of a play: (deed, what our orders hear)."""
    for line in text.strip().splitlines():
        deed, _, heard = (part.strip() for part in line.partition("->"))
        yield deed.replace("@", " ").split(), heard


def events_of(text):
    """The market of a play: (events, born), a line every five nanoseconds."""
    rows, born = [], []
    for number, ((word, *rest), _) in enumerate(lines_of(text)):
        if word in MARKET:
            lots, price = (int(figure) for figure in rest[:2])
            kind = KIND_DEPTH if word in {"bid", "ask"} else KIND_TRADE
            side = BUY if word in {"bid", "bought"} else SELL
            now = 100 + LINE_NS * number
            born.append(int(rest[2][1:]) if len(rest) > 2 else len(rows))
            rows.append([kind, side, 3, now, now, price, lots])
    return table(rows), born


def act(machine, text):
    """Let a machine live through a play and compare what it says."""
    ids, heard = {}, 0
    for number, ((word, *rest), expected) in enumerate(lines_of(text)):
        now = 100 + LINE_NS * number
        machine.advance(now)
        if word == "cancel":
            machine.cancel(ids[rest[0]], now)
        elif word not in MARKET:
            ids[rest[0]] = len(ids) + 1
            side = SELL if word == "sell" else BUY
            lots, price = int(rest[1]), int(rest[2])
            machine.submit(len(ids), side, price, lots, now, taker=word == "take")
        machine.advance(now + LINE_NS - 1)
        said = machine.said()[heard:]
        heard += len(said)
        names = {number: name for name, number in ids.items()}
        words = [f"{names[r[1]]} {WORDS[r[0]]} {r[4]} @ {r[3]}" for r in said]
        words = [text for text in words if "accepted" not in text]
        assert ", ".join(words) == expected, f"{type(machine).__name__}: {word} {rest}"


def play(text, model="risk-averse", *, least=1, **delays):
    """Tell a market day in lines and compare what the exchange says with what the lines expect.

    `bid 3 @ 99` and `ask 3 @ 101` set a level (`bid 3 @ 99 #0`: by the order of event 0),
    `sold 2 @ 99` and `bought 2 @ 101` are prints, `buy A 2 @ 99`, `sell A 2 @ 101`,
    `take A 2 @ 101` (buys at once) and `cancel A` are ours. What follows `->` is what our orders
    hear by the next line.
    """
    events, born = events_of(text)
    told = {"order_delay": 1, "response_delay": 1} | delays
    told |= {"model": fill_model(model), "scale": scale_of(least)}
    told["born"] = np.array(born, dtype=np.int32)
    for kind in (Fast, Taped):
        act(kind(events, **told), text)
