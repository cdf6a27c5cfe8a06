"""What would be lost if: scenarios, named and parametric, on the book, position and orders of now.

Each outcome is a pure function of a `Desk` and a `Scenario`. A move is instant: every open order
that it runs over is filled at its own price, nothing is cancelled in time, and what is then held is
closed on the book of the scenario, beyond its last level by the square-root law
(`market/liquidity.py`). A scenario that names no move is taken both ways, and the worse is told.
Losses are quote asset, > 0; a gain is negative.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from market.layout import (
    ASK_ROW,
    BID_ROW,
    BUY,
    SCALE_TICK_LOT,
    TOUCH_ASK,
    TOUCH_BASE,
    TOUCH_BID,
    UNITS,
    VIEW_FLOW,
    VIEW_SIGMA,
)
from market.liquidity import beyond_cost
from market.types import F8, I8
from market.value import SCORE
from risk.liquidity import seconds_to_close

HORIZON_S = 3_600.0
"""Over which a scenario of volatility is reckoned."""
OUTAGE_S = 3_600.0
LEVELS_MAX = 1_000
STABLE = frozenset({"USDT", "USDC", "BUSD", "FDUSD", "TUSD", "DAI", "USDD", "PYUSD"})
"""Quote assets that are worth a dollar until they are not."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens.

    Attributes:
        name: for people.
        moves: of the price, fractions, signed; empty: 99 % of the volatility, both ways.
        spread: times as wide.
        depth: divides every level.
        volatility: times the volatility now.
        correlated: whether the other symbols of the same capital move against us as well.
        peg: share of its worth that the quote asset loses.
        outage_s: seconds in which nothing can be sent or cancelled.
        source: where a historical one comes from.
    """

    name: str
    moves: tuple[float, ...] = ()
    spread: float = 1.0
    depth: float = 1.0
    volatility: float = 1.0
    correlated: bool = False
    peg: float = 0.0
    outage_s: float = 0.0
    source: str = ""


PARAMETRIC = (
    *(Scenario(f"gap {share:+.0%}", (share,)) for share in (-0.05, 0.05, -0.1, 0.1, -0.2, 0.2)),
    Scenario("spread x 10", (0.0,), spread=10.0),
    Scenario("depth / 10", (0.0,), depth=10.0),
    Scenario("volatility x 5", volatility=5.0),
    Scenario("correlation to 1", correlated=True),
    Scenario("quote asset 10 % off its peg", (0.0,), peg=0.1),
    Scenario("venue outage of an hour", outage_s=OUTAGE_S),
)
JANUARY = "Bittrex, quoted in BTC, January to 6 February 2018, closes of 5 minutes"
HISTORY = (
    Scenario("fall of 2018 within a day", (-0.3794,), source=f"XLM, {JANUARY}"),
    Scenario("fall of 2018 within an hour", (-0.1873,), source=f"OMG, {JANUARY}"),
    Scenario("crash of 2018 within 5 minutes", (-0.0859,), source=f"XRP, {JANUARY}"),
    Scenario("rise of 2018 within a day", (0.8394,), source=f"XLM, {JANUARY}"),
    Scenario("rise of 2018 within an hour", (0.3239,), source=f"XRP, {JANUARY}"),
    Scenario("rise of 2018 within 5 minutes", (0.1265,), source=f"XLM, {JANUARY}"),
)
"""The worst moves of closes; `python -m bench.stress` measures them again."""
ALL = (*PARAMETRIC, *HISTORY)
SPANS_S = (("a day", 86_400), ("an hour", 3_600), ("5 minutes", 300))


@dataclass(frozen=True, slots=True)
class Desk:
    """Book, position and orders at one moment.

    Attributes:
        half_ticks: bid + ask.
        bids, asks: f8[n, 2], best first: distance from mid in half ticks, lots.
        lots: signed position.
        orders: i8[m, 3]: side, price in ticks, lots; all that are open.
        cash: quote asset held, its orders included.
        equity: quote asset.
        sigma: ticks per sqrt(second).
        flow: traded lots a second.
        tick_lot: quote asset of a tick on a lot.
        quote: name of the quote asset.
        participation: share of the flow that closing may be, in (0, 1].
        maintenance: margin that a position needs, share of its worth; 0 on spot.
        others: what the other symbols of the capital lose by one sigma of an hour, quote asset.
    """

    half_ticks: int
    bids: F8
    asks: F8
    lots: int
    orders: I8
    cash: float
    equity: float
    sigma: float
    flow: float
    tick_lot: float
    quote: str
    participation: float = 0.05
    maintenance: float = 0.0
    others: tuple[float, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a scenario does.

    Attributes:
        name: the scenario's.
        move: of the price that was taken.
        loss: quote asset, closing included.
        closing: of it, what the book charges for closing at once; infinite when nothing trades.
        lots: held after the orders that were run over.
        margin: equity left over what a position of that size needs.
        seconds: until closed as a share of what trades, an outage included.
    """

    name: str
    move: float
    loss: float
    closing: float
    lots: int
    margin: float
    seconds: float


def stress(desk: Desk, scenarios: Sequence[Scenario] = ALL) -> list[Outcome]:
    """Return what each scenario does, in order; a peg is asked of stable quote assets alone."""
    told = [each for each in scenarios if each.peg == 0.0 or desk.quote in STABLE]
    return [outcome(desk, each) for each in told]


