"""The stationary bootstrap again, slow and plain: indices one by one, Python integers."""

import math

MASK = (1 << 64) - 1


def splitmix(state):
    """Return (next state, uniform in [0, 1)) of splitmix64."""
    state = (state + 0x9E3779B97F4A7C15) & MASK
    z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return state, ((z ^ (z >> 31)) >> 11) / (1 << 53)


def means(values, length, seed, draws):
    """Return the mean of each resampled record."""
    state, out = seed, []
    for _ in range(draws):
        sample = []
        while len(sample) < len(values):
            state, unit = splitmix(state)
            at = int(unit * len(values))
            size = 1
            if length > 1.0:
                state, unit = splitmix(state)
                size += math.floor(math.log(1.0 - unit) / math.log1p(-1.0 / length))
            for _ in range(min(size, len(values) - len(sample))):
                sample.append(values[at % len(values)])
                at += 1
        out.append(math.fsum(sample) / len(sample))
    return out
