"""What importers know of venues and symbols beforehand: names, fees, smallest orders.

The figures are a venue's public standard tier in the years of the recordings that we read; every
one of them can be given by a flag, and what was used stands in the recording's meta.
"""

import dataclasses
import re
from pathlib import Path

from exchange.errors import FeedError, FeedSymbolError

QUOTES = (
    "FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USDP", "USDS", "DAI",
    "USD", "EUR", "GBP", "JPY", "TRY", "BRL", "AUD", "BTC", "ETH", "BNB",
)  # fmt: skip
_CONTRACT = re.compile(r"^([A-Z0-9]+?)(USD)_?(PERP|\d{6})$")
_FILE_NAME = re.compile(r"^([A-Za-z0-9]+(?:_(?:perp|PERP|\d{6}))?)[_-]\d{8}(?:\D.*)?$")


@dataclasses.dataclass(frozen=True, slots=True)
class VenueFacts:
    """A venue's standard terms."""

    maker_fee_bps: float
    taker_fee_bps: float
    fee_in_base: bool
    spot: bool
    min_notional: str  # quote asset
    inverse: bool = False


VENUES = {
    "binance-spot": VenueFacts(10.0, 10.0, True, True, "5"),
    "binance-usdm": VenueFacts(2.0, 5.0, False, False, "5"),
    "binance-coinm": VenueFacts(2.0, 5.0, False, False, "0", inverse=True),
    "bitstamp": VenueFacts(25.0, 25.0, False, True, "5"),
    "lobster": VenueFacts(0.0, 0.0, False, True, "0"),
}
OTHER_VENUE = VenueFacts(0.0, 0.0, False, True, "0")
USDM_NOTIONAL = {"BTC": "100", "ETH": "20"}
COINM_CONTRACT = {"BTC": "100"}
COINM_CONTRACT_OTHERS = "10"


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What the caller gives beforehand; None: from the data or the venue's terms."""

    symbol: str | None = None
    tick: str | None = None
    lot: str | None = None
    min_notional: str | None = None
    maker_fee_bps: float | None = None
    taker_fee_bps: float | None = None
    contract_size: str | None = None
    venue: str | None = None


NOTHING_GIVEN = Options()


def bare(symbol: str) -> str:
    """Return a symbol without separators, upper case: `nexo/usdt` and `NEXO-USDT` are one."""
    return re.sub(r"[-/:_ ]", "", symbol).upper()


def split_symbol(symbol: str) -> tuple[str, str]:
    """Return (base, quote) of `BASE-QUOTE`, `BASE/QUOTE`, `BASEQUOTE` or `BASEUSD_PERP`.

    Raises:
        FeedError: the quote asset cannot be told.
    """
    text = symbol.upper()
    contract = _CONTRACT.match(text)
    if contract:
        return contract[1], contract[2]
    parts = re.split(r"[-/]", re.sub(r"_(PERP|\d{6})$", "", text))
    if len(parts) == 2 and all(parts):
        return parts[0], parts[1]
    name = re.sub(r"_(PERP|\d{6})$", "", text).replace("_", "")
    for quote in QUOTES:
        if name.endswith(quote) and len(name) > len(quote):
            return name[: -len(quote)], quote
    raise FeedError(f"symbol {symbol!r}: which part is the quote asset? give --symbol BASE-QUOTE")


def is_inverse(symbol: str) -> bool:
    """Return whether a Binance symbol is a COIN-M contract: quoted in plain USD, with a term."""
    return _CONTRACT.match(symbol.upper()) is not None


def file_symbol(path: Path) -> str | None:
    """Return the symbol in a collector's file name (`nexousdt_20240723.gz`), None if none."""
    match = _FILE_NAME.match(path.name)
    if match is None:
        return None
    name = match[1].upper()
    if any(name.endswith(quote) for quote in QUOTES) or is_inverse(name):
        return name
    return None


def demand_symbol(found: str, wanted: str | None, where: str) -> None:
    """Refuse data of another symbol than the one asked for.

    Raises:
        FeedSymbolError: they differ; separators and case do not matter.
    """
    if wanted is not None and bare(found) != bare(wanted):
        raise FeedSymbolError(
            f"{where}: holds {found}, wanted {wanted}; give the files of one symbol"
        )
