"""Avellaneda and Stoikov's simulation of 2008 on the stylised market, and how fast that steps.

    python -m bench.learner_anchors

s = 100, T = 1, sigma = 2, dt = 0.005, k = 1.5, A = 140, fills with probability rate x dt (with
1 - exp(-rate dt) the profit is 12 % less). 100,000 paths a row, held within 4 standard errors to
100,000 independent ones of another program. Then steps a second on one core, beside the same
market written with gymnasium and numpy. Exit 0 only when every figure is within its bound.
"""

import json
import math
import sys
import time
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from market.plan import avellaneda_stoikov
from market.stylised import QuoteTable, StylisedMarket
from market.types import F8

PATHS = 100_000
ERRORS = 4.0
STEPS, DT, SIGMA, DECAY, INTENSITY = 200, 0.005, 2.0, 1.5, 140.0
Q_MAX = 100  # twelve deviations: never met
REACH = 500.0
SPEED_BAR, RATIO_BAR = 5e6, 50.0
SPEED_COPIES, SPEED_SECONDS = 4096, 2.0


@dataclass(frozen=True, slots=True)
class Anchor:
    """Mean and deviation of profit, deviation of final inventory, measured elsewhere."""

    aversion: float
    inventory: bool
    profit: float
    deviation: float
    position: float


ANCHORS = (
    Anchor(0.1, True, 64.889, 6.532, 2.941),
    Anchor(0.1, False, 68.026, 13.279, 8.398),
    Anchor(0.01, True, 68.410, 8.943, 5.209),
    Anchor(0.01, False, 68.682, 13.627, 8.694),
    Anchor(1.0, True, 31.435, 4.845, 1.641),
    Anchor(1.0, False, 44.032, 9.624, 5.829),
)


def market(**figures: Any) -> StylisedMarket:
    """Return the market of the paper: no penalties, no bounds that bind."""
    plain: dict[str, Any] = {
        "steps": STEPS,
        "dt": DT,
        "intensity": INTENSITY,
        "decay": DECAY,
        "sigma": SIGMA,
        "phi": 0.0,
        "alpha": 0.0,
        "q_max": Q_MAX,
        "fee": 0.0,
        "depth_low": -REACH,
        "depth_high": REACH,
        "drift": [0.0],
        "transition": [[1.0]],
        "fill_law": "linear",
    }
    return StylisedMarket(**(plain | figures))


def table(anchor: Anchor) -> QuoteTable:
    """Return the quotes of one strategy; the symmetric one keeps the spread and forgets q."""
    q = np.arange(-Q_MAX, Q_MAX + 1, dtype=np.float64) * anchor.inventory
    sides = np.array(
        [
            avellaneda_stoikov(q, 1.0 - t * DT, sigma=SIGMA, decay=DECAY, aversion=anchor.aversion)
            for t in range(STEPS)
        ]
    )
    return QuoteTable(sides[:, 0, :, None], sides[:, 1, :, None])


def simulate(quotes: QuoteTable, seed: int) -> tuple[F8, F8]:
    """Return profit and final position of every path."""
    environment = market().environment(PATHS)
    seen = environment.reset(seed)
    profit = np.zeros(PATHS)
    for t in range(STEPS):
        at = (t, seen.q + Q_MAX, 0)
        seen, reward, _ = environment.step(quotes.bid[at], quotes.ask[at])
        profit += reward
    return profit, seen.q.astype(np.float64)


def off(found: float, error: float, anchor: float, anchor_error: float) -> float:
    """Return the distance in standard errors of the difference."""
    return (found - anchor) / math.hypot(error, anchor_error)


def anchored(anchor: Anchor) -> dict[str, Any]:
    """Return one row: what was found and how far it is off."""
    profit, position = simulate(table(anchor), seed=2008)
    root = math.sqrt(PATHS)
    found = (float(profit.mean()), float(profit.std()), float(position.std()))
    wanted = (anchor.profit, anchor.deviation, anchor.position)
    errors = [(s / root, w / root) for s, w in ((found[1], wanted[1]),)]
    errors += [
        (a / root / math.sqrt(2.0), b / root / math.sqrt(2.0))
        for a, b in zip(found[1:], wanted[1:], strict=True)
    ]
    offs = [off(f, e[0], w, e[1]) for f, w, e in zip(found, wanted, errors, strict=True)]
    return {"aversion": anchor.aversion, "inventory": anchor.inventory, "found": found, "off": offs}


class Peer(gymnasium.Env[F8, F8]):
    """The market of the paper as one would write it with gymnasium and numpy."""

    def __init__(self) -> None:
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float64)
        self.action_space = gymnasium.spaces.Box(-REACH, REACH, (2,), np.float64)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[F8, dict[str, Any]]:
        """Begin an episode."""
        super().reset(seed=seed, options=options)
        self.t, self.q = 0, 0
        return np.array([self.t, self.q], dtype=np.float64), {}

    def step(self, action: F8) -> tuple[F8, float, bool, bool, dict[str, Any]]:
        """Quote (bid, ask)."""
        depths = np.clip(action, -REACH, REACH)
        chances = np.minimum(1.0, INTENSITY * DT * np.exp(-DECAY * depths))
        fills = self.np_random.random(2) < chances
        self.q += int(fills[0]) - int(fills[1])
        move = SIGMA * math.sqrt(DT) * self.np_random.standard_normal()
        reward = float(fills @ depths) + self.q * move
        self.t += 1
        seen = np.array([self.t, self.q], dtype=np.float64)
        return seen, reward, self.t == STEPS, False, {}


def steps_a_second() -> tuple[float, float]:
    """Return ours and the peer's, in one process, one thread, compiled before."""
    environment = market(q_max=10, depth_low=0.0, depth_high=5.0).environment(SPEED_COPIES)
    quotes = np.full(SPEED_COPIES, 0.7)
    rates = []
    for ours in (True, False):
        peer, action = Peer(), np.array([0.7, 0.7])
        count, began = 0, 0.0
        for warm in (True, False):
            count, began = 0, time.perf_counter()
            while time.perf_counter() - began < (0.2 if warm else SPEED_SECONDS):
                (environment if ours else peer).reset(seed=1)
                for _ in range(STEPS):
                    if ours:
                        environment.step(quotes, quotes)
                    else:
                        peer.step(action)
                count += STEPS * (SPEED_COPIES if ours else 1)
        rates.append(count / (time.perf_counter() - began))
    return rates[0], rates[1]


def main() -> int:
    """Print both tables and one JSON line."""
    print(f"{'g':>6} {'strategy':<11}{'profit':>9}{'sd':>8}{'sd q':>8}   off, standard errors")
    rows = [anchored(each) for each in ANCHORS]
    for row in rows:
        name = "inventory" if row["inventory"] else "symmetric"
        profit, deviation, position = row["found"]
        offs = " ".join(f"{each:+.2f}" for each in row["off"])
        figures = f"{profit:>9.3f}{deviation:>8.3f}{position:>8.3f}"
        print(f"{row['aversion']:>6} {name:<11}{figures}   {offs}")
    ours, peer = steps_a_second()
    print(f"steps a second: {ours:,.0f}; gymnasium and numpy {peer:,.0f}: {ours / peer:,.0f} times")
    holds = max(abs(each) for row in rows for each in row["off"]) <= ERRORS
    fast = ours >= SPEED_BAR and ours >= RATIO_BAR * peer
    document = {"bench": "learner_anchors", "rows": rows, "steps_a_second": ours, "peer": peer}
    print(json.dumps(document | {"holds": holds and fast}))
    return 0 if holds and fast else 1


if __name__ == "__main__":
    sys.exit(main())
