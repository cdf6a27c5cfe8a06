"""How long orders stood at the exchange, on both sides at once, as far as reports tell.

An order stands from the step that sent it to the step at which it was reported gone, or filled
whole; one that the venue rejected never stood.
"""

import numpy as np

from desk.report.columns import Columns
from desk.report.history import History
from market.types import I8


def filled_orders(history: History) -> int:
    """Return how many orders had at least one fill."""
    return len(np.unique(history.fills["order_id"]))


def quoted_shares(history: History) -> tuple[float, float]:
    """Return the shares of the span with orders on both sides, and on at least one."""
    begun, gone, sides = lives(history)
    times = np.concatenate((begun, gone))
    order = np.argsort(times, kind="stable")
    times = np.append(times[order], history.until_ns)
    counts = []
    for side in (1, -1):
        mine = (sides == side).astype(np.int64)
        counts.append(np.cumsum(np.concatenate((mine, -mine))[order]))
    lengths = np.diff(times)
    span = float(history.until_ns - history.since_ns)
    both = (counts[0] > 0) & (counts[1] > 0)
    some = (counts[0] > 0) | (counts[1] > 0)
    return float(np.sum(lengths[both])) / span, float(np.sum(lengths[some])) / span


def lives(history: History) -> tuple[I8, I8, I8]:
    """Return begin, end and side of every order, in the order of their ids."""
    orders, fills, ended = history.orders, history.fills, history.ended
    ids = orders["order_id"]
    gone = np.full(len(ids), history.until_ns, dtype=np.int64)
    filled = np.zeros(len(ids), dtype=np.int64)
    last = np.zeros(len(ids), dtype=np.int64)
    at, known = _places(ids, fills)
    np.add.at(filled, at, fills["quantity"][known])
    np.maximum.at(last, at, fills["time_ns"][known])
    whole = filled >= orders["quantity"]
    gone[whole] = last[whole]
    at, known = _places(ids, ended)
    np.minimum.at(gone, at, ended["time_ns"][known])
    return orders["time_ns"], np.maximum(gone, orders["time_ns"]), orders["side"]


def _places(ids: I8, rows: Columns) -> tuple[I8, I8]:
    """Return where the orders of rows stand among `ids`, and which rows have such an order."""
    wanted = rows["order_id"]
    if len(ids) == 0:
        return wanted[:0], wanted[:0]
    at = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    known = np.flatnonzero(ids[at] == wanted)
    return at[known], known


def watched(history: History) -> tuple[float, int, float]:
    """Return uptime, how many decisions were made, and the seconds between two as a rule.

    Uptime is the share of the span in which decision followed decision: what a gap exceeds the
    rule by is down time.
    """
    times = history.cycles["time_ns"]
    gaps = np.diff(times)
    usual = float(np.median(gaps))
    missed = float(np.sum(np.maximum(gaps[gaps > 1.5 * usual] - usual, 0.0)))
    return 1.0 - missed / float(times[-1] - times[0]), len(times) - 1, usual / 1e9
