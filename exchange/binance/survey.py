"""What must be known of a symbol and an account before anything of it can be set up."""

from dataclasses import dataclass
from fractions import Fraction

from exchange.binance.clock import Offset
from exchange.binance.instrument import Instrument
from exchange.binance.rates import Rates
from exchange.binance.session import Session
from exchange.binance.settings import BinanceSettings, StartRefusedError


@dataclass(frozen=True, slots=True)
class Listing:
    """A symbol as the account finds it.

    Attributes:
        maker_fee, taker_fee: what the account pays, parts of the notional.
        offset_ns: the exchange's clock less ours.
    """

    known: Instrument
    maker_fee: Fraction
    taker_fee: Fraction
    offset_ns: int


async def survey(settings: BinanceSettings) -> Listing:
    """Ask for symbol, fees and clock, without a stream; without a key fees are the settings'.

    Raises:
        StartRefusedError: the symbol is not listed.
        VenueError: the exchange cannot be reached, or refused the key.
    """
    offset = Offset()
    session = Session(settings, Rates(), offset)
    try:
        await session.measure(probes=5)
        known = await session.instrument()
        if known is None:
            raise StartRefusedError(
                f"{settings.symbol} is not listed at {settings.place.rest}; give --symbol"
            )
        if settings.key:
            maker_fee, taker_fee, _ = await session.fees()
        else:
            assert settings.maker_fee is not None, "without an account fees are told"
            assert settings.taker_fee is not None, "without an account fees are told"
            maker_fee, taker_fee = settings.maker_fee, settings.taker_fee
    finally:
        await session.close()
    return Listing(known, maker_fee, taker_fee, offset.ns)
