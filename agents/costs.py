"""What trading costs in a session, as the kernels take it: fees, fee tiers, funding.

The recording knows an instrument's fees; settings stand over them. Traded volume counts from the
opening: what a venue's rolling 30 days forget within a session is not followed.
"""

from typing import Any

import numpy as np

from agents.fee_tiers import read_fee_tiers, tier_at
from agents.settings import Settings
from exchange.recording import Meta
from market.funding import constant_funding
from market.layout import (
    FUNDING_COLUMNS,
    FUNDING_NS,
    FUNDING_RATE,
    TIER_COLUMNS,
    TIER_FROM,
    TIER_MAKER,
    TIER_TAKER,
    UNITS,
)
from market.types import I8
from protocol.errors import SettingsError


def rate_of(fee_bps: float) -> int:
    """Return basis points as 1e-8 of the notional."""
    return round(fee_bps * UNITS / 10_000)


def with_fees(meta: Meta, settings: Settings) -> Meta:
    """Return the instrument with the fees that the settings put over its own.

    With tiers these are the ones in force at the opening; decisions count with them.
    """
    feed = settings.feed
    change: dict[str, float] = {}
    if feed.fee_tiers is not None:
        tiers = read_fee_tiers(feed.fee_tiers)
        first = tiers[tier_at(tiers, feed.volume_30d)]
        change = {"maker_fee_bps": first.maker_bps, "taker_fee_bps": first.taker_bps}
    if feed.maker_fee_bps is not None:
        change["maker_fee_bps"] = feed.maker_fee_bps
    if feed.taker_fee_bps is not None:
        change["taker_fee_bps"] = feed.taker_fee_bps
    return meta.model_copy(update=change)


def tiers_of(settings: Settings) -> I8:
    """Return i8[n, TIER_COLUMNS] by what is traded from the opening on; empty: one fee."""
    feed = settings.feed
    if feed.fee_tiers is None:
        return np.zeros((0, TIER_COLUMNS), dtype=np.int64)
    tiers = read_fee_tiers(feed.fee_tiers)
    left = tiers[tier_at(tiers, feed.volume_30d) :]
    rows = np.zeros((len(left), TIER_COLUMNS), dtype=np.int64)
    for row, tier in zip(rows, left, strict=True):
        row[TIER_FROM] = max(0, round((tier.volume - feed.volume_30d) * UNITS))
        row[TIER_MAKER] = rate_of(tier.maker_bps)
        row[TIER_TAKER] = rate_of(tier.taker_bps)
    return rows


def funding_of(meta: Meta, settings: Settings, first_ns: int, last_ns: int) -> I8:
    """Return i8[n, FUNDING_COLUMNS] of the session: the configured rate, or the recording's own.

    Raises:
        SettingsError: a rate is configured for a spot market.
    """
    rate_bps = settings.feed.funding_bps
    if rate_bps is not None:
        if meta.spot:
            raise SettingsError(
                f"feed.funding_bps ({rate_bps:g}) is for perpetual contracts, found spot "
                f"{meta.symbol} of {meta.venue}; leave it out"
            )
        hours = settings.feed.funding_hours
        return constant_funding(rate_of(rate_bps), hours=hours, first_ns=first_ns, last_ns=last_ns)
    rows = () if meta.spot else meta.funding
    known = np.array(rows, dtype=np.int64).reshape(-1, FUNDING_COLUMNS)
    inside = (known[:, FUNDING_NS] >= first_ns) & (known[:, FUNDING_NS] <= last_ns)
    return np.ascontiguousarray(known[inside])


def costs_of(meta: Meta, settings: Settings, funding: I8) -> dict[str, Any]:
    """Return what a result says about its costs.

    Args:
        meta: with the session's fees.
        settings: of the session.
        funding: i8[n, FUNDING_COLUMNS] of the session.
    """
    found: dict[str, Any] = {
        "maker_fee_bps": meta.maker_fee_bps,
        "taker_fee_bps": meta.taker_fee_bps,
        "fee_in_base": meta.fee_in_base,
    }
    feed = settings.feed
    if feed.fee_tiers is not None:
        tiers = read_fee_tiers(feed.fee_tiers)
        found["fee_tiers"] = [[t.volume, t.maker_bps, t.taker_bps] for t in tiers]
        found["fee_tier_first"] = 1 + tier_at(tiers, feed.volume_30d)
        found["volume_30d"] = feed.volume_30d
    if not meta.spot:
        found["fundings"] = len(funding)
        rates = funding[:, FUNDING_RATE]
        found["funding_bps_mean"] = float(rates.mean()) * 10_000 / UNITS if len(rates) else None
    return found


def costs_line(recording: dict[str, Any]) -> str:
    """Return a result's costs as a reader sees them, in one line.

    Args:
        recording: the `recording` part of a result document.
    """
    line = f"maker fee {recording['maker_fee_bps']:g} bps"
    if "fee_tiers" in recording:
        first, count = recording["fee_tier_first"], len(recording["fee_tiers"])
        line += f" (tier {first} of {count}, by volume from {recording['volume_30d']:,.0f} on)"
    if "fundings" in recording:
        mean, count = recording["funding_bps_mean"], recording["fundings"]
        line += ", no funding" if mean is None else f", {count} fundings of {mean:g} bps on average"
    return line
