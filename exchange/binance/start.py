"""Whether a start may go on: confirmed, trading, fees, others' orders, unknown fills, balances."""

from fractions import Fraction

from exchange.binance.instrument import Instrument, Trading, changed
from exchange.binance.settings import BinanceSettings, Condition, Record, StartRefusedError
from exchange.reconcile import Found, Reconciled, short_of

LIVE = "live"
NAMED_MAX = 5
"""Orders that a refusal names."""


def condition_of(known: Instrument, now: Instrument | None) -> Condition:
    """Return how a symbol stands against what it was at the start; None: not listed any more."""
    if now is None:
        return Condition(Trading.DELISTED)
    return Condition(now.trading, changed(known, now))


def check_confirmed(settings: BinanceSettings) -> None:
    """Refuse real money that nobody has confirmed; nothing was sent yet.

    Raises:
        StartRefusedError: it is not confirmed.
    """
    if settings.place.name == LIVE and not settings.confirmed:
        raise StartRefusedError(
            "this is real money, and the configuration does not confirm it; confirm it there, or "
            "choose the environment testnet or demo"
        )


def check_start(
    settings: BinanceSettings,
    known: Instrument,
    record: Record,
    fees: tuple[Fraction, Fraction, str],
    made: Reconciled,
    found: Found,
) -> None:
    """Refuse a start that would trade on wrong figures.

    Args:
        settings: the configuration.
        known: the symbol.
        record: what the journal knows.
        fees: what the account pays as maker and taker, and an asset that would pay them instead.
        made: of the first reconciliation.
        found: what it was made from.

    Raises:
        StartRefusedError: what was found, what is expected, and what to do.
    """
    if known.trading is not Trading.OPEN:
        raise StartRefusedError(
            f"{settings.symbol} does not trade ({known.trading.value}); start again when it does"
        )
    maker, taker, instead = fees
    for name, configured, paid in (
        ("maker", settings.maker_fee, maker),
        ("taker", settings.taker_fee, taker),
    ):
        if configured is not None and configured != paid:
            raise StartRefusedError(
                f"the account pays {_bps(paid)} as {name} in {settings.symbol}, configured are "
                f"{_bps(configured)}; set the fees that the account pays"
            )
    if instead:
        raise StartRefusedError(
            f"the account pays its fees in {instead}; switch that off: fees are booked in the "
            "asset that was traded"
        )
    if made.foreign and not settings.ignore_foreign:
        names = ", ".join(made.foreign[:NAMED_MAX])
        raise StartRefusedError(
            f"{len(made.foreign)} open orders in {settings.symbol} are not ours ({names}); cancel "
            "them, or tell the start to ignore foreign orders"
        )
    if made.unknown:
        raise StartRefusedError(f"the journal does not know of all that we did: {made.unknown[0]}")
    if settings.place.futures and record.base_units is None and found.base_units:
        raise StartRefusedError(
            f"the account has a position of {found.base_units / 1e8:.8f} in {settings.symbol}; "
            "close it, or take a sub-account: the ledger begins without one"
        )
    if record.quote_units is not None and record.base_units is not None:
        short = short_of(found, record.quote_units + made.funding_units, record.base_units)
        if short and len(made.rows) == len(made.funded):
            raise StartRefusedError(f"the account holds less than our record says: {short}")


def _bps(part: Fraction) -> str:
    return f"{float(part * 10_000):g} bps"
