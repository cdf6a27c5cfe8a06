"""Is a market makeable at a fee? Passive orders are imagined at some depths and watched.

Every ten seconds one order a side is put at each depth and left alone until the next ten seconds.
When it fills, its markout is what mid says of its price half a minute later (Huang and Stoll 1996,
J. Financial Economics 41, 313-357: the realised half spread). A maker earns that, less the fee,
on each fill. Whether an order fills depends on its place in the line, which nobody sees, so both
bounds are taken: `touch` (a print at our price fills us: too many fills, too kind ones) and
`through` (only a print beyond it does: too few, the worst ones).

    makeable      some depth pays even by `through`: its lower bound is above zero
    not makeable  every depth that trades loses even by `touch`: its upper bound is below zero
    cannot tell   anything else

Bounds are those of `market.verdict` (stationary block bootstrap), over the sums of each interval;
for `makeable` their level is shared out among the depths, since the best of them is looked at.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from exchange.advice import Advice, suggest
from exchange.errors import AdviceError
from exchange.recording import Meta
from market.features import observer_settings
from market.layout import (
    BUY,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    EVENT_SIDE,
    KIND_TRADE,
    NO_ASK,
    NO_BID,
    SEEN_LOCAL,
    SELL,
    STEP_ASK,
    STEP_BID,
    STEP_NOW_NS,
)
from market.tape import build_tape
from market.types import F8, I8
from market.verdict import CYCLES_MIN, deflated_level, mean_bounds

SECOND_NS = 10**9
QUOTE_STEPS = 10
"""Seconds for which an order is left alone."""
HORIZONS_S = (1, 10, 30, 120)
HORIZON_S = 30
"""Seconds after which a fill is judged."""
POST_NS = 50_000_000
"""An order is not there before that."""
DEPTHS_MAX = 10
GROWTH = 1.5
"""Each depth over the one before."""
FILLS_MIN = 30
"""Fewer fills than that say nothing."""
IDLE_PER_HOUR = 6.0
"""A depth with fewer fills is no business."""
LEVEL = 0.05
DRAWS = 4_000
BPS = 10_000.0


class Answer(StrEnum):
    """What can be said of a market."""

    MAKEABLE = "makeable"
    NOT_MAKEABLE = "not makeable"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Bound:
    """Fills by one bound of the place in the line, bps of the price.

    Attributes:
        fills: orders that were filled.
        markout: mean, before the fee; NaN without a fill.
        lower, upper: of that mean; infinite when there is too little to tell.
        pays, loses: whether the fee is surely earned, or surely not.
    """

    fills: int
    markout: float
    lower: float
    upper: float
    pays: bool
    loses: bool


@dataclass(frozen=True, slots=True)
class Depth:
    """Orders at one depth.

    Attributes:
        bps: half spread that is quoted, of mid; of the touch the mean.
        at_touch: whether they join the best price.
        touch, through: by both bounds of the place in the line.
        markouts: mean markout by `touch` after each of HORIZONS_S, bps.
        idle: whether hardly anybody trades there.
    """

    bps: float
    at_touch: bool
    touch: Bound
    through: Bound
    markouts: tuple[float, ...]
    idle: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What a scout saw.

    Attributes:
        hours: watched.
        one_tick_share: of the time, with a spread of one tick.
        advice: facts, suggested parameters and smallest capital; None when there are none.
        advice_problem: why not.
    """

    answer: Answer
    reason: str
    meta: Meta
    fee_bps: float
    hours: float
    spread_ticks: float
    spread_bps: float
    one_tick_share: float
    trades_per_minute: float
    quote_per_minute: float
    depths: tuple[Depth, ...]
    advice: Advice | None
    advice_problem: str

    @property
    def best(self) -> Depth | None:
        """The depth with the highest markout by the kinder bound, among those that trade."""
        judged = [each for each in self.depths if not each.idle and each.touch.fills >= FILLS_MIN]
        return max(judged, key=lambda each: each.touch.markout, default=None)


