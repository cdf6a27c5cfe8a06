"""The words of telemetry: what is shown, never acted upon. The journals are authoritative.

Bodies travel as msgpack, in batches of one type; amounts are decimal text. `messages` hands these
on with all other words.
"""

from typing import Annotated, ClassVar, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from protocol.elements import (
    Asset,
    Count,
    DecimalText,
    Direction,
    Fraction,
    Pair,
    PlainMap,
    Symbol,
    Text,
    TimeNs,
    Word,
    plain,
)


class Status(Word):
    """A free map of plain values for display; nobody decides by it."""

    model_config = ConfigDict(extra="allow")
    type_name: ClassVar[str] = "status"
    __pydantic_extra__: dict[str, JsonValue] = Field(init=False)

    @model_validator(mode="after")
    def _isplain(self) -> Self:
        plain(self.__pydantic_extra__)
        return self


class MarketInsight(Word):
    """An opinion of the market, never parameters."""

    type_name: ClassVar[str] = "market_insight"
    symbol: Symbol
    kind: Text
    value: float
    horizon_s: float = Field(ge=0)
    confidence: Fraction


class Fill(Word):
    """One fill of ours; the journal is authoritative."""

    type_name: ClassVar[str] = "fill"
    symbol: Symbol
    order_id: Count
    trade_id: Count
    side: Annotated[Direction, Field(strict=False)]
    price: DecimalText
    quantity: DecimalText = Field(description="base asset")
    fee: DecimalText = Field(description="cost positive, rebate negative")
    fee_asset: Asset
    maker: bool
    venue_time: TimeNs


class PnlReport(Word):
    """Profit since the start, split: equity - opening = spread + fees + inventory + funding."""

    type_name: ClassVar[str] = "pnl_report"
    symbol: Symbol
    venue_time: TimeNs
    opening: DecimalText
    equity: DecimalText
    spread: DecimalText
    fees: DecimalText = Field(description="negative when paid")
    inventory: DecimalText
    funding: DecimalText = Field(default="0", description="negative when paid")
    position: DecimalText = Field(description="base asset, against the target")
    mark: DecimalText = Field(default="0", description="mid; 0 before the first")
    open_buy: DecimalText = Field(default="0", description="base asset, of all open buy orders")
    open_sell: DecimalText = Field(default="0", description="the same of all open sell orders")
    position_limit: DecimalText = Field(default="0", description="largest position, quote asset")
    capital: DecimalText = Field(default="0", description="quote asset")
    fills: Count
    round_trips: Count
    pair: Pair


class OrderRow(Word):
    """One change in the life of one of our orders."""

    type_name: ClassVar[str] = "order"
    symbol: Symbol
    order_id: Count
    side: Annotated[Direction, Field(strict=False)]
    price: DecimalText
    quantity: DecimalText = Field(description="base asset, as sent")
    remaining: DecimalText
    level: Count
    state: Text
    venue_time: TimeNs


class LogRow(Word):
    """One log line, a fact in the past tense with keys."""

    type_name: ClassVar[str] = "log"
    level: Text
    event: Text
    time_ns: TimeNs = Field(description="wall time")
    fields: PlainMap
