"""Describes a market and suggests starting parameters for it: `counterpoint feed info`.

Only what the local clock had shown by a given time is looked at, so the suggestion may be used
from that time on. The rules:

- half spread: half the median spread, at least half of the usual move of mid in 30 s, and at
  least the maker fee plus half a tick: what is quoted must not lose to the fee alone;
- position: 0.9 % of the capital at mid, so that it stays below 1 % while the price drifts;
- orders: three levels that fill half the position, fewer when they would be too small; each is
  at least 1.5 times the smallest legal order and, above that, at most 5 % of an hour's flow.
"""

import dataclasses
import math
from decimal import Decimal
from typing import Any

import numpy as np

from exchange.audit import OTHER_THRESHOLDS, SECOND_NS, THRESHOLDS, look
from exchange.errors import AdviceError
from exchange.recording import Meta
from market.audit import (
    SAMPLE_ASK,
    SAMPLE_BID,
    SURVEY_BUYS,
    SURVEY_LONGEST_NS,
    SURVEY_TRADED_LOTS,
    SURVEY_TRADES,
)
from market.layout import EVENT_LOCAL_NS, EVENT_SEEN, NO_ASK, NO_BID, SEEN_LOCAL
from market.types import F8, I8

HORIZON_S = 30
POSITION_SHARE = Decimal("0.009")  # of capital
SMALLEST_MARGIN = Decimal("1.5")  # times the smallest legal order
LEVELS = 3
FLOW_SHARE = 0.05  # of an hour's traded quantity, all levels of one side together
SILENCE_S = 10
HOUR_NS = 3600 * SECOND_NS
BPS = 10_000.0


@dataclasses.dataclass(frozen=True, slots=True)
class Advice:
    """The four parameters by their wire names, and the facts that they rest on."""

    parameters: dict[str, float | int]
    facts: dict[str, Any]


def visible(events: I8, until_ns: int) -> I8:
    """Return the events that the local clock had shown by `until_ns`."""
    seen = (events[:, EVENT_SEEN] & SEEN_LOCAL) != 0
    shown: I8 = events[seen & (events[:, EVENT_LOCAL_NS] <= until_ns)]
    return shown


def spread_figures(samples: I8) -> tuple[F8, F8]:
    """Return spread in bps of mid and mid in ticks of every sample, NaN where one-sided."""
    bid, ask = samples[:, SAMPLE_BID], samples[:, SAMPLE_ASK]
    whole = (bid != NO_BID) & (ask != NO_ASK)
    mid = np.full(samples.shape[0], np.nan)
    spread = np.full(samples.shape[0], np.nan)
    mid[whole] = (bid[whole] + ask[whole]) / 2.0
    spread[whole] = (ask[whole] - bid[whole]) / mid[whole] * BPS
    return spread, mid


def describe(events: I8, meta: Meta, until_ns: int) -> dict[str, Any]:
    """Return what this market was like up to `until_ns`; quantities in the meta's base asset.

    Raises:
        AdviceError: there was no two-sided book for a minute.
    """
    shown = visible(events, until_ns)
    limits = dataclasses.replace(
        THRESHOLDS.get(meta.venue, OTHER_THRESHOLDS), silence_s=float(SILENCE_S)
    )
    if shown.shape[0] == 0:
        raise AdviceError(f"{meta.symbol}: no event up to the time given; look at more hours")
    seen = look(shown, SEEN_LOCAL, limits)
    spread, mid = spread_figures(seen.samples)
    if np.isfinite(mid).sum() < 2 * HORIZON_S:
        raise AdviceError(
            f"{meta.symbol}: a two-sided book for {int(np.isfinite(mid).sum())} s, needed are "
            f"{2 * HORIZON_S}; look at more hours"
        )
    moves = (mid[HORIZON_S:] / mid[:-HORIZON_S] - 1.0) * BPS
    moves = moves[np.isfinite(moves)]
    span_ns = int(shown[-1, EVENT_LOCAL_NS] - shown[0, EVENT_LOCAL_NS])
    minutes = max(1.0, span_ns / (60 * SECOND_NS))
    last_ticks = float(mid[np.isfinite(mid)][-1])
    traded = int(seen.meter[SURVEY_TRADED_LOTS]) * Decimal(meta.lot)
    trades = int(seen.meter[SURVEY_TRADES])
    pauses = np.diff(shown[:, EVENT_LOCAL_NS])
    price = Decimal(repr(last_ticks)) * Decimal(meta.tick)
    return {
        "symbol": meta.symbol,
        "venue": meta.venue,
        "from_ns": int(shown[0, EVENT_LOCAL_NS]),
        "until_ns": int(until_ns),
        "minutes": round(minutes, 3),
        "mid": float(price),
        "tick": meta.tick,
        "tick_bps": BPS / last_ticks,
        "lot": meta.lot,
        "min_notional": meta.min_notional,
        "maker_fee_bps": meta.maker_fee_bps,
        "spread_bps_p50": float(np.nanmedian(spread)),
        "spread_bps_p90": float(np.nanquantile(spread, 0.9)),
        "spread_bps_mean": float(np.nanmean(spread)),
        "mid_move_30s_bps": float(np.std(moves)) if moves.size else 0.0,
        "mid_moves": int(moves.size),
        "trades": trades,
        "trades_per_minute": trades / minutes,
        "buyer_share": int(seen.meter[SURVEY_BUYS]) / trades if trades else None,
        "traded_base_per_hour": float(traded) * 60 / minutes,
        "silences_over_10s": int((pauses > SILENCE_S * SECOND_NS).sum()),
        "longest_silence_s": int(seen.meter[SURVEY_LONGEST_NS]) / SECOND_NS,
    }


