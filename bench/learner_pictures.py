"""Draw what `docs/learner.md` shows: quotes against the optimum, the learning curve, a fill curve.

python -m bench.learner_pictures [--folder docs/pictures]
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from agents.cli.picture import Line, Marks, Panel, number_axis, plot
from agents.executor.learning import Study, study
from bench.learner_markets import Proxy, blind, draw
from market.stylised import QuoteTable, StylisedMarket, evaluate, solve
from market.stylised_step import fill_chance
from market.types import F8

COPIES = 256
BUDGETS = (20_000, 50_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000, 30_000_000)
SEEDS = (0, 1, 2)
SHOWN_LOSS_MIN = 1e-7


def laboratory() -> StylisedMarket:
    """Return the market of the page: basis points, 30-second steps, a fee, three regimes."""
    return StylisedMarket(
        steps=120,
        dt=30.0,
        intensity=0.02,
        decay=0.3,
        sigma=0.5,
        phi=0.0002,
        alpha=0.05,
        q_max=6,
        fee=1.0,
        depth_low=0.0,
        depth_high=20.0,
        drift=[-0.02, 0.0, 0.02],
        transition=[[0.95, 0.05, 0.0], [0.03, 0.94, 0.03], [0.0, 0.05, 0.95]],
    )


def by_position(table: QuoteTable, market: StylisedMarket, regime: int) -> tuple[F8, F8]:
    """Return bid and ask depth by position in the middle of the episode, NaN where closed."""
    bid, ask = (each[market.steps // 2, :, regime].copy() for each in table)
    bid[-1], ask[0] = np.nan, np.nan
    return bid, ask


def quotes(market: StylisedMarket, learned: Study, best: QuoteTable) -> str:
    """Draw the quotes by inventory in the regimes of falling and of no drift."""
    q = np.arange(-market.q_max, market.q_max + 1, dtype=np.float64)
    panels = []
    for regime, name in ((1, "no drift"), (2, "mid drifts up")):
        told = [by_position(each, market, regime) for each in (learned.table, best, learned.start)]
        for side, title in ((1, "ask"), (0, "bid")):
            ours, exact, closed = (each[side] for each in told)
            series = (
                Line("learned", q, ours),
                Marks("optimum", q, exact, 1, up=bool(side)),
                Line("closed form", q, closed, 2, thin=True),
            )
            panels.append(Panel(f"{name}: depth of the {title}, basis points", series, height=120))
    return plot(
        panels,
        number_axis(float(q[0]), float(q[-1]), "position, units"),
        title="Quotes by inventory",
        subtitle="half-way through the episode",
    )


def curve(market: StylisedMarket, value: float, floor: float) -> tuple[str, list[float]]:
    """Draw what is lost against the steps seen."""
    losses = np.array(
        [
            [
                1.0
                - evaluate(
                    market, study(Proxy(market.environment(COPIES)), budget_steps=b, seed=s).table
                )
                / value
                for s in SEEDS
            ]
            for b in BUDGETS
        ]
    )
    x = np.log10(np.array(BUDGETS, dtype=np.float64))
    shown = np.log10(np.maximum(losses, SHOWN_LOSS_MIN))
    lines = (
        Line("median seed", x, np.median(shown, axis=1)),
        Line("worst", x, shown.max(axis=1), 1, thin=True),
        Line("best blind quote", x, np.full(len(x), np.log10(1.0 - floor / value)), 4),
        Line("the bar, 0.99", x, np.full(len(x), -2.0), 3),
    )
    text = plot(
        [Panel("log10 of the part of the optimum lost", lines, zero=True, height=240)],
        number_axis(float(x[0]), float(x[-1]), "log10 of the steps seen"),
        title="Learning curve",
        subtitle="exact evaluation, no sampling; every budget is a run of its own",
    )
    return text, [float(each) for each in np.median(losses, axis=1)]


def fills() -> str:
    """Draw a fat-tailed fill law, as it is and as it was learned."""
    market = draw("fat tails", 0)
    found = study(Proxy(market.environment(4096)), seed=0).estimate.bid
    truth = np.array([fill_chance(d, market.numbers(), *market.curve()) for d in found.depths])
    x = found.depths * market.decay
    nearest = found.intensity * np.exp(-found.decay * found.depths)
    lines = (
        Line("learned", x, np.log10(found.chances)),
        Line("truth", x, np.log10(truth), 1, thin=True),
        Line("nearest exponential", x, np.log10(np.minimum(1.0, nearest)), 4, thin=True),
    )
    return plot(
        [Panel("log10 of the chance of a fill within one step", lines, zero=True, height=240)],
        number_axis(float(x[0]), float(x[-1]), "depth from mid, units"),
        title="A fill law that no exponential fits",
        subtitle="a table of rates that falls like a power of depth; learned from counts alone",
    )


def main() -> int:
    """Write three SVG files; print what the learning curve says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("docs/pictures"))
    told = parser.parse_args()
    market = laboratory()
    best, value = solve(market)
    learned = study(Proxy(market.environment(4096)), seed=0)
    line, losses = curve(market, value, blind(market))
    told.folder.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("learner-quotes", quotes(market, learned, best)),
        ("learner-curve", line),
        ("learner-fills", fills()),
    ):
        (told.folder / f"{name}.svg").write_text(text, encoding="utf-8")
    print(json.dumps({"bench": "learner_pictures", "budgets": BUDGETS, "median_losses": losses}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
