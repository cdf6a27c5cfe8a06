"""The legal neighbours of the set in force: one step away, in whole lots, as the ladder sees them.

A candidate is a point of `Neighbourhood.space` made into parameters. Two candidates with the same
`key` give the same ladders, so one of them is enough.
"""

import math
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from agents.optimizer.space import Dimension, Scale, Space
from market.account import Setup
from market.breach import position_cap_lots
from market.layout import SCALE_LOT, STEP_ASK, STEP_BID
from market.quotes import smallest_lots
from market.types import F8, I8
from protocol.merge import LEVELS_MAX, UNITS, clip_step, quantise, within_step
from protocol.messages import QuoteParameters

SPREAD_DIGITS = 4
"""Decimals of spread_percentage: a hundredth of a basis point."""
TICK_SHARE = 0.25
"""Spreads that differ by less than this share of a tick are one spread."""

Key = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Instrument:
    """What of a market bounds the parameters.

    Attributes:
        lot_units: base units (1e-8) of one lot.
        smallest_lots: smallest order that may be sent at today's price.
        cap_lots: largest position that the risk limit allows.
        tick_percent: one tick in percent of mid.
    """

    lot_units: int
    smallest_lots: int
    cap_lots: int
    tick_percent: float


def instrument(step: I8, mid: float, setup: Setup) -> Instrument:
    """Return what the market at one step allows: the smallest order, the largest position."""
    half_ticks = int(step[STEP_BID] + step[STEP_ASK])
    # One percent of air: a set must still be legal when the price has moved until it applies.
    smallest = smallest_lots(max(1, int(mid * 0.99)), setup.scale)
    return Instrument(
        lot_units=int(setup.scale[SCALE_LOT]),
        smallest_lots=int(smallest),
        cap_lots=max(1, int(position_cap_lots(half_ticks, setup.limits, setup.scale))),
        tick_percent=100.0 / mid,
    )


class Neighbourhood:
    """Everything one step from `incumbent`; its own parameters are always a member."""

    def __init__(
        self, incumbent: QuoteParameters, *, step_limit: float, instrument: Instrument
    ) -> None:
        self.incumbent = incumbent
        self.step_limit = step_limit
        self.instrument = instrument
        _, _, base, position = quantise(incumbent)
        lot, levels = instrument.lot_units, incumbent.levels
        self._total = base * levels / lot  # in lots; whole ones are not assumed
        self._position = position / lot
        reach = max(1, int(step_limit * levels))
        low, high = 1.0 - step_limit, 1.0 + step_limit
        spread = incumbent.spread_percentage
        ladder = (max(1, levels - reach), min(LEVELS_MAX, levels + reach))
        # Beyond the risk limit the ladder is the same: such positions are not searched.
        most = max(self._position * low, min(self._position * high, float(instrument.cap_lots)))
        self.space = Space(
            (
                Dimension("spread_percentage", spread * low, min(10.0, spread * high), Scale.LOG),
                Dimension("levels", float(ladder[0]), float(ladder[1]), Scale.INTEGER),
                Dimension("total_lots", self._total * low, self._total * high, Scale.LOG),
                Dimension("position_lots", self._position * low, most, Scale.LOG),
            )
        )

    def centre(self) -> F8:
        """Return f8[1, 4], the incumbent as a point of the cube."""
        return self.space.encode(self.values(self.incumbent)[None])

    def values(self, held: QuoteParameters) -> F8:
        """Return f8[4], any set as values of the space; those out of reach are clipped later."""
        _, _, base, position = quantise(held)
        lot, levels = self.instrument.lot_units, held.levels
        return np.array(
            [held.spread_percentage, float(levels), base * levels / lot, position / lot]
        )

    def parameters(self, values: F8) -> QuoteParameters:
        """Return the legal set nearest to one row of decoded values."""
        spread = self._spread(float(values[0]))
        position = self._whole(float(values[3]), self._position)
        found = self._ladder(int(values[1]), float(values[2]), position)
        if found is None:
            return self._with(spread)
        levels, base = found
        lot = self.instrument.lot_units
        proposed = QuoteParameters(
            spread_percentage=spread,
            levels=levels,
            base_quantity=_float(base * lot),
            max_position=_float(position * lot),
        )
        if within_step(self.incumbent, proposed, self.step_limit) is None:
            return proposed
        return clip_step(self.incumbent, proposed, self.step_limit)

    def key(self, parameters: QuoteParameters) -> Key:
        """Return what the ladders of a set depend on."""
        spread, _, base, position = quantise(parameters)
        lot = self.instrument.lot_units
        grain = max(10.0**-SPREAD_DIGITS, TICK_SHARE * self.instrument.tick_percent)
        return (round(spread / UNITS / grain), parameters.levels, base // lot, position // lot)

    def _spread(self, value: float) -> float:
        bounds = self.space.dimensions[0]
        scale = 10.0**SPREAD_DIGITS
        low, high = math.ceil(bounds.low * scale), math.floor(bounds.high * scale)
        if low > high:
            return self.incumbent.spread_percentage
        return min(max(round(value * scale), low), high) / scale

    def _whole(self, value: float, held: float) -> int:
        """Return whole lots near `value` within the step around `held`; 0 when there are none."""
        low = math.ceil(held * (1.0 - self.step_limit) - 1e-9)
        high = math.floor(held * (1.0 + self.step_limit) + 1e-9)
        return 0 if low > high else min(max(round(value), low), high)

    def _ladder(self, levels: int, total: float, position: int) -> tuple[int, int] | None:
        """Return (levels, lots a level), levels moved towards the incumbent's where none fits."""
        low = self._total * (1.0 - self.step_limit) - 1e-9
        high = min(self._total * (1.0 + self.step_limit) + 1e-9, float(position))
        step = 1 if levels <= self.incumbent.levels else -1
        for count in range(levels, self.incumbent.levels + step, step):
            least = max(math.ceil(low / count), self.instrument.smallest_lots)
            most = math.floor(high / count)
            if least <= most:
                return count, min(max(round(total / count), least), most)
        return None

    def _with(self, spread: float) -> QuoteParameters:
        """Return the incumbent with another spread: so coarse a lot that only this can move."""
        return self.incumbent.model_copy(update={"spread_percentage": spread})


def _float(units: int) -> float:
    return float(Decimal(units).scaleb(-8))
