"""What a client may ask of the matching, as it comes from the border, and what comes back."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeAlias

from exchange.simulated.refusals import Refusal


class Ns(int):
    """A time in nanoseconds that goes out in the unit that its reader asked for."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Place:
    """A new order; amounts in units of 1e-8."""

    client_id: str
    side: int
    kind: str
    time_in_force: str
    price: int  # 0 of a market order
    quantity: int  # 0 when the quote amount is given
    quote_quantity: int
    stp: str
    response: str  # ACK, RESULT or FULL
    strategy: tuple[int | None, int | None] = (None, None)
    test: bool = False
    reduce_only: bool = False  # USD-M
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class Cancel:
    """The cancel of one order; `new_client_id` names the cancel."""

    order_id: int | None
    client_id: str | None
    new_client_id: str
    only: str | None = None  # ONLY_NEW or ONLY_PARTIALLY_FILLED
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class CancelAll:
    """The cancel of all open orders in a symbol; `brief`: it is only said that it is done."""

    new_client_id: str
    brief: bool = False
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class CancelReplace:
    """A cancel and a new order in one; `stop` leaves the new one out when the cancel fails."""

    cancel: Cancel
    place: Place
    stop: bool

    @property
    def symbol(self) -> str:
        """Of both."""
        return self.place.symbol


@dataclass(frozen=True, slots=True)
class Amend:
    """Makes an order smaller; it keeps its place."""

    order_id: int | None
    client_id: str | None
    new_client_id: str | None
    quantity: int
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class Modify:
    """Gives an order another price or size; it loses its place (USD-M)."""

    order_id: int | None
    client_id: str | None
    side: int
    price: int
    quantity: int
    symbol: str = ""


Command: TypeAlias = Place | Cancel | CancelAll | CancelReplace | Amend | Modify


class Rank(IntEnum):
    """Who comes first at one instant: cancels, as in a replay."""

    CANCEL = 0
    ORDER = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """Something that an account is to be told once feed time has come to `visible_ns`.

    Attributes:
        ticket: of the request that this answers; None: an event of the user stream.
        told: what goes out; times in it are `Ns`.
    """

    visible_ns: int
    account: str
    ticket: int | None
    told: dict[str, Any] | list[Any] | Refusal


def timed(value: Any, unit_ns: int) -> Any:
    """Return an answer with its times in a unit of so many nanoseconds."""
    if isinstance(value, Ns):
        return value // unit_ns
    if isinstance(value, dict):
        return {name: timed(each, unit_ns) for name, each in value.items()}
    if isinstance(value, list):
        return [timed(each, unit_ns) for each in value]
    return value