def outcome(desk: Desk, scenario: Scenario) -> Outcome:
    """Return the worse of a scenario's moves."""
    moves = scenario.moves
    if not moves:
        seconds = scenario.outage_s or HORIZON_S
        reach = SCORE * scenario.volatility * desk.sigma * math.sqrt(seconds)
        share = min(0.99, 2.0 * reach / desk.half_ticks)
        moves = (-share, share)
    return max((moved(desk, scenario, each) for each in moves), key=lambda each: each.loss)


def moved(desk: Desk, scenario: Scenario, move: float) -> Outcome:
    """Return what a scenario does with one move of the price."""
    mid = 0.5 * desk.half_ticks
    after = mid * (1.0 + move)
    side, price, lots = desk.orders.T.astype(np.float64)
    met = (lots > 0) & (side * (price - after) >= 0.0) & (move != 0.0)
    held = desk.lots + round(float(side[met] @ lots[met]))
    gained = desk.lots * (after - mid) + float((side[met] * lots[met]) @ (after - price[met]))
    spent = closing_cost(desk, scenario, held)
    cash = desk.cash - float((side[met] * lots[met]) @ price[met]) * desk.tick_lot
    loss = (spent - gained) * desk.tick_lot + scenario.peg * max(0.0, cash)
    if scenario.correlated:
        loss += SCORE * sum(desk.others)
    worth = abs(held) * after * desk.tick_lot
    return Outcome(
        name=scenario.name,
        move=move,
        loss=loss,
        closing=spent * desk.tick_lot,
        lots=held,
        margin=desk.equity - loss - desk.maintenance * worth,
        seconds=scenario.outage_s + seconds_to_close(abs(held), desk.flow, desk.participation),
    )


def closing_cost(desk: Desk, scenario: Scenario, lots: int) -> float:
    """Return what closing costs against mid on the book of a scenario, ticks x lots."""
    levels = desk.bids if lots > 0 else desk.asks
    left = float(abs(lots))
    if left == 0.0:
        return 0.0
    wider = (scenario.spread - 1.0) * (levels[0, 0] if len(levels) else 0.0)
    distance, shown = levels[:, 0] + wider, levels[:, 1] / scenario.depth
    before = np.cumsum(shown) - shown
    taken = np.clip(left - before, 0.0, shown)
    reach = float(distance[-1]) if len(levels) else 0.0
    sigma = scenario.volatility * desk.sigma
    beyond = beyond_cost(left - float(taken.sum()), reach, sigma, desk.flow)
    return 0.5 * (float(taken @ distance) + float(beyond))


def desk_of(
    levels: I8,
    touch: I8,
    view_row: F8,
    scale: I8,
    *,
    lots: int,
    orders: I8,
    cash: float,
    equity: float,
    quote: str,
    participation: float,
    maintenance: float,
) -> Desk:
    """Return a desk from a book and a view; the arguments are those of `Desk`.

    Raises:
        ValueError: no two-sided book that is not crossed.
    """
    bid, ask = int(touch[TOUCH_BID]), int(touch[TOUCH_ASK])
    base = int(touch[TOUCH_BASE])
    if not base <= bid < ask < base + levels.shape[1]:
        raise ValueError("scenarios are reckoned on a two-sided book that is not crossed")
    half = bid + ask
    sides = []
    for row, columns in (
        (BID_ROW, np.arange(bid - base, -1, -1)),
        (ASK_ROW, np.arange(ask - base, levels.shape[1])),
    ):
        kept = columns[levels[row, columns] > 0][:LEVELS_MAX]
        distance = np.abs(2 * (kept + base) - half)
        sides.append(np.column_stack([distance, levels[row, kept]]).astype(np.float64))
    return Desk(
        half_ticks=half,
        bids=sides[0],
        asks=sides[1],
        lots=lots,
        orders=orders.reshape(-1, 3),
        cash=cash,
        equity=equity,
        sigma=float(view_row[VIEW_SIGMA]),
        flow=float(view_row[VIEW_FLOW]),
        tick_lot=float(scale[SCALE_TICK_LOT]) / UNITS,
        quote=quote,
        participation=participation,
        maintenance=maintenance,
    )


def worst_moves(times_ns: I8, prices: F8, span_ns: int) -> tuple[float, float]:
    """Return the deepest fall and the highest rise of prices within a span, signed fractions.

    Args:
        times_ns: i8[n], rising.
        prices: f8[n], > 0.
        span_ns: longest time between the two prices.
    """
    fall = rise = 0.0
    for lag in range(1, len(prices)):
        near = times_ns[lag:] - times_ns[:-lag] <= span_ns
        if not near.any():
            break
        change = (prices[lag:] / prices[:-lag] - 1.0)[near]
        fall, rise = min(fall, float(change.min())), max(rise, float(change.max()))
    return fall, rise


def worse_side(desk: Desk) -> int:
    """Return the position with every open order of its worse side filled, lots, unsigned."""
    side, _, lots = desk.orders.T
    bought = desk.lots + int(lots[side == BUY].sum())
    sold = desk.lots - int(lots[side != BUY].sum())
    return max(abs(bought), abs(sold))
