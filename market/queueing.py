"""Fill models: where one of our orders stands in its line, as numbers and as kernels over them.

A model is a row of numbers, so that one compiled kernel serves them all. One order's place is a
row of `queue`. What reaches the market, and when, is `fills.py` and `tape_fills.py`; this file
knows one price level and one order.

| name          | how lots ahead of us go away                                        | source |
| ------------- | ------------------------------------------------------------------- | ------ |
| risk-averse   | prints at our price; no more than the level holds                   | [1]    |
| power         | and cancels, behind us with f(back) / (f(back) + f(front)), f = x^n | [1, 2] |
| power-share   | and cancels, behind us with f(back) / f(back + front), f = x^n      | [1]    |
| power-front   | and cancels, behind us with 1 - f(front / (front + back)), f = x^n  | [1]    |
| log           | as `power` with f = log(1 + x)                                      | [1]    |
| log-share     | as `power-share` with f = log(1 + x)                                | [1]    |
| fifo          | each order by its own birth; without order ids: as risk-averse      | [3]    |
| trade-through | never: prints beyond us, lots posted against us; a lower bound      | [4]    |
| touch         | nobody is ever ahead: any print at our price; an upper bound        | [4]    |

[1] hftbacktest, "Order Fill" and "Queue Models" (hftbacktest.readthedocs.io, order_fill.html):
RiskAdverseQueueModel, ProbQueueModel with PowerProbQueueFunc, -Func2, -Func3, LogProbQueueFunc
and LogProbQueueFunc2.
[2] E. Rigtorp, "Estimating order queue position", 2013 (rigtorp.se/2013/06/08): the lots behind
and before us, f(V) / (f(V) + f(Q)), and dV+ = max(dV + traded, 0); from
quant.stackexchange.com/questions/3782.
[3] hftbacktest, L3FIFOQueueModel: price and time priority over a market-by-order feed.
[4] The two ends between which every model must lie.
"""

import math

import numpy as np

from market.jit import kernel
from market.types import F8

# --- a fill model: f8[MODEL_COLUMNS] --------------------------------------------------------
MODEL_KIND = 0  # place in MODEL_NAMES
MODEL_POWER = 1  # n of f(x) = x^n
MODEL_UNIT = 2  # what one lot counts in f(x) = log(1 + x)
MODEL_COLUMNS = 3

MODEL_NAMES = (
    "risk-averse",
    "power",
    "power-share",
    "power-front",
    "log",
    "log-share",
    "fifo",
    "trade-through",
    "touch",
)
RISK_AVERSE, POWER, POWER_SHARE, POWER_FRONT, LOG, LOG_SHARE, FIFO, TRADE_THROUGH, TOUCH = range(9)
POWERED = (POWER, POWER_SHARE, POWER_FRONT)

# --- where one order stands: f8[QUEUE_COLUMNS] ----------------------------------------------
QUEUE_AHEAD = 0  # lots before us at our price; >= 0, whole but for the probability models
QUEUE_TRADED = 1  # lots printed there since the level last changed: its next change shows them
QUEUE_CUT = 2  # events the exchange had read when we arrived: who was born earlier is before us
QUEUE_COLUMNS = 3
NO_BIRTH = 1 << 62  # of an order without an id: `fifo` takes it for one behind us


def fill_model(name: str = "power", *, power: float = 4.0, unit: float = 1.0) -> F8:
    """Build f8[MODEL_COLUMNS].

    Args:
        name: one of MODEL_NAMES; `name:n` gives the power with it, as in `power:2.5`.
        power: n of the power models, in (0, 100]; the others do not look at it.
        unit: base asset of one lot, for the log models, which are not free of scale: the lot size
            makes them the reference's, 1 measures in lots.

    Raises:
        ValueError: no such model, or a power or unit out of range.
    """
    kind, colon, told = name.partition(":")
    if kind not in MODEL_NAMES or (colon and MODEL_NAMES.index(kind) not in POWERED):
        powers = ", ".join(MODEL_NAMES[each] for each in POWERED)
        raise ValueError(
            f"fill model must be one of {', '.join(MODEL_NAMES)}, with a power only after {powers} "
            f"(as in power:3); found {name!r}"
        )
    if colon:
        try:
            power = float(told)
        except ValueError:
            power = math.nan
    if not 0.0 < power <= 100.0 or not 0.0 < unit < math.inf:
        raise ValueError(
            f"fill model needs a power in (0, 100] and a unit above 0, found {name!r} with power "
            f"{power} and unit {unit}"
        )
    row = np.zeros(MODEL_COLUMNS)
    row[MODEL_KIND] = MODEL_NAMES.index(kind)
    row[MODEL_POWER] = power if MODEL_NAMES.index(kind) in POWERED else 0.0
    row[MODEL_UNIT] = unit
    return row


