"""The closed forms of market making, and the plan that the executor draws from one of them.

Here live the formulas; their inputs come from `calibration.py`, what is made of the depths stands
in `policy.py`. The executor's plan is a line in the position (Gueant, Lehalle, Fernandez-Tapia) and
speaks in units of `max_position`, so that all candidates share it. The others are measures to hold
a learner to: all take depths from mid, a position in orders, fills at A exp(-k depth).
"""

import math

import numpy as np

from market.jit import kernel
from market.layout import (
    PLAN_ASK,
    PLAN_BID,
    PLAN_DYNAMIC,
    PLAN_SLOPE,
    VIEW_DECAY_ASK,
    VIEW_DECAY_BID,
    VIEW_DRIFT,
    VIEW_INTENSITY_ASK,
    VIEW_INTENSITY_BID,
    VIEW_MID,
    VIEW_SIGMA,
)
from market.types import F8

TINY = 1e-12
FEE_EXPONENT = 2.0  # bound on |k x fee| where the fee thins the fills; beyond it skew explodes
DEPTH_TICKS_MAX = 1e9


@kernel
def closed_form(
    sigma: float, intensity: float, decay: float, aversion: float
) -> tuple[float, float]:
    """Return (c, s) of the closed-form depths for one order size.

    Gueant, Lehalle, Fernandez-Tapia 2013, "Dealing with the inventory risk", Math. Finan. Econ. 7,
    477-507 (arXiv 1105.3115), the asymptotic closed-form approximation:

        bid depth(q) = c + (2q + 1)/2 s      ask depth(q) = c - (2q - 1)/2 s
        c = ln(1 + g/k) / g                  s = sqrt(sigma^2 g / (2 k A) (1 + g/k)^(1 + k/g))

    q is the position in orders; fills arrive at A exp(-k depth) a second.

    Args:
        sigma: ticks per sqrt(second).
        intensity: A, per second.
        decay: k, per tick.
        aversion: g / k, dimensionless, so that one figure serves every tick size; g is per tick
            and order. As it goes to 0, c goes to 1/k and s to 0.

    Returns:
        (c, s), ticks.
    """
    rate = max(intensity, TINY)
    slope = max(decay, TINY)
    if aversion < TINY:
        return 1.0 / slope, 0.0
    spread = math.log1p(aversion) / (aversion * slope)
    power = math.exp((1.0 + 1.0 / aversion) * math.log1p(aversion))
    return spread, math.sqrt(sigma * sigma * aversion / (2.0 * rate) * power)


@kernel
def write_plan(
    view_row: F8,
    aversion: float,
    orders: float,
    fee: float,
    drift_share: float,
    plan_row: F8,
) -> None:
    """Write the depths of one step as a line in x = position / max_position.

    bid depth = PLAN_BID + PLAN_SLOPE x, ask depth = PLAN_ASK - PLAN_SLOPE x. A maker fee f moves
    the depth by f and thins the fills by exp(-k f): earning (depth - f) at rate A exp(-k depth)
    is the same problem with depth' = depth - f and A' = A exp(-k f). At x = 0 no depth is below
    the fee plus half a tick. An expected move of mid shifts both quotes along with it.

    Args:
        view_row: f8[VIEW_COLUMNS].
        aversion: g / k, dimensionless, >= 0.
        orders: how many orders make up max_position, > 0 (q = x times orders).
        fee: maker fee as a fraction of price; cost positive.
        drift_share: how much of the expected move is followed, in [0, 1].
        plan_row: f8[PLAN_COLUMNS], written whole, ticks: also in place of the other plan.
    """
    fee_ticks = fee * view_row[VIEW_MID]
    sigma = view_row[VIEW_SIGMA]
    thinning = view_row[VIEW_DECAY_BID] * fee_ticks
    thinning = math.exp(-min(FEE_EXPONENT, max(-FEE_EXPONENT, thinning)))
    bid, bid_skew = closed_form(
        sigma, view_row[VIEW_INTENSITY_BID] * thinning, view_row[VIEW_DECAY_BID], aversion
    )
    thinning = view_row[VIEW_DECAY_ASK] * fee_ticks
    thinning = math.exp(-min(FEE_EXPONENT, max(-FEE_EXPONENT, thinning)))
    ask, ask_skew = closed_form(
        sigma, view_row[VIEW_INTENSITY_ASK] * thinning, view_row[VIEW_DECAY_ASK], aversion
    )
    floor = fee_ticks + 0.5
    shift = drift_share * view_row[VIEW_DRIFT]
    skew = math.sqrt(bid_skew * ask_skew)
    bid = max(floor, fee_ticks + bid + 0.5 * bid_skew) - shift
    ask = max(floor, fee_ticks + ask + 0.5 * ask_skew) + shift
    plan_row[PLAN_BID] = min(DEPTH_TICKS_MAX, bid)
    plan_row[PLAN_ASK] = min(DEPTH_TICKS_MAX, ask)
    plan_row[PLAN_SLOPE] = min(DEPTH_TICKS_MAX, skew * orders)
    for column in range(PLAN_DYNAMIC):
        plan_row[PLAN_DYNAMIC + column] = plan_row[column]


