"""The cost of closing again, slow and plain: one lot after the other."""

import math


def cost_of(levels, half, lots, sigma, flow):
    """Return the cost in half ticks of closing whole lots; levels are (price, lots), best first."""
    cost, reach, left = 0.0, 0, lots
    for price, shown in levels:
        for _ in range(shown):
            if left == 0:
                return cost
            cost += abs(2 * price - half)
            left -= 1
        reach = abs(2 * price - half) if left or shown else reach
    if left == 0:
        return cost
    if flow <= 0:
        return math.inf
    return cost + left * (reach + 2 * sigma * math.sqrt(left / flow))


def room_of(levels, half, most, share, sigma, flow):
    """Return the most lots whose cost is within a share of their worth, tried one by one."""
    room = 0
    for lots in range(1, most + 1):
        if cost_of(levels, half, lots, sigma, flow) > share * half * lots * (1 + 1e-12):
            break
        room = lots
    return room
