"""Fee tiers as a venue lists them: from a traded volume on, a maker and a taker fee.

Written as text, so that a file, the environment and a flag say it alike: `0:2:5, 15e6:1.6:4` is
2 bps maker and 5 bps taker at first, 1.6 and 4 from fifteen million of quote asset on.
"""

import itertools
import math
from dataclasses import dataclass

TIERS_MAX = 50
VOLUME_MAX = 9e10
FEE_MIN_BPS = -100.0
FEE_MAX_BPS = 1000.0


@dataclass(frozen=True, slots=True)
class FeeTier:
    """One row of a venue's list.

    Attributes:
        volume: quote asset traded, from which on the fees hold.
        maker_bps: basis points of the notional; cost positive, rebate negative.
        taker_bps: the same.
    """

    volume: float
    maker_bps: float
    taker_bps: float


def read_fee_tiers(text: str) -> tuple[FeeTier, ...]:
    """Return the tiers written as `volume:maker:taker, ...`, volumes rising from 0.

    Raises:
        ValueError: what was found and what is allowed, to be said after the setting's name.
    """
    tiers = tuple(_tier(part.strip()) for part in text.split(","))
    if len(tiers) > TIERS_MAX:
        raise ValueError(f"holds at most {TIERS_MAX} tiers, found {len(tiers)}")
    if tiers[0].volume != 0:
        raise ValueError(f"must begin with volume 0, found {tiers[0].volume:g}")
    for before, after in itertools.pairwise(tiers):
        if not before.volume < after.volume:
            raise ValueError(f"must rise in volume, found {after.volume:g} after {before.volume:g}")
    return tiers


def _tier(part: str) -> FeeTier:
    """Return one tier."""
    try:
        volume, maker, taker = (float(word) for word in part.split(":"))
    except ValueError:
        raise ValueError(f"must be volume:maker_bps:taker_bps, ..., found {part!r}") from None
    if not (math.isfinite(volume) and 0 <= volume <= VOLUME_MAX):
        raise ValueError(f"must have volumes in [0, {VOLUME_MAX:g}], found {part!r}")
    if not all(FEE_MIN_BPS <= fee <= FEE_MAX_BPS for fee in (maker, taker)):
        raise ValueError(
            f"must have fees in [{FEE_MIN_BPS:g}, {FEE_MAX_BPS:g}] bps, found {part!r}"
        )
    return FeeTier(volume, maker, taker)


def tier_at(tiers: tuple[FeeTier, ...], volume: float) -> int:
    """Return the place of the tier that holds at a traded volume."""
    return max(place for place, tier in enumerate(tiers) if tier.volume <= volume)
