"""Orders inside the executor, and the seal that only the risk gate can put on one.

`Approved` is what a venue accepts. Two locks hold it: for the type checker its constructor asks
for a `Seal`, a type whose only value is handed out once; at run time `claim_seal` hands it out
once per process, to `risk.gate` alone. Nothing here judges an order.
"""

import sys
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, final

from protocol.errors import SealError

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


@final
@dataclass(frozen=True, slots=True, init=False)
class Approved:
    """An order that passed the gate. Cannot be made, copied with changes or unpickled elsewhere."""

    order: Order

    def __init__(self, order: Order, seal: Seal) -> None:
        """Seal `order`.

        Raises:
            SealError: `seal` is not the one that the gate claimed.
        """
        if seal is not _LOCK.seal or not _LOCK.claimed:
            raise SealError("an order must be approved by the gate, found a forged seal")
        object.__setattr__(self, "order", order)

    def __reduce__(self) -> str:
        """Refuse to be pickled: an approval holds in the process that gave it.

        Raises:
            SealError: always.
        """
        raise SealError("an approval must stay in its process, found an attempt to copy it")
