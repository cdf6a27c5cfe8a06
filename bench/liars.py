"""Liars against the merges, and adversaries against the supervisor's weights.

python -m bench.liars [--attacks 10000] [--sequences 1000] [--from 1]

Consensus: f liars among 2 f + 1 or 2 f + 2 seats, each trying every extreme set and keeping what
drags some coordinate furthest; the result must lie between the honest sets and the incumbent
(base x levels to within a unit a level). Peer: one liar with all the weight that he can get, the
same search; with him and without him nothing may differ by more than w_max x delta (and the
rounding to the grid). Hedge: the regret of the weights, on random, trending, switching and
adversarial losses, must stay below sqrt(T ln K / 2).
"""

import argparse
import json
import math
import sys
from fractions import Fraction

import numpy as np

from agents.coordinator.hedge import LOSS_UNITS, Hedge, begun
from protocol.merge import UNITS, median_merge, peer_merge, quantise, weight_units
from protocol.messages import QuoteParameters

FRACTION = 0.25
LEVELS_MAX = 50
Row = tuple[int, int, int, int]


def coordinates(params: QuoteParameters) -> Row:
    """Return spread, levels, base x levels and max_position as integers."""
    spread, _, base, position = quantise(params)
    return spread, params.levels, base * params.levels, position


def drawn(rng: np.random.Generator, held: QuoteParameters | None = None) -> QuoteParameters:
    """Return a valid set: anywhere, or within a step of another."""
    if held is None:
        levels = int(rng.integers(1, LEVELS_MAX + 1))
        base = int(10 ** rng.uniform(0, 11))
        position = base * levels + int(10 ** rng.uniform(0, 12))
        spread = int(rng.integers(1, 10**9))
    else:
        near = [1.0 + FRACTION * float(each) for each in rng.uniform(-1, 1, 3)]
        reach = max(1, int(FRACTION * held.levels))
        levels = int(np.clip(held.levels + rng.integers(-reach, reach + 1), 1, LEVELS_MAX))
        _, _, total, most = coordinates(held)
        base = max(1, int(total * near[0]) // levels)
        position = max(base * levels, int(most * near[1]))
        spread = min(10**9, max(1, int(quantise(held)[0] * near[2])))
    return QuoteParameters(
        spread_percentage=spread / UNITS,
        levels=levels,
        base_quantity=base / UNITS,
        max_position=position / UNITS,
    )


def lies() -> list[QuoteParameters]:
    """Return the extremes that a liar can say in a valid set."""
    found = []
    for spread in (1e-8, 10.0):
        for levels in (1, LEVELS_MAX):
            for base, position in ((1e-8, 5e-7), (1e-8, 1e9), (1e6, 1e9)):
                found.append(
                    QuoteParameters(
                        spread_percentage=spread,
                        levels=levels,
                        base_quantity=base,
                        max_position=position,
                    )
                )
    return found


LIES = lies()


def consensus_attack(rng: np.random.Generator) -> int:
    """Return how many of the liars' attempts got outside the honest range."""
    liars = int(rng.integers(1, 4))
    seats = 2 * liars + int(rng.integers(1, 3))
    held = drawn(rng)
    honest = [drawn(rng, held) for _ in range(int(rng.integers(1, seats - liars + 1)))]
    sound = [coordinates(each) for each in (*honest, held)]
    low = [min(column) for column in zip(*sound, strict=True)]
    high = [max(column) for column in zip(*sound, strict=True)]
    outside = 0
    for lie in LIES:
        others = [LIES[int(rng.integers(len(LIES)))] for _ in range(liars - 1)]
        together = [lie] * liars if rng.random() < 0.5 else [lie, *others]
        merged = median_merge(held, [*honest, *together], seats=seats, fraction=FRACTION)
        for place, figure in enumerate(coordinates(merged)):
            grain = merged.levels if place == 2 else 0
            outside += not low[place] - grain <= figure <= high[place] + grain
    return outside


def peer_attack(rng: np.random.Generator) -> int:
    """Return how many of one liar's attempts moved more than his share of a step."""
    seats = int(rng.integers(2, 8))
    held = drawn(rng)
    most = weight_units(1.0, wins=10**6, outcomes=10**6, seats=seats)
    others = [
        (drawn(rng, held), int(rng.integers(0, UNITS // seats + 1)))
        for _ in range(int(rng.integers(0, seats)))
    ]
    without = coordinates(peer_merge(held, others, seats=seats, fraction=FRACTION))
    figures = coordinates(held)
    beyond = 0
    for lie in LIES:
        attacked = [*others, (lie, most)]
        found = coordinates(peer_merge(held, attacked, seats=seats, fraction=FRACTION))
        for place, figure in enumerate(figures):
            delta = max(1, figure // 4) if place == 1 else figure // 4
            grain = (1, 1, 2 * LEVELS_MAX, 1)[place]
            allowed = Fraction(most, UNITS) * delta + grain
            beyond += abs(found[place] - without[place]) > allowed
    return beyond


def losses(rng: np.random.Generator, hedge: Hedge, kind: int, window: int) -> list[float]:
    """Return the losses of one window: random, trending, switching, or against the weights."""
    count = len(hedge.experts)
    if kind == 0:
        return [float(each) for each in rng.random(count)]
    if kind == 1:
        drift = np.linspace(0.3, 0.7, count)
        return [float(each) for each in np.clip(drift + rng.normal(0, 0.2, count), 0, 1)]
    if kind == 2:
        best = window * 4 // hedge.horizon % count
        return [0.0 if place == best else 1.0 for place in range(count)]
    weights = hedge.weights()
    leader = weights.index(max(weights))
    return [1.0 if place == leader else 0.0 for place in range(count)]


def regret_share(rng: np.random.Generator, kind: int) -> float:
    """Return the regret of the weights over one horizon, as a share of its bound."""
    count, horizon = int(rng.integers(2, 9)), int(rng.integers(2, 200))
    hedge = begun(tuple(f"optimizer-{n}" for n in range(count)), horizon)
    expected, lost = 0.0, [0.0] * count
    for window in range(horizon):
        found = losses(rng, hedge, kind, window)
        whole = [round(LOSS_UNITS * each) for each in found]
        expected += sum(w * each for w, each in zip(hedge.weights(), whole, strict=True))
        lost = [held + each for held, each in zip(lost, whole, strict=True)]
        hedge = hedge.after(dict(zip(hedge.experts, whole, strict=True)))
    bound = math.sqrt(horizon * math.log(count) / 2.0)
    return (expected - min(lost)) / LOSS_UNITS / bound


def main() -> int:
    """Attack, print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attacks", type=int, default=10_000)
    parser.add_argument("--sequences", type=int, default=1000)
    parser.add_argument("--from", type=int, default=1, dest="first")
    told = parser.parse_args()
    seeds = range(told.first, told.first + told.attacks)
    outside = sum(consensus_attack(np.random.default_rng([1, seed])) > 0 for seed in seeds)
    beyond = sum(peer_attack(np.random.default_rng([2, seed])) > 0 for seed in seeds)
    shares = [
        regret_share(np.random.default_rng([3, seed]), seed % 4)
        for seed in range(told.first, told.first + told.sequences)
    ]
    tries = told.attacks * len(LIES)
    print(
        f"consensus  {told.attacks} attacks, {tries} attempts: {outside} outside the honest range"
    )
    print(f"peer       {told.attacks} attacks, {tries} attempts: {beyond} beyond w_max x delta")
    print(
        f"hedge      {told.sequences} loss sequences: largest regret {max(shares):.3f} of its bound"
    )
    good = outside == 0 and beyond == 0 and max(shares) <= 1.0
    document = {
        "bench": "liars",
        "attacks": told.attacks,
        "outside": outside,
        "beyond": beyond,
        "sequences": told.sequences,
        "regret_share": round(max(shares), 4),
        "good": good,
    }
    print(json.dumps(document))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
