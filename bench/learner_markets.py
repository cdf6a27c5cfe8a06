"""Markets drawn for the learner's benchmark: seven classes, a seed each, nothing tuned to them."""

from typing import Any

import numpy as np

from market.stylised import QuoteTable, StylisedMarket, evaluate
from market.types import F8

CLASSES = ("tame", "hard penalty", "fees", "regimes", "fat tails", "high noise", "short")
NOISE_FACTOR = 5.0
BLIND_GRID = 14


class Proxy:
    """What a learner may touch of an environment, and nothing else."""

    def __init__(self, environment: Any) -> None:
        self.copies, self.steps = environment.copies, environment.steps
        self.q_max, self.regimes = environment.q_max, environment.regimes
        self.depth_low, self.depth_high = environment.depth_low, environment.depth_high
        self.taken = 0

        def reset(seed: int) -> Any:
            return environment.reset(seed)

        def step(bid: F8, ask: F8) -> Any:
            self.taken += self.copies
            return environment.step(bid, ask)

        self.reset, self.step = reset, step


def draw(name: str, seed: int, *, noise: float = 1.0) -> StylisedMarket:
    """Return one market of a class.

    Depths are drawn in units of 1/decay, times in steps, so that every class holds markets of
    quite different scales.

    Args:
        name: of CLASSES.
        seed: of the draw.
        noise: factor on sigma.
    """
    rng = np.random.default_rng([CLASSES.index(name), seed])
    unit = float(10.0 ** rng.uniform(-2.0, 1.0))  # 1 / decay
    dt = float(10.0 ** rng.uniform(-3.0, 1.5))
    steps = int(rng.integers(80, 300))
    hits = float(rng.uniform(0.2, 1.5))  # intensity dt
    q_max = int(rng.integers(3, 13))
    sigma = float(rng.uniform(0.02, 0.3))  # of a step, in units
    phi = float(10.0 ** rng.uniform(-4.0, -2.5))  # of a step, in units
    alpha = float(10.0 ** rng.uniform(-3.0, -1.0))
    fee, drift, transition = 0.0, [0.0], np.ones((1, 1))
    law = "linear" if rng.random() < 0.25 else "poisson"
    table = None
    if name == "hard penalty":
        phi, alpha = float(10.0 ** rng.uniform(-2.0, -0.7)), float(rng.uniform(0.1, 1.0))
    elif name == "fees":
        fee = float(rng.uniform(-0.4, 0.8))
    elif name == "high noise":
        sigma = float(rng.uniform(0.5, 1.5))
    elif name == "short":
        steps = int(rng.integers(8, 30))
    if name in {"regimes", "fat tails"}:
        regimes = int(rng.choice([2, 3, 5]))
        drift, transition = imbalance(rng, regimes)
        fee = float(rng.uniform(-0.2, 0.4))
    if name == "fat tails":
        table = fat_tails(rng, unit, hits / dt)
    return StylisedMarket(
        steps=steps,
        dt=dt,
        intensity=hits / dt,
        decay=1.0 / unit,
        sigma=noise * sigma * unit / dt**0.5,
        phi=phi * unit / dt,
        alpha=alpha * unit,
        q_max=q_max,
        fee=fee * unit,
        depth_low=float(rng.choice([0.0, -1.0])) * unit,
        depth_high=float(rng.uniform(5.0, 12.0)) * unit,
        drift=np.array(drift) * unit / dt,
        transition=transition,
        fill_law=law,
        rate_table=table,
    )


def imbalance(rng: np.random.Generator, regimes: int) -> tuple[F8, F8]:
    """Return (drift of a step in units, transition) of a chain that leans and comes back."""
    drift = np.linspace(-1.0, 1.0, regimes) * rng.uniform(0.02, 0.15)
    stay = rng.uniform(0.85, 0.98)
    transition = np.diag(np.full(regimes, stay))
    for regime in range(regimes):
        beside = [each for each in (regime - 1, regime + 1) if 0 <= each < regimes]
        for each in beside:
            transition[regime, each] += (1.0 - stay) / len(beside)
    return drift, transition


def fat_tails(rng: np.random.Generator, unit: float, rate: float) -> tuple[F8, F8]:
    """Return a rate table that falls like a power of depth."""
    depths = np.linspace(0.0, 12.0, int(rng.integers(12, 60))) * unit
    scale, power = rng.uniform(0.7, 2.0) * unit, rng.uniform(1.6, 3.0)
    return depths, rate * (1.0 + depths / scale) ** -power


def blind(market: StylisedMarket) -> float:
    """Return the value of the best quote that knows neither time nor position nor regime."""
    from scipy.optimize import minimize

    shape = (market.steps, 2 * market.q_max + 1, market.regimes)

    def loss(depths: tuple[float, float] | F8) -> float:
        return -evaluate(market, QuoteTable(*(np.full(shape, each) for each in depths)))

    grid = np.linspace(market.depth_low, market.depth_high, BLIND_GRID)
    start = min(((bid, ask) for bid in grid for ask in grid), key=loss)
    scale = market.depth_high - market.depth_low
    options = {"xatol": 1e-5 * scale, "fatol": 1e-10, "maxiter": 300}
    return float(-minimize(loss, start, method="Nelder-Mead", options=options).fun)
