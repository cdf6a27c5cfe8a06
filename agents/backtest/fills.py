"""The fills of one record as CSV: decimal text, cost positive, whole to the last digit.

The columns are a superset of what the known trading systems write. `fee_amount` is in `fee_asset`
and `fee_quote` in the quote asset, both positive for a cost and negative for a rebate. Opening
base + sum of signed quantities - fees in base = closing base, exactly; likewise in quote.
"""

import csv
from collections.abc import Iterator
from decimal import Decimal
from typing import TextIO

from agents.session import Session
from market.layout import (
    BUY,
    SCALE_FEE_IN_BASE,
    SCALE_LOT,
    SCALE_TICK_LOT,
    UNITS,
)
from market.ledger import fee_rate
from market.replay import Record
from market.replay_step import (
    FILLED_EXCH_NS,
    FILLED_FEE,
    FILLED_LOTS,
    FILLED_MAKER,
    FILLED_ORDER_ID,
    FILLED_PRICE_TICKS,
    FILLED_SIDE,
    FILLED_TRADE_ID,
)
from market.wide import divide

COLUMNS = (
    "ts_event",
    "venue",
    "symbol",
    "base",
    "quote",
    "side",
    "order_type",
    "price",
    "quantity",
    "quote_quantity",
    "liquidity_side",
    "fee_amount",
    "fee_asset",
    "fee_quote",
    "client_order_id",
    "venue_order_id",
    "trade_id",
    "position_after",
    "param_version",
    "session_id",
)


def plain(value: Decimal) -> str:
    """Return a decimal without exponent and without trailing zeros."""
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def units_text(units: int) -> str:
    """Return 1e-8 units of an asset as decimal text."""
    return plain(Decimal(units).scaleb(-8))


def rows(record: Record, session: Session, *, session_id: str) -> Iterator[dict[str, str]]:
    """Yield one row a fill, in the order in which the fills became known."""
    meta, scale = session.meta, session.setup.scale
    tick, lot = Decimal(meta.tick), Decimal(meta.lot)
    tiers = session.setup.tiers
    position = int(session.setup.opening[1] - session.setup.opening[2])
    volume = 0
    for each in record.filled:
        side, lots = int(each[FILLED_SIDE]), int(each[FILLED_LOTS])
        maker = bool(each[FILLED_MAKER])
        base_units = lots * int(scale[SCALE_LOT])
        position += side * base_units
        fee, fee_asset = int(each[FILLED_FEE]), meta.quote
        if side == BUY and scale[SCALE_FEE_IN_BASE] != 0:
            rate = fee_rate(volume, int(maker), scale, tiers)
            fee, fee_asset = int(divide(base_units, rate, UNITS)), meta.base
            position -= fee
        price, quantity = tick * int(each[FILLED_PRICE_TICKS]), lot * lots
        order_id = str(int(each[FILLED_ORDER_ID]))
        notional = int(each[FILLED_PRICE_TICKS]) * lots * int(scale[SCALE_TICK_LOT])
        volume += notional
        yield {
            "ts_event": str(int(each[FILLED_EXCH_NS])),
            "venue": meta.venue,
            "symbol": meta.symbol,
            "base": meta.base,
            "quote": meta.quote,
            "side": "BUY" if side == BUY else "SELL",
            "order_type": "LIMIT_MAKER" if maker else "LIMIT",
            "price": plain(price),
            "quantity": plain(quantity),
            "quote_quantity": units_text(notional),
            "liquidity_side": "MAKER" if maker else "TAKER",
            "fee_amount": units_text(fee),
            "fee_asset": fee_asset,
            "fee_quote": units_text(int(each[FILLED_FEE])),
            "client_order_id": f"{session_id}-{order_id}",
            "venue_order_id": order_id,
            "trade_id": str(int(each[FILLED_TRADE_ID])),
            "position_after": units_text(position),
            "param_version": "0",
            "session_id": session_id,
        }


def write(file: TextIO, record: Record, session: Session, *, session_id: str) -> int:
    """Write the fills with a header line; return how many there are."""
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    count = 0
    for row in rows(record, session, session_id=session_id):
        writer.writerow(row)
        count += 1
    return count
