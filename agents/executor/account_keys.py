"""How an executor reaches its account at a venue: settings and secrets into those of the venue.

Live trading needs the symbol twice: once to trade it, once to say that it is meant.
"""

import hashlib
import ipaddress
from collections.abc import Mapping
from fractions import Fraction
from urllib.parse import urlsplit

import structlog

from agents.ladder import demand_rung
from agents.settings import Settings
from agents.venue_settings import LIVE
from exchange.binance.client import Environment, environment_of
from exchange.binance.settings import BinanceSettings, Pace, Road
from protocol.errors import SettingsError
from protocol.secret import read_secret

KEY, SECRET = "COUNTERPOINT_VENUE_KEY", "COUNTERPOINT_VENUE_SECRET"
TOKEN_LENGTH = 12
SIMULATED = "test"
"""Key and secret of a simulated exchange's default account."""

log = structlog.get_logger()


def binance_settings(settings: Settings, environ: Mapping[str, str]) -> BinanceSettings:
    """Return how the executor of resolved settings trades at Binance.

    Raises:
        SettingsError: real money without its confirmation, or its rung.
        SecretError: key or secret is missing, or readable by others.
        VenueError: the address is none.
    """
    told = settings.venue
    place = environment_of(told.url, futures=told.futures)
    demand_confirmation(settings, place)
    climb(settings, place)
    key, secret = credentials(settings, place, environ)
    feed = settings.feed
    return BinanceSettings(
        place=place,
        symbol=told.code,
        key=key,
        secret=secret,
        token=token_of(settings.account.executor, told.code),
        interval_ns=settings.executor.guard_interval_ns,
        maker_fee=fee_of(feed.maker_fee_bps),
        taker_fee=fee_of(feed.taker_fee_bps),
        confirmed=True,
        ignore_foreign=told.ignore_foreign,
        pace=Pace(told.pace.value),
        road=Road(told.orders.value),
        speed=settings.run.speed,
        control=told.control or "",
        receive_window_ms=told.receive_window_ms,
    )


def demand_confirmation(settings: Settings, place: Environment) -> None:
    """Refuse real money that was not confirmed.

    Raises:
        SettingsError: what to set.
    """
    told = settings.venue
    if not is_real(settings, place):
        return
    host = urlsplit(place.rest).hostname or ""
    if "".join(filter(str.isalnum, told.confirm_live)) != told.code:
        raise SettingsError(
            f"venue.confirm_live must be {told.symbol} to trade real money at {host}, found "
            f"{told.confirm_live or 'nothing'}; use --url testnet to practise"
        )


def is_real(settings: Settings, place: Environment) -> bool:
    """Return whether it is real money: said to be, or at the address of the live exchange."""
    host = urlsplit(place.rest).hostname or ""
    live = place.name == LIVE or host.endswith("api.binance.com")
    return settings.venue.real or (live and not host.startswith("demo-"))


def climb(settings: Settings, place: Environment) -> None:
    """Refuse real money whose rung of the ladder was not reached, unless that is skipped aloud.

    Raises:
        SettingsError: what it needs, and what to type.
    """
    if not is_real(settings, place):
        return
    skipped = demand_rung(settings)
    if skipped:
        log.warning("ladder_skipped", reason=skipped)


def credentials(
    settings: Settings, place: Environment, environ: Mapping[str, str]
) -> tuple[str, str]:
    """Return key and secret; those of the default account where nothing is told, on loopback.

    Raises:
        SecretError: one is missing, or readable by others.
    """
    told = settings.venue
    given = any(name in environ or f"{name}_FILE" in environ for name in (KEY, SECRET))
    files = told.key_file, told.secret_file
    if not given and files == (None, None) and is_loopback(place):
        return SIMULATED, SIMULATED
    return (
        read_secret(KEY, environ=environ, file=told.key_file),
        read_secret(SECRET, environ=environ, file=told.secret_file),
    )


def is_loopback(place: Environment) -> bool:
    """Return whether an exchange is on this machine."""
    host = urlsplit(place.rest).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def token_of(executor: str, symbol: str) -> str:
    """Return what marks an executor's orders: the same over restarts, another's differs."""
    return hashlib.sha256(f"{executor} {symbol}".encode()).hexdigest()[:TOKEN_LENGTH]


def fee_of(bps: float | None) -> Fraction | None:
    """Return a configured fee as a part of the notional."""
    return None if bps is None else Fraction(str(bps)) / 10_000