def avellaneda_stoikov(
    position: F8, left: float, *, sigma: float, decay: float, aversion: float
) -> tuple[F8, F8]:
    """Return (bid depth, ask depth) of Avellaneda and Stoikov.

    2008, "High-frequency trading in a limit order book", Quantitative Finance 8(3), 217-224;
    equations 29 and 30 of the authors' manuscript:

        reservation price - mid = -q g sigma^2 (T - t)
        bid + ask depth = g sigma^2 (T - t) + (2/g) ln(1 + g/k)

    Args:
        position: f8[...]; q, orders.
        left: T - t.
        sigma: of mid, per sqrt(time).
        decay: k, per unit of depth.
        aversion: g, per unit of depth and order, > 0.
    """
    variance = aversion * sigma * sigma * left
    half = 0.5 * variance + math.log1p(aversion / decay) / aversion
    return half + position * variance, half - position * variance


def gueant_lehalle_fernandez_tapia(
    *,
    q_max: int,
    steps: int,
    dt: float,
    sigma: float,
    intensity: float,
    decay: float,
    aversion: float,
) -> tuple[F8, F8]:
    """Return the exact depths of an exponential utility, (bid, ask), f8[steps, 2 q_max + 1].

    Gueant, Lehalle, Fernandez-Tapia 2013 (as in `closed_form`), Theorem 1: v' = M v, v(T) = 1, M
    with (k/2) g sigma^2 q^2 on its diagonal and -A (1 + g/k)^-(1 + k/g) beside it;

        bid depth = ln(v_q / v_q+1) / k + ln(1 + g/k) / g      ask depth: with v_q-1

    Row t is for the time T - t dt left, t from 0. A side that may not quote holds infinity.
    """
    q = np.arange(-q_max, q_max + 1, dtype=np.float64)
    loss = 0.5 * decay * aversion * sigma * sigma * q * q
    power = math.exp(-(1.0 + decay / aversion) * math.log1p(aversion / decay))
    logs = _linear_system(loss, intensity * power, steps, dt, np.zeros(len(q)))
    return _depths_of(logs, decay, math.log1p(aversion / decay) / aversion)


def cartea_jaimungal_penalva(
    *,
    q_max: int,
    steps: int,
    dt: float,
    intensity: float,
    decay: float,
    phi: float,
    alpha: float,
    fee: float = 0.0,
) -> tuple[F8, F8]:
    """Return the depths that maximise wealth less penalties, (bid, ask), f8[steps, 2 q_max + 1].

    Cartea, Jaimungal, Penalva 2015, "Algorithmic and High-Frequency Trading", chapter 10:
    w = exp(k h) solves w' = -A w with -phi k q^2 on the diagonal and A/e beside it, w(T) =
    exp(-alpha k q^2);

        bid depth = 1/k - h(q + 1) + h(q)      ask depth = 1/k - h(q - 1) + h(q)

    A fee f is the same problem with depth' = depth - f and A' = A exp(-k f). Row t is for the
    time T - t dt left. A side that may not quote holds infinity.
    """
    q = np.arange(-q_max, q_max + 1, dtype=np.float64)
    rate = intensity * math.exp(-1.0 - decay * fee)
    logs = _linear_system(phi * decay * q * q, rate, steps, dt, -alpha * decay * q * q)
    return _depths_of(logs, decay, 1.0 / decay + fee)


def _linear_system(loss: F8, rate: float, steps: int, dt: float, last: F8) -> F8:
    """Return log w, f8[steps, states], of w' = (loss - rate x neighbours) w, w(T) = exp(last).

    The exponential of one step is taken once, by Taylor after halving. With the largest loss
    taken off the diagonal no entry is negative, so no digit is lost even where w spans decades.
    """
    states = len(loss)
    top = float(loss.max())
    matrix = np.diag(top - loss)
    matrix += np.diag(np.full(states - 1, rate), 1) + np.diag(np.full(states - 1, rate), -1)
    matrix *= dt
    halvings = max(0, math.ceil(math.log2(max(1e-300, 4.0 * matrix.sum(axis=1).max()))))
    matrix /= 2.0**halvings
    step = term = np.eye(states)
    for order in range(1, 20):
        term = term @ matrix / order
        step = step + term
    shift = 0.0
    for _ in range(halvings):
        step = step @ step
        largest = float(step.max())  # a power of a large loss overflows; its logarithm does not
        step, shift = step / largest, 2.0 * shift + math.log(largest)
    logs = np.empty((steps, states))
    now = last - last.max()
    for t in reversed(range(steps)):
        now = np.log(step @ np.exp(now))
        now -= now.max()
        logs[t] = now
    return logs


def _depths_of(logs: F8, decay: float, base: float) -> tuple[F8, F8]:
    slope = np.diff(logs, axis=1) / decay
    closed = np.full((len(logs), 1), np.inf)
    return np.hstack([base - slope, closed]), np.hstack([closed, base + slope])
