"""Kernels of exact dynamic programming on the stylised market: no sampling, no grid of depths.

With W(q') the worth of holding q' after the fills of a step, and c_b = W(q+1) - W(q) - fee,
c_a = W(q-1) - W(q) - fee, x = 2 W(q) - W(q+1) - W(q-1), the step is worth

    W(q) + p_b (d_b + c_b) + p_a (d_a + c_a) + p_b p_a x

because the two sides fill independently and a fill on both leaves q where it was. For a fixed ask
the bid solves max p(d) (d + c_b + p_a x), one dimension, and the other way round. The value is
supermodular in (p_b, p_a) when x >= 0, so alternating from the lowest and from the highest chance
reaches the least and the greatest fixed point; the better one is taken.
"""

import math

from market.jit import kernel
from market.stylised_step import (
    NUMBER_ALPHA,
    NUMBER_DECAY,
    NUMBER_FEE,
    NUMBER_HIGH,
    NUMBER_LINEAR,
    NUMBER_LOG_RATE,
    NUMBER_LOW,
    NUMBER_PHI,
    clip_depth,
    fill_chance,
)
from market.types import F8

ROUNDS_MAX = 200
HALVINGS = 60
SETTLED = 1e-13


@kernel
def best_depth(c: float, numbers: F8, depths: F8, rates: F8) -> float:
    """Return the depth in [low, high] at which chance(depth) x (depth + c) is largest."""
    low, high = numbers[NUMBER_LOW], numbers[NUMBER_HIGH]
    if -c >= high:
        return float(high)  # every fill loses: as few and as small as can be
    if depths.shape[0] > 0:
        return float(best_of_table(c, numbers, depths, rates))
    if numbers[NUMBER_LINEAR] > 0.0:
        certain = numbers[NUMBER_LOG_RATE] / numbers[NUMBER_DECAY]
        return float(min(high, max(low, certain, 1.0 / numbers[NUMBER_DECAY] - c)))
    return float(best_of_exponential(c, numbers))


@kernel
def best_of_exponential(c: float, numbers: F8) -> float:
    """Solve d + c = (e^R - 1) / (k R), R = A dt exp(-k d): the left side rises, the right falls."""
    decay = numbers[NUMBER_DECAY]
    low, high = float(max(numbers[NUMBER_LOW], -c)), float(numbers[NUMBER_HIGH])
    for _ in range(HALVINGS):
        depth = 0.5 * (low + high)
        rate = math.exp(numbers[NUMBER_LOG_RATE] - decay * depth)
        if (depth + c) * decay * rate < math.expm1(rate):
            low = depth
        else:
            high = depth
    return 0.5 * (low + high)


@kernel
def best_of_piece(c: float, left: float, right: float, rate: float, slope: float) -> float:
    """Return where (1 - exp(-R(d))) (d + c), R = rate + slope (d - left), peaks in [left, right].

    Both factors are concave and positive for d > -c, so their product has one peak.
    """
    low, high = max(left, -c), right
    for _ in range(HALVINGS):
        depth = 0.5 * (low + high)
        spared = math.exp(-(rate + slope * (depth - left)))
        if 1.0 - spared + (depth + c) * spared * slope > 0.0:
            low = depth
        else:
            high = depth
    return 0.5 * (low + high)


@kernel
def best_of_table(c: float, numbers: F8, depths: F8, rates: F8) -> float:
    """Return the best depth of a table: piece by piece, skipping those that cannot win."""
    low, high = numbers[NUMBER_LOW], numbers[NUMBER_HIGH]
    linear = numbers[NUMBER_LINEAR] > 0.0
    best = high
    most = fill_chance(high, numbers, depths, rates) * (high + c)
    for point in range(depths.shape[0]):
        # Level before the first point, then one piece a pair of points.
        left = low if point == 0 else max(low, depths[point - 1])
        right = min(high, depths[point])
        if not left < right or right + c <= 0.0:
            continue
        if fill_chance(left, numbers, depths, rates) * (right + c) <= most:
            continue
        depth = right
        if point > 0 and rates[point] < rates[point - 1]:
            slope = (rates[point] - rates[point - 1]) / (depths[point] - depths[point - 1])
            rate = rates[point - 1] + slope * (left - depths[point - 1])
            if linear:
                depth = max(0.5 * (left - c - rate / slope), left + (1.0 - rate) / slope)
                depth = min(right, max(left, depth))
            else:
                depth = best_of_piece(c, left, right, rate, slope)
        value = fill_chance(depth, numbers, depths, rates) * (depth + c)
        if value > most:
            best, most = depth, value
    return float(best)


@kernel
def alternate(
    bid_worth: float,
    ask_worth: float,
    cross: float,
    ask_chance: float,
    numbers: F8,
    depths: F8,
    rates: F8,
) -> tuple[float, float, float]:
    """Return (bid, ask, gain) of the fixed point reached from a first chance of the ask."""
    bid = ask = 0.0
    bid_chance = -1.0
    for _ in range(ROUNDS_MAX):
        bid = best_depth(bid_worth + ask_chance * cross, numbers, depths, rates)
        before = bid_chance
        bid_chance = fill_chance(bid, numbers, depths, rates)
        ask = best_depth(ask_worth + bid_chance * cross, numbers, depths, rates)
        ask_chance = fill_chance(ask, numbers, depths, rates)
        if abs(bid_chance - before) <= SETTLED:
            break
    gain = bid_chance * (bid + bid_worth) + ask_chance * (ask + ask_worth)
    return bid, ask, gain + bid_chance * ask_chance * cross


