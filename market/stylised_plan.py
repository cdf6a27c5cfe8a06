"""Kernels of grid dynamic programming over fill curves that are known only as numbers.

For one side, given c, the best node of a curve maximises p_i (d_i + c) = p_i c + p_i d_i: the
highest of a set of straight lines in c. Their upper envelope is built once a curve, and each state
then finds its node by bisection: a fine grid costs no more than a coarse one.
"""

from market.jit import kernel
from market.stylised_solve import ROUNDS_MAX, SETTLED, write_worth
from market.types import F8


@kernel
def write_envelope(depths: F8, chances: F8, corners: F8, best: F8, best_chance: F8) -> int:
    """Write the upper envelope of the lines p_i c + p_i d_i; return how many lines it has.

    Args:
        depths: f8[nodes], rising.
        chances: f8[nodes], not rising.
        corners: f8[nodes]; line n is the best from corners[n] to corners[n + 1]; written.
        best, best_chance: f8[nodes]; depth and chance of line n, chances rising; written.
    """
    count = 0
    for back in range(depths.shape[0]):
        node = depths.shape[0] - 1 - back
        p, level = chances[node], chances[node] * depths[node]
        if count > 0 and p <= best_chance[count - 1]:
            continue  # as likely as a deeper one: never better
        corner = -1e300
        while count > 0:
            above = best_chance[count - 1] * best[count - 1]
            corner = (above - level) / (p - best_chance[count - 1])
            if corner > corners[count - 1]:
                break
            count -= 1
            corner = -1e300
        corners[count] = corner
        best[count] = depths[node]
        best_chance[count] = p
        count += 1
    return count


@kernel
def find_line(c: float, corners: F8, count: int) -> int:
    """Return the line of the envelope that is highest at c."""
    low, high = 0, count
    while high - low > 1:
        middle = (low + high) // 2
        if corners[middle] <= c:
            low = middle
        else:
            high = middle
    return low


@kernel
def pair_from(
    bid_worth: float,
    ask_worth: float,
    cross: float,
    ask_chance: float,
    counts: tuple[int, int],
    corners: F8,
    best: F8,
    chance: F8,
) -> tuple[int, int, float]:
    """Alternate as in `stylised_solve.alternate`; return the lines of both sides and the gain."""
    i = j = 0
    before = -1.0
    for _ in range(ROUNDS_MAX):
        i = find_line(bid_worth + ask_chance * cross, corners[0], counts[0])
        j = find_line(ask_worth + chance[0, i] * cross, corners[1], counts[1])
        ask_chance = chance[1, j]
        if abs(chance[0, i] - before) <= SETTLED:
            break
        before = chance[0, i]
    p, r = chance[0, i], chance[1, j]
    gain = p * (best[0, i] + bid_worth) + r * (best[1, j] + ask_worth)
    return i, j, gain + p * r * cross


@kernel
def plan_backward(
    fee: float,
    phi: float,
    alpha: float,
    counts: tuple[int, int],
    corners: F8,
    best: F8,
    chance: F8,
    drift: F8,
    transition: F8,
    bid: F8,
    ask: F8,
    value: F8,
    worth: F8,
) -> None:
    """Write the plan of every step.

    Args:
        fee: per fill.
        phi, alpha: penalties per q squared, of a step and at the end.
        counts: lines of the bid's and the ask's envelope.
        corners, best, chance: f8[2, nodes]; the envelopes.
        drift: f8[regimes], of one step.
        transition: f8[regimes, regimes].
        bid, ask: f8[steps, states, regimes]; written. A closed side holds its deepest line.
        value: f8[states, regimes]; zeros on entry, the value at t = 0 on return.
        worth: f8[states, regimes]; room.
    """
    steps, states, regimes = bid.shape
    for back in range(steps):
        t = steps - 1 - back
        write_worth(value, drift, transition, alpha if back == 0 else 0.0, phi, worth)
        for state in range(states):
            for regime in range(regimes):
                here = worth[state, regime]
                i = j = 0
                if state == 0:
                    c = worth[1, regime] - here - fee
                    i = find_line(c, corners[0], counts[0])
                    gain = chance[0, i] * (best[0, i] + c)
                elif state == states - 1:
                    c = worth[state - 1, regime] - here - fee
                    j = find_line(c, corners[1], counts[1])
                    gain = chance[1, j] * (best[1, j] + c)
                else:
                    up = worth[state + 1, regime] - here
                    down = worth[state - 1, regime] - here
                    cross = -up - down
                    up, down = up - fee, down - fee
                    i, j, gain = pair_from(up, down, cross, 0.0, counts, corners, best, chance)
                    surest = chance[1, counts[1] - 1]
                    k, l, more = pair_from(up, down, cross, surest, counts, corners, best, chance)
                    if more > gain:
                        i, j, gain = k, l, more
                bid[t, state, regime] = best[0, i]
                ask[t, state, regime] = best[1, j]
                value[state, regime] = here + gain
