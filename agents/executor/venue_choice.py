"""Which venue an executor trades at: an exchange, or its public market on paper."""

import time
from collections.abc import Mapping
from fractions import Fraction
from typing import TypeAlias

from agents.executor.account_keys import binance_settings, fee_of
from agents.session import latency_of
from agents.settings import Settings
from agents.venue_settings import VenuePace
from exchange.binance.client import environment_of, standard_fees
from exchange.binance.public import PublicMarket
from exchange.binance.settings import BinanceSettings, Pace, Record
from exchange.binance.venue import BinanceVenue
from exchange.paper import PaperVenue, Terms
from market.types import F8
from protocol.errors import SettingsError

PATIENCE_S, PATIENCE_WALL_S = 600, 60
"""How much longer than configured a warm-up may take until there is a market to judge: so many
seconds of the market, and of the wall, since a busy machine may lose minutes of a replayed feed."""

TradedVenue: TypeAlias = BinanceVenue | PaperVenue

POLL_S, LEAST_POLL_S = 60.0, 2.0
"""Between two looks at the symbol: on paper no refused order tells that it trades no more."""

EPOCH_S = 1_577_836_800  # 2020-01-01
IDS_A_SECOND = 1_000
"""Order ids of a run begin at the second of its start times this: no run uses those of another."""


def trading_settings(settings: Settings, environ: Mapping[str, str]) -> BinanceSettings:
    """Return how the executor of resolved settings reaches its market; paper needs no key.

    Raises:
        SettingsError: real money without its confirmation; paper in lockstep.
        SecretError: key or secret is missing, or readable by others.
        VenueError: the address is none.
    """
    told, feed = settings.venue, settings.feed
    if not told.paper:
        return binance_settings(settings, environ)
    if Pace(told.pace.value) is Pace.LOCKSTEP:
        raise SettingsError("venue.pace lockstep needs an account; paper keeps wall or feed")
    if feed.fee_tiers is not None:
        raise SettingsError("feed.fee_tiers is for recordings; on paper give feed.maker_fee_bps")
    pace = Pace(told.pace.value)
    place = environment_of(told.url, futures=told.futures)
    maker_fee, taker_fee = standard_fees(place)
    return BinanceSettings(
        place=place,
        symbol=told.code,
        interval_ns=settings.executor.guard_interval_ns,
        maker_fee=maker_fee if feed.maker_fee_bps is None else fee_of(feed.maker_fee_bps),
        taker_fee=taker_fee if feed.taker_fee_bps is None else fee_of(feed.taker_fee_bps),
        pace=pace,
        speed=settings.run.speed,
        poll_s=POLL_S if pace is Pace.WALL else max(LEAST_POLL_S, POLL_S / settings.run.speed),
    )


def venue_of(
    settings: Settings, trading: BinanceSettings, observer: F8, record: Record
) -> TradedVenue:
    """Return the venue, not open yet."""
    if not settings.venue.paper:
        return BinanceVenue(trading, observer, record)
    terms = Terms(
        maker_fee=trading.maker_fee or Fraction(0),
        taker_fee=trading.taker_fee or Fraction(0),
        model=settings.feed.fill_model,
        latency=latency_of(settings),
    )
    return PaperVenue(PublicMarket(trading), observer, terms, record)


def ids() -> int:
    """Return an order id above those of every run that began in an earlier second."""
    return (time.time_ns() // 10**9 - EPOCH_S) * IDS_A_SECOND


def patience_ns(settings: Settings) -> int:
    """Return how much longer than configured a warm-up may take, venue time."""
    paced = settings.venue.pace is VenuePace.FEED
    return round(max(PATIENCE_S, PATIENCE_WALL_S * settings.run.speed * paced) * 1e9)
