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
    cost, lots, reach = 0.0, 0, 0
    for price, shown in levels:
        reach = abs(2 * price - half)
        for _ in range(shown):
            if lots == most or cost + reach > share * half * (lots + 1) * (1 + 1e-12):
                return lots
            cost, lots = cost + reach, lots + 1
    left = 0
    while lots + left < most and flow > 0:
        more = left + 1
        spent = cost + more * (reach + 2 * sigma * math.sqrt(more / flow))
        if spent > share * half * (lots + more) * (1 + 1e-12):
            break
        left = more
    return lots + left