@kernel
def best_pair(
    bid_worth: float, ask_worth: float, cross: float, numbers: F8, depths: F8, rates: F8
) -> tuple[float, float, float]:
    """Return the best (bid, ask, gain) of one state with both sides open."""
    few = alternate(bid_worth, ask_worth, cross, 0.0, numbers, depths, rates)
    if cross == 0.0:
        return few
    surest = fill_chance(numbers[NUMBER_LOW], numbers, depths, rates)
    many = alternate(bid_worth, ask_worth, cross, surest, numbers, depths, rates)
    return few if few[2] >= many[2] else many


@kernel
def write_worth(value: F8, drift: F8, transition: F8, alpha: float, phi: float, worth: F8) -> None:
    """Write W(q', m): drift and penalty on what is held after the fills, then what follows.

    Args:
        value: f8[states, regimes]; worth of the next step's start.
        drift: f8[regimes], of one step.
        transition: f8[regimes, regimes].
        alpha, phi: the penalties that fall due in this step, per q squared.
        worth: f8[states, regimes]; written.
    """
    states, regimes = value.shape
    q_max = states // 2
    for state in range(states):
        held = float(state - q_max)
        for regime in range(regimes):
            total = held * drift[regime] - (phi + alpha) * held * held
            for following in range(regimes):
                total += transition[regime, following] * value[state, following]
            worth[state, regime] = total


@kernel
def solve_backward(
    numbers: F8,
    depths: F8,
    rates: F8,
    drift: F8,
    transition: F8,
    bid: F8,
    ask: F8,
    value: F8,
    worth: F8,
) -> None:
    """Write the optimal depths of every state and the value at the start.

    Args:
        numbers, depths, rates, drift, transition: as in `step_copies`.
        bid, ask: f8[steps, states, regimes]; written. A side that may not quote holds high.
        value: f8[states, regimes]; zeros on entry, the value at t = 0 on return.
        worth: f8[states, regimes]; room.
    """
    steps, states, regimes = bid.shape
    fee = numbers[NUMBER_FEE]
    for back in range(steps):
        t = steps - 1 - back
        alpha = numbers[NUMBER_ALPHA] if back == 0 else 0.0
        write_worth(value, drift, transition, alpha, numbers[NUMBER_PHI], worth)
        for state in range(states):
            for regime in range(regimes):
                here = worth[state, regime]
                bid[t, state, regime] = numbers[NUMBER_HIGH]
                ask[t, state, regime] = numbers[NUMBER_HIGH]
                gain = 0.0
                if states == 1:
                    pass  # nothing may be held: no side quotes
                elif state == 0:
                    c = worth[1, regime] - here - fee
                    depth = best_depth(c, numbers, depths, rates)
                    gain = fill_chance(depth, numbers, depths, rates) * (depth + c)
                    bid[t, state, regime] = depth
                elif state == states - 1:
                    c = worth[state - 1, regime] - here - fee
                    depth = best_depth(c, numbers, depths, rates)
                    gain = fill_chance(depth, numbers, depths, rates) * (depth + c)
                    ask[t, state, regime] = depth
                else:
                    up = worth[state + 1, regime] - here
                    down = worth[state - 1, regime] - here
                    found = best_pair(up - fee, down - fee, -up - down, numbers, depths, rates)
                    bid[t, state, regime], ask[t, state, regime], gain = found
                value[state, regime] = here + gain


@kernel
def evaluate_backward(
    numbers: F8,
    depths: F8,
    rates: F8,
    drift: F8,
    transition: F8,
    bid: F8,
    ask: F8,
    value: F8,
    worth: F8,
) -> None:
    """Write the value at t = 0 of quoting by a table; arguments as in `solve_backward`."""
    steps, states, regimes = bid.shape
    fee = numbers[NUMBER_FEE]
    for back in range(steps):
        t = steps - 1 - back
        alpha = numbers[NUMBER_ALPHA] if back == 0 else 0.0
        write_worth(value, drift, transition, alpha, numbers[NUMBER_PHI], worth)
        for state in range(states):
            for regime in range(regimes):
                here = worth[state, regime]
                bid_chance = ask_chance = up = down = gain = 0.0
                if state < states - 1:
                    depth = clip_depth(bid[t, state, regime], numbers)
                    bid_chance = fill_chance(depth, numbers, depths, rates)
                    up = worth[state + 1, regime] - here
                    gain += bid_chance * (depth - fee + up)
                if state > 0:
                    depth = clip_depth(ask[t, state, regime], numbers)
                    ask_chance = fill_chance(depth, numbers, depths, rates)
                    down = worth[state - 1, regime] - here
                    gain += ask_chance * (depth - fee + down)
                value[state, regime] = here + gain - bid_chance * ask_chance * (up + down)
