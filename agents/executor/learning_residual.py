"""Residual: what a plan misses, as a few coefficients, searched on the market itself.

Both sides share the coefficients: the ask's features are those of the bid with the position and
the regime turned over. Evolution strategies with mirrored samples and common random numbers (every
candidate of a generation meets the same seeds) need no gradient and hardly any arithmetic.
"""

from dataclasses import dataclass

import numpy as np

from agents.executor.learning_environment import Purse
from market.stylised import QuoteTable
from market.types import F8

PAIRS = 2
STEP_START = 0.03  # of 1 / decay
GROW, SHRINK = 1.3, 0.6


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation: reward of the centre and of the best candidate on the same seed."""

    calls_left: int
    centre: float
    best: float
    step: float


def features(steps: int, q_max: int, regimes: int) -> F8:
    """Return f8[features, steps, states, regimes] of the bid; each lies in [-1, 1]."""
    shape = (steps, 2 * q_max + 1, regimes)
    x = np.broadcast_to((np.arange(shape[1]) - q_max)[None, :, None] / q_max, shape)
    left = np.broadcast_to(1.0 - np.arange(steps)[:, None, None] / steps, shape)
    signal = np.broadcast_to(np.linspace(-1.0, 1.0, regimes) if regimes > 1 else np.zeros(1), shape)
    late = np.exp(-8.0 * left)
    rows = [np.ones(shape), x, np.abs(x), x * np.abs(x), late, late * x]
    if regimes > 1:
        rows += [signal, signal * x]
    return np.stack(rows)


def shifted(plan: QuoteTable, coefficients: F8, rows: F8, low: float, high: float) -> QuoteTable:
    """Return the plan with coefficients x features added, clipped to [low, high]."""
    bid = sum(each * row for each, row in zip(coefficients, rows, strict=True))
    ask = bid[:, ::-1, ::-1]
    return QuoteTable(np.clip(plan.bid + bid, low, high), np.clip(plan.ask + ask, low, high))


def search(
    purse: Purse, plan: QuoteTable, *, decay: float, calls: int, rng: np.random.Generator
) -> tuple[QuoteTable, list[Generation]]:
    """Return the plan with the best residual that the search ended at, and how it went.

    Args:
        purse: the market.
        plan: where the search begins, at coefficients of 0.
        decay: unit of the coefficients is its inverse.
        calls: to be spent at most; each candidate costs one episode.
        rng: directions.
    """
    rows = features(purse.steps, purse.q_max, purse.regimes)
    centre, step = np.zeros(len(rows)), STEP_START / decay
    history: list[Generation] = []
    spent_until = purse.left - calls
    while purse.left - (2 * PAIRS + 1) * purse.steps >= spent_until:
        seed = purse.fresh_seed()
        draws = rng.standard_normal((PAIRS, len(rows)))
        moves = np.concatenate([draws, -draws]) * step
        played = [centre, *(centre + move for move in moves)]
        worth = [
            float(purse.play(shifted(plan, each, rows, purse.low, purse.high), seed).mean())
            for each in played
        ]
        gains = np.array(worth[1:]) - worth[0]
        history.append(Generation(purse.left, worth[0], max(worth), step))
        better = np.flatnonzero(gains > 0.0)
        if len(better) == 0:
            step *= SHRINK
            continue
        weights = np.maximum(0.0, gains)  # recombination: the better, the more
        centre = centre + (weights / weights.sum()) @ moves
        step *= GROW if 2 * len(better) > len(gains) else 1.0
    return shifted(plan, centre, rows, purse.low, purse.high), history