@dataclass(frozen=True, slots=True)
class _Watched:
    """A market as arrays: steps of a second, and prints."""

    bid: F8
    ask: F8
    mid: F8
    first_ns: int
    print_ns: I8
    print_ticks: I8
    print_lots: I8
    print_side: I8

    @property
    def intervals(self) -> int:
        """Whole intervals with a judgement behind each."""
        return max(0, (len(self.mid) - 1 - HORIZON_S) // QUOTE_STEPS)


def scout(events: I8, meta: Meta, *, fee_bps: float, capital: float, seed: int = 1) -> Report:
    """Judge a market from what the local clock has shown.

    Args:
        events: i8[n, EVENT_COLUMNS].
        meta: of the instrument.
        fee_bps: maker fee.
        capital: quote asset, for the suggested parameters.
        seed: of the bootstrap.

    Raises:
        AdviceError: there was no two-sided book to watch.
    """
    meta = meta.model_copy(update={"maker_fee_bps": fee_bps})
    seen = _watch(events)
    whole = np.isfinite(seen.mid)
    if seen.intervals < 1 or not whole.any():
        raise AdviceError(f"{meta.symbol}: no two-sided book for a minute; watch longer")
    spread = (seen.ask - seen.bid)[whole]
    half_bps = float(np.median(spread / seen.mid[whole])) / 2 * BPS
    hours = len(seen.mid) / 3600
    depths = _depths(seen, half_bps, fee_bps, hours, seed)
    answer, reason = judge(depths, fee_bps, hours)
    advice, problem = None, ""
    try:
        last_ns = int(seen.first_ns + len(seen.mid) * SECOND_NS)
        advice = suggest(events, meta, capital=capital, until_ns=last_ns)
    except AdviceError as error:
        problem = str(error)
    turnover = float((seen.print_ticks * seen.print_lots).sum())
    return Report(
        answer=answer,
        reason=reason,
        meta=meta,
        fee_bps=fee_bps,
        hours=hours,
        spread_ticks=float(np.median(spread)),
        spread_bps=2 * half_bps,
        one_tick_share=float((spread == 1).mean()),
        trades_per_minute=len(seen.print_ns) / hours / 60,
        quote_per_minute=turnover * float(meta.tick) * float(meta.lot) / hours / 60,
        depths=depths,
        advice=advice,
        advice_problem=problem,
    )


def judge(depths: tuple[Depth, ...], fee_bps: float, hours: float) -> tuple[Answer, str]:
    """Return the answer, and why."""
    paying = [each for each in depths if each.through.pays and not each.idle]
    if paying:
        best = max(paying, key=lambda each: each.through.fills * (each.through.lower - fee_bps))
        return Answer.MAKEABLE, (
            f"orders {best.bps:.2f} bps from mid earned {best.through.markout:.2f} bps a fill, at "
            f"least {best.through.lower:.2f}, over a fee of {fee_bps:g}, at the end of the line too"
        )
    open_ones = [each for each in depths if not each.idle]
    if not open_ones:
        if hours * IDLE_PER_HOUR < FILLS_MIN:
            return Answer.CANNOT_TELL, "hardly anything traded; watch longer"
        return Answer.NOT_MAKEABLE, "hardly anything trades at any depth"
    if all(each.touch.loses for each in open_ones):
        best = max(open_ones, key=lambda each: each.touch.upper)
        return Answer.NOT_MAKEABLE, (
            f"even at the head of the line a fill earned at most {best.touch.upper:.2f} bps "
            f"({best.bps:.2f} bps from mid), less than the fee of {fee_bps:g}, at every depth"
        )
    if any(each.touch.pays for each in open_ones):
        return Answer.CANNOT_TELL, (
            "it pays at the head of the line and not surely at its end: the queue decides"
        )
    few = [each.touch.fills for each in open_ones if each.touch.fills < FILLS_MIN]
    if few:
        minutes = 60 * hours * FILLS_MIN / max(1, min(few))
        return Answer.CANNOT_TELL, (
            f"fewer than {FILLS_MIN} fills at {len(few)} depths; watch longer, about "
            f"{math.ceil(minutes / 10) * 10} min"
        )
    return Answer.CANNOT_TELL, "the bounds enclose the fee; watch longer"


def _watch(events: I8) -> _Watched:
    """Return a market as arrays."""
    settings = observer_settings(
        interval_s=1.0, cycle_s=30.0, maker_fee=0.0, risk_aversion=0.1, warmup_s=0.0
    )
    tape = build_tape(events, interval_ns=SECOND_NS, cycle_ns=30 * SECOND_NS, settings=settings)
    bid, ask = tape.steps[:, STEP_BID], tape.steps[:, STEP_ASK]
    whole = (bid != NO_BID) & (ask != NO_ASK) & (bid < ask)
    bids, asks = (np.where(whole, each, np.nan) for each in (bid, ask))
    shown = events[(events[:, EVENT_SEEN] & SEEN_LOCAL) != 0]
    prints = shown[(shown[:, EVENT_KIND] == KIND_TRADE) & (shown[:, EVENT_LOTS] > 0)]
    return _Watched(
        bid=bids,
        ask=asks,
        mid=(bids + asks) / 2,
        first_ns=int(tape.steps[0, STEP_NOW_NS]) if len(tape.steps) else 0,
        print_ns=prints[:, EVENT_LOCAL_NS],
        print_ticks=prints[:, EVENT_PRICE_TICKS],
        print_lots=prints[:, EVENT_LOTS],
        print_side=prints[:, EVENT_SIDE],
    )


def _depths(
    seen: _Watched, half_bps: float, fee_bps: float, hours: float, seed: int
) -> tuple[Depth, ...]:
    """Return the touch, and depths from half the usual spread outward, until nobody trades."""
    made = [_depth(seen, None, fee_bps, hours, seed)]
    bps = max(half_bps, 0.05)
    while len(made) < DEPTHS_MAX:
        bps *= GROWTH
        if bps < fee_bps / GROWTH**4 and half_bps < bps:
            continue  # far below the fee there is nothing to learn
        made.append(_depth(seen, bps, fee_bps, hours, seed))
        if made[-1].idle and bps > fee_bps:
            break
    return tuple(made)


def _depth(seen: _Watched, bps: float | None, fee_bps: float, hours: float, seed: int) -> Depth:
    """Return what became of orders at a depth; None: at the best price."""
    posted = np.arange(seen.intervals) * QUOTE_STEPS
    mid = seen.mid[posted]
    filled: dict[str, list[_Fills]] = {"touch": [], "through": []}
    for side in (BUY, SELL):
        if bps is None:
            price = (seen.bid if side == BUY else seen.ask)[posted]
        elif side == BUY:
            price = np.minimum(np.floor(mid * (1 - bps / BPS)), seen.ask[posted] - 1)
        else:
            price = np.maximum(np.ceil(mid * (1 + bps / BPS)), seen.bid[posted] + 1)
        for name, beyond in (("touch", 0), ("through", 1)):
            filled[name].append(_fills(seen, side, price, beyond))
    touch, through = (_bound(seen, filled[name], fee_bps, seed) for name in ("touch", "through"))
    half = bps
    if half is None:
        half = float(np.nanmean((seen.ask - seen.bid) / seen.mid)) / 2 * BPS
    return Depth(
        bps=half,
        at_touch=bps is None,
        touch=touch,
        through=through,
        markouts=tuple(mean_of(_markouts(seen, filled["touch"], each)) for each in HORIZONS_S),
        idle=touch.fills < IDLE_PER_HOUR * hours,
    )


@dataclass(frozen=True, slots=True)
class _Fills:
    """Orders of one side that were filled.

    Attributes:
        side: BUY or SELL.
        intervals: in which each was.
        prices: of each, ticks.
        steps: the first step that has seen each.
    """

    side: int
    intervals: I8
    prices: F8
    steps: I8


def _fills(seen: _Watched, side: int, price: F8, beyond: int) -> _Fills:
    """Return what is filled of one order an interval, by the first print that reaches it.

    Args:
        seen: the market.
        side: of the orders.
        price: f8[intervals], ticks; NaN for none.
        beyond: ticks by which a print must go through the price.
    """
    since = seen.print_ns - seen.first_ns
    interval = since // (QUOTE_STEPS * SECOND_NS)
    there = (interval >= 0) & (interval < len(price))
    there &= since % (QUOTE_STEPS * SECOND_NS) > POST_NS
    there &= seen.print_side != side  # an unknown aggressor may have met either
    rows = np.flatnonzero(there)
    reach = (price[interval[rows]] - seen.print_ticks[rows]) * side >= beyond
    rows = rows[reach]
    intervals, first = np.unique(interval[rows], return_index=True)
    hit = rows[first]
    return _Fills(side, intervals, price[intervals], since[hit] // SECOND_NS + 1)


def _markouts(seen: _Watched, parts: list[_Fills], after_s: int) -> F8:
    """Return the markout of each fill after some seconds, bps; NaN without a mid then."""
    found = []
    for part in parts:
        later = seen.mid[np.minimum(part.steps + after_s, len(seen.mid) - 1)]
        found.append((later - part.prices) * part.side / part.prices * BPS)
    return np.concatenate(found)


def mean_of(values: F8) -> float:
    """Return the mean of what is a number; NaN without any."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else math.nan


def _bound(seen: _Watched, parts: list[_Fills], fee_bps: float, seed: int) -> Bound:
    """Return what fills earned, with the bounds of the mean, by the sums of the intervals."""
    gains, intervals = (
        _markouts(seen, parts, HORIZON_S),
        np.concatenate([part.intervals for part in parts]),
    )
    known = np.isfinite(gains)
    gains, intervals = gains[known], intervals[known]
    count, fills = seen.intervals, len(gains)
    if fills < FILLS_MIN or count < CYCLES_MIN:
        return Bound(fills, mean_of(gains), -math.inf, math.inf, pays=False, loses=False)
    markout = float(gains.mean())
    # Of a ratio of two sums, by its linearisation: the residuals of each interval.
    left: F8 = np.bincount(intervals, gains - markout, minlength=count).astype(np.float64)
    share = fills / count
    below, above, _ = mean_bounds(left, level=LEVEL, draws=DRAWS, seed=seed)
    each = deflated_level(LEVEL, DEPTHS_MAX)
    surely, _, _ = mean_bounds(left, level=each, draws=DRAWS, seed=seed)
    return Bound(
        fills=fills,
        markout=markout,
        lower=markout + below / share,
        upper=markout + above / share,
        pays=markout + surely / share > fee_bps,
        loses=markout + above / share < fee_bps,
    )
