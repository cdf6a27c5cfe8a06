"""The stylised market: a market-making problem whose optimum can be computed exactly.

Here stand the model, its batched environment, its exact solver and its exact evaluator. Learning
lives in `agents/executor/learning.py`, the Gymnasium face in `market/stylised_gymnasium.py`. Depths
and mid share one unit (the market does not care which); time is in the unit of `dt`.

One step from t to t + dt, everything observed before quoting: the depths are clipped to
[depth_low, depth_high]; each side fills at most one unit, independently; a fill earns depth - fee;
mid moves by drift[m] dt + sigma sqrt(dt) N(0, 1) and marks what is held after the fills; the
penalty phi q^2 dt falls due on the same; the regime m moves by its transition matrix. At the end
alpha q^2 is taken off. No bid at q = +q_max, no ask at q = -q_max.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from market.stylised_solve import evaluate_backward, solve_backward
from market.stylised_step import (
    NUMBER_ALPHA,
    NUMBER_COLUMNS,
    NUMBER_DECAY,
    NUMBER_FEE,
    NUMBER_HIGH,
    NUMBER_LINEAR,
    NUMBER_LOG_RATE,
    NUMBER_LOW,
    NUMBER_NOISE,
    NUMBER_PHI,
    start_copies,
    step_copies,
)
from market.types import F8, I8

FILL_LAWS = ("poisson", "linear")
ROW_SUM_TOLERANCE = 1e-9
COPIES_DEFAULT = 4096


class Observation(NamedTuple):
    """What is seen before quoting: step i8[copies], position i8[copies], regime i8[copies]."""

    t: I8
    q: I8
    regime: I8


class QuoteTable(NamedTuple):
    """Depths from mid by (step, q + q_max, regime): two f8[steps, 2 q_max + 1, regimes]."""

    bid: F8
    ask: F8


class StylisedMarket:
    """One market, fixed by its figures; immutable.

    Args:
        steps: number of steps, >= 1.
        dt: time of a step, > 0.
        intensity: A of the fill rate A exp(-k depth), per unit of time, > 0; unused with a table.
        decay: k, per unit of depth, > 0; unused with a table.
        sigma: volatility of mid, per sqrt(time), >= 0.
        phi: running penalty on q squared, per unit of time, >= 0.
        alpha: terminal penalty on q squared, >= 0.
        q_max: bound on the position, >= 1.
        fee: per unit filled, cost positive.
        depth_low, depth_high: bounds on depths, low < high; a negative depth is beyond mid.
        drift: of mid by regime, per unit of time, [regimes].
        transition: of the regime in one step, [regimes, regimes]; rows sum to 1.
        fill_law: "poisson" 1 - exp(-rate dt), or "linear" min(1, rate dt).
        rate_table: (depths rising, rates falling or level, >= 0): straight between its points,
            level beyond its ends.
    """

    def __init__(
        self,
        *,
        steps: int,
        dt: float,
        intensity: float,
        decay: float,
        sigma: float,
        phi: float,
        alpha: float,
        q_max: int,
        fee: float,
        depth_low: float,
        depth_high: float,
        drift: npt.ArrayLike,
        transition: npt.ArrayLike,
        fill_law: str = "poisson",
        rate_table: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    ) -> None:
        self.steps = _at_least_one("steps", steps)
        self.q_max = _at_least_one("q_max", q_max)
        self.dt = _figure("dt", dt, "> 0", dt > 0)
        exponential = rate_table is None
        self.intensity = _figure("intensity", intensity, "> 0", intensity > 0 or not exponential)
        self.decay = _figure("decay", decay, "> 0", decay > 0 or not exponential)
        self.sigma = _figure("sigma", sigma, ">= 0", sigma >= 0)
        self.phi = _figure("phi", phi, ">= 0", phi >= 0)
        self.alpha = _figure("alpha", alpha, ">= 0", alpha >= 0)
        self.fee = _figure("fee", fee, "finite", True)
        self.depth_low = _figure("depth_low", depth_low, "< depth_high", depth_low < depth_high)
        self.depth_high = _figure("depth_high", depth_high, "finite", True)
        if fill_law not in FILL_LAWS:
            raise ValueError(f"fill_law must be one of {FILL_LAWS}, found {fill_law!r}")
        self.fill_law = fill_law
        self.drift, self.transition = _chain(drift, transition)
        self.regimes = len(self.drift)
        self.rate_table = None if rate_table is None else _rate_table(*rate_table)

    def numbers(self) -> F8:
        """Return the figures as the kernels take them: f8[NUMBER_COLUMNS]."""
        row = np.zeros(NUMBER_COLUMNS)
        if self.rate_table is None:
            row[NUMBER_LOG_RATE] = math.log(self.intensity * self.dt)
            row[NUMBER_DECAY] = self.decay
        row[NUMBER_NOISE] = self.sigma * math.sqrt(self.dt)
        row[NUMBER_PHI] = self.phi * self.dt
        row[NUMBER_ALPHA] = self.alpha
        row[NUMBER_FEE] = self.fee
        row[NUMBER_LOW] = self.depth_low
        row[NUMBER_HIGH] = self.depth_high
        row[NUMBER_LINEAR] = float(self.fill_law == "linear")
        return row

    def curve(self) -> tuple[F8, F8]:
        """Return (depths, rates x dt) as the kernels take them; empty when exponential."""
        if self.rate_table is None:
            return np.zeros(0), np.zeros(0)
        depths, rates = self.rate_table
        return depths, rates * self.dt

    def environment(self, copies: int = COPIES_DEFAULT) -> "StylisedEnvironment":
        """Return many independent copies of this market behind one step."""
        return StylisedEnvironment(self, copies)


class StylisedEnvironment:
    """Copies of one market that move together.

    Static shape: `copies`, `steps`, `q_max`, `regimes`, `depth_low`, `depth_high`. The same seed
    gives the same chance to the same copy and step, whatever is quoted.
    """

    def __init__(self, market: StylisedMarket, copies: int = COPIES_DEFAULT) -> None:
        self.copies = _at_least_one("copies", copies)
        self.steps, self.q_max, self.regimes = market.steps, market.q_max, market.regimes
        self.depth_low, self.depth_high = market.depth_low, market.depth_high
        self._numbers = market.numbers()
        self._depths, self._rates = market.curve()
        self._drift = market.drift * market.dt
        self._cumulative = np.cumsum(market.transition, axis=1)
        self._keys = np.zeros(copies, dtype=np.uint64)
        self._q = np.zeros(copies, dtype=np.int64)
        self._regime = np.zeros(copies, dtype=np.int64)
        self._t = self.steps

    def reset(self, seed: int) -> Observation:
        """Begin anew at q = 0 in the middle regime.

        Args:
            seed: integer in [0, 2^63).
        """
        start_copies(seed, self._keys)
        self._q.fill(0)
        self._regime.fill(self.regimes // 2)
        self._t = 0
        return self._observation()

    def step(self, bid: npt.ArrayLike, ask: npt.ArrayLike) -> tuple[Observation, F8, bool]:
        """Quote f8[copies] depths a side; return (observation, reward f8[copies], done)."""
        if self._t >= self.steps:
            raise ValueError(f"the episode has ended after {self.steps} steps: call reset(seed)")
        reward = np.empty(self.copies)
        done = self._t == self.steps - 1
        step_copies(
            _quotes("bid", bid, self.copies),
            _quotes("ask", ask, self.copies),
            self._t,
            done,
            self.q_max,
            self._numbers,
            self._depths,
            self._rates,
            self._drift,
            self._cumulative,
            self._keys,
            self._q,
            self._regime,
            reward,
        )
        self._t += 1
        return self._observation(), reward, done

    def _observation(self) -> Observation:
        return Observation(np.full(self.copies, self._t), self._q.copy(), self._regime.copy())


def solve(market: StylisedMarket) -> tuple[QuoteTable, float]:
    """Return the optimal quotes and their exact value at the start.

    Depths are continuous and found by bisection to the last bit that matters; a side that may not
    quote holds depth_high. Complexity: steps x states x regimes x a few hundred exponentials.
    """
    shape = (market.steps, 2 * market.q_max + 1, market.regimes)
    table = QuoteTable(np.empty(shape), np.empty(shape))
    value = np.zeros(shape[1:])
    solve_backward(*_problem(market), *table, value, np.empty(shape[1:]))
    return table, float(value[market.q_max, market.regimes // 2])


def evaluate(market: StylisedMarket, table: Any) -> float:
    """Return the exact expected total reward of quoting by a table from the start.

    Args:
        market: the market.
        table: has `bid` and `ask`, or is a pair of them: f8[steps, 2 q_max + 1, regimes].
    """
    pair = (table.bid, table.ask) if hasattr(table, "bid") else tuple(table)
    shape = (market.steps, 2 * market.q_max + 1, market.regimes)
    bid, ask = (np.ascontiguousarray(each, dtype=np.float64) for each in pair)
    if bid.shape != shape or ask.shape != shape:
        raise ValueError(f"bid and ask must have shape {shape}, found {bid.shape}, {ask.shape}")
    value = np.zeros(shape[1:])
    evaluate_backward(*_problem(market), bid, ask, value, np.empty(shape[1:]))
    return float(value[market.q_max, market.regimes // 2])


def _problem(market: StylisedMarket) -> tuple[F8, F8, F8, F8, F8]:
    return market.numbers(), *market.curve(), market.drift * market.dt, market.transition


def _figure(name: str, value: float, allowed: str, fits: bool) -> float:
    if not (math.isfinite(value) and fits):
        raise ValueError(f"{name} must be {allowed}, found {value}")
    return float(value)


def _at_least_one(name: str, value: int) -> int:
    if not (value >= 1 and int(value) == value):
        raise ValueError(f"{name} must be a whole number >= 1, found {value}")
    return int(value)


def _quotes(name: str, depths: npt.ArrayLike, copies: int) -> F8:
    found = np.ascontiguousarray(depths, dtype=np.float64)
    if found.shape != (copies,):
        raise ValueError(f"{name} must have shape ({copies},), found {found.shape}")
    return found


def _chain(drift: npt.ArrayLike, transition: npt.ArrayLike) -> tuple[F8, F8]:
    moves = np.array(drift, dtype=np.float64, ndmin=1)
    matrix = np.array(transition, dtype=np.float64, ndmin=2)
    regimes = moves.shape[0]
    if moves.ndim != 1 or matrix.shape != (regimes, regimes) or not np.all(np.isfinite(moves)):
        raise ValueError(
            "drift must be finite [regimes] and transition [regimes, regimes], found shapes "
            f"{moves.shape} and {matrix.shape}"
        )
    if not (np.all(matrix >= 0) and np.allclose(matrix.sum(axis=1), 1, atol=ROW_SUM_TOLERANCE)):
        raise ValueError(f"transition must have rows >= 0 that sum to 1, found {matrix.tolist()}")
    moves.flags.writeable = matrix.flags.writeable = False
    return moves, matrix


def _rate_table(depths: npt.ArrayLike, rates: npt.ArrayLike) -> tuple[F8, F8]:
    x = np.array(depths, dtype=np.float64, ndmin=1)
    y = np.array(rates, dtype=np.float64, ndmin=1)
    if x.ndim != 1 or x.shape != y.shape or not np.all(np.isfinite(x) & np.isfinite(y)):
        raise ValueError(
            f"rate_table must be two finite arrays of one length, found {x.shape}, {y.shape}"
        )
    if not (np.all(np.diff(x) > 0) and np.all(np.diff(y) <= 0) and y[-1] >= 0):
        raise ValueError("rate_table must have rising depths and rates >= 0 that do not rise")
    x.flags.writeable = y.flags.writeable = False
    return x, y
