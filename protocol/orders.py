"""Orders inside the executor, and the seal that only the risk gate can put on one.

`Approved` is what a venue accepts, `ApprovedParameters` what comes into force. Two locks hold them:
for the type checker their constructors ask for a `Seal`, a type whose only value is handed out
once; at run time `claim_seal` hands it out once per process, to `risk.gate` alone. Nothing here
judges an order.
"""

import sys
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, final

from protocol.errors import SealError
from protocol.messages import QuoteParameters

GATE_MODULE: Final = "risk.gate"


class Side(IntEnum):
    """The side of an order; equal to BUY and SELL of `market.layout`."""

    BUY = 1
    SELL = -1


@dataclass(frozen=True, slots=True)
class Order:
    """One wanted order.

    Attributes:
        order_id: counts the account's orders from 1.
        side: 1 buy, -1 sell (`Side`).
        price_ticks, lots: positive integers.
        level: distance from the innermost quote, 0 for it.
        taker: immediate or cancel, only in a flatten; else post-only.
        reduce_only: shrinks the position, so limits that would stop its growth let it pass.
    """

    order_id: int
    side: int
    price_ticks: int
    lots: int
    level: int = 0
    taker: bool = False
    reduce_only: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Why an order was not approved: the limit, the figure found, the bound it broke."""

    limit: str
    figure: float
    bound: float


@final
class Seal:
    """The gate's own; its one value comes from `claim_seal`."""

    __slots__ = ()


class _Lock:
    """Holds the one seal of this process until the gate has it."""

    def __init__(self) -> None:
        self.seal: Seal = Seal()
        self.claimed = False


_LOCK = _Lock()


def claim_seal() -> Seal:
    """Hand the seal to the module `risk.gate`, once; called while that module is loading.

    Raises:
        SealError: anybody else calls, or the gate calls again.
    """
    caller = sys._getframe(1).f_globals.get("__name__")  # noqa: SLF001  # who asks is the question
    if caller != GATE_MODULE:
        raise SealError(f"only {GATE_MODULE} may claim the seal of Approved, found {caller}")
    if _LOCK.claimed:
        raise SealError("the seal of Approved must be claimed once, found a second claim")
    _LOCK.claimed = True
    return _LOCK.seal


def _demand(seal: Seal) -> None:
    """Refuse every seal but the one that the gate claimed.

    Raises:
        SealError: it is forged.
    """
    if seal is not _LOCK.seal or not _LOCK.claimed:
        raise SealError("an approval must come from the gate, found a forged seal")


def demand_approved(order: object) -> Order:
    """Return the order of an approval; every venue asks before it sends anything.

    Raises:
        SealError: it is no `Approved`.
    """
    if type(order) is not Approved or getattr(order, "seal", None) is not _LOCK.seal:
        raise SealError(f"a venue takes what the gate approved, found {type(order).__name__}")
    return order.order


@final
@dataclass(frozen=True, slots=True, init=False)
class Approved:
    """An order that passed the gate. Cannot be made, copied with changes or unpickled elsewhere."""

    order: Order
    seal: Seal = field(repr=False, compare=False)

    def __init__(self, order: Order, seal: Seal) -> None:
        """Seal `order`.

        Raises:
            SealError: `seal` is not the one that the gate claimed.
        """
        _demand(seal)
        object.__setattr__(self, "order", order)
        object.__setattr__(self, "seal", seal)

    def __reduce__(self) -> str:
        """Refuse to be pickled: an approval holds in the process that gave it.

        Raises:
            SealError: always.
        """
        raise SealError("an approval must stay in its process, found an attempt to copy it")


@final
@dataclass(frozen=True, slots=True, init=False)
class ApprovedParameters:
    """A parameter set that passed the gate, to be quoted by from now on."""

    params: QuoteParameters

    def __init__(self, params: QuoteParameters, seal: Seal) -> None:
        """Seal `params`.

        Raises:
            SealError: `seal` is not the one that the gate claimed.
        """
        _demand(seal)
        object.__setattr__(self, "params", params)

    def __reduce__(self) -> str:
        """Refuse to be pickled, as `Approved` does."""
        raise SealError("an approval must stay in its process, found an attempt to copy it")
