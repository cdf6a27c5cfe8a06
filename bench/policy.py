"""The plan of the executor: how long it takes, and how soon it finds a new optimum.

python -m bench.policy [--switches 100] [--seed 1] [--folder docs/pictures]

Artificial markets, drawn by the seed: sellers and buyers come at rates A exp(-k depth), mid moves
once a cycle. They show themselves to the observer as a feed does; what it plans at a cycle edge is
worth its exact expected reward in that market (`market/stylised.py`), over that of the optimum.
After two hours k and sigma double. Bars: 95 % of the new optimum within 20 cycles, median of the
switches; a plan takes at most 2 ms, median, and 50 ms at worst, a decision at most 100 us.

Beside: how soon the closed form is there, and the same markets without a switch, where each
restart of the survey is a false alarm: its cost is what is lost after one against not after one.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from agents.cli.picture import Line, Panel, number_axis, plot
from market.account import open_account
from market.calibration import MEMORY_SURVEY
from market.features import new_observer, observe_market, observer_settings
from market.layout import (
    BUY,
    EVENT_COLUMNS,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SIDE,
    KIND_TRADE,
    PLAN_ASK,
    PLAN_BID,
    PLAN_COLUMNS,
    PLAN_DYNAMIC,
    PLAN_SLOPE,
    SELL,
    STEP_ASK,
    STEP_BID,
    STEP_COLUMNS,
    STEP_NOW_NS,
    VIEW_COLUMNS,
)
from market.planned import HORIZON, ORDERS, with_dynamic, write_dynamic_plan
from market.prints import read_prints
from market.strategy import think
from market.stylised import StylisedMarket, evaluate, solve
from market.survey import COUNTER_CYCLES
from market.types import F8
from market.warm import warm_setup

CYCLE_S = 30
BEFORE, AFTER = 240, 60
AVERSION = 0.1
SHARE, CYCLES_MAX = 0.95, 20
PLAN_MEDIAN_S, PLAN_MAX_S, DECISION_S = 2e-3, 50e-3, 100e-6
MID = 1_000_000


@dataclass(frozen=True)
class Regime:
    """What drives a market: A a second, k a tick, sigma of mid over a cycle in ticks."""

    intensity: float
    decay: float
    sigma: float

    def market(self) -> StylisedMarket:
        """Return the exact market, a cycle a step."""
        phi = 0.5 * AVERSION * self.decay * self.sigma**2
        return StylisedMarket(
            steps=HORIZON, dt=1.0, intensity=self.intensity * CYCLE_S, decay=self.decay,
            sigma=self.sigma, phi=phi, alpha=phi, q_max=ORDERS, fee=0.0, depth_low=0.0,
            depth_high=0.0064 * MID, drift=[0.0], transition=[[1.0]],
        )  # fmt: skip


def drawn(rng: np.random.Generator) -> Regime:
    """Return a market: orders at 1 / k from mid are filled in a fifth to nine tenths of cycles."""
    depth = 1e-4 * MID * rng.uniform(3.0, 8.0)
    arrivals = np.exp(rng.uniform(np.log(0.02), np.log(0.2)))
    return Regime(arrivals, 1.0 / depth, depth * rng.uniform(0.3, 1.2))


class Feed:
    """A market that shows itself to an observer, cycle by cycle."""

    def __init__(self, rng: np.random.Generator, *, dynamic: bool) -> None:
        self.rng, self.mid, self.now_s = rng, MID, 0
        settings = observer_settings(risk_aversion=AVERSION, warmup_s=0.0)
        self.settings = with_dynamic(settings) if dynamic else settings
        self.memory, self.cells = new_observer(self.settings)
        self.step = np.zeros(STEP_COLUMNS, dtype=np.int64)
        self.view, self.plan = np.zeros(VIEW_COLUMNS), np.zeros(PLAN_COLUMNS)

    def cycle(self, regime: Regime) -> F8:
        """Live through one cycle; return the plan at its end."""
        for second in range(CYCLE_S):
            events = self.prints(regime)
            rows = np.arange(len(events), dtype=np.int32)
            read_prints(events, 0, rows, 0, len(rows), self.memory, self.cells)
            if second == CYCLE_S - 1:
                self.mid += round(self.rng.normal(0.0, regime.sigma))
            self.now_s += 1
            self.step[STEP_NOW_NS] = self.now_s * 10**9
            self.step[STEP_BID], self.step[STEP_ASK] = self.mid - 1, self.mid + 1
            bid_lots, ask_lots = self.rng.integers(1, 100, 2).tolist()
            observe_market(
                0.0, bid_lots, ask_lots, self.memory, self.cells, self.settings, self.step,
                self.view, self.plan,
            )  # fmt: skip
        return self.plan[PLAN_DYNAMIC:].copy()  # the closed form, where no other is made

    def prints(self, regime: Regime) -> Any:
        """Return the arrivals of a second."""
        counts = self.rng.poisson(regime.intensity, 2)
        events = np.zeros((counts.sum(), EVENT_COLUMNS), dtype=np.int64)
        depths = self.rng.exponential(1.0 / regime.decay, len(events))
        sides = np.repeat([SELL, BUY], counts)
        events[:, EVENT_KIND], events[:, EVENT_LOTS], events[:, EVENT_SIDE] = KIND_TRADE, 1, sides
        events[:, EVENT_PRICE_TICKS] = np.rint(self.mid + sides * depths)
        events[:, EVENT_EXCH_NS] = np.arange(len(events))
        return events


def worth(plan: F8, market: StylisedMarket) -> float:
    """Return the exact reward of a plan."""
    x = np.arange(-ORDERS, ORDERS + 1) / ORDERS
    shape = (HORIZON, 2 * ORDERS + 1, 1)
    depths = (plan[PLAN_BID] + plan[PLAN_SLOPE] * x, plan[PLAN_ASK] - plan[PLAN_SLOPE] * x)
    bid, ask = (np.broadcast_to(each[None, :, None], shape) for each in depths)
    return evaluate(market, (bid, ask))


def switched(seed: int, *, dynamic: bool, doubles: bool) -> F8:
    """Return (fraction of the optimum, cycles counted) after each cycle past BEFORE."""
    rng = np.random.default_rng(seed)
    feed, regime = Feed(rng, dynamic=dynamic), drawn(rng)
    for _ in range(BEFORE):
        feed.cycle(regime)
    if doubles:
        regime = replace(regime, decay=2.0 * regime.decay, sigma=2.0 * regime.sigma)
    market = regime.market()
    optimum = solve(market)[1]
    rows = []
    for _ in range(AFTER):
        plan = feed.cycle(regime)
        rows.append((worth(plan, market) / optimum, feed.memory[MEMORY_SURVEY + COUNTER_CYCLES]))
    return np.array(rows)


def reached(fractions: F8) -> int:
    """Return the cycles until SHARE is reached for the first time; AFTER when it never is."""
    over = np.flatnonzero(fractions >= SHARE)
    return int(over[0]) + 1 if over.size else AFTER


def alarms(calm: F8) -> dict[str, float]:
    """Return what restarts cost where nothing changed; f8[n, AFTER, 2] of `switched`."""
    young = calm[:, :, 1] < CYCLES_MAX
    restarts = (np.diff(calm[:, :, 1], axis=1) < 0.0).sum()
    lost = float(calm[~young, 0].mean() - calm[young, 0].mean()) if young.any() else 0.0
    return {
        "fraction": float(calm[:, :, 0].mean()),
        "alarms_in_100_cycles": 100.0 * float(restarts) / calm[:, 1:, 0].size,
        "lost_after_an_alarm": lost,
        "cost": lost * float(young.mean()),
    }


def timed(rounds: int = 2_000) -> dict[str, float]:
    """Return how long plans and decisions take, seconds."""
    rng = np.random.default_rng(0)
    feed, regime = Feed(rng, dynamic=True), drawn(rng)
    for _ in range(BEFORE):
        feed.cycle(regime)
    setup = warm_setup()
    account = open_account(setup, trips=0)
    parameters = np.array([0.05, 2.0, 1.0, 5.0])
    plans, decisions = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        write_dynamic_plan(feed.view, feed.memory, feed.settings, feed.plan[PLAN_DYNAMIC:])
        planned = time.perf_counter()
        think(feed.step, feed.view, feed.plan, account, setup, parameters, 0)
        plans.append(planned - began)
        decisions.append(time.perf_counter() - planned)
    return {
        "plan_median_s": float(np.median(plans[10:])),
        "plan_max_s": max(plans[10:]),
        "decision_median_s": float(np.median(decisions[10:])),
    }


def drawn_curves(plan: F8, closed: F8, calm: F8) -> str:
    """Draw the fraction of the optimum after a switch, f8[AFTER] each."""
    cycles = np.arange(1.0, AFTER + 1.0)
    series = (
        Line("plan", cycles, plan),
        Line("closed form", cycles, closed, 2),
        Line("plan, no switch", cycles, calm, 1, thin=True),
    )
    return plot(
        [Panel("fraction of the new optimum, median", series, height=200)],
        number_axis(1.0, float(AFTER), "cycles after the switch"),
        title="After a switch of the market",
        subtitle="k and the volatility double at once",
    )


def main() -> int:
    """Print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--switches", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="draw learner-switch.svg there")
    told = parser.parse_args()
    seeds = [1_000 * told.seed + number for number in range(told.switches)]
    plan = np.array([switched(seed, dynamic=True, doubles=True) for seed in seeds])
    closed = np.array([switched(seed, dynamic=False, doubles=True) for seed in seeds])
    calm = np.array([switched(seed, dynamic=True, doubles=False) for seed in seeds])
    found: dict[str, Any] = {}
    for name, rows in (("plan", plan), ("closed form", closed)):
        cycles = [reached(row[:, 0]) for row in rows]
        found[name] = {
            "cycles_median": float(np.median(cycles)),
            "cycles_90": float(np.quantile(cycles, 0.9)),
            "never": sum(each == AFTER for each in cycles),
            "first": float(np.median(rows[:, 0, 0])),
            "at_20": float(np.median(rows[:, CYCLES_MAX - 1, 0])),
            "last": float(np.median(rows[:, -1, 0])),
        }
        print(name, {key: round(value, 4) for key, value in found[name].items()})
    found["calm"] = alarms(calm)
    found["times"] = timed()
    print("without a switch", {key: round(value, 5) for key, value in found["calm"].items()})
    print({key: f"{1e6 * value:.1f} us" for key, value in found["times"].items()})
    times = found["times"]
    good = (
        found["plan"]["cycles_median"] <= CYCLES_MAX
        and times["plan_median_s"] <= PLAN_MEDIAN_S
        and times["plan_max_s"] <= PLAN_MAX_S
        and times["decision_median_s"] <= DECISION_S
    )
    if told.folder is not None:
        curves = [np.median(each[:, :, 0], axis=0) for each in (plan, closed, calm)]
        (told.folder / "learner-switch.svg").write_text(drawn_curves(*curves), encoding="utf-8")
    print(json.dumps({"bench": "policy", "good": good, "switches": told.switches, **found}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