def model_text(model: F8) -> str:
    """Return the text from which `fill_model` makes a model again (but for its unit)."""
    kind = int(model[MODEL_KIND])
    return MODEL_NAMES[kind] + (f":{model[MODEL_POWER]:g}" if kind in POWERED else "")


@kernel
def share_behind(model: F8, front: float, back: float) -> float:
    """Return the share of a cancelled lot that stood behind us, in [0, 1].

    The reference divides f by f: 0 / 0 with an empty level, and infinity by infinity with a large
    power. The ratios here cannot do either, given front > 0.

    Args:
        model: f8[MODEL_COLUMNS] of a probability model.
        front: lots before us, > 0.
        back: lots behind us, >= 0.
    """
    kind = model[MODEL_KIND]
    if back <= 0.0:
        return 0.0
    if kind == POWER:
        return float(1.0 / (1.0 + (front / back) ** model[MODEL_POWER]))
    if kind == POWER_SHARE:
        return float((back / (back + front)) ** model[MODEL_POWER])
    if kind == POWER_FRONT:
        return float(1.0 - (front / (front + back)) ** model[MODEL_POWER])
    unit = model[MODEL_UNIT]
    behind = math.log1p(back * unit)
    if kind == LOG:
        return behind / (behind + math.log1p(front * unit))
    return behind / math.log1p((back + front) * unit)


@kernel
def join(model: F8, queue: F8, level_lots: float, cut: int) -> None:
    """Take our place behind all that a level holds.

    Args:
        model: f8[MODEL_COLUMNS].
        queue: f8[QUEUE_COLUMNS], written.
        level_lots: the level's total as we arrive.
        cut: events of the exchange until then.
    """
    queue[QUEUE_AHEAD] = 0.0 if model[MODEL_KIND] == TOUCH else level_lots
    queue[QUEUE_TRADED] = 0.0
    queue[QUEUE_CUT] = cut


@kernel
def trade(model: F8, queue: F8, lots: float, printed: float) -> float:
    """Let a print at our price eat from the line before us; return the lots that pass.

    Args:
        model: f8[MODEL_COLUMNS].
        queue: f8[QUEUE_COLUMNS], changed.
        lots: what of the print comes this far: less what orders of ours before this one took.
        printed: the whole print. The recorded level falls by all of it, since our orders did not
            stand there, so all of it is kept to be told from cancels when the level changes.
    """
    queue[QUEUE_TRADED] += printed
    if model[MODEL_KIND] == TRADE_THROUGH:
        return 0.0
    gone = min(lots, queue[QUEUE_AHEAD])
    queue[QUEUE_AHEAD] -= gone
    return float(lots - gone)


@kernel
def cross(model: F8, queue: F8, lots: float, beyond: bool) -> float:
    """Let lots through that traded beyond our price, or came to rest at or beyond it.

    Nobody can be before us any more. Return the lots that pass.

    Args:
        model: f8[MODEL_COLUMNS].
        queue: f8[QUEUE_COLUMNS], changed.
        lots: what comes this far.
        beyond: false when they stand at our very price.
    """
    if model[MODEL_KIND] == TRADE_THROUGH and not beyond:
        return 0.0
    queue[QUEUE_AHEAD] = 0.0
    return lots


@kernel
def change(model: F8, queue: F8, before: float, after: float, born: int) -> None:
    """Take in a change of our level's total; we never fall back by it.

    A probability model with front x, back V - x and c = before - after - traded: a rise (c < 0)
    only caps x at the new total, a fall takes (1 - p) c from the front, and what the back cannot
    bear from the front too (ProbQueueModel, `depth`).

    Args:
        model: f8[MODEL_COLUMNS].
        queue: f8[QUEUE_COLUMNS], changed.
        before: the level's total before.
        after: and now.
        born: event that added the order which changed, or NO_BIRTH; `fifo` alone looks at it. The
            fall of an order before us is no news as far as prints have told it.
    """
    ahead = queue[QUEUE_AHEAD]
    kind = model[MODEL_KIND]
    if ahead <= 0.0 or kind == TRADE_THROUGH:
        return
    fallen = before - after
    if kind == FIFO:
        if fallen > 0.0 and born < queue[QUEUE_CUT]:
            told = min(fallen, queue[QUEUE_TRADED])
            queue[QUEUE_TRADED] -= told
            ahead = max(0.0, ahead - (fallen - told))
    elif kind != RISK_AVERSE:
        fallen -= queue[QUEUE_TRADED]
        queue[QUEUE_TRADED] = 0.0
        if fallen > 0.0:
            back = max(0.0, before - ahead)
            behind = share_behind(model, ahead, back)
            ahead += min(0.0, back - behind * fallen) - (1.0 - behind) * fallen
    queue[QUEUE_AHEAD] = max(0.0, min(ahead, after))
