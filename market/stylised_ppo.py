"""Kernels of a small policy that is learned by its gradient on a market of counted states.

Chance apart, an action depends on (step, position, regime) alone. So the network is asked once a
state and not once a sample, and its gradient is gathered by state before it is walked backwards:
the same figures as sample by sample, at a small part of the price. Sums have a fixed order.
"""

import math

from market.jit import kernel
from market.types import F8, I8

HIDDEN = 32
SIDES = 2


@kernel
def net_forward(inputs: F8, one: F8, two: F8, last: F8, first: F8, second: F8, out: F8) -> None:
    """Write a network of two layers of tanh and a straight one; the last row is the bias.

    Args:
        inputs: f8[rows, width].
        one, two, last: f8[width + 1, HIDDEN], f8[HIDDEN + 1, HIDDEN], f8[HIDDEN + 1, outs]: turned
            over, so that sums run over units side by side and each keeps its order.
        first, second: f8[rows, HIDDEN]; written.
        out: f8[rows, outs]; written.
    """
    for row in range(inputs.shape[0]):
        write_layer(inputs[row], one, first[row])
        for unit in range(HIDDEN):
            first[row, unit] = math.tanh(first[row, unit])
        write_layer(first[row], two, second[row])
        for unit in range(HIDDEN):
            second[row, unit] = math.tanh(second[row, unit])
        write_layer(second[row], last, out[row])


@kernel
def write_layer(inputs: F8, weights: F8, out: F8) -> None:
    """Write out f8[outs] of one row f8[width] by weights f8[width + 1, outs]."""
    width = inputs.shape[0]
    for unit in range(out.shape[0]):
        out[unit] = weights[width, unit]
    for column in range(width):
        told = inputs[column]
        for unit in range(out.shape[0]):
            out[unit] += weights[column, unit] * told


@kernel
def net_backward(
    inputs: F8,
    two: F8,
    last: F8,
    first: F8,
    second: F8,
    upstream: F8,
    d_one: F8,
    d_two: F8,
    d_last: F8,
    room: F8,
) -> None:
    """Add the gradient of a sum over rows, given that by the outputs.

    Args:
        inputs, first, second: as `net_forward` left them.
        two, last: f8[HIDDEN, HIDDEN + 1], f8[outs, HIDDEN + 1]; not turned over.
        upstream: f8[rows, outs]; rows of zeros cost nothing.
        d_one, d_two, d_last: f8[HIDDEN, width + 1] and as `two` and `last`; added to.
        room: f8[2, HIDDEN].
    """
    width, outs = inputs.shape[1], upstream.shape[1]
    for row in range(inputs.shape[0]):
        moved = False
        for out in range(outs):
            moved = moved or upstream[row, out] != 0.0
        if not moved:
            continue
        for unit in range(HIDDEN):
            total = 0.0
            for out in range(outs):
                total += upstream[row, out] * last[out, unit]
            room[1, unit] = total * (1.0 - second[row, unit] * second[row, unit])
            room[0, unit] = 0.0
        for out in range(outs):
            for unit in range(HIDDEN):
                d_last[out, unit] += upstream[row, out] * second[row, unit]
            d_last[out, HIDDEN] += upstream[row, out]
        for unit in range(HIDDEN):
            told = room[1, unit]
            for column in range(HIDDEN):
                room[0, column] += told * two[unit, column]
                d_two[unit, column] += told * first[row, column]
            d_two[unit, HIDDEN] += told
        for column in range(HIDDEN):
            total = room[0, column] * (1.0 - first[row, column] * first[row, column])
            for each in range(width):
                d_one[column, each] += total * inputs[row, each]
            d_one[column, width] += total


@kernel
def place_quotes(base: F8, mean: F8, spread: F8, noise: F8, place: I8, quotes: F8) -> None:
    """Write quotes: the plan's depth at a state, the policy's shift of it, and its noise.

    Args:
        base, mean: f8[rows, SIDES].
        spread: f8[SIDES]; standard deviations.
        noise: f8[SIDES, copies]; standard normal.
        place: i8[copies]; the row of each copy.
        quotes: f8[SIDES, copies]; written.
    """
    for copy in range(place.shape[0]):
        row = place[copy]
        for side in range(SIDES):
            depth = base[row, side] + mean[row, side] + spread[side] * noise[side, copy]
            quotes[side, copy] = depth


@kernel
def write_advantages(
    place: I8, reward: F8, trace: float, count: F8, value: F8, advantage: F8
) -> None:
    """Write what each action was worth beyond its state (Schulman et al. 2016, equation 16).

    The value of a state is the mean of reward and of the value that followed, over all visits;
    states of one step are followed by those of the next, so one walk backwards counts them all.

    Args:
        place: i8[steps, copies]; rows, no row at two steps.
        reward: f8[steps, copies].
        trace: lambda, in [0, 1]; nothing is discounted.
        count, value: f8[rows]; zeros on entry.
        advantage: f8[steps, copies]; written.
    """
    steps, copies = place.shape
    for back in range(steps):
        t = steps - 1 - back
        for copy in range(copies):
            after = value[place[t + 1, copy]] if back > 0 else 0.0
            count[place[t, copy]] += 1.0
            value[place[t, copy]] += reward[t, copy] + after
            advantage[t, copy] = reward[t, copy] + after
        for copy in range(copies):
            row = place[t, copy]
            if count[row] > 0.0:
                value[row] /= count[row]
                count[row] = 0.0
        for copy in range(copies):
            later = trace * advantage[t + 1, copy] if back > 0 else 0.0
            advantage[t, copy] += later - value[place[t, copy]]


@kernel
def clipped_gradient(
    place: I8,
    noise: F8,
    advantage: F8,
    old: tuple[F8, F8],
    new: tuple[F8, F8],
    clip: float,
    upstream: F8,
    d_log: F8,
) -> float:
    """Add the gradient of the clipped objective; return it (Schulman et al. 2017, equation 7).

    Args:
        place: i8[steps, copies].
        noise: f8[steps, SIDES, copies]; what the old policy added, in deviations.
        advantage: f8[steps, copies].
        old, new: means f8[rows, SIDES] and deviations f8[SIDES] of either policy.
        clip: bound on the ratio's way from 1.
        upstream: f8[rows, SIDES]; by the new means, mean over samples; added to.
        d_log: f8[SIDES]; by the logarithms of the new deviations; added to.
    """
    steps, copies = place.shape
    share = 1.0 / (steps * copies)
    objective = 0.0
    logs = 0.0
    for side in range(SIDES):
        logs += math.log(old[1][side] / new[1][side])
    for t in range(steps):
        for copy in range(copies):
            row = place[t, copy]
            word = logs
            for side in range(SIDES):
                z = noise[t, side, copy]
                moved = old[0][row, side] + old[1][side] * z - new[0][row, side]
                moved /= new[1][side]
                word += 0.5 * (z * z - moved * moved)
            ratio = math.exp(word)
            gain = advantage[t, copy]
            bounded = min(1.0 + clip, max(1.0 - clip, ratio))
            if ratio * gain > bounded * gain:
                objective += bounded * gain * share
                continue
            objective += ratio * gain * share
            for side in range(SIDES):
                z = noise[t, side, copy]
                moved = old[0][row, side] + old[1][side] * z - new[0][row, side]
                moved /= new[1][side]
                upstream[row, side] += share * gain * ratio * moved / new[1][side]
                d_log[side] += share * gain * ratio * (moved * moved - 1.0)
    return objective