def smallest_order_lots(meta: Meta, price: Decimal) -> int:
    """Return the smallest order to quote, lots: the legal one with a margin."""
    value = lot_value(meta, price)
    least = Decimal(meta.min_notional) / value
    return max(1, math.ceil(SMALLEST_MARGIN * max(least, Decimal(meta.min_lots))))


def lot_value(meta: Meta, price: Decimal) -> Decimal:
    """Return what one lot is worth in the quote asset."""
    lot = Decimal(meta.lot)
    return lot * Decimal(meta.contract_size) if meta.inverse else lot * price


def spread_percentage(facts: dict[str, Any]) -> float:
    """Return the full spread to start with, percent of mid, rounded up to 0.0001."""
    half_bps = max(
        facts["spread_bps_p50"] / 2,
        facts["mid_move_30s_bps"] / 2,
        facts["maker_fee_bps"] + facts["tick_bps"] / 2,
        facts["tick_bps"] / 2,
    )
    return float(min(10.0, max(1, math.ceil(round(2 * half_bps * 100, 6))) / 10_000))


def suggest(
    events: I8, meta: Meta, *, capital: float | Decimal, until_ns: int | None = None
) -> Advice:
    """Return starting parameters for this symbol, legal by PROTOCOL.md 3, and their grounds.

    Args:
        events: i8[n, EVENT_COLUMNS].
        meta: of the recording; change its fees first where others apply.
        capital: quote asset, > 0.
        until_ns: last local time looked at; None: the first hour.

    Raises:
        AdviceError: too little to look at, or a capital that the smallest order exceeds.
    """
    until = meta.span_ns[0] + HOUR_NS if until_ns is None else until_ns
    facts = describe(events, meta, until)
    money = Decimal(str(capital))
    price = Decimal(repr(facts["mid"]))
    smallest = smallest_order_lots(meta, price)
    value = lot_value(meta, price)
    most = math.floor(money * POSITION_SHARE / value) if money.is_finite() and money > 0 else 0
    needed = math.ceil(smallest * value / POSITION_SHARE)
    facts["smallest_order"] = float(smallest * Decimal(meta.lot))
    facts["smallest_capital"] = needed
    if most < smallest:
        raise AdviceError(
            f"{meta.symbol}: a capital of {capital} {meta.quote} allows a position of "
            f"{most * value:.2f} (0.9 %), the smallest order is {smallest * value:.2f}; "
            f"give at least {needed}"
        )
    levels = max(1, min(LEVELS, most // (2 * smallest)))
    flow = facts["traded_base_per_hour"] * FLOW_SHARE / float(Decimal(meta.lot))
    base = max(smallest, min(most // (2 * levels), math.floor(flow / levels)))
    lot = Decimal(meta.lot)
    facts["quantities"] = "contracts" if meta.inverse else meta.base
    return Advice(
        parameters={
            "spread_percentage": spread_percentage(facts),
            "levels": int(levels),
            "base_quantity": float(base * lot),
            "max_position": float(most * lot),
        },
        facts=facts,
    )
